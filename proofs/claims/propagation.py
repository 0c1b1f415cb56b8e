"""Claims about the propagators and what the headers of a carrier mean together."""

from collections.abc import Sequence
from typing import Any

from verified import baggage, propagation, traceparent, tracestate
from verified.propagation import (
    EMPTY,
    BaggagePropagator,
    CompositePropagator,
    Context,
    MappingGetter,
    MappingSetter,
    TraceContextPropagator,
)

from ..claim import claim
from ..domains import Carrier, Headers, Order
from ..grammar import Grammar
from ..verdict import Verdict

PARENT = Grammar("traceparent", "value")
LIST = Grammar("tracestate", "list")

TRACES = TraceContextPropagator()
BAGGAGE = BaggagePropagator()
BOTH = CompositePropagator(TRACES, BAGGAGE)


def _named(carrier: Headers, name: str) -> list[Any]:
    """The values of the headers with this name, in any case of ASCII letters."""
    found: list[Any] = []
    for key, value in carrier.items():
        if isinstance(key, str) and key.isascii() and key.lower() == name.lower():
            found += value if isinstance(value, list | tuple) else [value]
    return found


def _one(values: Sequence[Any]) -> str | None:
    """The text of several headers, without the white space around it; None if one is no text."""
    if not all(isinstance(value, str) for value in values):
        return None
    return ",".join(value for value in values if value.strip(" \t")).strip(" \t")


@claim(
    "Several headers of a name mean what one means that has their values joined by commas in "
    "order; one that is not text makes the name unreadable",
    discharges=("TS-08", "BG-06"),
    subject=(propagation.combined, propagation.trace_state, propagation.baggage_members),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def several_headers_are_one(values: Sequence[object]) -> bool:
    one = _one(values) or ""
    return propagation.trace_state(values) == (
        tracestate.header(one) or ""
    ) and propagation.baggage_members(values) == baggage.members(one)


@claim(
    "Without exactly one traceparent that can be read the trace is restarted: the tracestate goes "
    "with it and the context is as it was; else a tracestate changes nothing of the parent",
    discharges=("TP-07", "TP-21", "TS-01", "TS-02"),
    subject=(TraceContextPropagator.extract, propagation.parent),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def tracestate_never_disturbs_the_parent(carrier: Headers) -> bool:
    values = _named(carrier, "traceparent")
    text = _one(values) if len(values) == 1 else None
    parent = None if text is None else traceparent.parse(text)
    context = TRACES.extract(carrier)
    if parent is None or context.span_context is None:
        return parent is None and context is EMPTY
    return context.span_context[:3] == parent[:3]


@claim(
    "What is extracted and injected again is what came: a traceparent of version 00 without "
    "unknown flags and a tracestate that is a list with members, character by character; a "
    "tracestate that is none is not sent, and nothing is sent without a parent",
    discharges=("TP-19", "TP-20", "TS-07", "TS-10", "TS-13", "TS-16", "PR-07"),
    subject=(TraceContextPropagator.extract, TraceContextPropagator.inject, propagation.parent),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def inject_after_extract_is_the_identity(carrier: Headers) -> bool:
    sent: dict[str, str] = {}
    TRACES.inject(sent, TRACES.extract(carrier))
    parent = _one(_named(carrier, "traceparent")) or ""
    if not PARENT.matches(parent) or parent[:2] == "ff":
        return len(_named(carrier, "traceparent")) == 1 or sent == {}
    if len(_named(carrier, "traceparent")) != 1 or "traceparent" not in sent:
        return sent == {}
    state = _one(_named(carrier, "tracestate")) or ""
    expected = state if "=" in state and LIST.matches(state) else None
    known = parent[:2] == "00" and parent[-2:] in ("00", "01", "02", "03")
    return sent.get("tracestate") == expected and (not known or sent["traceparent"] == parent)


@claim(
    "Extraction never raises, whatever the carrier is, and what cannot be read stores nothing: the "
    "result is the context that was given, or has a valid remote parent, or more baggage",
    discharges=("PR-01", "SC-04"),
    subject=(TraceContextPropagator.extract, BaggagePropagator.extract),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def extraction_never_raises(carrier: Carrier, context: Context) -> bool:
    traced, bagged = TRACES.extract(carrier, context), BAGGAGE.extract(carrier, context)
    parent = traced.span_context
    names = {entry.name for entry in bagged.baggage.entries}
    return (
        traced is context
        or (
            traced.baggage is context.baggage
            and parent is not None
            and parent.is_valid
            and parent.is_remote
        )
    ) and (
        bagged is context
        or (
            bagged.span_context is context.span_context
            and {entry.name for entry in context.baggage.entries} <= names
        )
    )


@claim(
    "Every header that is sent has a lowercase name, a value of printable US-ASCII and tabs that "
    "is not empty and has no white space around it, and is one of the propagator's fields",
    discharges=("PR-02", "TP-06", "BG-02"),
    subject=(TraceContextPropagator.inject, BaggagePropagator.inject),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def sent_headers_are_legal(context: Context) -> bool:
    sent: dict[str, str] = {}
    BOTH.inject(sent, context)
    return set(sent) <= set(BOTH.fields) and all(
        name == name.lower()
        and value.isascii()
        and value.replace("\t", "").isprintable()
        and value == value.strip()
        and value
        for name, value in sent.items()
    )


@claim(
    "What is injected is extracted again: ids and known flags, the list, and the entries whose "
    "names can be sent, in order, with their metadata",
    discharges=("TP-22", "BG-10", "BG-14"),
    subject=(
        BaggagePropagator.inject,
        TraceContextPropagator.inject,
        BaggagePropagator.extract,
        TraceContextPropagator.extract,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def extract_after_inject_is_what_was_sent(context: Context) -> bool:
    sent: dict[str, str] = {}
    BOTH.inject(sent, context)
    again = BOTH.extract(sent)
    span, entries = context.span_context, again.baggage.entries
    if span is None or not span.is_valid:
        return again.span_context is None
    held = [e for e in map(context.baggage.entry, [e.name for e in entries]) if e is not None]
    return (
        again.span_context is not None
        and again.span_context[:2] == span[:2]
        and again.span_context.trace_flags == span.trace_flags % 4
        and again.span_context.trace_state == span.trace_state
        and [e.metadata for e in entries] == [e.metadata for e in held]
        and sent.get("baggage", "") == baggage.format(context.baggage)
    )


@claim(
    "The getter finds the values of a header in order whatever the case of its name, first of them "
    "what `get` returns, and names all headers",
    discharges=("PR-03", "PR-04", "PR-05", "TP-06"),
    subject=(MappingGetter.get, MappingGetter.get_all, MappingGetter.keys, propagation.same_name),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_getter_finds_every_value(carrier: Headers) -> bool:
    getter = MappingGetter()
    names = "traceparent", "TRACESTATE", "Baggage", "missing"
    return getter.keys(carrier) == list(carrier) and all(
        getter.get_all(carrier, name) == _named(carrier, name)
        and getter.get(carrier, name) == next(iter(_named(carrier, name)), None)
        for name in names
    )


@claim(
    "The setter gives a header one value under the name as it is written, and touches no other",
    discharges="PR-05",
    subject=MappingSetter.set,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_setter_keeps_the_case(carrier: Headers, value: str) -> bool:
    name = "TraceParent"
    others = {k: v for k, v in carrier.items() if not _named(Headers({k: 0}), name)}
    MappingSetter().set(carrier, name, value)
    return carrier == {**others, name: value}


class _Counting:
    """A propagator that stores and sends how many were there before it."""

    def __init__(self, name: str) -> None:
        self.fields = (name,)

    def extract(self, carrier: Any, context: Any = EMPTY, getter: Any = None) -> Context:
        held = (context or EMPTY).baggage
        return EMPTY._replace(baggage=held.set(self.fields[0], str(len(held.entries))))

    def inject(self, carrier: Any, context: Context, setter: Any = None) -> None:
        carrier[self.fields[0]] = str(len(carrier))


@claim(
    "A composite propagator calls its parts in the order in which they are given",
    discharges="PR-06",
    subject=(CompositePropagator.extract, CompositePropagator.inject),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def a_composite_keeps_the_order(names: Order) -> bool:
    composite = CompositePropagator(*map(_Counting, names))
    expected = {name: str(number) for number, name in enumerate(names)}
    sent: dict[str, str] = {}
    composite.inject(sent, EMPTY)
    read = {entry.name: entry.value for entry in composite.extract({}).baggage.entries}
    return sent == read == expected and composite.fields == tuple(names)
