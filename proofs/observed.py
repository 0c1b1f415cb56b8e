"""What can be seen of the shipped code from outside: log lines, measurements, its environment."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from . import sources


def evaluated(expression: str, names: Mapping[str, object]) -> Any:
    """The value of a Python expression in which these names stand for these values."""
    return eval(expression, dict(names))


def again(name: str) -> ModuleType:
    """A module of the shipped code, run once more beside the one that is imported."""
    source = sources.module(name)
    made = ModuleType(name)
    exec(compile(source.text, source.path, "exec", dont_inherit=True), vars(made))
    return made


class Line(NamedTuple):
    """A line that was logged, and whether a traceback comes with it."""

    logger: str
    level: str
    text: str
    has_traceback: bool = False


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(
            Line(record.name, record.levelname, record.getMessage(), bool(record.exc_info))
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        raise AssertionError(f"a line cannot be written: {record.msg}")


@contextmanager
def logged() -> Iterator[list[Line]]:
    """The lines that the shipped code logs; nobody else gets them."""
    logger = logging.getLogger("verified")
    lines = _Lines()
    before = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(lines)
    try:
        yield lines.lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """An environment with these variables, and no others of OpenTelemetry."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    with patch.dict(os.environ, {**others, **variables}, clear=True):
        yield


class Measurements:
    """A meter provider of the SDK, and what is measured when it is asked."""

    def __init__(self) -> None:
        # Imported when it is needed, since not every claim does.
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def instruments(self) -> dict[str, tuple[Any, ...]]:
        """Of each instrument its scope, whether it only grows, its unit, description and points."""
        data = self._reader.get_metrics_data()
        return {
            metric.name: (
                scoped.scope.name,
                getattr(metric.data, "is_monotonic", False),
                metric.unit,
                metric.description,
                getattr(metric.data, "data_points", ()),
            )
            for resource in (data.resource_metrics if data else ())
            for scoped in resource.scope_metrics
            for metric in scoped.metrics
        }

    def values(self) -> dict[str, dict[str, int]]:
        """The values of each instrument by ``error.type``, which is empty where there is none."""
        return {
            name: {point.attributes.get("error.type", ""): point.value for point in points}
            for name, (*_, points) in self.instruments().items()
        }
