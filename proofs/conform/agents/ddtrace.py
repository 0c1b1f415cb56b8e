"""Knows ddtrace, told to propagate by W3C Trace Context and W3C Baggage and to send nothing."""

from __future__ import annotations

import os

os.environ.update(
    DD_TRACE_PROPAGATION_STYLE="tracecontext,baggage",
    DD_TRACE_ENABLED="false",  # spans are made, and not sent
    DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
    DD_REMOTE_CONFIGURATION_ENABLED="false",
    DD_CRASHTRACKING_ENABLED="false",
)

from ddtrace.propagation.http import HTTPPropagator

try:
    from ddtrace.trace import Context, tracer
except ImportError:
    from ddtrace import tracer
    from ddtrace.context import Context

NAME = "ddtrace"
CLAIMS = {"implements": ["w3c-trace-context", "w3c-baggage"]}
OFFERS = {}
if tuple(map(int, _version("ddtrace").split(".")[:2])) < (4, 15):
    CLAIMS["trace_context_level"] = 1  # The flag random of Level 2 is passed on from 4.15 on.


def version():
    return _version("ddtrace")


def _inject(context):
    carrier = {}
    HTTPPropagator.inject(context, carrier)
    return _listed(carrier)


def tracecontext_relay(headers):
    return {"headers": _inject(HTTPPropagator.extract(_joined(headers)))}


def tracecontext_continue(headers):
    tracer.context_provider.activate(HTTPPropagator.extract(_joined(headers)))
    with tracer.trace("conform") as span:
        ids = {"trace_id": "%032x" % span.trace_id, "span_id": "%016x" % span.span_id}
        return {"headers": _inject(span.context), "span": ids}


def ids_generate(count):
    tracer.context_provider.activate(None)
    ids = []
    for _ in range(count):
        with tracer.trace("conform") as span:
            ids.append(["%032x" % span.trace_id, "%016x" % span.span_id])
    return {"ids": ids}


def baggage_extract(headers):
    items = HTTPPropagator.extract(_joined(headers)).get_all_baggage_items()
    return {"entries": [[name, value, ""] for name, value in items.items()]}


def baggage_inject(entries):
    context = Context()
    for name, value, _ in entries:
        context.set_baggage_item(name, value)
    return {"headers": _inject(context)}


def baggage_relay(headers):
    return {"headers": _inject(HTTPPropagator.extract(_joined(headers)))}


OFFERS.update(
    {
        "tracecontext.relay": tracecontext_relay,
        "tracecontext.continue": tracecontext_continue,
        "ids.generate": ids_generate,
    }
)
if hasattr(Context, "get_all_baggage_items"):
    OFFERS["baggage.extract"] = baggage_extract
    OFFERS["baggage.inject"] = baggage_inject
    OFFERS["baggage.relay"] = baggage_relay
