"""The core of OpenTelemetry tracing, each promise of which is checked by machine."""

from verified import baggage, propagation, traceparent, tracestate
from verified.baggage import Baggage
from verified.id_generator import IdGenerator
from verified.ids import SpanId, TraceId
from verified.span_context import SpanContext
from verified.trace_flags import TraceFlags
from verified.tracestate import TraceState

__version__ = "0.1.0"

__all__ = [
    "Baggage",
    "IdGenerator",
    "SpanContext",
    "SpanId",
    "TraceFlags",
    "TraceId",
    "TraceState",
    "baggage",
    "propagation",
    "traceparent",
    "tracestate",
]
