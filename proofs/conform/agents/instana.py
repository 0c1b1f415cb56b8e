"""Knows instana, whose tracer finds no agent to report to and propagates all the same."""

from __future__ import annotations

import os

os.environ.update(
    INSTANA_DISABLE_AUTO_INSTR="true", INSTANA_AGENT_HOST="127.0.0.1", INSTANA_AGENT_PORT="9"
)

import instana
from instana.propagators.format import Format
from instana.singletons import tracer

NAME = "instana"
CLAIMS = {"implements": ["w3c-trace-context"]}
OFFERS = {}


def version():
    return _version("instana")


def _inject(span):
    carrier = {}
    tracer.inject(span.context, Format.HTTP_HEADERS, carrier)
    return _listed(carrier)


def tracecontext_continue(headers):
    context = tracer.extract(Format.HTTP_HEADERS, _joined(headers))
    with tracer.start_as_current_span("conform", context) as span:
        return {"headers": _inject(span)}


def ids_generate(count):
    ids = []
    for _ in range(count):
        with tracer.start_as_current_span("conform") as span:
            sent = dict(_inject(span))
            ids.append(sent["traceparent"].split("-")[1:3])
    return {"ids": ids}


OFFERS.update({"tracecontext.continue": tracecontext_continue, "ids.generate": ids_generate})
