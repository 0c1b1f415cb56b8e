"""Knows newrelic, in the mode in which it talks to nobody."""

from __future__ import annotations

import os

os.environ.update(
    NEW_RELIC_DEVELOPER_MODE="true",
    NEW_RELIC_DISTRIBUTED_TRACING_ENABLED="true",
    NEW_RELIC_LICENSE_KEY="0" * 40,
    NEW_RELIC_APP_NAME="conform",
    NEW_RELIC_LOG="stderr",
    NEW_RELIC_LOG_LEVEL="critical",
)

import newrelic.agent

NAME = "newrelic"
CLAIMS = {"implements": ["w3c-trace-context"], "trace_context_level": 1}
OFFERS = {}

newrelic.agent.initialize()
application = newrelic.agent.register_application(timeout=10.0)


def version():
    return _version("newrelic")


def tracecontext_continue(headers):
    sent = []
    with newrelic.agent.BackgroundTask(application, "conform"):
        newrelic.agent.accept_distributed_trace_headers(_joined(headers))
        newrelic.agent.insert_distributed_trace_headers(sent)
        ids = {
            "trace_id": newrelic.agent.current_trace_id(),
            "span_id": newrelic.agent.current_span_id(),
        }
    return {"headers": [list(each) for each in sent], "span": ids}


def ids_generate(count):
    ids = []
    for _ in range(count):
        with newrelic.agent.BackgroundTask(application, "conform"):
            ids.append([newrelic.agent.current_trace_id(), newrelic.agent.current_span_id()])
    return {"ids": ids}


OFFERS.update({"tracecontext.continue": tracecontext_continue, "ids.generate": ids_generate})
