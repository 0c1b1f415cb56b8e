"""Knows the verified parts, in the places of those of opentelemetry-api and opentelemetry-sdk."""

from __future__ import annotations

from verified import __version__
from verified.otel import VerifiedBaggagePropagator as W3CBaggagePropagator
from verified.otel import VerifiedTraceContextPropagator as TraceContextTextMapPropagator
from verified.otel.id_generator import VerifiedIdGenerator as RandomIdGenerator
from verified.otel.trace_context import LazyTraceState as TraceState

NAME = "verified"


def version():
    return __version__


def _entries(context):
    values = baggage.get_all(context=context)
    return [[name, value, getattr(value, "metadata", "")] for name, value in values.items()]
