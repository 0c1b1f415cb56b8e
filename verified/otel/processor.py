"""The span processors for opentelemetry-sdk, in place of its own."""

import logging
import math
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from verified.exporter.batching import Limits, Returned, State
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.exporter.processor import DEFAULTS, TIMEOUT, BatchProcessor, monotonic_millis
from verified.exporter.retry import LONGEST_DELAY
from verified.otel.metrics import Counts, observe_processor
from verified.otel.untraced import untraced

_logger = logging.getLogger(__name__)

_EXPORT_TIMEOUT = 30_000


class VerifiedBatchSpanProcessor(SpanProcessor):
    """The batching processor, in place of ``BatchSpanProcessor``; sampled spans only.

    What is not given comes from the environment: OTEL_BSP_MAX_QUEUE_SIZE,
    OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_EXPORT_BATCH_SIZE and OTEL_BSP_EXPORT_TIMEOUT, in
    milliseconds where they are times. What is no number there, or out of range, is warned of
    and not used; a batch is never larger than the queue.

    ``VerifiedOTLPSpanExporter`` gives a batch up after ``export_timeout_millis``, or after its
    own timeout if that is first; 0 is no limit. No other exporter can be told of it, and no
    thread be stopped: there the exporter's own timeout counts. What the processor counts is also
    told to the ``meter_provider``, if one is given.

    :raises ValueError: if an argument is out of range, or a batch is to exceed the queue.
    """

    def __init__(
        self,
        span_exporter: SpanExporter,
        max_queue_size: int | None = None,
        schedule_delay_millis: float | None = None,
        max_export_batch_size: int | None = None,
        export_timeout_millis: float | None = None,
        *,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if max_queue_size is None:
            max_queue_size = _number("OTEL_BSP_MAX_QUEUE_SIZE", 1, DEFAULTS.max_queue_size)
        if schedule_delay_millis is None:
            schedule_delay_millis = _number("OTEL_BSP_SCHEDULE_DELAY", 0, DEFAULTS.schedule_delay)
        elif not schedule_delay_millis > 0:
            raise ValueError("schedule_delay_millis must be positive")
        if max_export_batch_size is None:
            size = _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, DEFAULTS.max_export_batch_size)
            max_export_batch_size = min(size, max_queue_size)
        if export_timeout_millis is None:
            export_timeout_millis = _number("OTEL_BSP_EXPORT_TIMEOUT", 0, _EXPORT_TIMEOUT)
        elif not export_timeout_millis >= 0:
            raise ValueError("export_timeout_millis must not be negative")
        self.span_exporter = span_exporter
        self.export_timeout_millis = export_timeout_millis
        self._processor = BatchProcessor[ReadableSpan](
            _Exporter(span_exporter, _up(export_timeout_millis)),
            Limits(max_queue_size, max_export_batch_size, _up(schedule_delay_millis)),
        )
        self._on_end = self._processor.on_end
        if meter_provider is not None:
            observe_processor(
                meter_provider,
                "batching_span_processor",
                lambda: processed(self.state),
                (lambda: self.state.queue.queued, max_queue_size),
            )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Accept a span that is sampled, or count it as dropped; never blocks or raises."""
        context = span.context
        if context is not None and context.trace_flags & 1:
            self._on_end(span)

    def force_flush(self, timeout_millis: float | None = None) -> bool:
        """Have all spans that ended exported and the exporter flush ("ForceFlush").

        Return whether that was done within a time in milliseconds, which is 30,000 for None. After
        shutdown the result is that of shutdown, and amid an export False. Raises nothing.
        """
        return self._processor.force_flush(TIMEOUT if timeout_millis is None else timeout_millis)

    def shutdown(self, timeout_millis: float = TIMEOUT) -> None:
        """Export what is left and shut down the exporter ("Shutdown").

        What is not exported within a time in milliseconds is counted as dropped, and that it was
        not in time is logged. Calls after the first wait for its result. Raises nothing.
        """
        if not self._processor.shutdown(timeout_millis):
            _logger.warning("The span processor was not shut down in time: %s", self.state)

    @property
    def state(self) -> State:
        """What became of all spans that ended, in numbers."""
        return self._processor.state


def processed(state: State) -> Counts:
    """Numbers of spans that are no longer the batching processor's, by kind of error."""
    queue = state.queue
    return {
        "": queue.accepted - queue.queued - state.discarded,
        "queue_full": queue.full,
        "already_shutdown": queue.late,
        "shutdown_timeout": state.discarded,
    }


class Processed(NamedTuple):
    """What became of the sampled spans that ended.

    The exporter took ``exported``; of ``failed`` it said or raised otherwise. ``late`` ended
    after shutdown, ``nested`` while the exporter itself exported.
    """

    exported: int = 0
    failed: int = 0
    late: int = 0
    nested: int = 0


class VerifiedSimpleSpanProcessor(SpanProcessor):
    """Hands each sampled span to the exporter when it ends, in place of ``SimpleSpanProcessor``.

    There is one export at a time, and none after shutdown. A span that the exporter itself
    ends while it exports is not exported. What became of the spans is counted, and told to
    the ``meter_provider`` if one is given.
    """

    def __init__(
        self, span_exporter: SpanExporter, *, meter_provider: MeterProvider | None = None
    ) -> None:
        self.span_exporter = span_exporter
        self._exporter = _Exporter(span_exporter)
        self._lock = threading.RLock()
        self._exporting: int | None = None
        """The thread in which the exporter exports."""
        self._is_open = True
        self._processed = Processed()
        _processors.add(self)
        if meter_provider is not None:
            observe_processor(meter_provider, "simple_span_processor", self._counts)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Export a span that is sampled. Never raises, whatever the exporter raises."""
        context = span.context
        if context is None or not context.trace_flags & 1:
            return
        with self._lock:
            before = self._processed
            if self._exporting is not None:
                self._processed = before._replace(nested=before.nested + 1)
            elif not self._is_open:
                self._processed = before._replace(late=before.late + 1)
            else:
                self._export(span)

    def _export(self, span: ReadableSpan) -> None:
        self._exporting = threading.get_ident()
        is_exported = False
        try:
            is_exported = self._exporter.export((span,)).outcome == SUCCESS
        except Exception:
            _report("The exporter raised while it exported a span")
        finally:
            self._exporting = None
            after = self._processed
            self._processed = after._replace(
                exported=after.exported + is_exported, failed=after.failed + (not is_exported)
            )

    @property
    def processed(self) -> Processed:
        """What became of the spans that ended, in numbers."""
        return self._processed

    def _counts(self) -> Counts:
        exported, failed, late, nested = self._processed
        return {"": exported + failed, "already_shutdown": late, "nested": nested}

    def force_flush(self, timeout_millis: float = TIMEOUT) -> bool:
        """Wait for the export that is under way, then have the exporter flush ("ForceFlush").

        Return whether that was done within a time in milliseconds. After shutdown nothing is left
        to do and the result is True, amid an export of this thread it is False. Raises nothing.
        """
        timeout = _down(timeout_millis)
        until = monotonic_millis() + timeout
        lock = self._lock
        if not lock.acquire(timeout=timeout / 1000):
            return False
        try:
            if self._exporting is not None or not self._is_open:
                return self._exporting is None
            left = until - monotonic_millis()
            return left > 0 and self._exporter.force_flush(left) is not False
        except Exception:
            _report("The exporter raised while it flushed")
            return False
        finally:
            lock.release()

    def shutdown(self, timeout_millis: float = TIMEOUT) -> None:
        """Shut down the exporter, once, after the export that is under way ("Shutdown").

        That is waited for at most for a time in milliseconds. Raises nothing.
        """
        was_open, self._is_open = self._is_open, False
        if not was_open:
            return
        lock = self._lock
        waited = lock.acquire(timeout=_down(timeout_millis) / 1000)
        try:
            self._exporter.shutdown()
        except Exception:
            _report("The exporter raised while it was shut down")
        finally:
            if waited:
                lock.release()

    def _forked(self) -> None:
        """In a child process there is no other thread that would release the lock."""
        if self._exporting != threading.get_ident():
            self._lock = threading.RLock()
            self._exporting = None


_processors: WeakSet[VerifiedSimpleSpanProcessor] = WeakSet()


def _fork_all() -> None:
    for processor in list(_processors):
        processor._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_all)


def _report(message: str) -> None:
    """Log what the exporter raised; a handler that raises is not the application's concern."""
    with suppress(Exception):
        _logger.exception(message)


class _Exporter:
    """An exporter of the SDK as the processor calls it; what it does itself is not traced.

    An exporter that has ``returned``, as ``VerifiedOTLPSpanExporter``, says more than the
    SDK's result can: how many spans were rejected, and that it does not know. It also takes the
    time in milliseconds after which the batch is to be given up; 0 is no limit.
    """

    def __init__(self, exporter: SpanExporter, timeout_millis: int = 0) -> None:
        self._exporter = exporter
        self._timeout = timeout_millis
        # A class that has an ``export`` of its own is asked for that.
        owner = next((base for base in type(exporter).__mro__ if "export" in vars(base)), object)
        self._has_returned = "returned" in vars(owner)

    def export(self, spans: Sequence[ReadableSpan], /) -> Returned:
        exporter: Any = self._exporter
        if self._has_returned:
            returned: Returned = untraced(exporter.returned, spans, self._timeout)
            return returned
        result: Any = untraced(exporter.export, spans)
        if result is SpanExportResult.SUCCESS:
            return Returned(SUCCESS)
        return Returned(FAILURE if result is SpanExportResult.FAILURE else UNKNOWN)

    def force_flush(self, timeout_millis: int, /) -> object:
        return untraced(self._exporter.force_flush, timeout_millis)

    def shutdown(self) -> None:
        untraced(self._exporter.shutdown)


def _up(millis: float) -> int:
    """A time in whole milliseconds that is not shorter, if it is not beyond ``LONGEST_DELAY``."""
    return math.ceil(min(millis, LONGEST_DELAY))


def _down(millis: float) -> int:
    """A time in whole milliseconds that is not longer; one that is not a number is none."""
    return int(min(max(0, millis), LONGEST_DELAY))


def _number(name: str, least: int, default: int) -> int:
    """Return the integer that the environment gives, or the default, with a warning if it is bad.

    A variable that is empty is one that is not set.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    with suppress(ValueError):
        if text.isascii() and int(text) >= least:
            return int(text)
    _logger.warning("%s is not an integer of at least %d; %d is used", name, least, default)
    return default
