"""Claims about spans as OTLP protobuf (trace.proto).

What is written is read by ``proofs.wire``, which knows the wire format alone, and compared
with what the spans hold. That protobuf's own library reads the same, and opentelemetry's own
encoder writes the same, is for ``tests/test_otlp.py``.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from types import FunctionType
from typing import Any, Literal, TypeVar

from opentelemetry.sdk.trace import ReadableSpan as SdkSpan

from verified import TraceFlags, otlp
from verified.otlp import encode, trace
from verified.otlp.readable_span import ReadableSpan

from ..claim import Constant, claim
from ..domains import AttributeValue
from ..spans import Context, Entity, Event, Link, Member, Odd, Span, Status, is_bad
from ..verdict import Verdict
from ..wire import Message, read

Read = TypeVar("Read")

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


def whole(message: Message, found: Read) -> Read:
    """What was found in a message.

    :raises ValueError: if there is something else in it.
    """
    if message:
        raise ValueError("unknown fields")
    return found


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
        11: [read_event(read_message(event)) for event in message.pop(11, [])],
        13: [read_link(read_message(link)) for link in message.pop(13, [])],
    }
    status = only(message, 15, None)
    if status is not None:
        status = read(status)
        status = whole(status, (only(status, 2, b""), only(status, 3, 0)))
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
    found = only(message, 1, 0), only(message, 2, b""), attributes, only(message, 4, 0)
    return whole(message, found)


def read_link(message: Message) -> object:
    attributes = pairs(message.pop(4, []))
    first = only(message, 1, b""), only(message, 2, b""), only(message, 3, b"")
    return whole(message, (*first, attributes, only(message, 5, 0), only(message, 6, 0)))


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
            scope = read_entity(read(only(scope_spans, 1, None)), only(scope_spans, 3, b""), True)
            scopes.append(whole(scope_spans, (scope, spans)))
        resource = read(only(resource_spans, 1, None))
        entity = read_entity(resource, only(resource_spans, 3, b""), False)
        found.append(whole(resource_spans, (entity, scopes)))
    if request:
        raise ValueError("unknown fields")
    return found


@claim(
    "What is offered is the encoder and what it returns, by these names",
    subject=Constant(otlp.__name__, "__all__"),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_encoder_is_offered(name: Literal["Encoded", "encode"]) -> bool:
    return set(otlp.__all__) == {"Encoded", "encode"} and getattr(otlp, name).__name__ == name


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


def span_of(**changed: Any) -> Any:
    """A span that holds nothing else."""
    plain = Span("", Context(1, 1), None, Member(0), 1, 1, None, (), (), None, Entity(None), None)
    return Span(**{**vars(plain), **changed})


@claim(
    "An attribute of a resource or scope that has no encoding is counted where it is missing, "
    "once however many spans are of it, and a scope of which nothing is known is the same as none",
    discharges="OT-12",
    subject=(trace._Request._encoded_resource, trace._Request._encoded_scope),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_entities_lose_is_counted(none_first: bool, lost: Literal[0, 1, 300]) -> bool:
    bad = Entity({"a": 1, **{str(number): Odd() for number in range(lost)}}, "u", "n", "1")
    scopes = [None, Entity(None)] if none_first else [Entity(None), None]
    like = Entity(dict(bad.attributes or {}), "u", "n", "1")
    places = [*((bad, scope) for scope in (*scopes, bad, like)), (like, bad)]
    spans = [span_of(resource=where, instrumentation_scope=scope) for where, scope in places]
    encoded = encode(spans)
    (resource_spans,) = map(read_message, read(encoded.request)[1])
    resource = read_message(resource_spans[1][0])
    nothing, scope_spans = map(read_message, resource_spans[2])
    scope = read_message(scope_spans[1][0])
    counted = [lost] if lost else None
    return (
        encoded.lost == ()
        and encoded.dropped == 2 * lost
        and resource.get(2) == scope.get(4) == counted
        and pairs(resource[1]) == pairs(scope[3]) == [(b"a", (3, 1))]
        and (scope[1], scope[2], len(nothing[2])) == ([b"n"], [b"1"], 2)
        and read_message(nothing[1][0]) == {}
    )


@claim(
    "Thirty arrays or mappings in one another are written, and an attribute in which there are "
    "more, or that holds itself, is lost alone",
    subject=(trace._any_value, trace._key_value, Constant(trace.__name__, "MAX_DEPTH")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def values_are_nested_thirty_deep(
    depth: Literal[0, 1, 2, 15, 29, 30, 31, 32, 60], mappings: Literal["none", "some", "all"]
) -> bool:
    value: Any = "inside"
    for level in range(depth):
        is_mapping = mappings == "all" or (mappings == "some" and level % 2 == 1)
        value = {"k": value} if is_mapping else ("first", value)
    itself: list[Any] = []
    itself.append(itself)
    encoded = encode([span_of(attributes={"itself": itself, "a": value, "b": 2})])
    expected = [(b"a", expected_value(value))] if depth <= 30 else []
    (((_, ((_, (found,)),)),)) = read_request(encoded.request)
    lost = 2 - len(expected)
    return (found[9], found[10]) == ([*expected, (b"b", (3, 2))], lost) and encoded.dropped == lost


@claim(
    "Texts and spans of every size are read back, also where a length takes a byte more",
    subject=(trace._Request.add, trace._sized, trace._Strings.made),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def sizes_are_read_back(about: Literal[0, 30, 60, 90, 120, 960, 990, 1020, 16370]) -> bool:
    names = ["x" * size for size in range(about, about + 30)]
    encoded = encode([span_of(name=name, attributes={"k": name}) for name in names])
    plain = encode([span_of(name=name) for name in names])
    ((_, ((_, found),)),) = read_request(encoded.request)
    ((_, ((_, others),)),) = read_request(plain.request)
    values = [(span[5], span[9]) for span in found]
    return [span[5] for span in others] == [text(name) for name in names] and values == [
        (text(name), [(b"k", (1, text(name)))]) for name in names
    ]


@claim(
    "A span whose resource or scope is none at all is reported as lost, whatever stands there",
    subject=(trace._Request.__init__, trace._Request.add, trace._Request._place),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def no_resource_is_no_place(
    resource: Literal["None", "Ellipsis", "Entity"], scope: Literal["None", "Ellipsis", "Entity"]
) -> bool:
    whole_one = Entity({"a": 1})
    values = {"None": None, "Ellipsis": ..., "Entity": whole_one}
    encoded = encode([span_of(resource=values[resource], instrumentation_scope=values[scope])])
    is_lost = resource != "Entity" or scope == "Ellipsis"
    return encoded.lost == ((0,) if is_lost else ()) and (encoded.request == b"") == is_lost


class Reading:
    """Something of a span, which counts how often it is asked for what it holds."""

    def __init__(self, of: object) -> None:
        self._of = of
        self._asked = 0

    def __getattr__(self, name: str) -> Any:
        self._asked += name in ("attributes", "value", "status_code")
        return getattr(self._of, name)


@claim(
    "A kind or status that spans of a request share is read once, and resource and scope once "
    "for each pair of them, however spans come after one another",
    subject=(trace._Request._place, trace._Request._span, trace._Request._keep),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_shared_is_read_once(turn: Literal[1, 2, 3]) -> bool:
    resources = [Reading(Entity({"a": number})) for number in range(2)]
    scopes = [Reading(Entity({"a": number})) for number in range(2)]
    kinds = [Reading(Member(number)) for number in range(2)]
    statuses = [Reading(Status(Member(number + 1))) for number in range(2)]
    each = list(product((0, 1), repeat=2)) * 2
    chosen = each[turn:] + each[:turn]
    encoded = encode(
        [
            span_of(
                resource=resources[a],
                instrumentation_scope=scopes[b],
                kind=kinds[b],
                status=statuses[a],
            )
            for a, b in chosen
        ]
    )
    found = [
        (resource, scope, span[6], span[15])
        for resource, members in read_request(encoded.request)
        for scope, spans in members
        for span in spans
    ]
    expected = [
        (
            expected_entity(Entity({"a": a}), False),
            expected_entity(Entity({"a": b}), True),
            b + 1,
            (b"", a + 1),
        )
        for a, b in chosen
    ]
    return (
        encoded.lost == ()
        and sorted(map(repr, found)) == sorted(map(repr, expected))
        and all(shared._asked == 1 for shared in (*kinds, *statuses))
        and all(shared._asked == 2 for shared in (*resources, *scopes))
    )


class Passing:
    """A span of which all is made when it is asked for, and gone after that."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.plain = span_of()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    @property
    def kind(self) -> Member:
        return Member(self.number % 5)

    @property
    def status(self) -> Status:
        return Status(Member(self.number % 3))

    @property
    def resource(self) -> Entity:
        return Entity({"number": self.number})


@claim(
    "What is gone is not taken for what comes in its place: spans that make what they hold when "
    "they are asked are read back with what each of them holds",
    subject=(trace._Request._keep, trace._Request._place),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_gone_is_not_taken_for_another(count: Literal[1, 2, 20]) -> bool:
    spans: list[Any] = [Passing(number) for number in range(count)]
    found = [
        (resource, span[6], span[15])
        for resource, ((_, members),) in read_request(encode(spans).request)
        for span in members
    ]
    return found == [
        (expected_entity(Entity({"number": n}), False), n % 5 + 1, (b"", n % 3))
        for n in range(count)
    ]


@claim(
    "An attribute that comes again is not encoded again, but for long texts and numbers that are "
    "not whole, and of each key at most a hundred values are kept",
    subject=(
        trace._Request._attributes,
        trace._Request._attribute,
        trace._Ints.made,
        trace._Strings.made,
        Constant(trace.__name__, "_KINDS"),
        Constant(trace.__name__, "_LONG"),
        Constant(trace.__name__, "_MANY"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_comes_again_is_kept(kind: Literal["int", "bool", "text", "long text", "float"]) -> bool:
    values: dict[str, list[Any]] = {
        "int": [*range(150)],
        "bool": [True, False],
        "text": ["x" * 97 + f"{number:03}" for number in range(150)],
        "long text": ["x" * 98 + f"{number:03}" for number in range(150)],
        "float": [number / 2 for number in range(150)],
    }
    request = trace._Request()

    def made(value: object) -> bytes:
        (message,), lost = request._attributes({"k": value})
        assert lost == 0
        return message

    first = [made(value) for value in values[kind]]
    again = [made(value) for value in values[kind]]
    kept = {"int": 100, "bool": 2, "text": 100}.get(kind, 0)
    return first == again and sum(a is b for a, b in zip(first, again, strict=True)) == kept


class Copied:
    """Attributes of which nobody but a copy is to be read, as another thread may change them."""

    def copy(self) -> dict[str, object]:
        return {"a": 1}


def _copied(items: Iterable[object]) -> tuple[object, ...]:
    Counting.copies += 1
    return tuple(items)


class Counting:
    """A span with events and links as the SDK's, which counts how often they are copied."""

    def __init__(self, items: int) -> None:
        self.plain = span_of()
        self._events = [Event(str(number), 1) for number in range(items)]
        self._links = [Link(Context(1, number + 1)) for number in range(items)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    copies = 0

    events = property(FunctionType((lambda self: tuple(self._events)).__code__, {"tuple": _copied}))
    links = property(FunctionType((lambda self: tuple(self._links)).__code__, {"tuple": _copied}))


class Fewer(Counting):
    """A span that shows its first event and its first link alone."""

    events = property(lambda self: tuple(self._events[:1]))
    links = property(lambda self: tuple(self._links)[:1])


@claim(
    "The events, links and attributes of the SDK's spans are read where they stand, without the "
    "copies that its properties make; those of a span that shows others are read as it shows them",
    subject=(trace._lists, trace._is, trace._Request._span, trace._Request._attributes),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_spans_show_is_read(items: Literal[0, 1, 3]) -> bool:
    Counting.copies = 0
    same: Any = Counting(items)
    fewer: Any = Fewer(items)
    shown = span_of(events=tuple(same._events), links=tuple(same._links))
    cut = span_of(events=tuple(same._events[:1]), links=tuple(same._links[:1]))
    mappings = [encode([span_of(attributes=each)]) for each in (Copied(), {"a": 1}, NoCopy())]
    return (
        trace._lists(SdkSpan) == ("_events", "_links")
        and encode([same]) == encode([shown])
        and encode([fewer]) == encode([cut])
        and Counting.copies == 0
        and all(each == mappings[0] and each.dropped == 0 for each in mappings)
    )


class NoCopy(Mapping[str, object]):
    """Attributes that have no way to be copied."""

    def __getitem__(self, key: str) -> object:
        return {"a": 1}[key]

    def __iter__(self) -> Any:
        return iter(("a",))

    def __len__(self) -> int:
        return 1


@claim(
    "Each surrogate of a text, of which UTF-8 has none, is sent as U+FFFD, and nothing else of the "
    "text is another",
    subject=(trace._utf8, Constant(trace.__name__, "_SURROGATE")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def surrogates_are_replaced() -> bool:
    around = "d8\ud7ff\ue000\U0010ffff"
    return all(
        trace._utf8(f"{around}{chr(surrogate)}{around}") == f"{around}\ufffd{around}".encode()
        for surrogate in range(0xD800, 0xE000)
    )
