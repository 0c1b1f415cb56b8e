"""The trace context propagator for OpenTelemetry."""

from collections.abc import ItemsView, Iterator, KeysView, Sequence, ValuesView
from functools import cached_property
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import (
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext

from verified import propagation, traceparent, tracestate
from verified.otel.carriers import values
from verified.traceparent import fields

_FLAGS = tuple(map(trace.TraceFlags, range(256)))
# The key under which OpenTelemetry keeps the current span, found by having it keep one.
(_SPAN_KEY,) = trace.set_span_in_context(trace.INVALID_SPAN, Context())
_DEFAULT = trace.DEFAULT_TRACE_STATE
_TRACEPARENT = traceparent.NAME
_TRACESTATE = tracestate.NAME
_new = tuple.__new__


class LazyTraceState(trace.TraceState):
    """A trace state that is the header that it came in until a member is asked for.

    It behaves as OpenTelemetry's own does, by the rules of Level 2: it has keys that are
    new in Level 2, and one member too many makes the right-most go, not the new one.
    """

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        state = tracestate.EMPTY
        for key, value in reversed(entries or ()):
            state = state.with_member(key, value)
        self._header = state.header

    @classmethod
    def _of(cls, header: str) -> "LazyTraceState":
        """The trace state with this header, which is known to be a list."""
        state: LazyTraceState = object.__new__(cls)
        state._header = header
        return state

    @cached_property
    def _list(self) -> tracestate.TraceState:
        return tracestate.TraceState(self._header)

    @cached_property
    def _members(self) -> dict[str, str]:
        return dict(self._list.members)

    def _changed(self, changed: tracestate.TraceState) -> "LazyTraceState":
        return self if changed is self._list else self._of(changed.header)

    def add(self, key: str, value: str) -> "LazyTraceState":
        """Return it with this member in front; itself if it has the key, or either is not valid."""
        return self._changed(self._list.add(key, value))

    def update(self, key: str, value: str) -> "LazyTraceState":
        """Return the trace state with this value for the key, which may be a new one."""
        return self._changed(self._list.with_member(key, value))

    def delete(self, key: str) -> "LazyTraceState":
        """Return the trace state without the key; itself if it has none."""
        return self._changed(self._list.delete(key))

    def to_header(self) -> str:
        """Return the list as it is sent; empty if it has no member."""
        return self._header

    @classmethod
    def from_header(cls, header_list: list[str]) -> "LazyTraceState":
        """Return the trace state of these headers together; an empty one if they are no list."""
        return cls._of(propagation.trace_state(header_list))

    def __bool__(self) -> bool:
        return self._header != ""

    def __contains__(self, item: object) -> bool:
        return item in self._members

    def __getitem__(self, key: str) -> str:
        return self._members[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def keys(self) -> KeysView[str]:
        """The keys, the newest first."""
        return self._members.keys()

    def items(self) -> ItemsView[str, str]:
        """The members, the newest first."""
        return self._members.items()

    def values(self) -> ValuesView[str]:
        """The values, the newest first."""
        return self._members.values()

    def __repr__(self) -> str:
        # The SDK prints this text where it prints spans.
        return str([f"{{key={key}, value={value}}}" for key, value in self._members.items()])


class VerifiedTraceContextPropagator(TextMapPropagator):
    """The propagator of W3C Trace Context Level 2, in place of ``tracecontext``."""

    @property
    def fields(self) -> set[str]:
        """The names that it sets (OpenTelemetry, "Fields")."""
        return {traceparent.NAME, tracestate.NAME}

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = default_getter,
    ) -> Context:
        """Return the context in which the parent that the carrier names is the current span.

        The context is returned as it is if there is no such parent; none is the root
        context. Never raises.
        """
        parent = None
        try:
            if getter is default_getter:
                # A mapping that holds one text is read as the default getter would read it.
                value = carrier.get(_TRACEPARENT)
                if type(value) is str:
                    parent = fields(value)
            if parent is None:
                parent = propagation.parent(values(carrier, _TRACEPARENT, getter))
        except Exception:
            parent = None
        if parent is None:
            return Context() if context is None else context
        state = _DEFAULT
        try:
            value = carrier.get(_TRACESTATE) if getter is default_getter else ...
            if value is not None:
                if type(value) is str:
                    header = tracestate.header(value)
                else:
                    header = propagation.trace_state(values(carrier, _TRACESTATE, getter))
                if header:
                    state = LazyTraceState._of(header)
        except Exception:
            state = _DEFAULT
        trace_id, span_id, trace_flags = parent
        span = NonRecordingSpan(
            _new(SpanContext, (trace_id, span_id, True, _FLAGS[trace_flags], state, True))
        )
        if context is None:
            return Context({_SPAN_KEY: span})
        return Context({**context, _SPAN_KEY: span})

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        """Set traceparent if the current span is valid, and then tracestate unless it is empty.

        Raises only what the setter raises.
        """
        try:
            span = (get_current() if context is None else context).get(_SPAN_KEY)
            if type(span) is not NonRecordingSpan and not isinstance(span, Span):
                return
            span_context = span.get_span_context()
            trace_id, span_id, _, trace_flags, state, _ = span_context
            # Ids out of range raise below.
            if not trace_id or not span_id:
                return
            header = traceparent.header(trace_id, span_id, trace_flags)
        except Exception:
            return
        setter.set(carrier, _TRACEPARENT, header)
        if state is not _DEFAULT:
            members = _header(state)
            if members:
                setter.set(carrier, _TRACESTATE, members)


def _header(state: trace.TraceState) -> str:
    """The header of a trace state of any make; empty if it has none that may be sent."""
    if not state:
        return ""
    if type(state) is LazyTraceState:
        return state.to_header()
    try:
        return propagation.trace_state([state.to_header()])
    except Exception:
        return ""
