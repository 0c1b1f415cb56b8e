"""The span context: what of a span crosses process boundaries (OpenTelemetry trace API)."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from verified.contracts import ensure
from verified.ids import SpanId, TraceId
from verified.trace_flags import RANDOM_TRACE_ID, SAMPLED, TraceFlags
from verified.tracestate import EMPTY, TraceState

_NO_FLAGS = TraceFlags(0)


class _Fields(NamedTuple):
    trace_id: TraceId
    span_id: SpanId
    trace_flags: TraceFlags
    trace_state: TraceState
    is_remote: bool


class SpanContext(_Fields):
    """An immutable span context.

    Each field has the type that is declared for it, so what is not an id cannot stand
    where an id belongs, and a context that is not valid is made only by naming
    ``TraceId.INVALID`` or ``SpanId.INVALID``.
    """

    __slots__ = ()

    @ensure(
        lambda trace_id, span_id, trace_flags, trace_state, is_remote, result: (
            result == (trace_id, span_id, trace_flags, trace_state, is_remote)
        )
    )
    def __new__(
        cls,
        trace_id: TraceId,
        span_id: SpanId,
        trace_flags: TraceFlags = _NO_FLAGS,
        trace_state: TraceState = EMPTY,
        is_remote: bool = False,
    ) -> Self:
        """Make a span context of these fields.

        :raises TypeError: if a field has not the type that is declared for it.
        """
        if not (
            isinstance(trace_id, TraceId)
            and isinstance(span_id, SpanId)
            and isinstance(trace_flags, TraceFlags)
            and isinstance(trace_state, TraceState)
            and isinstance(is_remote, bool)
        ):
            given = trace_id, span_id, trace_flags, trace_state, is_remote
            names = ", ".join([type(field).__name__ for field in given])
            raise TypeError(
                "SpanContext takes a TraceId, a SpanId, TraceFlags, a TraceState and a bool, "
                f"not {names}"
            )
        return tuple.__new__(cls, (trace_id, span_id, trace_flags, trace_state, is_remote))

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Self:  # type: ignore[override]
        # The inherited method, and _replace through it, would take any value for a field.
        # It is generic in a way that mypy does not let a subclass narrow.
        return cls(*iterable)

    @property
    @ensure(lambda self, result: result == (self.trace_id != 0 and self.span_id != 0))
    def is_valid(self) -> bool:
        """Whether the trace id and the span id are both valid ("IsValid")."""
        return self.trace_id.is_valid and self.span_id.is_valid

    @ensure(
        lambda self, span_id, result: (
            (result.trace_id, result.span_id) == (self.trace_id, span_id)
            and result.trace_state == self.trace_state
            and not result.is_remote
        )
    )
    @ensure(lambda self, result: result.trace_flags.random == self.trace_flags.random)
    @ensure(lambda sampled, result: sampled is None or result.trace_flags.sampled == sampled)
    def child(self, span_id: SpanId, sampled: bool | None = None) -> "SpanContext":
        """Return the context of a span that continues this trace.

        Trace id, trace state and the random flag are kept as they are, the sampled
        flag too unless a sampling decision is given; flags that Level 2 does not define
        are cleared. The sampled flag thereby changes only together with the span id
        (W3C Trace Context Level 2, "Mutating the traceparent Field").
        """
        flags = self.trace_flags & (SAMPLED | RANDOM_TRACE_ID)
        if sampled is not None:
            flags = flags & RANDOM_TRACE_ID | sampled
        return SpanContext(self.trace_id, span_id, TraceFlags(flags), self.trace_state, False)
