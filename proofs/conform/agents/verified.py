"""Knows the verified parts, in the places of those of opentelemetry-api and opentelemetry-sdk."""

from __future__ import annotations

from verified import __version__
from verified.otel import VerifiedBaggagePropagator as W3CBaggagePropagator
from verified.otel import VerifiedTraceContextPropagator as TraceContextTextMapPropagator
from verified.otel.id_generator import VerifiedIdGenerator as RandomIdGenerator
from verified.otel.processor import VerifiedBatchSpanProcessor as BatchSpanProcessor
from verified.otel.processor import VerifiedSimpleSpanProcessor as SimpleSpanProcessor
from verified.otel.trace_context import LazyTraceState as TraceState

NAME = "verified"
IDS = {"id_generator": RandomIdGenerator()}


def version():
    return __version__


def _entries(context):
    values = baggage.get_all(context=context)
    return [[name, value, getattr(value, "metadata", "")] for name, value in values.items()]


# Both of its processors take a time for shutdown.
OFFERS["processor.shutdown_timeout"] = processor_shutdown_timeout
# What is of the API and the SDK alone, which have no other in its place.
for name in list(OFFERS):
    if name.partition(".")[0] in ("noop", "sampler", "tracer", "provider", "exporter"):
        del OFFERS[name]
