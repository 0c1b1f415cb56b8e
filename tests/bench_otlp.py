"""Speed of encoding beside opentelemetry's own encoder, in one run; `make bench` shows ratios.

1,000 ended spans of five attributes, as an instrumented HTTP server makes them: the same
four for many requests, and a path that is another each time. In the second group no value
comes twice.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from verified.otlp import encode

Encoder = Callable[[Sequence[ReadableSpan]], bytes]

ENCODERS: dict[str, Encoder] = {
    "verified": lambda spans: encode(spans).request,
    "opentelemetry": lambda spans: encode_spans(spans).SerializeToString(),
}
by_make = pytest.mark.parametrize("make", ENCODERS)


def usual(number: int) -> dict[str, Any]:
    return {
        "http.request.method": "GET",
        "http.route": "/users/{id}",
        "url.scheme": "https",
        "url.path": f"/users/{number}",
        "http.response.status_code": 200,
    }


def unique(number: int) -> dict[str, Any]:
    return {
        "a": f"one {number}",
        "b": f"another {number}",
        "c": 1_000_000 + number,
        "d": number / 7,
        "e": f"the last {number}",
    }


def finished(attributes: Callable[[int], dict[str, Any]]) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("bench", "1.0")
    with tracer.start_as_current_span("root"):
        for number in range(1000):
            tracer.start_span(
                "GET /users/{id}", kind=SpanKind.SERVER, attributes=attributes(number)
            ).end()
    return exporter.get_finished_spans()[:1000]


@pytest.mark.benchmark(group="encode 1,000 spans of 5 attributes")
@by_make
def test_encode(benchmark: Callable[..., bytes], make: str) -> None:
    spans = finished(usual)
    assert len(benchmark(ENCODERS[make], spans)) > 200_000


@pytest.mark.benchmark(group="encode 1,000 spans of 5 attributes, none of them twice")
@by_make
def test_encode_unique(benchmark: Callable[..., bytes], make: str) -> None:
    spans = finished(unique)
    assert len(benchmark(ENCODERS[make], spans)) > 150_000
