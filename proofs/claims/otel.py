"""Claims about the adapters for OpenTelemetry: they do what the core does, on its types."""

from typing import Any

from opentelemetry import baggage as api
from opentelemetry import trace
from opentelemetry.context import Context as ApiContext
from opentelemetry.propagators.textmap import Getter, default_getter

from verified import SpanContext, TraceState, propagation
from verified.otel import (
    BaggageValue,
    HeadersGetter,
    VerifiedBaggagePropagator,
    VerifiedTraceContextPropagator,
)
from verified.otel.trace_context import LazyTraceState
from verified.propagation import EMPTY, Context

from ..claim import claim
from ..domains import Carrier
from ..verdict import Verdict

TRACES = VerifiedTraceContextPropagator()
BAGGAGE = VerifiedBaggagePropagator()
CORE_TRACES = propagation.TraceContextPropagator()
CORE_BAGGAGE = propagation.BaggagePropagator()


class _Same(propagation.MappingGetter):
    """A getter of the core that finds what one of OpenTelemetry finds."""

    def __init__(self, getter: Getter[Any]) -> None:
        self.getter = getter

    def get_all(self, carrier: Any, key: str) -> list[Any]:
        found = self.getter.get(carrier, key)
        return [] if found is None else list(found)


class _Other(HeadersGetter):
    """The default getter in all but its identity."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        return default_getter.get(carrier, key)


GETTERS = default_getter, _Other(), HeadersGetter()


def _api_context(context: Context) -> ApiContext:
    """A context of OpenTelemetry with this span and baggage."""
    made = ApiContext()
    span = context.span_context
    if span is not None:
        made = trace.set_span_in_context(trace.NonRecordingSpan(_api_span(span)), made)
    for name, value, metadata in context.baggage.entries:
        made = api.set_baggage(name, BaggageValue(value, metadata), made)
    return made


def _api_span(span: SpanContext) -> trace.SpanContext:
    return trace.SpanContext(
        int(span.trace_id),
        int(span.span_id),
        span.is_remote,
        trace.TraceFlags(int(span.trace_flags)),
        LazyTraceState.from_header([span.trace_state.header]),
    )


def _fields(span: trace.SpanContext) -> tuple[object, ...]:
    return (*tuple(span)[:4], span.trace_state.to_header(), span.is_valid)


@claim(
    "The trace context propagator for OpenTelemetry stores what the core reads, whatever the "
    "carrier and however it is read, and returns the context that it was given if that is nothing",
    discharges=("PR-01", "PR-07", "SC-04"),
    subject=VerifiedTraceContextPropagator.extract,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_parent_is_what_the_core_reads(carrier: Carrier) -> bool:
    given = ApiContext({"kept": 1})
    for getter in GETTERS:
        expected = CORE_TRACES.extract(carrier, EMPTY, _Same(getter)).span_context
        context = TRACES.extract(carrier, given, getter)
        if expected is None:
            if context is not given:
                return False
            continue
        span = trace.get_current_span(context).get_span_context()
        if context.get("kept") != 1 or _fields(span) != _fields(_api_span(expected)):
            return False
    return True


@claim(
    "The baggage propagator for OpenTelemetry stores what the core reads, whatever the carrier and "
    "however it is read, beside what was there",
    discharges=("PR-01", "BG-11", "BG-13", "BG-14"),
    subject=VerifiedBaggagePropagator.extract,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_baggage_is_what_the_core_reads(carrier: Carrier, context: Context) -> bool:
    given = _api_context(context)
    for getter in GETTERS:
        expected = CORE_BAGGAGE.extract(carrier, context, _Same(getter))
        stored = api.get_all(BAGGAGE.extract(carrier, given, getter))
        if [
            (name, value, getattr(value, "metadata", "")) for name, value in stored.items()
        ] != list(map(tuple, expected.baggage.entries)):
            return False
    return True


@claim(
    "The propagators for OpenTelemetry send the headers that the core sends",
    discharges=("PR-02", "PR-07", "TP-22", "BG-14"),
    subject=(VerifiedTraceContextPropagator.inject, VerifiedBaggagePropagator.inject),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def headers_are_what_the_core_sends(context: Context) -> bool:
    sent: dict[str, str] = {}
    expected: dict[str, str] = {}
    for adapter, core in ((TRACES, CORE_TRACES), (BAGGAGE, CORE_BAGGAGE)):
        adapter.inject(sent, _api_context(context))
        core.inject(expected, context)
    return sent == expected


@claim(
    "The trace state that OpenTelemetry is given does what the core's list does: it holds the same "
    "members, and adding, updating and deleting give new ones and leave it as it is",
    discharges=("SC-05", "SC-06", "SC-07"),
    subject=(
        LazyTraceState.add,
        LazyTraceState.update,
        LazyTraceState.delete,
        LazyTraceState.__getitem__,
        LazyTraceState.__len__,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def trace_states_are_lists_of_the_core(state: TraceState, key: str, value: str) -> bool:
    lazy = LazyTraceState.from_header([state.header])
    kept = [*state.members]
    changed = lazy.add(key, value), lazy.update(key, value), lazy.delete(key)
    return (
        [each.to_header() for each in changed]
        == [
            state.add(key, value).header,
            state.with_member(key, value).header,
            state.delete(key).header,
        ]
        and list(lazy.items()) == kept
        and [lazy[name] for name in lazy] == [text for _, text in kept]
        and len(lazy) == len(kept)
        and lazy.to_header() == state.header
    )


@claim(
    "Without an SDK the parent's span context is what a new span has, and is sent on unchanged",
    discharges=("SC-08", "TP-19"),
    subject=(VerifiedTraceContextPropagator.extract, VerifiedTraceContextPropagator.inject),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def without_an_sdk_the_parent_is_sent_on(context: Context) -> bool:
    headers: dict[str, str] = {}
    CORE_TRACES.inject(headers, context)
    parent = TRACES.extract(headers, ApiContext())
    span = trace.NoOpTracer().start_span("child", parent)
    sent: dict[str, str] = {}
    TRACES.inject(sent, trace.set_span_in_context(span, ApiContext()))
    return sent == headers and (
        not headers or span.get_span_context() == trace.get_current_span(parent).get_span_context()
    )
