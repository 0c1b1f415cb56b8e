"""Claims about spans as OTLP protobuf (trace.proto).

What is written is read by ``proofs.wire``, which knows the wire format alone, and compared
with what the spans hold. That protobuf's own library reads the same, and opentelemetry's own
encoder writes the same, is for ``tests/test_otlp.py``.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from verified import TraceFlags
from verified.otlp import encode, trace
from verified.otlp.readable_span import ReadableSpan

from ..claim import claim
from ..domains import AttributeValue
from ..spans import Context, Entity, Event, Link, Member, Span, is_bad
from ..verdict import Verdict
from ..wire import Message, read

ENCODERS = (
    trace.encode,
    trace._Request.add,
    trace._Request._span,
    trace._Request._place,
    trace._Request._encoded_resource,
    trace._Request._encoded_scope,
    trace._Request._event,
    trace._Request._link,
    trace._Request._each,
    trace._Request._attributes,
)


def only(message: Message, field: int, default: Any) -> Any:
    """The value of a field that is not repeated; raises if it is the default, and not left out."""
    if field not in message:
        return default
    (value,) = message.pop(field)
    if value == default:
        raise ValueError(f"the default value of the field {field}")
    return value


def text(value: str | None) -> bytes:
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in value or "").encode()


def value_of(data: bytes) -> object:
    """What an ``AnyValue`` says, as ``expected_value`` has it."""
    message = read(data)
    if message == {}:
        return None
    ((field, (value,)),) = message.items()
    if field in (1, 2, 3, 4, 7) or not isinstance(value, bytes):
        return field, value
    values = read(value).pop(1, [])
    if field == 5:
        return 5, [value_of(v) for v in values if isinstance(v, bytes)]
    return 6, pairs(values)


def expected_value(value: Any) -> object:
    """The field and content of a value; raises if there is none."""
    if value is None:
        return None
    if type(value) is bool:
        return 2, int(value)
    if type(value) is int:
        if -(1 << 63) <= value < 1 << 63:
            return 3, value % (1 << 64)
        return 1, str(value).encode()
    if type(value) is float:
        return 4, int.from_bytes(struct.pack(">d", value), "big")
    if isinstance(value, str):
        return 1, text(value)
    if isinstance(value, bytes):
        return 7, value
    if isinstance(value, tuple):
        return 5, [expected_value(item) for item in value]
    if isinstance(value, dict):
        return 6, [(text(key), expected_value(item)) for key, item in value.items()]
    raise TypeError


def pairs(values: Iterable[Any]) -> list[tuple[bytes, object]]:
    """Keys and values of ``KeyValue`` messages."""
    read_pairs = []
    for data in values:
        message = read(data)
        read_pairs.append((only(message, 1, b""), value_of(only(message, 2, None))))
        if message:
            raise ValueError("unknown fields")
    return read_pairs


def expected_pairs(attributes: Mapping[Any, Any] | None) -> tuple[list[tuple[bytes, object]], int]:
    """The pairs of attributes, and the number of those that have none."""
    kept, lost = [], 0
    for key, value in (attributes or {}).items():
        try:
            kept.append((text(key), expected_value(value)))
        except (TypeError, ValueError):
            lost += 1
    return kept, lost


def count(number: int) -> int:
    return min(number, (1 << 32) - 1)


def flags_of(own: Context, remote: bool) -> int:
    return own.trace_flags + 256 + 512 * remote


def state(context: Context) -> bytes:
    return context.trace_state.header.encode() if context.trace_state else b""


class Expected:
    """What is to be read of a span, with how much of it is lost."""

    def __init__(self, span: Span) -> None:
        self.dropped = 0
        assert span.context is not None
        attributes, lost = expected_pairs(span.attributes)
        self.dropped += lost
        events = [self.event(event) for event in span.events if self.has_event(event)]
        links = [self.link(link) for link in span.links if self.has_link(link)]
        lost_events, lost_links = len(span.events) - len(events), len(span.links) - len(links)
        self.dropped += lost_events + lost_links
        status = span.status
        self.fields = {
            1: span.context.trace_id.to_bytes(16, "big"),
            2: span.context.span_id.to_bytes(8, "big"),
            3: state(span.context),
            4: span.parent.span_id.to_bytes(8, "big") if span.parent else b"",
            5: text(span.name),
            6: span.kind.value + 1,
            7: span.start_time or 0,
            8: span.end_time or 0,
            9: attributes,
            10: count(span.dropped_attributes + lost),
            11: events,
            12: count(span.dropped_events + lost_events),
            13: links,
            14: count(span.dropped_links + lost_links),
            15: (text(status.description), status.status_code.value) if status else None,
            16: flags_of(span.context, bool(span.parent and span.parent.is_remote)),
        }

    @staticmethod
    def has_event(event: Event) -> bool:
        time = event.timestamp
        timed = time is None or time == 0 or (type(time) is int and 0 <= time < 1 << 64)
        return timed and not isinstance(event.name, bytes)

    @staticmethod
    def has_link(link: Link) -> bool:
        context = link.context
        return bool(0 <= context.trace_id < 1 << 128 and 0 <= context.span_id < 1 << 64)

    def event(self, event: Event) -> object:
        attributes, lost = expected_pairs(event.attributes)
        self.dropped += lost
        return (
            event.timestamp or 0,
            text(event.name),
            attributes,
            count(event.dropped_attributes + lost),
        )

    def link(self, link: Link) -> object:
        attributes, lost = expected_pairs(link.attributes)
        self.dropped += lost
        return (
            link.context.trace_id.to_bytes(16, "big"),
            link.context.span_id.to_bytes(8, "big"),
            state(link.context),
            attributes,
            count(link.dropped_attributes + lost),
            flags_of(link.context, link.context.is_remote),
        )


def read_span(data: bytes) -> dict[int, object]:
    message = read(data)
    fields: dict[int, object] = {
        9: pairs(message.pop(9, [])),
        11: [read_event(read(event)) for event in message.pop(11, []) if isinstance(event, bytes)],
        13: [read_link(read(link)) for link in message.pop(13, []) if isinstance(link, bytes)],
    }
    status = only(message, 15, None)
    if status is not None:
        status = read(status)
        status = only(status, 2, b""), only(status, 3, 0)
    fields[15] = status
    for field in (1, 2, 3, 4, 5):
        fields[field] = only(message, field, b"")
    for field in (6, 7, 8, 10, 12, 14, 16):
        fields[field] = only(message, field, 0)
    if message:
        raise ValueError("unknown fields")
    return fields


def read_event(message: Message) -> object:
    attributes = pairs(message.pop(3, []))
    return only(message, 1, 0), only(message, 2, b""), attributes, only(message, 4, 0)


def read_link(message: Message) -> object:
    attributes = pairs(message.pop(4, []))
    first = only(message, 1, b""), only(message, 2, b""), only(message, 3, b"")
    return (*first, attributes, only(message, 5, 0), only(message, 6, 0))


def read_entity(message: Message, schema_url: bytes, scope: bool) -> object:
    name, version = (only(message, 1, b""), only(message, 2, b"")) if scope else (b"", b"")
    attributes = pairs(message.pop(3 if scope else 1, []))
    if message:
        raise ValueError("unknown fields")
    return name, version, attributes, schema_url


def expected_entity(entity: Entity | None, scope: bool) -> object:
    if entity is None:
        return b"", b"", [], b""
    name, version = (text(entity.name), text(entity.version)) if scope else (b"", b"")
    return name, version, expected_pairs(entity.attributes)[0], text(entity.schema_url)


def same(entity: Any) -> object:
    """What makes two resources or scopes the same: all, but the order of their attributes."""
    name, version, attributes, schema_url = entity
    return name, version, sorted(attributes, key=repr), schema_url


def read_message(data: object) -> dict[int, list[int | bytes]]:
    """The fields of a message that is a field.

    :raises ValueError: if the field is a number.
    """
    if not isinstance(data, bytes):
        raise ValueError("a number where a message belongs")
    return read(data)


def read_request(data: bytes) -> list[tuple[object, list[tuple[object, list[dict[int, object]]]]]]:
    """Resources, each with its scopes, each with its spans."""
    request = read(data)
    found = []
    for resource_spans in map(read_message, request.pop(1, [])):
        scopes = []
        for scope_spans in map(read_message, resource_spans.pop(2, [])):
            spans = [read_span(span) for span in scope_spans.pop(2, []) if isinstance(span, bytes)]
            scope = read(only(scope_spans, 1, None))
            scopes.append((read_entity(scope, only(scope_spans, 3, b""), True), spans))
        resource = read(only(resource_spans, 1, None))
        found.append((read_entity(resource, only(resource_spans, 3, b""), False), scopes))
    if request:
        raise ValueError("unknown fields")
    return found


@claim(
    "Flags are the eight of W3C in bits 0 to 7, bit 8, which says that bit 9 is known, and bit 9, "
    "which says that the parent or the linked span is remote; all others are zero",
    discharges="ID-05",
    subject=trace.flags,
)
def flags_are_where_they_belong(own: TraceFlags, is_remote: bool) -> bool:
    flags = trace.flags(own, is_remote)
    return (
        flags & 0xFF == own
        and flags >> 8 & 1 == 1
        and (flags >> 9 & 1 == 1) == is_remote
        and flags >> 10 == 0
    )


@claim(
    "A reader of the wire format finds in a request, once each and in order, the spans that are "
    "not reported as lost, with all that they hold, its fields where trace.proto has them",
    discharges=("ID-04", "ID-05"),
    subject=ENCODERS,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def spans_are_read_back(spans: Sequence[ReadableSpan]) -> bool:
    encoded = encode(spans)
    kept: list[Any] = [s for i, s in enumerate(spans) if i not in encoded.lost]
    expected: list[tuple[object, object, object]] = []
    dropped = 0
    for span in kept:
        made = Expected(span)
        dropped += made.dropped
        resource = expected_entity(span.resource, False)
        scope = expected_entity(span.instrumentation_scope, True)
        expected.append((same(resource), same(scope), made.fields))
    found = [
        (same(resource), same(scope), span)
        for resource, scopes in read_request(encoded.request)
        for scope, members in scopes
        for span in members
    ]
    # Groups stand where their first span stands.
    resources = list({repr(resource): None for resource, _, _ in expected})
    scopes = list({repr((resource, scope)): None for resource, scope, _ in expected})
    expected.sort(key=lambda e: (resources.index(repr(e[0])), scopes.index(repr((e[0], e[1])))))
    return found == expected and encoded.dropped == dropped


@claim(
    "Exactly the spans are lost, each alone and reported by its position, that have no valid ids "
    "or something that fits no field, whatever else spans hold",
    discharges="ID-04",
    subject=(trace.encode, trace._Request._span, trace._kind, trace._status, trace._member),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def bad_spans_are_lost_alone(spans: Sequence[ReadableSpan]) -> bool:
    return encode(spans).lost == tuple(i for i, span in enumerate(spans) if is_bad(span))


@claim(
    "No span gives no bytes; there is no resource and no scope without a span, and none twice",
    discharges="OT-12",
    subject=(trace.encode, trace._Request.encoded, trace._Request.add, trace._Request._place),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def no_envelope_is_empty(spans: Sequence[ReadableSpan]) -> bool:
    request = read_request(encode(spans).request)
    resources = [repr(same(resource)) for resource, _ in request]
    return (
        encode(()) == (b"", (), 0)
        and len(set(resources)) == len(resources)
        and all(scopes and all(members for _, members in scopes) for _, scopes in request)
        and all(len({repr(same(s)) for s, _ in scopes}) == len(scopes) for _, scopes in request)
    )


@claim(
    "The value of an attribute is read back, of its type, empty or zero or false too; one beyond "
    "64 bits as its digits, and one that has no encoding is counted",
    subject=(
        trace._any_value,
        trace._string,
        trace._bool,
        trace._int,
        trace._double,
        trace._bytes,
        trace._KeyValues.made,
        trace._Ints.made,
        trace._Bools.made,
        trace._Strings.made,
        trace._Doubles.made,
        trace._Request._attribute,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def values_are_read_back(value: AttributeValue) -> bool:
    spans = [
        Span("", Context(1, 1), None, Member(0), 1, 1, attributes, (), (), None, Entity(None), None)
        # What is equal to Python, or has come before, is to be told apart.
        for attributes in [{"k": each, "other": value} for each in (1, True, 1.0, value, 1, True)]
    ]
    encoded = encode(spans)
    expected = [expected_pairs(span.attributes) for span in spans]
    ((_, ((_, found),)),) = read_request(encoded.request)
    return encoded.dropped == sum(lost for _, lost in expected) and expected == [
        (fields[9], fields[10]) for fields in found
    ]
