"""Claims about the instruments that tell what becomes of spans."""

import re
from typing import Any, Literal

from opentelemetry.metrics import (
    MeterProvider,
    NoOpMeter,
    ObservableCounter,
    ObservableUpDownCounter,
)

from verified.otel import metrics
from verified.otel.metrics import observe_exporter, observe_processor

from ..claim import Constant, claim
from ..observed import Measurements
from ..verdict import Verdict

PROCESSED = "The number of spans for which the processing has finished."
SIZE = "The number of spans that wait in the queue."
CAPACITY = "The number of spans for which the queue has room."
EXPORTED = "The number of spans for which the export has finished."


class _Meter(NoOpMeter):
    """Remembers the names of the instruments that it is asked for, which the SDK changes."""

    def __init__(self) -> None:
        super().__init__("")
        self.names: list[str] = []

    def create_observable_counter(self, name: str, *others: Any) -> ObservableCounter:
        self.names.append(name)
        return super().create_observable_counter(name, *others)

    def create_observable_up_down_counter(self, name: str, *others: Any) -> ObservableUpDownCounter:
        self.names.append(name)
        return super().create_observable_up_down_counter(name, *others)


class _Provider(MeterProvider):
    """A provider of another make than the SDK's, of one meter."""

    def __init__(self) -> None:
        self.meter = _Meter()

    def get_meter(self, *_: Any, **__: Any) -> _Meter:
        return self.meter


def _read(told: Measurements) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    """Each instrument with its values by type of error, and the components by type and name."""
    components = set()
    found = {}
    for name, (*kind, points) in told.instruments().items():
        values = {}
        for point in points:
            attributes = dict(point.attributes)
            component = tuple(attributes.pop(f"otel.component.{each}") for each in ("type", "name"))
            components.add(component)
            error = attributes.pop("error.type", None)
            values[error] = point.value
            if attributes:
                return {}, set()
        found[name] = (*kind, values)
    return found, components


@claim(
    "The instruments of processors and exporters are those of the semantic conventions, by name, "
    "kind and unit: spans are counted by the type of the error, which successes do not have and "
    "which is not there if it never came up; what waits and has room is told if there is a queue",
    subject=(
        observe_processor,
        observe_exporter,
        metrics._observe,
        metrics._observations,
        metrics._attributes,
        *(
            Constant(metrics.__name__, name)
            for name in ("_METER", "_UNIT", "_PROCESSED", "_QUEUE_SIZE", "_QUEUE_CAPACITY")
        ),
        Constant(metrics.__name__, "_EXPORTED"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def instruments_are_those_of_the_conventions(
    done: Literal[0, 3], dropped: Literal[0, 2], has_queue: bool
) -> bool:
    counts = {"": done, "queue_full": dropped}
    values = {None: done} | ({"queue_full": dropped} if dropped else {})
    scope, unit = "opentelemetry-sdk", "{span}"
    told, other = Measurements(), _Provider()
    for provider in (told.provider, other):
        queue = (lambda: done, 5) if has_queue else None
        observe_processor(provider, "some_processor", lambda: counts, queue)
        observe_exporter(provider, "some_exporter", lambda: counts)
    name = "otel.sdk.processor.span"
    expected: dict[str, Any] = {
        f"{name}.processed": (scope, True, unit, PROCESSED, values),
        "otel.sdk.exporter.span.exported": (scope, True, unit, EXPORTED, values),
    }
    if has_queue:
        expected[f"{name}.queue.size"] = scope, False, unit, SIZE, {None: done}
        expected[f"{name}.queue.capacity"] = scope, False, unit, CAPACITY, {None: 5}
    found, components = _read(told)
    return (
        found == expected
        and sorted(other.meter.names) == sorted(expected)
        and {kind for kind, _ in components} == {"some_processor", "some_exporter"}
        and all(re.fullmatch(f"{kind}/[0-9]+", component) for kind, component in components)
        and len(components) == 2
    )


@claim(
    "Several components may tell one meter provider: each has a name of its own and is told apart "
    "by one instrument, which is asked for once; what is told to a provider is told to no other",
    subject=(observe_processor, observe_exporter, metrics._observe, metrics._attributes),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def components_are_told_apart(is_processor: bool, same_type: bool) -> bool:
    told, other = Measurements(), Measurements()
    observe = observe_processor if is_processor else observe_exporter
    observe(told.provider, "some", {"": 1}.copy)
    observe(told.provider, "some" if same_type else "another", {"": 2}.copy)
    observe(other.provider, "some", {"": 3}.copy)
    asked = _Provider()
    for _ in range(3):
        observe(asked, "some", {"": 1}.copy)
    ((*_, points),) = told.instruments().values()
    names = {point.attributes["otel.component.name"] for point in points}
    return (
        len(names) == 2
        and len(asked.meter.names) == 1
        and sorted(point.value for point in points) == [1, 2]
        and [list(values.values()) for values in other.values().values()] == [[3]]
    )
