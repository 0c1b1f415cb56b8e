"""Propagators, id generator and span processors as OpenTelemetry's own (extra ``otel``).

The first two are entry points, so that an application chooses them by its environment::

    OTEL_PROPAGATORS=verified_tracecontext,verified_baggage
    OTEL_PYTHON_ID_GENERATOR=verified

The id generator, ``verified.otel.id_generator``, and the span processors,
``verified.otel.processor``, need opentelemetry-sdk; the others need opentelemetry-api alone.
What they put into a context is of OpenTelemetry's own types.
"""

from verified.otel.baggage import BaggageValue, VerifiedBaggagePropagator
from verified.otel.carriers import HeadersGetter
from verified.otel.trace_context import VerifiedTraceContextPropagator

__all__ = [
    "BaggageValue",
    "HeadersGetter",
    "VerifiedBaggagePropagator",
    "VerifiedTraceContextPropagator",
]
