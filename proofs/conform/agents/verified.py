"""Knows the verified parts, in the places of those of opentelemetry-api and opentelemetry-sdk."""

from __future__ import annotations

from verified import __version__
from verified.otel import HeadersGetter
from verified.otel import VerifiedBaggagePropagator as W3CBaggagePropagator
from verified.otel import VerifiedTraceContextPropagator as TraceContextTextMapPropagator
from verified.otel.trace_context import LazyTraceState as TraceState

try:
    from verified.otel.id_generator import VerifiedIdGenerator as RandomIdGenerator
except ImportError:
    RandomIdGenerator = None
try:
    from verified.otel.exporter import VerifiedOTLPSpanExporter
    from verified.otel.processor import VerifiedBatchSpanProcessor as BatchSpanProcessor
    from verified.otel.processor import VerifiedSimpleSpanProcessor as SimpleSpanProcessor
except ImportError:
    VerifiedOTLPSpanExporter = BatchSpanProcessor = SimpleSpanProcessor = None

NAME = "verified"
IDS = {} if RandomIdGenerator is None else {"id_generator": RandomIdGenerator()}


def version():
    return __version__


def _entries(context):
    values = baggage.get_all(context=context)
    return [[name, value, getattr(value, "metadata", "")] for name, value in values.items()]


if SimpleSpanProcessor is not None:
    # Both of its processors take a time for shutdown.
    OFFERS["processor.shutdown_timeout"] = processor_shutdown_timeout
# What is of the API and the SDK alone, which have no other in its place.
for name in list(OFFERS):
    if name.partition(".")[0] in ("noop", "sampler", "tracer", "provider", "exporter"):
        del OFFERS[name]


def _http(endpoint, timeout, compression):
    return VerifiedOTLPSpanExporter(endpoint, timeout_millis=timeout, compression=compression)


def _grpc(endpoint, timeout, compression):
    return VerifiedOTLPSpanExporter(endpoint, protocol="grpc", timeout_millis=timeout)


def HttpExporter():  # noqa: N802
    return VerifiedOTLPSpanExporter()


def GrpcExporter():  # noqa: N802
    return VerifiedOTLPSpanExporter(protocol="grpc")


def getter_get(headers, name):
    values = HeadersGetter().get(_carrier(headers), name) or []
    return {"value": values[0] if values else None, "values": list(values)}


def getter_keys(headers):
    return {"keys": list(HeadersGetter().keys(_carrier(headers)))}


# What is not replaced, and is not of these parts.
for _operation in (
    "sampler.configured",
    "limits.configured",
    "propagators.configured",
    "propagators.composite",
    "setter.set",
    "otlp.json.export",
    "b3.extract",
    "b3.inject",
    "b3.relay",
    "b3.fields",
):
    OFFERS.pop(_operation, None)
_EXPORTS = {
    "otlp.http.export": otlp_http_export,
    "otlp.http.configured": otlp_http_configured,
    "otlp.grpc.export": otlp_grpc_export,
    "otlp.grpc.configured": otlp_grpc_configured,
    "processor.configured": processor_configured,
}
for _operation, _function in _EXPORTS.items():
    if VerifiedOTLPSpanExporter is None:
        OFFERS.pop(_operation, None)
    else:
        OFFERS[_operation] = _function
OFFERS["getter.get"] = getter_get
OFFERS["getter.keys"] = getter_keys
