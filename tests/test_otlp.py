"""Spans as OTLP protobuf: protobuf's own parser reads what opentelemetry's own encoder builds."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from verified.otlp import encode
from verified.otlp.trace import MAX_DEPTH

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["", "é", "\U0001f600", "x" * 127, "x" * 128]
)
INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from(
    [0, 1, -1, 127, 128, -(1 << 63), (1 << 63) - 1]
)
SCALARS = st.none() | st.booleans() | TEXTS | INTEGERS | st.floats() | st.binary(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(bool), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(["a", "b", "http.request.method"]) | TEXTS.filter(bool)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=5)
BOUNDED = st.builds(BoundedAttributes, st.sampled_from([2, None]), ATTRIBUTES)
PLAIN = st.dictionaries(KEYS, st.booleans() | INTEGERS | TEXTS, max_size=3)

STATES = st.none() | st.sampled_from([[], [("a", "1")], [("b", "2"), ("a", "1")]]).map(TraceState)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, (1 << 128) - 1),
    st.integers(1, (1 << 64) - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    STATES,
)
HUGE = [1 << 20_000]
TIMES = st.none() | st.integers(0, (1 << 64) - 1)
STATUSES = st.builds(Status, st.sampled_from([StatusCode.UNSET, StatusCode.OK])) | st.builds(
    Status, st.just(StatusCode.ERROR), st.none() | TEXTS
)
# Few, so that spans share them; with plain attributes, by which both group alike.
RESOURCES = st.sampled_from(
    [
        Resource({}),
        Resource({"service.name": "s", "b": 1}, "https://a/1"),
        Resource({"b": 1, "service.name": "s"}, "https://a/1"),
        Resource({"service.name": "s"}),
        Resource({"b": True}),
        Resource({"b": 1}),
    ]
)
SCOPES = st.none() | st.sampled_from(
    [
        InstrumentationScope("n"),
        InstrumentationScope("n", "1", "https://a/1", {"k": [1, 2]}),
        InstrumentationScope("n", "1", "https://a/1"),
        InstrumentationScope("n", "1"),
    ]
)
EVENTS = st.builds(Event, TEXTS, BOUNDED | st.none() | ATTRIBUTES, st.integers(0, (1 << 64) - 1))
LINKS = st.builds(Link, CONTEXTS, BOUNDED | st.none() | ATTRIBUTES)
SPANS = st.builds(
    ReadableSpan,
    name=TEXTS,
    context=CONTEXTS,
    parent=st.none() | CONTEXTS,
    resource=RESOURCES,
    attributes=BOUNDED | ATTRIBUTES,
    events=st.lists(EVENTS, max_size=3),
    links=st.lists(LINKS, max_size=3),
    kind=st.sampled_from(SpanKind),
    status=STATUSES,
    start_time=TIMES,
    end_time=TIMES,
    instrumentation_scope=SCOPES,
)


def theirs(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """The message of opentelemetry's encoder, with what trace.proto says and it leaves out.

    Those are the trace flags in bits 0 to 7 of the flags of spans and links, and the
    tracestate of links.
    """
    message = encode_spans(spans)
    by_id = {span.context.span_id.to_bytes(8, "big"): span for span in spans if span.context}
    for resource_spans in message.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for made in scope_spans.spans:
                span = by_id[made.span_id]
                assert span.context is not None
                assert made.flags & 0xFF == 0
                made.flags |= span.context.trace_flags
                for link, linked in zip(made.links, span.links, strict=True):
                    assert (link.flags & 0xFF, link.trace_state) == (0, "")
                    link.flags |= linked.context.trace_flags
                    link.trace_state = linked.context.trace_state.to_header()
    return message


def parsed(request: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(request)


def only_span(request: bytes) -> Any:
    ((span,),) = [s.spans for r in parsed(request).resource_spans for s in r.scope_spans]
    return span


def span_with(**fields: Any) -> ReadableSpan:
    context = SpanContext(1, 2, False, TraceFlags(1))
    given = {"name": "n", "context": context, "resource": Resource({}), "start_time": 1, **fields}
    return ReadableSpan(**given)


@settings(deadline=None)
@given(st.lists(SPANS, max_size=5, unique_by=lambda span: span.context.span_id))
def test_the_bytes_are_those_of_protobuf(spans: list[ReadableSpan]) -> None:
    encoded = encode(spans)
    assert encoded[1:] == ((), 0)
    message = theirs(spans)
    assert parsed(encoded.request).SerializeToString(
        deterministic=True
    ) == message.SerializeToString(deterministic=True)
    # More than what was asked for: also the bytes are the same.
    assert encoded.request == message.SerializeToString(deterministic=True)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(TEXTS, st.sampled_from(SpanKind), ATTRIBUTES, st.lists(EVENTS), STATUSES),
        max_size=4,
    ),
    st.lists(LINKS, max_size=3),
)
def test_spans_of_a_tracer(
    made: list[tuple[str, SpanKind, dict[str, Any], list[Event], Status]], links: list[Link]
) -> None:
    exporter = InMemorySpanExporter()
    limits = SpanLimits(max_attributes=3, max_events=2, max_links=1)
    provider = TracerProvider(span_limits=limits, resource=Resource({"service.name": "s"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope", "1", "https://a/1", {"a": "b"})
    with tracer.start_as_current_span("parent"):
        for name, kind, attributes, events, status in made:
            span = tracer.start_span(name, None, kind, attributes, links)
            for event in events:
                span.add_event(event.name, event.attributes, event.timestamp)
            span.set_status(status)
            span.end()
    spans = exporter.get_finished_spans()
    encoded = encode(spans)
    assert encoded == (theirs(spans).SerializeToString(deterministic=True), (), 0)


@pytest.mark.parametrize("size", [*range(90, 132), 1008, *range(1010, 1030), 16383, 16384, 1 << 21])
def test_texts_of_all_lengths_at_which_something_changes(size: int) -> None:
    text = "x" * size
    spans = [span_with(name=text, attributes={"k": text, text[:200]: "v", "b": text.encode()})] * 2
    assert encode(spans) == (theirs(spans).SerializeToString(deterministic=True), (), 0)


def test_what_is_kept_for_later_spans_tells_types_apart() -> None:
    values = [1, True, 1.0, "1", b"1", 0, False, 0.0, -0.0, "", None, (1,), (True,), math.nan]
    spans = [span_with(attributes={"k": value}) for value in [*values, *values]]
    assert encode(spans) == (theirs(spans).SerializeToString(deterministic=True), (), 0)


# What opentelemetry's encoder does not do, or does otherwise, and why this does what it does.


@pytest.mark.parametrize(
    ("value", "read"),
    [
        # Theirs drops the attribute. Mapping Arbitrary Data to OTLP AnyValue, "Integer Values":
        # beyond 64 bits SHOULD be a string in decimal.
        (1 << 63, AnyValue(string_value="9223372036854775808")),
        (-(1 << 63) - 1, AnyValue(string_value="-9223372036854775809")),
        # Theirs drops the attribute. A lone surrogate has no UTF-8.
        ("a\ud800b\udfff", AnyValue(string_value="a\ufffdb\ufffd")),
        ("\ud83d\ude00", AnyValue(string_value="\ufffd\ufffd")),
    ],
)
def test_values_that_opentelemetry_drops(value: Any, read: AnyValue) -> None:
    span = span_with(attributes={"k": value, "other": 1})
    assert [
        each.key for each in theirs([span]).resource_spans[0].scope_spans[0].spans[0].attributes
    ] == ["other"]
    encoded = encode([span])
    assert encoded[1:] == ((), 0)
    assert [each.value for each in only_span(encoded.request).attributes] == [
        read,
        AnyValue(int_value=1),
    ]


@pytest.mark.parametrize("value", [object(), 1j, {1, 2}, [object()], HUGE])
def test_attributes_without_an_encoding_are_counted(value: Any) -> None:
    """Theirs drops them too, but tells nobody but the log."""
    span = span_with(
        attributes={"k": value, "a": 1},
        events=[Event("e", {"k": value}, 1)],
        links=[Link(SpanContext(1, 1, False), {"k": value})],
    )
    encoded = encode([span])
    assert encoded[1:] == ((), 3)
    read = only_span(encoded.request)
    assert [each.key for each in read.attributes] == ["a"]
    assert read.dropped_attributes_count == 1
    assert read.events[0].dropped_attributes_count == 1
    assert read.links[0].dropped_attributes_count == 1


def test_attributes_of_resources_and_scopes_are_counted() -> None:
    resource, scope = Resource({"a": 1}), InstrumentationScope("n", attributes={"a": 1})
    for attributes in (resource._attributes, scope._attributes):
        attributes._dict["b"] = object()  # type: ignore[assignment]
    encoded = encode([span_with(resource=resource, instrumentation_scope=scope)])
    assert encoded[1:] == ((), 2)
    (resource_spans,) = parsed(encoded.request).resource_spans
    assert resource_spans.resource.dropped_attributes_count == 1
    assert resource_spans.scope_spans[0].scope.dropped_attributes_count == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"context": None},
        {"context": SpanContext(0, 1, False)},
        {"context": SpanContext(1, 0, False)},
        {"name": 5},
        {"start_time": -1},
        {"end_time": 1 << 64},
        {"start_time": 1.5},
        {"kind": None},
        {"attributes": 5},
        {"events": 5},
        {"status": Status(None)},  # type: ignore[arg-type]
    ],
)
def test_a_bad_span_is_lost_alone(fields: dict[str, Any]) -> None:
    """Theirs raises, and all spans are lost; ids of zero, which are invalid, it sends."""
    spans = [span_with(name="first"), span_with(**fields), span_with(name="last")]
    encoded = encode(spans)
    assert encoded == (encode([spans[0], spans[2]]).request, (1,), 0)


def test_a_bad_event_or_link_is_lost_alone() -> None:
    events = [Event("early", timestamp=-1), Event("in time", timestamp=1)]
    links = [Link(SpanContext(1 << 128, 1, False)), Link(SpanContext(1, 1, False))]
    encoded = encode([span_with(events=events, links=links)])
    assert encoded[1:] == ((), 2)
    read = only_span(encoded.request)
    assert [event.name for event in read.events] == ["in time"]
    assert (read.dropped_events_count, read.dropped_links_count, len(read.links)) == (1, 1, 1)


def test_nothing_is_no_bytes() -> None:
    assert encode([]) == (b"", (), 0)
    assert encode([span_with(context=None)]) == (b"", (0,), 0)


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: {"k": v}, lambda v: [v]])
def test_what_is_nested_too_deep_would_lose_the_request(wrap: Callable[[Any], Any]) -> None:
    deep, deeper = nested(MAX_DEPTH, wrap), nested(MAX_DEPTH + 1, wrap)
    events = [Event("e", {"k": deep, "l": deeper}, 1)]
    encoded = encode([span_with(events=events, attributes={"k": deep, "l": deeper})])
    assert encoded[1:] == ((), 2)
    read = only_span(encoded.request)
    assert [len(read.attributes), len(read.events[0].attributes)] == [1, 1]


def test_a_value_that_holds_itself_is_counted() -> None:
    value: list[Any] = []
    value.append(value)
    assert encode([span_with(attributes={"k": value, "a": 1})]).dropped == 1


def test_keys_that_are_the_same_as_texts_do_not_occur_twice() -> None:
    encoded = encode([span_with(attributes={"k": {1: "a", "1": "b"}})])
    (pair,) = only_span(encoded.request).attributes[0].value.kvlist_value.values
    assert (pair.key, pair.value.string_value) == ("1", "b")


def test_spans_that_give_their_events_otherwise_are_asked_for_them() -> None:
    class Redacted(ReadableSpan):
        @property
        def events(self) -> Sequence[Event]:
            return (Event("redacted", timestamp=1),)

    span = Redacted("n", SpanContext(1, 1, False), resource=Resource({}))
    assert [event.name for event in only_span(encode([span]).request).events] == ["redacted"]


def test_flags_say_where_the_parent_is() -> None:
    remote = SpanContext(1, 3, True, TraceFlags(2))
    for parent, flags in ((None, 0x101), (remote, 0x301), (SpanContext(1, 3, False), 0x101)):
        span = span_with(parent=parent, links=[Link(remote)])
        read = only_span(encode([span]).request)
        assert (read.flags, read.links[0].flags) == (flags, 0x302)


def test_resources_that_are_equal_are_one_and_keep_their_order() -> None:
    def resource(name: str) -> Resource:
        return Resource({"service.name": name})

    spans = [span_with(name=n, resource=resource(r)) for n, r in ("1a", "2b", "3a", "4b")]
    found = [
        [span.name for scope in each.scope_spans for span in scope.spans]
        for each in parsed(encode(spans).request).resource_spans
    ]
    assert found == [["1", "3"], ["2", "4"]]
