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

from .. import reading
from ..calls import calls
from ..claim import claim
from ..domains import Carrier, Headers, Odd, Order
from ..grammar import Grammar
from ..verdict import Verdict

PARENT = Grammar("traceparent", "value")
LIST = Grammar("tracestate", "list")

TRACES = TraceContextPropagator()
BAGGAGE = BaggagePropagator()
BOTH = CompositePropagator(TRACES, BAGGAGE)


def _named(carrier: Headers, name: str) -> list[Any]:
    return reading.named(carrier.items(), name)


class _Failing(MappingGetter):
    """A getter to which one header is not readable."""

    def __init__(self, name: str, failure: type[Exception]) -> None:
        self.name = name
        self.failure = failure

    def get_all(self, carrier: Any, key: str) -> list[Any]:
        if key == self.name:
            raise self.failure
        return super().get_all(carrier, key)


class _Elsewhere:
    """A getter and setter whose carrier is not what is handed to them."""

    def __init__(self, headers: dict[Any, Any] | None = None) -> None:
        self.headers = headers or {}
        self.sent: list[tuple[Any, str, str]] = []

    def get(self, carrier: Any, key: str) -> Any:
        return MappingGetter().get(self.headers, key)

    def get_all(self, carrier: Any, key: str) -> list[Any]:
        return MappingGetter().get_all(self.headers, key)

    def keys(self, carrier: Any) -> list[Any]:
        return list(self.headers)

    def set(self, carrier: Any, key: str, value: str) -> None:
        self.sent.append((carrier, key, value))


@claim(
    "Several headers of a name mean what one means that has their values joined by commas in "
    "order; one that is not text makes the name unreadable",
    discharges=("TS-08", "BG-06"),
    subject=(propagation.combined, propagation.trace_state, propagation.baggage_members),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def several_headers_are_one(values: Sequence[object]) -> bool:
    one = reading.combined(values) or ""
    state = one if "=" in one and LIST.matches(one) else ""
    members = reading.entries(one)
    return (
        propagation.trace_state(values) == state and propagation.baggage_members(values) == members
    )


@claim(
    "Of several headers of a name, those that are nothing but spaces and tabs add nothing; other "
    "white space is a member that is none",
    discharges=("TS-06", "TS-08", "BG-06"),
    subject=propagation.combined,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def blank_headers_add_nothing(odd: Odd) -> bool:
    values = ("a=1", odd, f" {odd}\t", "b=2")
    return several_headers_are_one(values)


@claim(
    "Without exactly one traceparent that can be read the trace is restarted: the tracestate goes "
    "with it and the context is as it was; else a tracestate changes nothing of the parent, even "
    "if reading it raises; a header that raises when it is read is not there",
    discharges=("TP-07", "TP-21", "TS-01", "TS-02", "PR-01"),
    subject=(TraceContextPropagator.extract, BaggagePropagator.extract, propagation.parent),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def tracestate_never_disturbs_the_parent(carrier: Headers, failure: type[Exception]) -> bool:
    given = Context(None, baggage.Baggage().set("held", "1"))
    values = _named(carrier, "traceparent")
    text = reading.combined(values) if len(values) == 1 else None
    parent = None if text is None else traceparent.parse(text)
    context = TRACES.extract(carrier, given)
    stateless = TRACES.extract(carrier, given, _Failing("tracestate", failure))
    if TRACES.extract(carrier, given, _Failing("traceparent", failure)) is not given:
        return False
    if BAGGAGE.extract(carrier, given, _Failing("baggage", failure)) is not given:
        return False
    if parent is None or context.span_context is None:
        return parent is None and context is given and stateless is given
    return context.span_context[:3] == parent[:3] and stateless == given._replace(
        span_context=parent
    )


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
    parent = reading.combined(_named(carrier, "traceparent")) or ""
    if not PARENT.matches(parent) or parent[:2] == "ff":
        return len(_named(carrier, "traceparent")) == 1 or sent == {}
    if len(_named(carrier, "traceparent")) != 1 or "traceparent" not in sent:
        return sent == {}
    state = reading.combined(_named(carrier, "tracestate")) or ""
    expected = state if "=" in state and LIST.matches(state) else None
    known = parent[:2] == "00" and parent[-2:] in ("00", "01", "02", "03")
    return sent.get("tracestate") == expected and (not known or sent["traceparent"] == parent)


@claim(
    "Extraction never raises, whatever the carrier is and whatever reading it raises, and what "
    "cannot be read stores nothing: the result is the context that was given, or has a valid "
    "remote parent, or the entries of the header set in its baggage",
    discharges=("PR-01", "SC-04", "BG-11"),
    subject=(TraceContextPropagator.extract, BaggagePropagator.extract),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def extraction_never_raises(carrier: Carrier, context: Context) -> bool:
    traced, bagged = TRACES.extract(carrier, context), BAGGAGE.extract(carrier, context)
    parent = traced.span_context
    held: list[Any] = [tuple(entry) for entry in context.baggage.entries]
    anything: Any = carrier
    values = _named(Headers(anything), "baggage") if type(anything) is dict else []
    read = reading.entries(reading.combined(values) or "")
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
        if not read
        else bagged.span_context is context.span_context
        and [tuple(entry) for entry in bagged.baggage.entries] == reading.latest([*held, *read])
    )


@claim(
    "Carriers are read and written by the getter and setter that are given, by a composite too, "
    "and traceparent is written before tracestate",
    discharges=("PR-04", "PR-05", "PR-06"),
    subject=(
        CompositePropagator.extract,
        CompositePropagator.inject,
        TraceContextPropagator.inject,
        BaggagePropagator.inject,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def getters_and_setters_are_used(carrier: Headers, context: Context) -> bool:
    handed = object()
    elsewhere = _Elsewhere(carrier)
    BOTH.inject(handed, context, elsewhere)
    headers: dict[str, str] = {}
    BOTH.inject(headers, context)
    order = ("traceparent", "tracestate", "baggage")
    written = [(handed, name, headers[name]) for name in order if name in headers]
    return (
        BOTH.extract(handed, EMPTY, elsewhere) == BOTH.extract(carrier)
        and [(*each,) for each in elsewhere.sent] == written
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
    "What is injected is extracted again: ids and known flags, the list, and of the entries those "
    "that can be sent, in order, with their values and metadata",
    discharges=("TP-22", "BG-09", "BG-10", "BG-14"),
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
    span, entries = BOTH.extract(sent)
    held = context.baggage.entries
    given = reading.sendable((each.name, each.value, each.metadata) for each in held)
    expected = [(name, reading.readable(value), metadata) for name, value, metadata in given]
    if [tuple(entry) for entry in entries.entries] != expected:
        return False
    parent = context.span_context
    if span is None or parent is None:
        return span is None and (parent is None or not parent.is_valid)
    return (
        span[:2] == parent[:2]
        and span.trace_flags == parent.trace_flags % 4
        and span.trace_state == parent.trace_state
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


@claim(
    "Names are the same but for the case of ASCII letters: no other letter is taken for one, "
    "though Python's lower case may be",
    discharges=("PR-03", "TP-06"),
    subject=propagation.same_name,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def names_are_ascii(odd: Odd) -> bool:
    letters = [*map(chr, range(0x80))]
    return all(
        propagation.same_name(odd, letter)
        == propagation.same_name(letter, odd)
        == (odd == letter or (odd.isascii() and odd.lower() == letter.lower()))
        for letter in letters
    )


@claim(
    "The propagators name the headers that they send, and no others",
    discharges=("PR-02", "TP-06"),
    subject=(TraceContextPropagator.inject, BaggagePropagator.inject),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def fields_are_what_is_sent(sampled: bool) -> bool:
    parent = traceparent.parse(f"00-{1:032x}-{1:016x}-0{int(sampled)}")
    assert parent is not None
    full = Context(
        parent._replace(trace_state=tracestate.TraceState("a=1")),
        baggage.Baggage().set("a", "1"),
    )
    traced: dict[str, str] = {}
    bagged: dict[str, str] = {}
    TRACES.inject(traced, full)
    BAGGAGE.inject(bagged, full)
    return (
        TRACES.fields == tuple(traced) == ("traceparent", "tracestate")
        and BAGGAGE.fields == tuple(bagged) == ("baggage",)
        and BOTH.fields == (*traced, *bagged)
    )


@claim(
    "A header that is there once, as nearly all are, is read without another call than of the "
    "function that reads the header",
    subject=(propagation.parent, propagation.trace_state, propagation.baggage_members),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def one_header_is_read_at_once() -> bool:
    return (
        calls(lambda: propagation.parent([f"00-{1:032x}-{1:016x}-01"])) == 2
        and calls(lambda: propagation.trace_state(["a=1"])) == 2
        and calls(lambda: propagation.baggage_members(["a=1"])) == 2
    )


class _Counting:
    """A propagator that stores and sends how many were before it, and what it was given."""

    def __init__(self, name: str) -> None:
        self.fields = (name,)

    def extract(self, carrier: Any, context: Context = EMPTY, getter: Any = None) -> Context:
        held = context.baggage
        return EMPTY._replace(
            baggage=held.set(self.fields[0], f"{len(held.entries)} {getter} {carrier}")
        )

    def inject(self, carrier: Any, context: Any, setter: Any = None) -> None:
        carrier[self.fields[0]] = f"{len(carrier)} {setter} {context}"


@claim(
    "A composite propagator calls its parts in the order in which they are given, each with what "
    "it was given itself, and names their headers once",
    discharges="PR-06",
    subject=(CompositePropagator.extract, CompositePropagator.inject),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def a_composite_keeps_the_order(names: Order) -> bool:
    composite = CompositePropagator(*map(_Counting, names))
    sent: dict[str, str] = {}
    asked: Any = "context", "setter"
    composite.inject(sent, *asked)
    expected: dict[str, str] = {}
    stored = {"given": "before"}
    for name in names:
        expected[name] = f"{len(expected)} setter context"
        stored[name] = f"{len(stored)} getter carrier"
    getter: Any = "getter"
    given = EMPTY._replace(baggage=EMPTY.baggage.set("given", "before"))
    read = composite.extract("carrier", given, getter).baggage.entries
    return (
        sent == expected
        and {entry.name: entry.value for entry in read} == stored
        and composite.fields == tuple(dict.fromkeys(names))
    )
