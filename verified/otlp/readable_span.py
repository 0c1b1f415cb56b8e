"""What the encoder reads of a span: the attributes of opentelemetry-sdk's ``ReadableSpan``.

Nothing is inherited from these; whatever has the attributes is encoded, as the messages of
opentelemetry-proto (``trace.proto``, ``resource.proto``, ``common.proto``). Texts are written in
UTF-8, what of them has none as U+FFFD. Times are in nanoseconds since 1970-01-01 in UTC, from 0 to
2**64 - 1, and None or 0 where they are not known. What was dropped before is counted from 0; more
than 2**32 - 1 is written as that many.

A span of which something has another type, or a number beyond its bounds, is not encoded, an
event or a link of that kind neither; such spans are lost alone, and counted.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

Attributes = Mapping[str, Any] | None
"""Attributes by key; None is as good as none of them.

Values are texts, booleans, numbers, bytes, None, and sequences and mappings of these, thirty
deep at most (OpenTelemetry, "Attribute"). Integers beyond 64 bits with a sign are written as texts.
"""


class Enumeration(Protocol):
    """A member of ``SpanKind`` or ``StatusCode``."""

    @property
    def value(self) -> int:
        """The number that opentelemetry-api gives it, from 0."""
        ...


class TraceState(Protocol):
    """The tracestate of a span context."""

    def to_header(self) -> str:
        """The list as it is sent (Trace Context, section 3.3); empty if it has no member."""
        ...


class SpanContext(Protocol):
    """The ids of a span, or of one that is its parent or linked to it ("SpanContext")."""

    @property
    def trace_id(self) -> int:
        """128 bits; 0 is no id."""
        ...

    @property
    def span_id(self) -> int:
        """64 bits; 0 is no id."""
        ...

    @property
    def trace_flags(self) -> int:
        """The flags of Trace Context, of which the lowest 8 bits are written."""
        ...

    @property
    def trace_state(self) -> TraceState | None:
        """The list of the trace, or None."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it came from another process."""
        ...


class Resource(Protocol):
    """The entity that made the spans ("Resource")."""

    @property
    def attributes(self) -> Attributes:
        """What it is."""
        ...

    @property
    def schema_url(self) -> str | None:
        """Of which conventions its attributes are."""
        ...


class InstrumentationScope(Protocol):
    """The library that made the spans ("Instrumentation Scope")."""

    @property
    def name(self) -> str | None:
        """The name of the library."""
        ...

    @property
    def version(self) -> str | None:
        """The version of the library."""
        ...

    @property
    def attributes(self) -> Attributes:
        """What else is to be known of it."""
        ...

    @property
    def schema_url(self) -> str | None:
        """Of which conventions the attributes of its spans are."""
        ...


class Event(Protocol):
    """What happened at one time of a span ("Add Events")."""

    @property
    def name(self) -> str | None:
        """What happened."""
        ...

    @property
    def timestamp(self) -> int | None:
        """When, in nanoseconds since 1970."""
        ...

    @property
    def attributes(self) -> Attributes:
        """How, and to what."""
        ...

    @property
    def dropped_attributes(self) -> int:
        """How many more it had."""
        ...


class Link(Protocol):
    """A pointer to another span ("Link")."""

    @property
    def context(self) -> SpanContext:
        """The span that is linked."""
        ...

    @property
    def attributes(self) -> Attributes:
        """Why it is."""
        ...

    @property
    def dropped_attributes(self) -> int:
        """How many more it had."""
        ...


class Status(Protocol):
    """How a span ended ("Set Status")."""

    @property
    def status_code(self) -> Enumeration:
        """A ``StatusCode``: 0 unset, 1 ok, 2 an error."""
        ...

    @property
    def description(self) -> str | None:
        """What went wrong."""
        ...


class ReadableSpan(Protocol):
    """A span that can be read ("Additional Span Interfaces")."""

    @property
    def name(self) -> str | None:
        """What kind of work it stands for."""
        ...

    @property
    def context(self) -> SpanContext | None:
        """Its own ids; a span that has none is not encoded."""
        ...

    @property
    def parent(self) -> SpanContext | None:
        """The span that it is a part of; None for the root of a trace."""
        ...

    @property
    def kind(self) -> Enumeration:
        """A ``SpanKind``, from 0, internal, to 4, a consumer."""
        ...

    @property
    def start_time(self) -> int | None:
        """When it began, in nanoseconds since 1970."""
        ...

    @property
    def end_time(self) -> int | None:
        """When it ended, in nanoseconds since 1970."""
        ...

    @property
    def attributes(self) -> Attributes:
        """What is to be known of the work."""
        ...

    @property
    def events(self) -> Iterable[Event]:
        """What happened meanwhile, in order."""
        ...

    @property
    def links(self) -> Iterable[Link]:
        """Spans of this trace or others that it has to do with."""
        ...

    @property
    def status(self) -> Status | None:
        """How it ended; None is unset."""
        ...

    @property
    def resource(self) -> Resource:
        """Who made it."""
        ...

    @property
    def instrumentation_scope(self) -> InstrumentationScope | None:
        """By which library."""
        ...

    @property
    def dropped_attributes(self) -> int:
        """How many more attributes it had."""
        ...

    @property
    def dropped_events(self) -> int:
        """How many more events it had."""
        ...

    @property
    def dropped_links(self) -> int:
        """How many more links it had."""
        ...
