"""What processors and exporters count, as self-metrics of SDKs (semantic conventions, "SDK").

The instruments are read when metrics are collected; a span that ends costs nothing more.
"""

import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

Counts: TypeAlias = Mapping[str, int]
"""Numbers of spans by ``error.type``; "" is that of spans for which there was no error."""


class _Instrument(NamedTuple):
    name: str
    description: str
    only_grows: bool = False


_METER: Final = "opentelemetry-sdk"
_UNIT: Final = "{span}"
_PROCESSED: Final = _Instrument(
    "otel.sdk.processor.span.processed",
    "The number of spans for which the processing has finished.",
    only_grows=True,
)
_QUEUE_SIZE: Final = _Instrument(
    "otel.sdk.processor.span.queue.size", "The number of spans that wait in the queue."
)
_QUEUE_CAPACITY: Final = _Instrument(
    "otel.sdk.processor.span.queue.capacity",
    "The number of spans for which the queue has room.",
)
_EXPORTED: Final = _Instrument(
    "otel.sdk.exporter.span.exported",
    "The number of spans for which the export has finished.",
    only_grows=True,
)

_numbers: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)

_Observe: TypeAlias = Callable[[], Iterable[Observation]]

_lock = threading.Lock()
_observed: WeakKeyDictionary[MeterProvider, defaultdict[str, list[_Observe]]] = WeakKeyDictionary()


def observe_processor(
    meter_provider: MeterProvider,
    component_type: str,
    processed: Callable[[], Counts],
    queue: tuple[Callable[[], int], int] | None = None,
) -> None:
    """Have the instruments of processors tell of one more, which ``component_type`` names.

    They are otel.sdk.processor.span.processed, which counts a span that was handed to the
    exporter or was dropped, and where there is a ``queue``, given by what returns its size and
    by its capacity, otel.sdk.processor.span.queue.size and otel.sdk.processor.span.queue.capacity.
    The component's name ends with a number of its own.
    """
    attributes = _attributes(component_type)
    _observe(meter_provider, _PROCESSED, lambda: _observations(processed(), attributes))
    if queue is not None:
        size, capacity = queue
        _observe(meter_provider, _QUEUE_SIZE, lambda: [Observation(size(), attributes)])
        _observe(meter_provider, _QUEUE_CAPACITY, lambda: [Observation(capacity, attributes)])


def observe_exporter(
    meter_provider: MeterProvider,
    component_type: str,
    exported: Callable[[], Counts],
) -> None:
    """Have the instrument of exporters tell of one more, which ``component_type`` names.

    It is otel.sdk.exporter.span.exported, which counts the spans of finished exports. The
    component's name ends with a number of its own.
    """
    attributes = _attributes(component_type)
    _observe(meter_provider, _EXPORTED, lambda: _observations(exported(), attributes))


def _observe(meter_provider: MeterProvider, instrument: _Instrument, observe: _Observe) -> None:
    """Have an instrument tell this too.

    A meter makes an instrument once: of one that is there it takes no more callbacks.
    """
    with _lock:
        observers = _observed.setdefault(meter_provider, defaultdict(list))[instrument.name]
        observers.append(observe)
        if len(observers) > 1:
            return

    def observations(options: CallbackOptions) -> Iterable[Observation]:
        return [observation for observe in tuple(observers) for observation in observe()]

    meter = meter_provider.get_meter(_METER)
    make = (
        meter.create_observable_counter
        if instrument.only_grows
        else meter.create_observable_up_down_counter
    )
    make(instrument.name, (observations,), _UNIT, instrument.description)


def _attributes(component_type: str) -> dict[str, str]:
    number = next(_numbers[component_type])
    return {
        "otel.component.type": component_type,
        "otel.component.name": f"{component_type}/{number}",
    }


def _observations(counts: Counts, attributes: Mapping[str, str]) -> list[Observation]:
    """One for each kind of error that came up, and one for none."""
    return [
        Observation(number, {**attributes, "error.type": error} if error else attributes)
        for error, number in counts.items()
        if number or not error
    ]
