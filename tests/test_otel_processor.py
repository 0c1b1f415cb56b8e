"""The span processors under opentelemetry-sdk."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from verified.exporter.batching import Limits
from verified.otel.processor import (
    Processed,
    VerifiedBatchSpanProcessor,
    VerifiedSimpleSpanProcessor,
)

MAKES: list[Callable[[SpanExporter], SpanProcessor]] = [
    VerifiedBatchSpanProcessor,
    VerifiedSimpleSpanProcessor,
]
both = pytest.mark.parametrize("make", MAKES)


class RecordOnly(Sampler):
    """Spans that are recorded and not sampled."""

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "RecordOnly"


class Blocked(SpanExporter):
    """Exports when it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.released.wait()
        return SpanExportResult.SUCCESS


def names(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


@both
def test_spans_of_a_provider_are_exported(make: Callable[[SpanExporter], SpanProcessor]) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(make(exporter))
    for name in "abc":
        with provider.get_tracer("test").start_as_current_span(name):
            pass
    assert provider.force_flush()
    assert names(exporter) == ["a", "b", "c"]
    tracer = provider.get_tracer("test")
    provider.shutdown()
    tracer.start_span("late").end()
    assert names(exporter) == ["a", "b", "c"]


@both
@pytest.mark.parametrize("sampler", [ALWAYS_OFF, RecordOnly()])
def test_only_sampled_spans_are_taken(
    make: Callable[[SpanExporter], SpanProcessor], sampler: Sampler
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(make(exporter))
    provider.get_tracer("test").start_span("a").end()
    assert provider.force_flush()
    assert names(exporter) == []
    provider.shutdown()


class Answering(SpanExporter):
    """Answers what it is told to; remembers whether instrumentation was suppressed."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.suppressed: list[object] = []
        self.ended = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def shutdown(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(
    ("answer", "counter"),
    [
        (SpanExportResult.SUCCESS, "exported"),
        (SpanExportResult.FAILURE, "failed"),
        (None, "unknown"),
        (ValueError(), "unknown"),
    ],
)
def test_results_of_exporters_are_counted(answer: object, counter: str) -> None:
    exporter = Answering(answer)
    processor = VerifiedBatchSpanProcessor(exporter)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("a").end()
    assert processor.force_flush()
    assert getattr(processor.state, counter) == processor.state.queue.accepted == 1
    assert exporter.suppressed == [True]
    provider.shutdown()
    processor.shutdown()
    assert exporter.ended == 1


def test_the_simple_processor_exports_one_span_at_a_time_and_survives_what_is_raised() -> None:
    busy = threading.Lock()
    exported: list[ReadableSpan] = []

    class Careful(Answering):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            assert busy.acquire(blocking=False)
            try:
                exported.extend(spans)
                provider.get_tracer("test").start_span("of the exporter").end()
                return super().export(spans)
            finally:
                busy.release()

    exporter = Careful(ValueError())
    processor = VerifiedSimpleSpanProcessor(exporter)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    ready = threading.Barrier(4)

    def produce() -> None:
        ready.wait()
        for _ in range(25):
            provider.get_tracer("test").start_span("a").end()

    threads = [threading.Thread(target=produce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(exported) == 100
    processor.shutdown()
    processor.shutdown()
    assert exporter.ended == 1
    assert processor.force_flush()


NAMES = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "max_queue_size",
    "OTEL_BSP_SCHEDULE_DELAY": "schedule_delay",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "max_export_batch_size",
}


def limits(**arguments: Any) -> Limits:
    processor = VerifiedBatchSpanProcessor(InMemorySpanExporter(), **arguments)
    processor.shutdown()
    return processor._processor.limits


def test_the_environment_configures(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, name in enumerate(NAMES):
        monkeypatch.setenv(name, str(20 - value))
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "7")
    assert limits() == Limits(20, 18, 19)
    assert VerifiedBatchSpanProcessor(InMemorySpanExporter()).export_timeout_millis == 7
    assert limits(max_queue_size=5, schedule_delay_millis=0.5) == Limits(5, 5, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e3", "٣", "9" * 5000])
def test_what_is_no_number_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        assert limits() == Limits()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert name in caplog.text


@pytest.mark.parametrize("name", NAMES)
def test_what_is_empty_is_not_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setenv(name, "  ")
    assert limits() == Limits()
    assert not caplog.records


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_queue_size": 0},
        {"max_queue_size": 4, "max_export_batch_size": 5},
        {"max_export_batch_size": 0},
        {"schedule_delay_millis": 0},
        {"export_timeout_millis": -1},
        {"export_timeout_millis": float("nan")},
    ],
)
def test_arguments_out_of_range_are_an_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no processor|must be positive|must not be negative"):
        limits(**arguments)


def points(reader: InMemoryMetricReader) -> dict[str, dict[str, int | float]]:
    """The values of each instrument by the type of error, of the one component that there is."""
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, dict[str, int | float]] = {}
    (scope_metrics,) = data.resource_metrics[0].scope_metrics
    assert scope_metrics.scope.name == "opentelemetry-sdk"
    names = set()
    for metric in scope_metrics.metrics:
        for point in metric.data.data_points:
            assert isinstance(point, NumberDataPoint)
            attributes = dict(point.attributes or {})
            names.add(
                (attributes.pop("otel.component.type"), attributes.pop("otel.component.name"))
            )
            error = str(attributes.pop("error.type", ""))
            assert attributes == {}
            found.setdefault(metric.name, {})[error] = point.value
    ((kind, name),) = names
    assert str(name).startswith(f"{kind}/")
    return found


def test_what_a_batching_processor_counts_is_told_to_a_meter_provider() -> None:
    reader = InMemoryMetricReader()
    processor = VerifiedBatchSpanProcessor(
        Blocked(), max_queue_size=2, meter_provider=MeterProvider([reader])
    )
    exporter = processor.span_exporter
    assert isinstance(exporter, Blocked)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for _ in range(2):
        tracer.start_span("first").end()
    exporter.entered.wait()
    for _ in range(5):
        tracer.start_span("second").end()
    assert points(reader) == {
        "otel.sdk.processor.span.processed": {"": 2, "queue_full": 3},
        "otel.sdk.processor.span.queue.size": {"": 2},
        "otel.sdk.processor.span.queue.capacity": {"": 2},
    }
    processor.shutdown(timeout_millis=0)
    tracer.start_span("third").end()
    exporter.released.set()
    assert points(reader)["otel.sdk.processor.span.processed"] == {
        "": 2,
        "queue_full": 3,
        "already_shutdown": 1,
        "shutdown_timeout": 2,
    }


def test_what_a_simple_processor_counts_is_told_to_a_meter_provider() -> None:
    class Nested(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            tracer.start_span("nested").end()
            if spans[0].name == "bad":
                raise RuntimeError
            return SpanExportResult.SUCCESS

    reader = InMemoryMetricReader()
    processor = VerifiedSimpleSpanProcessor(Nested(), meter_provider=MeterProvider([reader]))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for name in ("good", "bad", "good"):
        tracer.start_span(name).end()
    processor.shutdown()
    tracer.start_span("late").end()
    assert processor.processed == Processed(exported=2, failed=1, late=1, nested=3)
    assert points(reader) == {
        "otel.sdk.processor.span.processed": {"": 3, "already_shutdown": 1, "nested": 3}
    }
