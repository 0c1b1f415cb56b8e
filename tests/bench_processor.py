"""Speed of the batch span processor beside opentelemetry's own, in one run; see `make bench`."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from verified.otel.processor import VerifiedBatchSpanProcessor

Benchmark = Callable[..., Any]


class Nowhere(SpanExporter):
    """Exports to nowhere, at once."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True

    def shutdown(self) -> None:
        pass


PROCESSORS: dict[str, Callable[..., SpanProcessor]] = {
    "verified": VerifiedBatchSpanProcessor,
    "opentelemetry": BatchSpanProcessor,
}
by_make = pytest.mark.parametrize("make", PROCESSORS)


def ended() -> ReadableSpan:
    span = TracerProvider().get_tracer("bench").start_span("span")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


@pytest.mark.benchmark(group="on_end, in batches of 512")
@by_make
def test_on_end(benchmark: Benchmark, make: str) -> None:
    """What a thread that ends spans waits for, while the worker exports them to nowhere."""
    processor = PROCESSORS[make](Nowhere(), max_queue_size=1 << 20)
    benchmark(processor.on_end, ended())
    processor.shutdown()


@pytest.mark.benchmark(group="on_end alone")
@by_make
def test_on_end_alone(benchmark: Any, make: str) -> None:
    """The same while no batch is full: 2,000 spans a round, then a flush that is not timed."""
    processor = PROCESSORS[make](Nowhere(), max_export_batch_size=2048, schedule_delay_millis=1e9)
    span = ended()
    processor.on_end(span)

    def spans() -> None:
        for _ in range(2_000):
            processor.on_end(span)

    def flush() -> None:
        processor.force_flush()

    benchmark.pedantic(spans, setup=flush, rounds=300)
    processor.shutdown()
