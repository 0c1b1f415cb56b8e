"""What the encoder reads of a span: the attributes of opentelemetry-sdk's ``ReadableSpan``.

Nothing is inherited from these; whatever has the attributes is encoded. Times are in
nanoseconds since 1970-01-01 in UTC, from 0 to 2**64 - 1, and None where they are not known.
What was dropped before is counted from 0; more than 2**32 - 1 is written as that many.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

Attributes = Mapping[str, Any] | None
"""Attributes by key; None is as good as none of them."""


class Enumeration(Protocol):
    """A member of ``SpanKind`` or ``StatusCode``."""

    @property
    def value(self) -> int: ...


class TraceState(Protocol):
    """The tracestate of a span context."""

    def to_header(self) -> str: ...


class SpanContext(Protocol):
    """The ids of a span, or of one that is its parent or linked to it.

    A trace id has 128 bits, a span id 64, and of the flags the lowest 8 are written.
    """

    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...
    @property
    def trace_flags(self) -> int: ...
    @property
    def trace_state(self) -> TraceState | None: ...
    @property
    def is_remote(self) -> bool: ...


class Resource(Protocol):
    """The entity that made the spans."""

    @property
    def attributes(self) -> Attributes: ...
    @property
    def schema_url(self) -> str | None: ...


class InstrumentationScope(Protocol):
    """The library that made the spans."""

    @property
    def name(self) -> str | None: ...
    @property
    def version(self) -> str | None: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def schema_url(self) -> str | None: ...


class Event(Protocol):
    """What happened at one time of a span."""

    @property
    def name(self) -> str | None: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def dropped_attributes(self) -> int: ...


class Link(Protocol):
    """A pointer to another span."""

    @property
    def context(self) -> SpanContext: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def dropped_attributes(self) -> int: ...


class Status(Protocol):
    """How a span ended."""

    @property
    def status_code(self) -> Enumeration: ...
    @property
    def description(self) -> str | None: ...


class ReadableSpan(Protocol):
    """A span that can be read."""

    @property
    def name(self) -> str | None: ...
    @property
    def context(self) -> SpanContext | None: ...
    @property
    def parent(self) -> SpanContext | None: ...
    @property
    def kind(self) -> Enumeration: ...
    @property
    def start_time(self) -> int | None: ...
    @property
    def end_time(self) -> int | None: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def events(self) -> Iterable[Event]: ...
    @property
    def links(self) -> Iterable[Link]: ...
    @property
    def status(self) -> Status | None: ...
    @property
    def resource(self) -> Resource: ...
    @property
    def instrumentation_scope(self) -> InstrumentationScope | None: ...
    @property
    def dropped_attributes(self) -> int: ...
    @property
    def dropped_events(self) -> int: ...
    @property
    def dropped_links(self) -> int: ...
