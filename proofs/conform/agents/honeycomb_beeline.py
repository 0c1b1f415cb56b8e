"""Knows honeycomb-beeline with its hooks for W3C Trace Context, sending to nowhere."""

from __future__ import annotations

import beeline
from beeline.propagation import DictRequest, w3c

NAME = "honeycomb-beeline"
CLAIMS = {"implements": ["w3c-trace-context"], "trace_context_level": 1}
OFFERS = {}


class _Nowhere:
    """A transmission, as libhoney takes it."""

    def start(self):
        pass

    def send(self, event):
        pass

    def flush(self):
        pass

    def close(self):
        pass

    def get_response_queue(self):
        return None


beeline.init(
    writekey="conform",
    dataset="conform",
    service_name="conform",
    transmission_impl=_Nowhere(),
    http_trace_parser_hook=w3c.http_trace_parser_hook,
    http_trace_propagation_hook=w3c.http_trace_propagation_hook,
)


def version():
    return _version("honeycomb-beeline")


def tracecontext_relay(headers):
    received = w3c.http_trace_parser_hook(DictRequest(_joined(headers)))
    return {"headers": _listed(w3c.http_trace_propagation_hook(received) or {})}


def tracecontext_continue(headers):
    trace = beeline.propagate_and_start_trace({"name": "conform"}, DictRequest(_joined(headers)))
    try:
        return {"headers": _listed(beeline.http_trace_propagation_hook())}
    finally:
        beeline.finish_trace(trace)


def ids_generate(count):
    ids = []
    for _ in range(count):
        span = beeline.start_trace({"name": "conform"})
        ids.append([span.trace_id, span.id])
        beeline.finish_trace(span)
    return {"ids": ids}


OFFERS.update(
    {
        "tracecontext.relay": tracecontext_relay,
        "tracecontext.continue": tracecontext_continue,
        "ids.generate": ids_generate,
    }
)
