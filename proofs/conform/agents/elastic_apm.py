"""Knows elastic-apm: a transaction that continues a trace, and a request by urllib within it."""

from __future__ import annotations

import http.client
import io
import urllib.request

import elasticapm

NAME = "elastic-apm"
CLAIMS = {"implements": ["w3c-trace-context"], "trace_context_level": 1}
OFFERS = {}

client = elasticapm.Client(
    service_name="conform",
    disable_send=True,
    central_config=False,
    cloud_provider="none",
    metrics_interval="0ms",
    use_elastic_traceparent_header=False,
)
elasticapm.instrument()


class _Connection(http.client.HTTPConnection):
    """Keeps what is sent, and ends there."""

    def connect(self):
        pass

    def send(self, data):
        _Connection.sent = data

    def getresponse(self):
        raise ConnectionResetError


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, request):
        return self.do_open(_Connection, request)


def _requested():
    """The headers of tracing in a request that is made by urllib."""
    try:
        urllib.request.build_opener(_Handler).open("http://localhost/")
    except ConnectionResetError:
        pass
    _, _, head = _Connection.sent.partition(b"\r\n")
    sent = http.client.parse_headers(io.BytesIO(head)).items()
    return [[name.lower(), value] for name, value in sent if name.lower().startswith("trace")]


def version():
    return _version("elastic-apm")


def tracecontext_continue(headers):
    client.begin_transaction("request", elasticapm.trace_parent_from_headers(_joined(headers)))
    try:
        return {"headers": _requested()}
    finally:
        client.end_transaction("conform", "ok")


def ids_generate(count):
    ids = []
    for _ in range(count):
        client.begin_transaction("request")
        ids.append(elasticapm.get_trace_parent_header().split("-")[1:3])
        client.end_transaction("conform", "ok")
    return {"ids": ids}


OFFERS.update({"tracecontext.continue": tracecontext_continue, "ids.generate": ids_generate})
