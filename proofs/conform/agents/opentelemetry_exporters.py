"""Knows what opentelemetry-python exports, configures and propagates; in any release since 1.0."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

from opentelemetry.propagators import textmap

try:
    from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter as HttpExporter,
    )
except ImportError:
    HttpExporter = None
try:
    from opentelemetry.exporter.otlp.json.http.trace_exporter import (
        OTLPSpanExporter as JsonExporter,
    )
except ImportError:
    JsonExporter = None
try:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
        OTLPSpanExporter as GrpcExporter,
    )
except ImportError:
    GrpcExporter = None
try:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
except ImportError:
    BatchSpanProcessor = InMemorySpanExporter = None
try:
    from opentelemetry.propagators import b3
except ImportError:
    b3 = None
try:
    from opentelemetry.propagators.composite import CompositePropagator
except ImportError:
    from opentelemetry.propagators.composite import CompositeHTTPPropagator as CompositePropagator


class _Log(logging.Handler):
    """Keeps what is logged as a warning or worse."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []
        logging.getLogger().addHandler(self)

    def emit(self, record):
        self.texts.append(record.getMessage()[:200])


def _ended(described):
    """Spans that have ended, of a tracer without processors."""
    tracer = TracerProvider().get_tracer("conform")
    spans = []
    for each in described:
        parent = _within(_span_context(each["parent"])) if "parent" in each else Context()
        links = [trace.Link(_span_context(link)) for link in each.get("links", [])]
        attributes = {"large": "x" * each["size"]} if "size" in each else {}
        span = tracer.start_span(each["name"], parent, links=links, attributes=attributes)
        span.end()
        spans.append(span)
    return spans


def _result(exporter, spans):
    """What the exporter says in the end, and after how many seconds."""
    began = time.monotonic()
    try:
        result = exporter.export(spans)
    except Exception as error:
        return {"raised": type(error).__name__, "seconds": round(time.monotonic() - began, 3)}
    return {"result": result.name.lower(), "seconds": round(time.monotonic() - began, 3)}


def _export(make, endpoints, batches, **options):
    """Export batches, one after the other, to each endpoint at the same time."""
    ended = [_ended(batch) for batch in batches]

    def export(endpoint):
        exporter = make(endpoint=endpoint, **options)
        results = [_result(exporter, spans) for spans in ended]
        exporter.shutdown()
        return results

    with ThreadPoolExecutor(len(endpoints)) as pool:
        exports = list(pool.map(export, endpoints))
    spans = [[_described(span.get_span_context()) for span in batch] for batch in ended]
    return {"exports": exports, "spans": spans}


def _http(endpoint, timeout, compression):
    choice = HttpCompression.Gzip if compression == "gzip" else HttpCompression.NoCompression
    return HttpExporter(endpoint=endpoint, timeout=timeout / 1000, compression=choice)


def _json(endpoint, timeout, compression):
    return JsonExporter(endpoint=endpoint, timeout=timeout / 1000)


def _grpc(endpoint, timeout, compression):
    # The first releases take no URL.
    address = endpoint.split("//")[1]
    return GrpcExporter(endpoint=address, timeout=timeout / 1000, insecure=True)


def otlp_http_export(endpoints, batches, timeout=10000, compression="none"):
    return _export(_http, endpoints, batches, timeout=timeout, compression=compression)


def otlp_json_export(endpoints, batches, timeout=10000, compression="none"):
    return _export(_json, endpoints, batches, timeout=timeout, compression=compression)


def otlp_grpc_export(endpoints, batches, timeout=10000, compression="none"):
    return _export(_grpc, endpoints, batches, timeout=timeout, compression=compression)


def otlp_http_configured():
    log = _Log()
    result = _result(HttpExporter(), _ended([{"name": "s"}]))
    return dict(result, logged=log.texts)


def otlp_grpc_configured():
    log = _Log()
    result = _result(GrpcExporter(), _ended([{"name": "s"}]))
    return dict(result, logged=log.texts)


def processor_configured(count):
    log = _Log()
    exporter = InMemorySpanExporter()
    processor = BatchSpanProcessor(exporter)
    for span in _ended([{"name": "s"}] * count):
        processor.on_end(span)
    processor.force_flush(10000)
    exported = len(exporter.get_finished_spans())
    processor.shutdown()
    return {"exported": exported, "logged": log.texts}


def limits_configured():
    log = _Log()
    span = TracerProvider().get_tracer("conform").start_span("s", Context(), attributes={"k": 1})
    return {"attributes": len(span.attributes), "logged": log.texts}


def sampler_configured(count):
    log = _Log()
    tracer = TracerProvider().get_tracer("conform")
    spans = [tracer.start_span("s", Context()) for _ in range(count)]
    sampled = [bool(span.get_span_context().trace_flags & 1) for span in spans]
    return {"sampled": sampled.count(True), "logged": log.texts}


def propagators_configured(span):
    log = _Log()
    from opentelemetry import propagate

    context = baggage.set_baggage("key", "value", _within(_span_context(span)))
    return {"headers": _set(propagate.get_global_textmap(), context), "logged": log.texts}


def _set(propagator, context):
    """Each header that is set, also such as are set twice."""
    calls = []

    class Setter(textmap.Setter):
        def set(self, carrier, key, value):
            calls.append([key, value])

    propagator.inject({}, context, Setter())
    return calls


def propagators_composite(names):
    injected, extracted = [], []

    class Named(textmap.TextMapPropagator):
        fields = frozenset()

        def __init__(self, name):
            self.name = name

        def inject(self, carrier, context=None, setter=None):
            injected.append(self.name)

        def extract(self, carrier, context=None, getter=None):
            extracted.append(self.name)
            return context

    propagator = CompositePropagator([Named(name) for name in names])
    propagator.inject({}, Context())
    propagator.extract({}, Context())
    return {"injected": injected, "extracted": extracted}


def getter_get(headers, name):
    # It returns all values, or None.
    values = textmap.default_getter.get(_carrier(headers), name) or []
    return {"value": values[0] if values else None, "values": list(values)}


def getter_keys(headers):
    return {"keys": list(textmap.default_getter.keys(_carrier(headers)))}


def setter_set(headers):
    carrier = {}
    for name, value in headers:
        textmap.default_setter.set(carrier, name, value)
    return {"headers": [[name, value] for name, value in carrier.items()]}


class _HeadersGetter(textmap.Getter):
    """A getter as instrumentation of HTTP has it: the case of names does not matter."""

    def get(self, carrier, key):
        return [value for name, value in carrier if name.lower() == key.lower()] or None

    def keys(self, carrier):
        return [name for name, _ in carrier]


def _received(propagator, headers):
    context = propagator.extract(carrier=headers, context=Context(), getter=_HeadersGetter())
    span_context = trace.get_current_span(context).get_span_context()
    return {"span": _described(span_context) if span_context.is_valid else None}


def tracecontext_receive(headers):
    return _received(TraceContextTextMapPropagator(), headers)


def _b3(form):
    # Before 1.2.0 there is one class for both.
    name = "B3SingleFormat" if form == "single" else "B3MultiFormat"
    return getattr(b3, name, b3.B3Format)()


def b3_extract(headers):
    return _received(_b3("single"), headers)


def b3_inject(span, form):
    return {"headers": _inject(_b3(form), _within(_span_context(span)))}


def b3_relay(headers, form):
    return {"headers": _inject(_b3(form), _extract(_b3(form), headers))}


def b3_fields(form):
    return {"fields": sorted(_b3(form).fields)}


OFFERS.update(
    {
        "propagators.configured": propagators_configured,
        "propagators.composite": propagators_composite,
        "getter.get": getter_get,
        "getter.keys": getter_keys,
        "setter.set": setter_set,
        "tracecontext.receive": tracecontext_receive,
    }
)
if b3 is not None:
    OFFERS["b3.extract"] = b3_extract
    OFFERS["b3.inject"] = b3_inject
    OFFERS["b3.relay"] = b3_relay
    OFFERS["b3.fields"] = b3_fields
if TracerProvider is not None:
    OFFERS["sampler.configured"] = sampler_configured
    OFFERS["limits.configured"] = limits_configured
    OFFERS["processor.configured"] = processor_configured
if HttpExporter is not None:
    OFFERS["otlp.http.export"] = otlp_http_export
    OFFERS["otlp.http.configured"] = otlp_http_configured
if JsonExporter is not None:
    OFFERS["otlp.json.export"] = otlp_json_export
if GrpcExporter is not None:
    OFFERS["otlp.grpc.export"] = otlp_grpc_export
    OFFERS["otlp.grpc.configured"] = otlp_grpc_configured
