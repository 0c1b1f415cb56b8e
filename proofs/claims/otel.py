"""Claims about the adapters for OpenTelemetry: they do what the core does, on its types."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import Any, Literal

from opentelemetry import baggage as api
from opentelemetry import trace
from opentelemetry.context import Context as ApiContext
from opentelemetry.context import attach, detach
from opentelemetry.propagators.textmap import DefaultGetter, Getter, Setter, default_getter
from opentelemetry.sdk.trace import ReadableSpan

from verified import SpanContext, TraceState, propagation
from verified.exporter import attempt
from verified.otel import (
    BaggageValue,
    HeadersGetter,
    VerifiedBaggagePropagator,
    VerifiedTraceContextPropagator,
)
from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor, _Exporter
from verified.otel.trace_context import LazyTraceState
from verified.otlp import exporter as sending
from verified.otlp.answer import Answer, HttpAnswer, NoAnswer
from verified.propagation import EMPTY, Context

from .. import reading
from ..calls import calls
from ..claim import Fault, claim
from ..domains import Carrier, Headers, Metadata, Odd, Pairs, Uint64
from ..observed import again
from ..verdict import Verdict

TRACES = VerifiedTraceContextPropagator()
BAGGAGE = VerifiedBaggagePropagator()
CORE_TRACES = propagation.TraceContextPropagator()
CORE_BAGGAGE = propagation.BaggagePropagator()

(SPAN_KEY,) = trace.set_span_in_context(trace.INVALID_SPAN, ApiContext())
(BAGGAGE_KEY,) = api.clear(ApiContext())


class _Same(propagation.MappingGetter):
    """A getter of the core that finds what one of OpenTelemetry finds."""

    def __init__(self, getter: Getter[Any]) -> None:
        self.getter = getter

    def get_all(self, carrier: Any, key: str) -> list[Any]:
        found = self.getter.get(carrier, key)
        return [] if found is None else list(found)


class _Other(HeadersGetter):
    """The default getter in all but its class."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        return default_getter.get(carrier, key)


class _Upper(DefaultGetter):
    """A default getter that looks for names in upper case."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        return super().get(carrier, key.upper())


GETTERS: tuple[Getter[Any], ...] = default_getter, _Other(), HeadersGetter(), _Upper()


class _Closed(dict[Any, Any]):
    """A carrier of which one header cannot be read."""

    def __init__(self, carrier: Headers, name: str, failure: type[Exception]) -> None:
        super().__init__(carrier)
        self.name = name
        self.failure = failure

    def get(self, key: Any, default: Any = None) -> Any:
        if key == self.name:
            raise self.failure
        return super().get(key, default)


class _Recorder(Setter[Any]):
    """A setter that keeps what it is asked to set, and where."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, str, str]] = []

    def set(self, carrier: Any, key: str, value: str) -> None:
        self.sent.append((carrier, key, value))


class _Recording(trace.NonRecordingSpan):
    """A span of a class of its own, as an SDK's are."""


class _Foreign(trace.TraceState):
    """A trace state of somebody's own, whose header is any text, or raises."""

    def __init__(self, text: object) -> None:
        self.text = text

    def to_header(self) -> str:
        if not isinstance(self.text, str):
            raise RuntimeError
        return self.text

    def __len__(self) -> int:
        return 1


class _Lookalike:
    """What has a span context, and is no span."""

    def __init__(self, context: trace.SpanContext) -> None:
        self.context = context

    def get_span_context(self) -> trace.SpanContext:
        return self.context


class _Mute:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


@contextmanager
def _current(context: ApiContext) -> Iterator[None]:
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def _api_context(context: Context, of: type[trace.NonRecordingSpan]) -> ApiContext:
    """A context of OpenTelemetry with this span and baggage, and something else."""
    made = ApiContext({"kept": 1})
    span = context.span_context
    if span is not None:
        made = trace.set_span_in_context(of(_api_span(span)), made)
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


def _without(context: ApiContext, key: str) -> dict[str, object]:
    return {each: value for each, value in context.items() if each != key}


def _stored(context: ApiContext) -> list[tuple[object, ...]]:
    held = api.get_all(context)
    return [(name, value, getattr(value, "metadata", "")) for name, value in held.items()]


def _seen(context: ApiContext) -> tuple[object, object]:
    return _fields(trace.get_current_span(context).get_span_context()), _stored(context)


@claim(
    "A header that raises when it is read is not there, and all others are",
    discharges=("PR-01", "TS-02"),
    subject=(VerifiedTraceContextPropagator.extract, VerifiedBaggagePropagator.extract),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def what_cannot_be_read_is_not_there(carrier: Headers, failure: type[Exception]) -> bool:
    given = ApiContext({"kept": 1})
    for name in ("traceparent", "tracestate", "baggage"):
        closed = _Closed(carrier, name, failure)
        without = {key: value for key, value in carrier.items() if key != name}
        for getter in (default_getter, _Other()):
            for propagator in (TRACES, BAGGAGE):
                read = propagator.extract(closed, given, getter)
                expected = propagator.extract(without, given, getter)
                if _seen(read) != _seen(expected) or read.get("kept") != 1:
                    return False
    return True


@claim(
    "The trace context propagator for OpenTelemetry stores what the core reads in place of a span "
    "that was there, whatever the carrier and however it is read; all else stays, what it was "
    "given is not changed, and is returned if nothing is read; if it was given none, that is empty",
    discharges=("PR-01", "PR-07", "SC-04"),
    subject=VerifiedTraceContextPropagator.extract,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_parent_is_what_the_core_reads(carrier: Carrier, context: Context) -> bool:
    given = _api_context(context, trace.NonRecordingSpan)
    before = dict(given)
    results: list[tuple[Getter[Any], Any, ApiContext]] = [
        (getter, given, TRACES.extract(carrier, given, getter)) for getter in GETTERS
    ]
    with _current(given):
        results.append((default_getter, ApiContext(), TRACES.extract(carrier)))
    for getter, base, result in results:
        expected = CORE_TRACES.extract(carrier, EMPTY, _Same(getter)).span_context
        if expected is None:
            if result != base or (base is given and result is not given):
                return False
            continue
        span = trace.get_current_span(result)
        if _fields(span.get_span_context()) != _fields(_api_span(expected)):
            return False
        if _without(result, SPAN_KEY) != _without(base, SPAN_KEY):
            return False
    return dict(given) == before


@claim(
    "White space around a header is of spaces and tabs, read as quickly as may be too: every other "
    "character that Python takes for white space, and every one of Latin-1, is part of it",
    discharges=("TP-01", "TS-06"),
    subject=VerifiedTraceContextPropagator.extract,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def white_space_is_spaces_and_tabs(odd: Odd) -> bool:
    parent = f"00-{1:032x}-{1:016x}-01"
    for headers in ((f"{parent}{odd}", "a=1"), (f"{odd}{parent}", "a=1"), (parent, f"a=1{odd}")):
        carrier = dict(zip(("traceparent", "tracestate"), headers, strict=True))
        context = TRACES.extract(carrier, ApiContext())
        state = headers[1].strip(reading.WHITE)
        state = state if reading.STATE_LIST.matches(state) else ""
        sent: dict[str, str] = {}
        TRACES.inject(sent, context)
        expected = {"traceparent": parent, "tracestate": state}
        if headers[0].strip(reading.WHITE) != parent:
            expected = {}
        if sent != {name: value for name, value in expected.items() if value}:
            return False
    return True


@claim(
    "The baggage propagator for OpenTelemetry stores what the core reads, whatever the carrier and "
    "however it is read, in what was there, a value without metadata as plain text; all else "
    "stays, what it was given is not changed, and is returned if nothing is read; if it was given "
    "none, that is the current context",
    discharges=("PR-01", "BG-11", "BG-13", "BG-14"),
    subject=VerifiedBaggagePropagator.extract,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_baggage_is_what_the_core_reads(carrier: Carrier, context: Context) -> bool:
    given = _api_context(context, trace.NonRecordingSpan)
    before, held = dict(given), _stored(given)
    results = [(getter, BAGGAGE.extract(carrier, given, getter)) for getter in GETTERS]
    with _current(given):
        results.append((default_getter, BAGGAGE.extract(carrier)))
    for getter, result in results:
        expected = CORE_BAGGAGE.extract(carrier, context, _Same(getter))
        if _stored(result) != [tuple(entry) for entry in expected.baggage.entries]:
            return False
        if _without(result, BAGGAGE_KEY) != _without(given, BAGGAGE_KEY):
            return False
        if (result is given) != (expected is context):
            return False
    for getter in GETTERS:
        read = BAGGAGE.extract(carrier, ApiContext(), getter)
        if any(type(value) is not (BaggageValue if m else str) for _, value, m in _stored(read)):
            return False
    return dict(given) == before and _stored(given) == held


@claim(
    "The propagators for OpenTelemetry send the headers that the core sends, traceparent first, by "
    "the setter that they are given, of spans of any class, and of the current context if they are "
    "given none",
    discharges=("PR-02", "PR-05", "PR-07", "TP-22", "BG-14"),
    subject=(VerifiedTraceContextPropagator.inject, VerifiedBaggagePropagator.inject),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def headers_are_what_the_core_sends(context: Context, recording: bool) -> bool:
    given = _api_context(context, _Recording if recording else trace.NonRecordingSpan)
    expected: dict[str, str] = {}
    sent: dict[str, str] = {}
    recorder, carrier = _Recorder(), object()
    for adapter, core in ((TRACES, CORE_TRACES), (BAGGAGE, CORE_BAGGAGE)):
        core.inject(expected, context)
        adapter.inject(carrier, given, recorder)
        with _current(given):
            adapter.inject(sent)
    return sent == expected and recorder.sent == [
        (carrier, name, expected[name])
        for name in ("traceparent", "tracestate", "baggage")
        if name in expected
    ]


@claim(
    "Of a trace state of another make that is sent which is a list, and nothing if it has no text "
    "or raises; the parent is sent in any case",
    discharges=("SC-07", "PR-02", "TS-02"),
    subject=VerifiedTraceContextPropagator.inject,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def trace_states_of_others_are_checked(text: object, span: SpanContext) -> bool:
    ids = int(span.trace_id), int(span.span_id)
    of = trace.SpanContext(*ids, False, trace.TraceFlags(3), _Foreign(text))
    sent: dict[str, str] = {}
    TRACES.inject(sent, trace.set_span_in_context(trace.NonRecordingSpan(of), ApiContext()))
    if not span.is_valid:
        return sent == {}
    state = text.strip(reading.WHITE) if isinstance(text, str) else ""
    is_list = "=" in state and reading.STATE_LIST.matches(state)
    parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-03"
    return sent == {"traceparent": parent} | ({"tracestate": state} if is_list else {})


@claim(
    "A span context that holds what is no trace id is not sent, and raises nothing",
    discharges=("PR-02", "TP-03"),
    subject=VerifiedTraceContextPropagator.inject,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def what_is_no_id_is_not_sent(number: object | int) -> bool:
    fields = (number, 1, False, trace.TraceFlags(1), trace.DEFAULT_TRACE_STATE, True)
    span = trace.NonRecordingSpan(tuple.__new__(trace.SpanContext, fields))
    sent: dict[str, str] = {}
    TRACES.inject(sent, trace.set_span_in_context(span, ApiContext()))
    if isinstance(number, int) and 0 < number < 1 << 128:
        return sent == {"traceparent": f"00-{number:032x}-{1:016x}-01"}
    return sent == {}


@claim(
    "What stands in the place of the current span and is no span of OpenTelemetry's is not sent, "
    "not even if it has a span context",
    subject=VerifiedTraceContextPropagator.inject,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def what_is_no_span_is_not_sent(context: SpanContext, value: object) -> bool:
    sent: dict[str, str] = {}
    for other in (_Lookalike(_api_span(context)), value, None):
        TRACES.inject(sent, ApiContext({SPAN_KEY: other}))
    return sent == {}


@claim(
    "A value of baggage with metadata is a text like any other, and has no metadata unless that is "
    "given",
    discharges="BG-14",
    subject=BaggageValue.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def values_with_metadata_are_texts(value: str, metadata: Metadata) -> bool:
    plain, made = BaggageValue(value), BaggageValue(value, metadata)
    return (
        plain == made == value
        and hash(plain) == hash(made) == hash(value)
        and (plain.metadata, made.metadata) == ("", metadata)
    )


@claim(
    "Of what is in OpenTelemetry's baggage everything is sent that has a name of text and a text, "
    "with its metadata; what has not keeps nothing else back",
    discharges=("BG-07", "BG-12", "BG-14"),
    subject=VerifiedBaggagePropagator.inject,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def values_of_any_type_are_sent(name: str, value: object, number: int) -> bool:
    held: dict[Any, Any] = {
        "first": BaggageValue("1", "p=2"),
        number: "3",
        "mute": _Mute(),
        name: value,
        "last": 4,
    }
    sent: dict[str, str] = {}
    BAGGAGE.inject(sent, ApiContext({BAGGAGE_KEY: held}))
    texts = {**held, "mute": None}
    expected = reading.baggage_header(
        (each, str(text), getattr(text, "metadata", ""))
        for each, text in texts.items()
        if isinstance(each, str) and (each != "mute" or name == "mute")
    )
    return sent == ({"baggage": expected} if expected else {})


@claim(
    "The propagators for OpenTelemetry name the headers that they send, and no others",
    discharges=("PR-02", "TP-06"),
    subject=(VerifiedTraceContextPropagator.inject, VerifiedBaggagePropagator.inject),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def fields_are_what_is_sent(sampled: bool) -> bool:
    fields = 1, 1, False, trace.TraceFlags(sampled), LazyTraceState([("a", "1")])
    span = trace.NonRecordingSpan(trace.SpanContext(*fields))
    given = api.set_baggage("a", "1", trace.set_span_in_context(span, ApiContext()))
    traced: dict[str, str] = {}
    bagged: dict[str, str] = {}
    TRACES.inject(traced, given)
    BAGGAGE.inject(bagged, given)
    return TRACES.fields == set(traced) == {"traceparent", "tracestate"} and BAGGAGE.fields == set(
        bagged
    ) == {"baggage"}


@claim(
    "HeadersGetter reads messages with several headers of a name, in any case, as HTTP means them",
    discharges=("PR-03", "PR-04", "PR-05", "TS-08", "BG-06"),
    subject=(HeadersGetter.get, HeadersGetter.keys),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def messages_are_read_as_headers(pairs: Pairs) -> bool:
    message = Message()
    for name, value in pairs:
        message[name] = value
    values = {name: reading.named(pairs, name) for name in ("traceparent", "tracestate", "baggage")}
    getter = HeadersGetter()
    given = ApiContext()
    context = TRACES.extract(message, given, getter)
    parent = CORE_TRACES.extract(values, EMPTY).span_context
    span = trace.get_current_span(context).get_span_context()
    read = CORE_BAGGAGE.extract(values, EMPTY).baggage.entries
    return (
        getter.keys(message) == [name for name, _ in pairs]
        and all((getter.get(message, name) or []) == found for name, found in values.items())
        and (context is given if parent is None else _fields(span) == _fields(_api_span(parent)))
        and _stored(BAGGAGE.extract(message, given, getter)) == [tuple(entry) for entry in read]
    )


@claim(
    "The trace state that OpenTelemetry is given does what the core's list does: it is made of "
    "members or headers, holds the same members, and adding, updating and deleting give new ones "
    "and leave it as it is, or give itself if that changes nothing; it is shown as OpenTelemetry's "
    "own is",
    discharges=("SC-05", "SC-06", "SC-07"),
    subject=(
        LazyTraceState.add,
        LazyTraceState.update,
        LazyTraceState.delete,
        LazyTraceState.__getitem__,
        LazyTraceState.__len__,
        LazyTraceState.__repr__,
        LazyTraceState._changed,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def trace_states_are_lists_of_the_core(state: TraceState, key: str, value: str) -> bool:
    lazy = LazyTraceState.from_header([state.header])
    members = reading.state_members(state.header)
    changed = [lazy.add(key, value), lazy.update(key, value), lazy.delete(key)]
    core = [state.add(key, value), state.with_member(key, value), state.delete(key)]
    shown = [f"{{key={name}, value={text}}}" for name, text in members]
    made = LazyTraceState([(key, value), *members])
    return (
        [each.to_header() for each in changed] == [each.header for each in core]
        and [each is lazy for each in changed] == [each is state for each in core]
        and repr(lazy) == str(shown)
        and list(lazy.items()) == members
        and list(lazy.keys()) == list(lazy) == [name for name, _ in members]
        and list(lazy.values()) == [lazy[name] for name in lazy] == [text for _, text in members]
        and len(lazy) == len(members)
        and bool(lazy) == bool(state)
        and [name in lazy for name in (key, value, *dict(members))]
        == [name in dict(members) for name in (key, value, *dict(members))]
        and lazy.to_header() == state.header
        and list(made.items()) == reading.changed(members, key, value)
        and LazyTraceState.from_header([value, key]).to_header()
        == propagation.trace_state([value, key])
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


@claim(
    "The propagators for OpenTelemetry can be imported while a span is current and baggage is set, "
    "and look where OpenTelemetry keeps these",
    subject=(VerifiedTraceContextPropagator.extract, VerifiedBaggagePropagator.extract),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
    fault=Fault("verified.otel.baggage", "api.clear(Context())", "api.clear()"),
)
def they_are_imported_in_any_context(sampled: bool) -> bool:
    fields = 1, 1, False, trace.TraceFlags(sampled), trace.DEFAULT_TRACE_STATE
    span = trace.NonRecordingSpan(trace.SpanContext(*fields))
    with _current(api.set_baggage("a", "1", trace.set_span_in_context(span, ApiContext()))):
        try:
            keys = (
                again("verified.otel.trace_context")._SPAN_KEY,
                again("verified.otel.baggage")._BAGGAGE_KEY,
            )
        except ValueError:
            return False
    return keys == (SPAN_KEY, BAGGAGE_KEY)


Kind = Literal["parent", "parent and list", "baggage"]

KINDS: dict[Kind, tuple[dict[str, str], int, int]] = {
    "parent": ({"traceparent": f"00-{1:032x}-{1:016x}-01"}, 3, 4),
    "parent and list": ({"traceparent": f"00-{1:032x}-{1:016x}-01", "tracestate": "a=1"}, 5, 8),
    "baggage": ({"baggage": "a=1,b=2"}, 2, 3),
}
"""Headers of each kind, and how many functions are called at most to read and to send them."""


@claim(
    "The headers that nearly all requests have are read and sent with few calls of functions, "
    "OpenTelemetry's own among them: a parent alone with 3 and 4, with a tracestate 5 and 8, "
    "baggage with 2 and 3",
    subject=(
        VerifiedTraceContextPropagator.extract,
        VerifiedTraceContextPropagator.inject,
        VerifiedBaggagePropagator.extract,
        VerifiedBaggagePropagator.inject,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def few_functions_are_called(kind: Kind) -> bool:
    carrier, reading_takes, sending_takes = KINDS[kind]
    propagator = BAGGAGE if kind == "baggage" else TRACES
    given = ApiContext({"kept": 1})
    read = propagator.extract(carrier, given)
    return (
        calls(lambda: propagator.extract(carrier, given)) <= reading_takes
        and calls(lambda: propagator.inject({}, read)) <= sending_takes
    )


class _Silent:
    """A receiver that does not answer in the time that it is given, and at once without one."""

    def __init__(self) -> None:
        self.now = 0

    def clock(self) -> int:
        return self.now

    def send(self, request: bytes, seconds: float | None) -> Answer:
        if seconds is None:
            return HttpAnswer(200)
        self.now += round(seconds * 1000)
        return NoAnswer(True, "no answer")

    def close(self) -> None:
        pass


@contextmanager
def _without_logs() -> Iterator[None]:
    """What is lost is logged, and hundreds of times here."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@claim(
    "A batch that a batching processor hands to the OTLP exporter is given up after "
    "exportTimeoutMillis or after the exporter's own timeout, whichever is first and not 0, and "
    "then counts as unknown; no other exporter is told of it, and each is waited for",
    discharges="BP-04",
    subject=(_Exporter.export, VerifiedOTLPSpanExporter._export, attempt.within),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def exports_are_given_up(timeout: Uint64, own: Uint64) -> bool:
    # Both in milliseconds, some days at most: a socket is given no longer time at once.
    timeout, own = Uint64(timeout % 10**8), Uint64(own % 10**8)
    receiver = _Silent()
    exporter = VerifiedOTLPSpanExporter(protocol="http/protobuf", timeout_millis=own)
    exporter.shutdown()
    exporter._exporter = sending.Exporter(
        lambda: receiver, attempt.Limits(own), clock=receiver.clock
    )
    processor = VerifiedBatchSpanProcessor(exporter, export_timeout_millis=timeout)
    context = trace.SpanContext(1, 1, False, trace.TraceFlags(1))
    with _without_logs():
        processor.on_end(ReadableSpan("span", context))
        flushed = processor.force_flush()
        processor.shutdown()
    limits = [each for each in (timeout, own) if each > 0]
    return (
        flushed
        and receiver.now == min(limits, default=0)
        and processor.state.unknown == bool(limits)
        and processor.state.exported == (not limits)
    )
