"""What processors count, as self-metrics of OpenTelemetry SDKs (semantic conventions, "SDK").

The instruments are read when metrics are collected; a span that ends costs nothing more.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

Counts: TypeAlias = Mapping[str, int]
"""Numbers of spans by ``error.type``; "" is that of spans for which there was no error."""

_METER: Final = "opentelemetry-sdk"
_numbers: defaultdict[str, Iterable[int]] = defaultdict(itertools.count)


def observe_processor(
    meter_provider: MeterProvider,
    component_type: str,
    processed: Callable[[], Counts],
    queue_size: Callable[[], int] | None = None,
    queue_capacity: int = 0,
) -> None:
    """Make the instruments of one processor.

    They are otel.sdk.processor.span.processed, which counts a span that was handed to the
    exporter or was dropped, and where there is a queue otel.sdk.processor.span.queue.size and
    otel.sdk.processor.span.queue.capacity. The component's name ends with a number of its own.
    """
    attributes = _attributes(component_type)
    meter = meter_provider.get_meter(_METER)

    def spans(options: CallbackOptions) -> Iterable[Observation]:
        return _observations(processed(), attributes)

    meter.create_observable_counter(
        "otel.sdk.processor.span.processed",
        (spans,),
        "{span}",
        "The number of spans for which the processing has finished.",
    )
    if queue_size is None:
        return
    size = queue_size

    def waiting(options: CallbackOptions) -> Iterable[Observation]:
        return (Observation(size(), attributes),)

    def capacity(options: CallbackOptions) -> Iterable[Observation]:
        return (Observation(queue_capacity, attributes),)

    meter.create_observable_up_down_counter(
        "otel.sdk.processor.span.queue.size",
        (waiting,),
        "{span}",
        "The number of spans that wait in the queue.",
    )
    meter.create_observable_up_down_counter(
        "otel.sdk.processor.span.queue.capacity",
        (capacity,),
        "{span}",
        "The number of spans for which the queue has room.",
    )


def observe_exporter(
    meter_provider: MeterProvider,
    component_type: str,
    exported: Callable[[], Counts],
) -> None:
    """Make the instrument of one exporter.

    It is otel.sdk.exporter.span.exported, which counts the spans of finished exports.
    """
    attributes = _attributes(component_type)
    meter = meter_provider.get_meter(_METER)

    def finished(options: CallbackOptions) -> Iterable[Observation]:
        return _observations(exported(), attributes)

    meter.create_observable_counter(
        "otel.sdk.exporter.span.exported",
        (finished,),
        "{span}",
        "The number of spans for which the export has finished.",
    )


def _attributes(component_type: str) -> dict[str, str]:
    number = next(iter(_numbers[component_type]))
    return {
        "otel.component.type": component_type,
        "otel.component.name": f"{component_type}/{number}",
    }


def _observations(counts: Counts, attributes: Mapping[str, str]) -> list[Observation]:
    """One for each kind of error that came up, and one for none."""
    return [
        Observation(number, {**attributes, "error.type": error} if error else {**attributes})
        for error, number in counts.items()
        if number or not error
    ]
