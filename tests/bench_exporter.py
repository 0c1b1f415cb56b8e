"""Spans from their end to a receiver on loopback, beside opentelemetry's own; see `make bench`.

The receiver, a process of its own, reads each request and answers it; it does not decode.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor

SPANS = 4_096

RECEIVER = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""

MAKES: dict[str, Callable[[str], SpanProcessor]] = {
    "verified": lambda endpoint: VerifiedBatchSpanProcessor(
        VerifiedOTLPSpanExporter(endpoint), max_queue_size=2 * SPANS
    ),
    "opentelemetry": lambda endpoint: BatchSpanProcessor(
        OTLPSpanExporter(endpoint), max_queue_size=2 * SPANS
    ),
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    command = [sys.executable, "-c", RECEIVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1/traces"
        process.terminate()


TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("bench")


def ended() -> ReadableSpan:
    span = TRACER.start_span("span")
    for name in "abcde":
        span.set_attribute(name, f"value {name}")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


@pytest.mark.benchmark(group=f"end to end over HTTP, {SPANS} spans of 5 attributes")
@pytest.mark.parametrize("make", MAKES)
def test_end_to_end(benchmark: Any, endpoint: str, make: str) -> None:
    processor = MAKES[make](endpoint)
    spans = [ended() for _ in range(SPANS)]

    def send() -> None:
        for span in spans:
            processor.on_end(span)
        assert processor.force_flush(30_000)

    benchmark.pedantic(send, rounds=15, warmup_rounds=2)
    processor.shutdown()
