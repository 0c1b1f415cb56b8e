"""The service for the W3C validation suite, and what the suite asks of it and more."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from verified import traceparent

from .w3c_service import server

TRACE = "12345678901234567890123456789012"
SPAN = "1234567890123456"
PARENT = f"00-{TRACE}-{SPAN}-01"

received: list[list[tuple[str, str]]] = []


class Records(BaseHTTPRequestHandler):
    """Keeps the headers of each request."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        received.append([(name.lower(), value) for name, value in self.headers.items()])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    """The ports of the service and of a harness that it calls back."""
    with server(0) as service, ThreadingHTTPServer(("127.0.0.1", 0), Records) as harness:
        for each in (service, harness):
            Thread(target=each.serve_forever, daemon=True).start()
        yield service.server_port, harness.server_port
        service.shutdown()
        harness.shutdown()


def post(port: int, body: bytes, headers: list[tuple[str, str]]) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("POST", "/test")
    for name, value in [("Content-Length", str(len(body))), *headers]:
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def sent(
    ports: tuple[int, int], headers: list[tuple[str, str]], count: int = 1
) -> list[tuple[tuple[int, int, int], str | None]]:
    """What the service sends with each request: the fields of traceparent, and tracestate."""
    received.clear()
    action = {"url": f"http://127.0.0.1:{ports[1]}/", "arguments": []}
    assert post(ports[0], json.dumps([action] * count).encode(), headers) == 200
    found = []
    for each in received:
        parents = [value for name, value in each if name == "traceparent"]
        states = [value for name, value in each if name == "tracestate"]
        assert len(parents) == 1
        assert len(states) <= 1
        fields = traceparent.fields(parents[0])
        assert fields is not None
        found.append((fields, states[0] if states else None))
    assert len(found) == count
    return found


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", PARENT)],
        [("TraceParent", PARENT)],
        [("traceparent", f"cc-{TRACE}-{SPAN}-01-what")],
        [("traceparent", f"00-{TRACE}-{SPAN}-02"), ("TRACESTATE", "a=1,,b=2")],
        [("traceparent", PARENT), ("tracestate", "a=1"), ("TraceState", "b=2 ,\tc=3")],
        [("traceparent", PARENT), ("tracestate", "a=" + "v" * 256)],
    ],
)
def test_a_trace_is_continued(ports: tuple[int, int], headers: list[tuple[str, str]]) -> None:
    (((trace_id, span_id, flags), state),) = sent(ports, headers)
    states = [value for name, value in headers if name.lower() == "tracestate"]
    assert trace_id == int(TRACE, 16)
    assert span_id != int(SPAN, 16)
    assert flags & 2 == int(headers[0][1][53:55], 16) & 2
    assert state == (",".join(states) or None)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("traceparent", f"ff-{TRACE}-{SPAN}-01")],
        [("traceparent", PARENT + "-")],
        [("trace-parent", PARENT)],
    ],
)
def test_a_trace_is_restarted(ports: tuple[int, int], headers: list[tuple[str, str]]) -> None:
    (((trace_id, _, flags), state),) = sent(ports, [*headers, ("tracestate", "a=1")])
    assert trace_id != int(TRACE, 16)
    assert flags == 3
    assert state is None


@pytest.mark.parametrize("state", ["a=" + "v" * 257, "foo=bar=baz", "foo =1", "A=1", "@foo=1,a=1"])
def test_a_bad_trace_state_leaves_its_parent(ports: tuple[int, int], state: str) -> None:
    (((trace_id, _, _), kept),) = sent(ports, [("traceparent", PARENT), ("tracestate", state)])
    assert trace_id == int(TRACE, 16)
    assert kept is None


def test_each_request_is_a_span_of_its_own(ports: tuple[int, int]) -> None:
    found = sent(ports, [("traceparent", PARENT)], count=3)
    assert {fields[0] for fields, _ in found} == {int(TRACE, 16)}
    assert len({fields[1] for fields, _ in found}) == 3


@pytest.mark.parametrize("body", [b"{", b"[1]", b'[{"arguments": []}]', b'[{"url": "no url"}]'])
def test_what_is_not_of_the_protocol_is_refused(ports: tuple[int, int], body: bytes) -> None:
    assert post(ports[0], body, []) == 400


def test_a_service_that_does_not_answer(ports: tuple[int, int]) -> None:
    action = [{"url": "http://127.0.0.1:1/", "arguments": []}]
    assert post(ports[0], json.dumps(action).encode(), []) == 502


def test_nothing_to_do(ports: tuple[int, int]) -> None:
    assert post(ports[0], b"", []) == 200
