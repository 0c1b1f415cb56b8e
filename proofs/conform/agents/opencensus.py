"""Knows opencensus and its propagator of W3C Trace Context."""

from __future__ import annotations

from opencensus.trace.base_exporter import Exporter
from opencensus.trace.propagation.trace_context_http_header_format import TraceContextPropagator
from opencensus.trace.samplers import AlwaysOnSampler
from opencensus.trace.span_context import SpanContext
from opencensus.trace.trace_options import TraceOptions
from opencensus.trace.tracer import Tracer
from opencensus.trace.tracestate import Tracestate

NAME = "opencensus"
CLAIMS = {"implements": ["w3c-trace-context"], "trace_context_level": 1}
OFFERS = {}


class _Nowhere(Exporter):
    def emit(self, span_datas):
        pass

    def export(self, span_datas):
        pass


def version():
    return _version("opencensus")


def _described(span_context):
    return {
        "trace_id": span_context.trace_id,
        "span_id": span_context.span_id,
        "flags": int(span_context.trace_options.enabled),
        "trace_state": [[key, value] for key, value in (span_context.tracestate or {}).items()],
    }


def tracecontext_extract(headers):
    span_context = TraceContextPropagator().from_headers(_joined(headers))
    return {"span": _described(span_context) if span_context.from_header else None}


def tracecontext_inject(span):
    span_context = SpanContext(
        span["trace_id"],
        span["span_id"],
        TraceOptions(str(span["flags"])),
        Tracestate([tuple(member) for member in span["trace_state"]]),
    )
    return {"headers": _listed(TraceContextPropagator().to_headers(span_context))}


def tracecontext_relay(headers):
    propagator = TraceContextPropagator()
    return {"headers": _listed(propagator.to_headers(propagator.from_headers(_joined(headers))))}


def tracecontext_continue(headers):
    propagator = TraceContextPropagator()
    tracer = Tracer(propagator.from_headers(_joined(headers)), AlwaysOnSampler(), _Nowhere())
    with tracer.span("conform"):
        sent = propagator.to_headers(tracer.span_context)
        return {"headers": _listed(sent), "span": _described(tracer.span_context)}


def ids_generate(count):
    ids = []
    for _ in range(count):
        tracer = Tracer(sampler=AlwaysOnSampler(), exporter=_Nowhere())
        with tracer.span("conform") as span:
            ids.append([tracer.span_context.trace_id, span.span_id])
    return {"ids": ids}


OFFERS.update(
    {
        "tracecontext.extract": tracecontext_extract,
        "tracecontext.inject": tracecontext_inject,
        "tracecontext.relay": tracecontext_relay,
        "tracecontext.continue": tracecontext_continue,
        "ids.generate": ids_generate,
    }
)
