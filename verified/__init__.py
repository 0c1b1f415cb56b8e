"""The core of OpenTelemetry tracing, each promise of which is checked by machine."""

from verified import traceparent
from verified.id_generator import IdGenerator
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext, TraceState
from verified.trace_flags import TraceFlags

__version__ = "0.1.0"

__all__ = [
    "IdGenerator",
    "SpanContext",
    "SpanId",
    "TraceFlags",
    "TraceId",
    "TraceState",
    "traceparent",
]
