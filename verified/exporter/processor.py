"""The batching processor at work: threads, a clock and an exporter round ``batching``.

What is to be done is decided by ``batching.step`` alone. The shell keeps the spans that the
machine counts, feeds it events while it holds its lock, and carries out the effects when it
holds it no longer. One thread, the worker, calls the exporter; only an exporter that is
still busy at the deadline of shutdown is closed from another.

    on_end          Offered          force_flush     FlushAsked
    worker          Looked, and Returned after each export
    shutdown        ShutdownAsked, and Looked at its deadline
    child of fork   Forked

The machine says beforehand how many spans it will accept without any effect
(``batching.quiet``). ``on_end`` only counts these; they are offered together before the next
event, and with the same result.

The lock is held for no longer than it takes to move ``max_queue_size`` spans. It is
re-entrant, because a signal handler or a finalizer may end a span, flush or shut down in the
middle of anything, also of ``on_end``. So what is pending is one reference, which is
replaced whole, and only if it is still the one that was read: between this test and the
assignment the interpreter runs nothing else in the same thread. What a handler has done
after its thread asked and before it waits, that thread is not told of; so it asks again after
``_PATIENCE``, and the worker after ``schedule_delay``.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar
from weakref import WeakSet

from verified.exporter.batching import (
    CLOSED,
    Event,
    FlushAsked,
    Forked,
    Limits,
    Looked,
    Offered,
    Returned,
    ShutdownAsked,
    State,
    quiet,
    settled,
    start,
    step,
)
from verified.exporter.outcome import UNKNOWN

_logger = logging.getLogger(__name__)

TIMEOUT: Final = 30_000
"""How long a flush or a shutdown may take, in milliseconds, if nothing is said."""

DEFAULTS: Final = Limits()
"""The limits that the standard gives."""

_LONGEST: Final = 2**40
"""A time of 34 years, in milliseconds, which stands for any that is longer."""

_PATIENCE: Final = 1_000
"""How long is waited at most before it is asked again whether to wait, in milliseconds."""

Span = TypeVar("Span")
_Span = TypeVar("_Span", contravariant=True)


class Exporter(Protocol[_Span]):
    """What a processor hands its spans to.

    ``export`` is called by one thread at a time, and not after ``shutdown``, which is called
    once. An exporter that has a batch in flight at the deadline of shutdown is shut down by
    another thread meanwhile, which may come before the call with this batch.
    """

    def export(self, spans: Sequence[_Span], /) -> Returned:
        """Export a batch and say what became of it."""
        ...

    def force_flush(self, timeout_millis: int, /) -> object:
        """Finish what was exported before; False if it is not finished in so many milliseconds.

        The time is more than 0, and what is left of that of a flush or shutdown.
        """

    def shutdown(self) -> object:
        """Give up what the exporter holds."""


class Threads(Protocol):
    """The parts of ``threading`` that a processor is made of."""

    @property
    def RLock(self) -> Callable[[], Any]:  # noqa: N802
        """Makes a lock that the thread which holds it may take again."""
        ...

    @property
    def Condition(self) -> Callable[[Any], Any]:  # noqa: N802
        """Makes a condition of such a lock, for which threads wait."""
        ...

    @property
    def Thread(self) -> Callable[..., Any]:  # noqa: N802
        """Makes a thread; takes ``target``, ``name`` and ``daemon``."""
        ...

    @property
    def current_thread(self) -> Callable[[], Any]:
        """Tells which thread calls."""
        ...


def monotonic_millis() -> int:
    """Return the time in whole milliseconds; it never runs backwards."""
    return time.monotonic_ns() // 1_000_000


class _Flush:
    """Somebody who waits until so many spans are settled; the answer is none until it is known."""

    def __init__(self, spans: int, until: int) -> None:
        self.spans = spans
        self.until = until
        self.answer: bool | None = None


class BatchProcessor(Generic[Span]):
    """Hands spans that end to an exporter, in batches and in the background.

    The worker, a daemon thread named VerifiedBatchProcessor, is started for the first span,
    flush or shutdown, also in the child of a process that forked. What an exporter raises, and
    what it answers that is no ``Returned`` of integers, is logged as a warning. ``clock`` tells
    whole milliseconds and never runs backwards (OpenTelemetry SDK, "Batching processor").

    :raises ValueError: if a processor cannot be configured with these limits.
    """

    def __init__(
        self,
        exporter: Exporter[Span],
        limits: Limits = DEFAULTS,
        *,
        clock: Callable[[], int] = monotonic_millis,
        threads: Threads = threading,
    ) -> None:
        if not limits.is_valid:
            raise ValueError(f"no processor can have {limits}")
        self._exporter = exporter
        self._limits = limits
        self._clock = clock
        self._threads = threads
        self._state = start(limits, clock())
        self._result: bool | None = None
        self._begin()
        _processors.add(self)

    def _begin(self) -> None:
        """Make what belongs to one process."""
        self._lock = self._threads.RLock()
        self._work = self._threads.Condition(self._lock)
        self._progress = self._threads.Condition(self._lock)
        self._worker: Any = None
        self._flushes: list[_Flush] = []
        # The queue: spans in their order, then those that are linked in what is pending.
        self._spans: deque[Span] = deque()
        # How many spans were accepted since the last event, how many may be before the next
        # one, and the latest spans, newest first, each with those before it.
        self._pending: tuple[int, int, Any] = (0, 0, None)

    def on_end(self, span: Span) -> None:
        """Accept a span, or count it as one that found no room or came after shutdown.

        Never waits for an export, and never raises.
        """
        with self._lock:
            while True:
                pending = self._pending
                accepted, limit, newest = pending
                if accepted >= limit:
                    break
                more = (accepted + 1, limit, (span, newest))
                if self._pending is pending:
                    self._pending = more
                    return
            self._start_worker()
            self._feed(Offered(), span)

    def force_flush(self, timeout_millis: float = TIMEOUT) -> bool:
        """Have all that was accepted before exported, and the exporter flush, within a time.

        The time is in milliseconds; less than 0 is 0, and more than 2**40 is 2**40. Returns
        whether it was done in time. What became of the spans is in ``state``. After shutdown
        nothing is done, and the result is that of shutdown. Called by the exporter it would
        wait for itself: it returns False.
        """
        until = self._after(timeout_millis)
        with self._lock:
            self._feed(FlushAsked())
            if not self._start_worker() or self._is_worker():
                return False
            if self._state.phase == CLOSED:
                self._wait(min(until, self._state.deadline), lambda: self._result is not None)
                return self._result is True
            flush = _Flush(self._state.queue.accepted, until)
            self._flushes.append(flush)
            try:
                self._wait(until, lambda: flush.answer is not None)
            finally:
                if flush in self._flushes:
                    self._flushes.remove(flush)
            return flush.answer is True

    def shutdown(self, timeout_millis: float = TIMEOUT) -> bool:
        """Accept no more spans, export the others, flush and shut down the exporter.

        Returns whether all this was done within the time. What is still queued then is
        discarded. Called again, it waits for the same end, within both times, and does
        nothing else. Times are those of ``force_flush``. Called by the exporter, it returns
        False and does not wait.
        """
        until = self._after(timeout_millis)
        expired = False
        with self._lock:
            self._feed(ShutdownAsked(until))
            has_worker = self._start_worker()
            if self._is_worker():
                return False
            deadline = self._state.deadline
            if has_worker:
                self._wait(min(until, deadline), lambda: self._result is not None)
            if not has_worker or self._clock() >= deadline:
                expired = self._look(deadline)[1]
                if expired:
                    self._end(False)
            result = self._result is True
        if expired:
            # The interpreter starts no threads at its exit.
            with suppress(Exception):
                self._threads.Thread(target=self._shut_down_exporter, daemon=True).start()
        return result

    @property
    def limits(self) -> Limits:
        """What the processor is configured with."""
        return self._limits

    @property
    def state(self) -> State:
        """The state of the machine at this moment, with all its counters."""
        with self._lock:
            return self._offered()

    def _offered(self) -> State:
        """The state with the spans that are pending."""
        accepted = self._pending[0]
        return step(self._limits, self._state, Offered(accepted))[0]

    def _feed(self, event: Event, span: Span | None = None) -> tuple[int, bool]:
        """Let an event happen; return how many spans are to be exported, and whether to close.

        If one span is offered, it is given too. The lock is held.
        """
        while True:
            pending = self._pending
            before = self._offered()
            after, effects = step(self._limits, before, event)
            latest = pending[2]
            if after.queue.accepted > before.queue.accepted:
                latest = (span, latest)
            moved = effects.export > 0 or effects.discard > 0
            limit = quiet(self._limits, after.queue) if self._worker is not None else 0
            fresh = (0, limit, None if moved else latest)
            if self._pending is pending:
                self._state, self._pending = after, fresh
                break
        if moved:
            self._spans.extend(_oldest_first(latest))
        for _ in range(effects.discard):
            self._spans.popleft()
        if effects.wake:
            self._work.notify()
        return effects.export, effects.close

    def _look(self, now: int) -> tuple[list[Span], bool]:
        """Take the batch that is to be exported now; also return whether to close."""
        size, close = self._feed(Looked(now))
        return [self._spans.popleft() for _ in range(size)], close

    def _start_worker(self) -> bool:
        """Start the worker if there is none and there may be work; whether that was possible."""
        if self._worker is None and self._state.phase != CLOSED:
            worker = self._threads.Thread(
                target=self._run, name="VerifiedBatchProcessor", daemon=True
            )
            try:
                worker.start()
            except Exception:
                return self._worker is not None
            # A signal handler may have started one meanwhile; then this one ends at once.
            if self._worker is None:
                self._worker = worker
        return True

    def _is_worker(self) -> bool:
        """Whether this is called by the worker, so by the exporter or what it calls."""
        return self._worker is not None and self._worker is self._threads.current_thread()

    def _run(self) -> None:
        """What the worker does, until the processor is closed."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Do what the worker is to do next, or wait; return whether it has another turn."""
        with self._lock:
            # A worker that forked is none in the child, and of two that were started one ends.
            if not self._is_worker():
                return False
            now = self._clock()
            flushes = [each for each in self._flushes if each.spans <= settled(self._state)]
            batch, close = ([], False) if flushes else self._look(now)
            deadline = self._state.deadline
            if not (flushes or batch or close):
                if self._state.phase == CLOSED:
                    return False
                _wait(self._work, max(self._state.due - now, 1))
                return True
        if flushes:
            answer = self._flush_exporter(max(each.until for each in flushes) - now)
            self._answer(flushes, answer)
        if batch:
            returned = self._export(batch)
            with self._lock:
                if self._is_worker():
                    self._feed(returned)
        if close:
            flushed = self._flush_exporter(deadline - now)
            closed = self._shut_down_exporter()
            with self._lock:
                self._end(flushed and closed)
        return True

    def _answer(self, flushes: Sequence[_Flush], answer: bool) -> None:
        with self._lock:
            for each in flushes:
                each.answer = answer
                if each in self._flushes:
                    self._flushes.remove(each)
            self._progress.notify_all()

    def _end(self, result: bool) -> None:
        """Tell all who wait for it that the processor has ended. The lock is held."""
        self._result = result
        self._answer(tuple(self._flushes), result)
        self._work.notify_all()

    def _export(self, batch: list[Span]) -> Returned:
        """Return what the exporter says became of a batch.

        If it raises, that is unknown: the receiver may have got the spans before, and to
        call them failed would say that it has not.
        """
        try:
            returned = self._exporter.export(batch)
            if _is_answer(returned):
                return returned
            _report("The exporter does not say what became of %d spans", len(batch))
        except BaseException:
            _report("The exporter raised while it exported %d spans", len(batch))
        return Returned(UNKNOWN)

    def _flush_exporter(self, millis: int) -> bool:
        """Return whether the exporter flushed: it was in time, did not raise nor say False."""
        if millis <= 0:
            return False
        try:
            return self._exporter.force_flush(millis) is not False
        except BaseException:
            _report("The exporter raised while it flushed")
        return False

    def _shut_down_exporter(self) -> bool:
        try:
            self._exporter.shutdown()
        except BaseException:
            _report("The exporter raised while it was shut down")
            return False
        return True

    def _after(self, millis: float) -> int:
        """The time after so many milliseconds; a time that is not a number is none."""
        return self._clock() + int(min(max(0, millis), _LONGEST))

    def _wait(self, until: int, is_done: Callable[[], bool]) -> None:
        """Wait for progress until something is done or the time is over. The lock is held."""
        while not is_done() and (left := until - self._clock()) > 0:
            # A handler may have had it done meanwhile, and all who waited were told before.
            _wait(self._progress, min(left, _PATIENCE))

    def _forked(self) -> None:
        """Start anew in a child. The parent's lock may be held by a thread that is not here."""
        self._begin()
        self._state = step(self._limits, self._state, Forked(self._clock()))[0]


def _oldest_first(newest: Any) -> list[Any]:
    """Spans that are linked, each to those before it, in their order."""
    spans = []
    while newest is not None:
        span, newest = newest
        spans.append(span)
    spans.reverse()
    return spans


def _is_answer(returned: Any) -> bool:
    return isinstance(returned, Returned) and all(isinstance(field, int) for field in returned)


def _wait(condition: Any, millis: int) -> None:
    """Wait until a condition is notified or the time is over."""
    condition.wait(min(millis / 1000, threading.TIMEOUT_MAX))


def _report(message: str, *arguments: object) -> None:
    """Log what the exporter did; a handler that raises is not the worker's concern."""
    with suppress(BaseException):
        _logger.warning(message, *arguments, exc_info=True)


_processors: WeakSet[BatchProcessor[Any]] = WeakSet()


def _fork_all() -> None:
    for processor in list(_processors):
        processor._forked()


def _shut_down_all() -> None:
    """Shut down what is still running, all within one ``TIMEOUT``."""
    until = monotonic_millis() + TIMEOUT
    for processor in list(_processors):
        processor.shutdown(until - monotonic_millis())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_all)
atexit.register(_shut_down_all)
