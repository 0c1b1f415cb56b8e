"""Spans as an ``ExportTraceServiceRequest`` (OpenTelemetry Protocol, trace.proto).

Spans are grouped by resource and, within one, by instrumentation scope, in the order in
which they come first. Resources and scopes are the same if they have the same attributes,
name, version and schema URL. Fields come in the order of their numbers, and a field that
has the default value of its type is left out, as protobuf's own libraries write messages.

Whatever spans hold, ``encode`` returns. What has no encoding is lost alone:

- an attribute whose key is not text, or whose value is none of the types of ``AnyValue``,
  is nested more than ``MAX_DEPTH`` deep or raises when it is read, is counted in the
  ``dropped_attributes_count`` of what it is an attribute of;
- an event or link with a time or an id that does not fit its field is counted in the
  ``dropped_events_count`` or ``dropped_links_count`` of its span;
- a span of which that is true, or that has no valid ids, is reported by its position.

Two things are written other than they are ("Mapping Arbitrary Data to OTLP AnyValue"): an
integer beyond 64 bits is a text of its decimal digits, unless ``sys.get_int_max_str_digits``
forbids that, and each lone surrogate of a text, which has no UTF-8, is U+FFFD.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import index
from struct import Struct
from typing import Any, Final, NamedTuple, TypeVar

from verified.contracts import ensure
from verified.otlp.protobuf import (
    DOUBLE,
    I32,
    I64,
    LEN,
    VARINT,
    fixed32,
    fixed64,
    int64,
    prefix,
    tag,
    varint,
)
from verified.otlp.readable_span import (
    Attributes,
    Enumeration,
    Event,
    InstrumentationScope,
    Link,
    ReadableSpan,
    Resource,
    Status,
)

MAX_DEPTH: Final = 30
"""How many arrays and mappings may be nested in an attribute.

Each mapping is three messages in one another, and parsers refuse a request that has a
hundred or more ("recursion limit"), with all the spans in it.
"""

TRACE_FLAGS_MASK: Final = 0x000000FF
CONTEXT_HAS_IS_REMOTE_MASK: Final = 0x00000100
CONTEXT_IS_REMOTE_MASK: Final = 0x00000200

_REQUEST_RESOURCE_SPANS: Final = tag(1, LEN)

_RESOURCE_SPANS_RESOURCE: Final = tag(1, LEN)
_RESOURCE_SPANS_SCOPE_SPANS: Final = tag(2, LEN)
_RESOURCE_SPANS_SCHEMA_URL: Final = tag(3, LEN)

_RESOURCE_ATTRIBUTES: Final = tag(1, LEN)
_RESOURCE_DROPPED_ATTRIBUTES_COUNT: Final = tag(2, VARINT)

_SCOPE_SPANS_SCOPE: Final = tag(1, LEN)
_SCOPE_SPANS_SPANS: Final = tag(2, LEN)
_SCOPE_SPANS_SCHEMA_URL: Final = tag(3, LEN)

_SCOPE_NAME: Final = tag(1, LEN)
_SCOPE_VERSION: Final = tag(2, LEN)
_SCOPE_ATTRIBUTES: Final = tag(3, LEN)
_SCOPE_DROPPED_ATTRIBUTES_COUNT: Final = tag(4, VARINT)

_SPAN_TRACE_ID: Final = prefix(1, 16)
_SPAN_SPAN_ID: Final = prefix(2, 8)
_SPAN_TRACE_STATE: Final = tag(3, LEN)
_SPAN_PARENT_SPAN_ID: Final = prefix(4, 8)
_SPAN_NAME: Final = tag(5, LEN)
_SPAN_KIND: Final = tag(6, VARINT)
_SPAN_START_TIME_UNIX_NANO: Final = tag(7, I64)
_SPAN_END_TIME_UNIX_NANO: Final = tag(8, I64)
_SPAN_ATTRIBUTES: Final = tag(9, LEN)
_SPAN_DROPPED_ATTRIBUTES_COUNT: Final = tag(10, VARINT)
_SPAN_EVENTS: Final = tag(11, LEN)
_SPAN_DROPPED_EVENTS_COUNT: Final = tag(12, VARINT)
_SPAN_LINKS: Final = tag(13, LEN)
_SPAN_DROPPED_LINKS_COUNT: Final = tag(14, VARINT)
_SPAN_STATUS: Final = tag(15, LEN)
_SPAN_FLAGS: Final = tag(16, I32)

_EVENT_TIME_UNIX_NANO: Final = tag(1, I64)
_EVENT_NAME: Final = tag(2, LEN)
_EVENT_ATTRIBUTES: Final = tag(3, LEN)
_EVENT_DROPPED_ATTRIBUTES_COUNT: Final = tag(4, VARINT)

_LINK_TRACE_ID: Final = prefix(1, 16)
_LINK_SPAN_ID: Final = prefix(2, 8)
_LINK_TRACE_STATE: Final = tag(3, LEN)
_LINK_ATTRIBUTES: Final = tag(4, LEN)
_LINK_DROPPED_ATTRIBUTES_COUNT: Final = tag(5, VARINT)
_LINK_FLAGS: Final = tag(6, I32)

_STATUS_MESSAGE: Final = tag(2, LEN)
_STATUS_CODE: Final = tag(3, VARINT)

_KEY_VALUE_KEY: Final = tag(1, LEN)
_KEY_VALUE_VALUE: Final = tag(2, LEN)

_STRING_VALUE: Final = tag(1, LEN)
_BOOL_VALUE: Final = tag(2, VARINT)
_INT_VALUE: Final = tag(3, VARINT)
_DOUBLE_VALUE: Final = tag(4, I64)
_ARRAY_VALUE: Final = tag(5, LEN)
_KVLIST_VALUE: Final = tag(6, LEN)
_BYTES_VALUE: Final = tag(7, LEN)

_ARRAY_VALUE_VALUES: Final = tag(1, LEN)
_KEY_VALUE_LIST_VALUES: Final = tag(1, LEN)


class Encoded(NamedTuple):
    """A request, and what could not be put into it."""

    request: bytes
    """The message; empty if there is no span in it, and then not to be sent."""

    lost: tuple[int, ...]
    """The positions of the spans that are not in the request, in order."""

    dropped: int
    """The number of attributes, events and links of the others that are not in the request."""


@ensure(lambda spans, result: (result.request != b"") == (len(result.lost) < len(spans)))
def encode(spans: Sequence[ReadableSpan]) -> Encoded:
    """Return the ``ExportTraceServiceRequest`` for these spans; raises nothing.

    No span gives no bytes, and there is no resource and no scope without a span
    ("Empty Telemetry Envelopes").
    """
    request = _Request()
    lost: list[int] = []
    for position, span in enumerate(spans):
        dropped = request.dropped
        try:
            request.add(span)
        except Exception:
            lost.append(position)
            request.dropped = dropped
    return Encoded(request.encoded(), tuple(lost), request.dropped)


@ensure(lambda is_remote, result: (result // 0x200 == 1) == is_remote)
@ensure(lambda trace_flags, result: result % 0x200 == 0x100 + (trace_flags & 0xFF))
def flags(trace_flags: int, is_remote: bool) -> int:
    """Return the flags of a span or link: those of its own context, and where it comes from.

    ``is_remote`` says that the parent of the span, or the linked span, is of another process.
    """
    own = trace_flags & TRACE_FLAGS_MASK | CONTEXT_HAS_IS_REMOTE_MASK
    return own | CONTEXT_IS_REMOTE_MASK if is_remote else own


# What a dropped count can say.
_MOST: Final = (1 << 32) - 1

# The lengths of most messages.
_SIZES: Final = tuple(map(varint, range(1024)))

_SPANS: Final = tuple(_SCOPE_SPANS_SPANS + size for size in _SIZES)
_LOCAL: Final = tuple(_SPAN_FLAGS + fixed32(flags(own, False)) for own in range(256))
_REMOTE: Final = tuple(_SPAN_FLAGS + fixed32(flags(own, True)) for own in range(256))
_TIMES: Final = Struct("<cQcQ")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# Texts of more bytes are not kept for when they come again, nor are more values of one key.
_LONG: Final = 100
_MANY: Final = 100

# What stands before texts that are not longer.
_STRINGS: Final = tuple(
    varint(1 + len(varint(size)) + size) + prefix(1, size) for size in range(_LONG + 1)
)

_K = TypeVar("_K")
_V = TypeVar("_V")


class _Made(dict[_K, _V]):
    """What is made of each key when it is first asked for."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[_K], _V]) -> None:
        self.make = make

    def __missing__(self, key: _K) -> _V:
        made = self[key] = self.make(key)
        return made


class _KeyValues(dict[Any, bytes]):
    """The ``KeyValue`` messages of one key and of values of one type, behind their lengths.

    Those that are kept for when they come again are items.
    """

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = _text(_KEY_VALUE_KEY, key) + _KEY_VALUE_VALUE

    def made(self, value: Any) -> bytes:
        """The message of a value that is not kept."""
        return _sized(self.key + _sized(_any_value(value)))


class _Bools(_KeyValues):
    """Of ``bool``."""

    __slots__ = ()

    def made(self, value: bool) -> bytes:
        message = self[value] = _sized(self.key + _sized(_bool(value)))
        return message


class _Ints(_KeyValues):
    """Of ``int``."""

    __slots__ = ()

    def made(self, value: int) -> bytes:
        message = _sized(self.key + _sized(_int(value)))
        if len(self) < _MANY:
            self[value] = message
        return message


class _Strings(_KeyValues):
    """Of ``str``."""

    __slots__ = ()

    def made(self, value: str) -> bytes:
        octets = _utf8(value)
        size = len(octets)
        if size > _LONG:
            return _sized(self.key + _sized(_string(value)))
        message = _sized(self.key + _STRINGS[size] + octets)
        if len(self) < _MANY:
            self[value] = message
        return message


class _Doubles(_KeyValues):
    """Of ``float``, which seldom come again."""

    __slots__ = ("before",)

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.before = _sized(self.key + _sized(_double(0.0)))[:-8]

    def made(self, value: float) -> bytes:
        return self.before + DOUBLE.pack(value)


class _Request:
    """A request in the making.

    Most of what a span holds, others of the same request hold too. It is encoded once, and
    what is kept for that is gone with the request.
    """

    def __init__(self) -> None:
        self.dropped = 0
        # Resources, each with its scopes, each with its spans, by what they are in the request.
        self._resources: dict[object, tuple[_Envelope, _Scopes]] = {}
        # By type first: True is 1 to a dictionary.
        self._key_values: dict[type, dict[str, _KeyValues]] = {}
        self._lists: _Made[type, tuple[str, str]] = _Made(_lists)
        self._names: _Made[str | None, bytes] = _Made(partial(_text, _SPAN_NAME))
        # By identity, as some compare slowly and some not at all. What is held is not freed, so
        # that nothing else has its identity.
        self._places: dict[tuple[int, int], list[bytes]] = {}
        # Where the last span was put; at first no resource of a span is this one.
        self._resource: object = object()
        self._scope: object = None
        self._spans: list[bytes] = []
        self._kinds: dict[int, bytes] = {}
        self._statuses: dict[int, bytes] = {}
        self._held: list[object] = []

    def encoded(self) -> bytes:
        """The ``ExportTraceServiceRequest``."""
        resource_spans: list[bytes] = []
        for resource, scopes in self._resources.values():
            scope_spans: list[bytes] = []
            for scope, spans in scopes.values():
                scope_spans += _enveloped(_RESOURCE_SPANS_SCOPE_SPANS, scope, spans)
            resource_spans += _enveloped(_REQUEST_RESOURCE_SPANS, resource, scope_spans)
        return b"".join(resource_spans)

    def add(self, span: ReadableSpan) -> None:
        """Put a span in its place; raises whatever the span raises."""
        message = self._span(span)
        resource, scope = span.resource, span.instrumentation_scope
        if resource is self._resource and scope is self._scope:
            place = self._spans
        else:
            place = self._place(resource, scope)
        size = len(message)
        place.append(_SPANS[size] if size < 1024 else _SCOPE_SPANS_SPANS + varint(size))
        place.append(message)

    def _place(self, resource: Resource, scope: InstrumentationScope | None) -> list[bytes]:
        """The spans of this scope of this resource."""
        spans = self._places.get((id(resource), id(scope)))
        if spans is None:
            dropped = self.dropped
            resource_key, resource_envelope = self._encoded_resource(resource)
            if resource_key in self._resources:
                self.dropped = dropped  # What it lacks is counted already.
            dropped = self.dropped
            scope_key, scope_envelope = self._encoded_scope(scope)
            _, scopes = self._resources.setdefault(resource_key, (resource_envelope, {}))
            if scope_key in scopes:
                self.dropped = dropped
            _, spans = scopes.setdefault(scope_key, (scope_envelope, []))
            self._held += resource, scope
            self._places[id(resource), id(scope)] = spans
        self._resource, self._scope, self._spans = resource, scope, spans
        return spans

    def _encoded_resource(self, resource: Resource) -> tuple[object, "_Envelope"]:
        attributes, dropped = self._attributes(resource.attributes)
        message = _repeated(_RESOURCE_ATTRIBUTES, attributes) + _count(
            _RESOURCE_DROPPED_ATTRIBUTES_COUNT, dropped
        )
        schema_url = _text(_RESOURCE_SPANS_SCHEMA_URL, resource.schema_url)
        envelope = _RESOURCE_SPANS_RESOURCE + _sized(message), schema_url
        return (*sorted(attributes), dropped, schema_url), envelope

    def _encoded_scope(self, scope: InstrumentationScope | None) -> tuple[object, "_Envelope"]:
        if scope is None:
            # The same as one of which nothing is known.
            return (b"", 0, b""), (_SCOPE_SPANS_SCOPE + _sized(b""), b"")
        attributes, dropped = self._attributes(scope.attributes)
        name = _text(_SCOPE_NAME, scope.name) + _text(_SCOPE_VERSION, scope.version)
        message = (
            name
            + _repeated(_SCOPE_ATTRIBUTES, attributes)
            + _count(_SCOPE_DROPPED_ATTRIBUTES_COUNT, dropped)
        )
        schema_url = _text(_SCOPE_SPANS_SCHEMA_URL, scope.schema_url)
        envelope = _SCOPE_SPANS_SCOPE + _sized(message), schema_url
        return (name, *sorted(attributes), dropped, schema_url), envelope

    def _span(self, span: ReadableSpan) -> bytes:
        context, parent = span.context, span.parent
        if context is None:
            raise ValueError("a span without a context")
        trace_id, span_id, state = context.trace_id, context.span_id, context.trace_state
        if not trace_id or not span_id:
            raise ValueError("a span without a valid trace id and span id")
        parent_id = 0 if parent is None else parent.span_id
        is_remote = parent is not None and parent.is_remote
        kind, status, start, end = span.kind, span.status, span.start_time, span.end_time
        attributes, dropped_attributes = self._attributes(span.attributes)
        dropped_attributes += span.dropped_attributes
        dropped_events, dropped_links = span.dropped_events, span.dropped_links
        events_name, links_name = self._lists[type(span)]
        events, links = getattr(span, events_name), getattr(span, links_name)
        rest = b""
        if events or links or dropped_attributes or dropped_events or dropped_links:
            event_messages, lost_events = self._each(self._event, events or ())
            link_messages, lost_links = self._each(self._link, links or ())
            rest = (
                _count(_SPAN_DROPPED_ATTRIBUTES_COUNT, dropped_attributes)
                + _repeated(_SPAN_EVENTS, event_messages)
                + _count(_SPAN_DROPPED_EVENTS_COUNT, dropped_events + lost_events)
                + _repeated(_SPAN_LINKS, link_messages)
                + _count(_SPAN_DROPPED_LINKS_COUNT, dropped_links + lost_links)
            )
        return b"".join(
            (
                _SPAN_TRACE_ID,
                int.to_bytes(trace_id, 16, "big"),
                _SPAN_SPAN_ID,
                int.to_bytes(span_id, 8, "big"),
                _text(_SPAN_TRACE_STATE, state.to_header()) if state else b"",
                _SPAN_PARENT_SPAN_ID + int.to_bytes(parent_id, 8, "big") if parent_id else b"",
                self._names[span.name],
                self._kinds.get(id(kind)) or self._keep(self._kinds, kind, _kind),
                _TIMES.pack(_SPAN_START_TIME_UNIX_NANO, start, _SPAN_END_TIME_UNIX_NANO, end)
                if start and end
                else _time(_SPAN_START_TIME_UNIX_NANO, start)
                + _time(_SPAN_END_TIME_UNIX_NANO, end),
                _repeated(_SPAN_ATTRIBUTES, attributes),
                rest,
                self._statuses.get(id(status)) or self._keep(self._statuses, status, _status),
                (_REMOTE if is_remote else _LOCAL)[context.trace_flags & TRACE_FLAGS_MASK],
            )
        )

    def _keep(self, kept: dict[int, bytes], of: _K, encode: Callable[[_K], bytes]) -> bytes:
        self._held.append(of)
        field = kept[id(of)] = encode(of)
        return field

    def _event(self, event: Event) -> bytes:
        attributes, dropped = self._attributes(event.attributes)
        return _sized(
            _time(_EVENT_TIME_UNIX_NANO, event.timestamp)
            + _text(_EVENT_NAME, event.name)
            + _repeated(_EVENT_ATTRIBUTES, attributes)
            + _count(_EVENT_DROPPED_ATTRIBUTES_COUNT, event.dropped_attributes + dropped)
        )

    def _link(self, link: Link) -> bytes:
        context, state = link.context, link.context.trace_state
        attributes, dropped = self._attributes(link.attributes)
        return _sized(
            _LINK_TRACE_ID
            + int.to_bytes(context.trace_id, 16, "big")
            + _LINK_SPAN_ID
            + int.to_bytes(context.span_id, 8, "big")
            + (_text(_LINK_TRACE_STATE, state.to_header()) if state else b"")
            + _repeated(_LINK_ATTRIBUTES, attributes)
            + _count(_LINK_DROPPED_ATTRIBUTES_COUNT, link.dropped_attributes + dropped)
            + _LINK_FLAGS
            + fixed32(flags(context.trace_flags, context.is_remote))
        )

    def _each(self, encode: Callable[[_K], bytes], items: Iterable[_K]) -> tuple[list[bytes], int]:
        """The messages of these items, and how many have none."""
        messages = []
        dropped = 0
        for item in items:
            before = self.dropped
            try:
                messages.append(encode(item))
            except Exception:
                dropped += 1
                self.dropped = before + 1
        return messages, dropped

    def _attributes(self, attributes: Attributes) -> tuple[list[bytes], int]:
        """The ``KeyValue`` messages behind their lengths, and how many attributes have none."""
        if attributes is None:
            return [], 0
        # The SDK's attributes give a copy faster than their items.
        copy = getattr(attributes, "copy", None)
        items = (attributes if copy is None else copy()).items()
        key_values = self._key_values
        try:
            return [
                (known := key_values[type(value)][key]).get(value) or known.made(value)
                for key, value in items
            ], 0
        except Exception:
            # A key comes for the first time, or a value has no encoding or no hash.
            return self._each(self._attribute, items)

    def _attribute(self, attribute: tuple[str, Any]) -> bytes:
        key, value = attribute
        kind = type(value)
        by_key = self._key_values.setdefault(kind, {})
        if key not in by_key:
            by_key[key] = _KINDS.get(kind, _KeyValues)(key)
        return by_key[key].made(value)


_KINDS: Final = {str: _Strings, int: _Ints, bool: _Bools, float: _Doubles}

# A message in two halves, between which its repeated field stands.
_Envelope = tuple[bytes, bytes]
_Scopes = dict[object, tuple[_Envelope, list[bytes]]]


def _enveloped(tag: bytes, envelope: _Envelope, content: list[bytes]) -> list[bytes]:
    """A field that is a message, in parts: they are many, and to join them is to copy them."""
    before, after = envelope
    size = len(before) + sum(map(len, content)) + len(after)
    return [tag, varint(size), before, *content, after]


def _sized(payload: bytes) -> bytes:
    """What stands behind a tag of wire type LEN."""
    size = len(payload)
    return (_SIZES[size] if size < 1024 else varint(size)) + payload


def _repeated(tag: bytes, messages: Iterable[bytes]) -> bytes:
    """A repeated field of messages behind their lengths."""
    return tag + tag.join(messages) if messages else b""


def _lists(span: type) -> tuple[str, str]:
    """The attributes in which spans of a class have their events and links.

    The SDK copies a list, under a lock, whenever its property is read, which takes as long as
    a third of encoding. Where a property is just that copy, what it copies is read instead.
    """
    return (
        "_events" if _is(lambda self: tuple(self._events), span, "events") else "events",
        "_links" if _is(lambda self: tuple(self._links), span, "links") else "links",
    )


def _is(function: Callable[[Any], object], cls: type, name: str) -> bool:
    """Whether reading this attribute runs the same code."""
    getter = getattr(getattr(cls, name, None), "fget", None)
    found, wanted = getattr(getter, "__code__", None), function.__code__
    return found is not None and (found.co_code, found.co_names) == (
        wanted.co_code,
        wanted.co_names,
    )


def _text(tag: bytes, text: str | None) -> bytes:
    octets = b"" if text is None else _utf8(text)
    return tag + _sized(octets) if octets else b""


def _utf8(text: str) -> bytes:
    try:
        return str.encode(text)
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


def _time(tag: bytes, time: int | None) -> bytes:
    return tag + fixed64(index(time)) if time else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(min(number, _MOST)) if number else b""


def _kind(kind: Enumeration) -> bytes:
    # Before those that the API knows stands SPAN_KIND_UNSPECIFIED, which no span is to have.
    return _SPAN_KIND + varint(1 + _member(kind, 5))


def _status(status: Status | None) -> bytes:
    if status is None:
        return b""
    code = _member(status.status_code, 3)
    message = _text(_STATUS_MESSAGE, status.description)
    return _SPAN_STATUS + _sized(message + (_STATUS_CODE + varint(code) if code else b""))


def _member(of: Enumeration, count: int) -> int:
    value = index(of.value)
    if not 0 <= value < count:
        raise ValueError(f"{of} is not known")
    return value


def _key_value(key: str, value: Any, depth: int) -> bytes:
    """A ``KeyValue`` message behind its length."""
    named = _text(_KEY_VALUE_KEY, key) + _KEY_VALUE_VALUE
    return _sized(named + _sized(_any_value(value, depth)))


def _any_value(value: Any, depth: int = 0) -> bytes:
    """An ``AnyValue`` message; an empty one is None."""
    if value is None:
        return b""
    for kind, encode in _ENCODERS.items():
        if isinstance(value, kind):
            return encode(value)
    if depth == MAX_DEPTH:
        raise ValueError("nested too deep")
    depth += 1
    if isinstance(value, Sequence):
        values = [_sized(_any_value(item, depth)) for item in value]
        return _ARRAY_VALUE + _sized(_repeated(_ARRAY_VALUE_VALUES, values))
    if isinstance(value, Mapping):
        # Keys that are the same as texts must not occur twice.
        items = {str(key): item for key, item in value.items()}.items()
        pairs = [_key_value(key, item, depth) for key, item in items]
        return _KVLIST_VALUE + _sized(_repeated(_KEY_VALUE_LIST_VALUES, pairs))
    raise TypeError(f"{type(value).__name__} is not a type of attributes")


def _string(value: str) -> bytes:
    return _STRING_VALUE + _sized(_utf8(value))


def _bool(value: bool) -> bytes:
    return _BOOL_VALUE + varint(value)


def _int(value: int) -> bytes:
    number = int.__index__(value)
    if -1 << 63 <= number < 1 << 63:
        return _INT_VALUE + int64(number)
    return _string(str(number))


def _double(value: float) -> bytes:
    return _DOUBLE_VALUE + DOUBLE.pack(value)


def _bytes(value: bytes) -> bytes:
    return _BYTES_VALUE + _sized(memoryview(value).tobytes())


# Which of them is set says what type a value is, so none is left out for being empty or zero.
# A bool is an int, so it is asked first whether a value is one.
_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    str: _string,
    bool: _bool,
    int: _int,
    float: _double,
    bytes: _bytes,
}
