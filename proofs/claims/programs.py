"""Programs of a batching processor, its exporter and the threads that use them.

Every thread, lock, wait and moment is that of a schedule, and an export can be overtaken by
anything. Of a fork the child is run; the parent shares nothing with it.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import ref

from verified.exporter.batching import CLOSED, Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import BatchProcessor, _processors

from ..schedules import Schedule
from .batching import (
    closing_flushes_all,
    conservation,
    numbers_are_natural,
    queue_and_batch_are_bounded,
)

DONE = Returned(SUCCESS)

LOGGER = logging.getLogger(BatchProcessor.__module__)


class Span(str):
    """A span that a weak reference can be made to."""


class Processor(BatchProcessor[str]):
    """A processor that ends once."""

    schedule: Schedule | None = None

    def is_run_by_worker(self) -> bool:
        assert self.schedule is not None
        return vars(self)["_worker"] is self.schedule.current

    def _end(self, result: bool) -> None:
        assert self.schedule is not None
        self.schedule.expect(self._result is None, "the processor ends twice")
        super()._end(result)

    def _forked(self) -> None:
        # Nobody else is there.
        schedule, self.schedule = self.schedule, None
        super()._forked()
        self.schedule = schedule


def _guarded(name: str) -> property:
    def get(processor: "Guarded") -> Any:
        processor.is_touched()
        if processor.schedule is not None:
            processor.schedule.interrupt()
        try:
            return vars(processor)[name]
        except KeyError:
            raise AttributeError(name) from None

    def set(processor: "Guarded", value: Any) -> None:
        processor.is_touched()
        vars(processor)[name] = value

    return property(get, set)


class Guarded(Processor):
    """A processor of which nothing is touched without its lock, and a handler may run at any read.

    That nothing is, is what lets a schedule switch threads at the lock and not between.
    """

    _state = _guarded("_state")
    _pending = _guarded("_pending")
    _spans = _guarded("_spans")
    _flushes = _guarded("_flushes")
    _result = _guarded("_result")
    _worker = _guarded("_worker")

    def is_touched(self) -> None:
        schedule = self.schedule
        if schedule is not None and self._lock.owner is not schedule.current:
            schedule.expect(False, "what the lock guards is touched without it")


class Exporter:
    """An exporter that is told what to say of each batch, or to raise, and how long it takes."""

    processor: Processor
    program: "Program"

    def __init__(self, schedule: Schedule, answer: Any) -> None:
        self.schedule = schedule
        self.answer = answer
        self.takes = self.takes_to_flush = 0
        self.calls: Callable[[], None] = lambda: None
        self.shutdowns = 0
        self.is_down = False
        self.begin()

    def begin(self) -> None:
        """Have exported nothing so far."""
        self.spans: list[str] = []
        self.flushed: list[str] = []
        self.flushes = 0
        self.largest = 0
        self.is_busy = False

    def export(self, spans: Sequence[str]) -> Returned:
        self.is_called()
        self.schedule.expect(self.shutdowns == 0, "an export after shutdown")
        answer = self.answer
        self.is_busy = True
        self.spans += map(str, spans)
        self.largest = max(self.largest, len(spans))
        self.works(f"exports {' '.join(spans)}", self.takes)
        self.calls()
        self.is_busy = False
        if isinstance(answer, type):
            raise answer
        # It may be nonsense, as an exporter's answer may.
        return answer  # type: ignore[no-any-return]

    def force_flush(self, timeout_millis: int) -> bool:
        self.is_called()
        has_time = 0 < timeout_millis <= self.program.timeout
        self.schedule.expect(has_time, "the exporter is to flush in more time than is left")
        self.is_busy = True
        exported = list(self.spans)
        self.works("flushes the exporter", self.takes_to_flush)
        self.flushed = exported
        self.flushes += 1
        self.is_busy = False
        return True

    def shutdown(self) -> None:
        if self.schedule.now < vars(self.processor)["_state"].deadline:
            self.is_called()
        self.schedule.expect(self.shutdowns == 0, "the exporter is shut down twice")
        self.shutdowns += 1
        self.schedule.pause("shuts down the exporter")
        self.is_down = True

    def is_called(self) -> None:
        """Say what is wrong with a call: only the worker calls, one at a time, without the lock."""
        me, expect = self.schedule.current, self.schedule.expect
        expect(not self.is_busy, "two calls of the exporter at once")
        expect(
            self.processor.is_run_by_worker(), "another thread than the worker calls the exporter"
        )
        expect(self.processor._lock.owner is not me, "the exporter is called under the lock")

    def works(self, does: str, takes: int) -> None:
        if takes:
            self.schedule.pause(does, lambda: False, self.schedule.now + takes)
        else:
            self.schedule.pause(does)


class Program:
    """Producers of two spans each, a flush and a shutdown, each in a thread of its own."""

    def __init__(
        self,
        schedule: Schedule,
        limits: Limits,
        answer: Any = DONE,
        threads: Any = None,
        kind: type[Processor] = Guarded,
    ) -> None:
        self.schedule = schedule
        self.timeout = 1000
        self.workers = 1
        self.exporter = Exporter(schedule, answer)
        self.processor = kind(
            self.exporter, limits, clock=schedule.clock, threads=threads or schedule
        )
        self.processor.schedule = schedule
        self.exporter.processor, self.exporter.program = self.processor, self
        # A run that is given up leaves nothing to shut down at the end of the interpreter.
        _processors.discard(self.processor)
        self.begin()

    def begin(self) -> None:
        """Have done nothing so far."""
        self.offered: list[str] = []
        self.references: list[ref[Span]] = []
        self.ended: list[str] = []
        self.before_flush: list[str] = []
        self.flushed: bool | None = None
        self.shut_down: bool | None = None
        self.at_flush: list[str] = []

    def run(self, producers: str = "a", **others: Callable[[], object]) -> bool:
        """Run producers with these names, which are alike, and others; whether all went well."""
        threads = {name: partial(self.produce, name) for name in producers}
        # What the exporter raises is logged, thousands of times.
        was, LOGGER.disabled = LOGGER.disabled, True
        try:
            self.schedule.run({**threads, **others}, alike=producers)
        finally:
            LOGGER.disabled = was
        started = self.schedule.tasks[len(threads) + len(others) :]
        workers = [task for task in started if task.target == self.processor._run]
        is_named = all(task.name == "VerifiedBatchProcessor" for task in workers)
        self.schedule.expect(len(workers) <= self.workers, "too many workers are started")
        self.schedule.expect(is_named, "a worker has not the name of one")
        is_over = all(task.is_daemon is True for task in started)
        self.schedule.expect(is_over, "a thread keeps the interpreter from its end")
        return not self.schedule.errors

    def end(self, name: str) -> None:
        span, began = Span(name), self.schedule.now
        self.references.append(ref(span))
        self.offered.append(name)
        self.processor.on_end(span)
        self.ended.append(name)
        self.schedule.expect(self.schedule.now == began, "on_end waits for the time to pass")

    def produce(self, name: str) -> None:
        self.end(name + "1")
        self.end(name + "2")

    def flush(self) -> None:
        self.before_flush = list(self.ended)
        self.flushed = self.processor.force_flush(self.timeout)
        self.at_flush = list(self.exporter.flushed)

    def shutdown(self) -> None:
        self.shut_down = self.processor.shutdown(self.timeout)
        is_down = self.exporter.is_down
        self.schedule.expect(is_down or not self.shut_down, "shutdown comes before its end")

    def look(self) -> None:
        """Read the state: each span that ended is counted in it."""
        least = len(self.ended)
        queue = self.processor.state.queue
        counted = queue.accepted + queue.full + queue.late
        most = len(self.offered)
        self.schedule.expect(least <= counted <= most, "an offer is not counted at once")

    def is_accounted_for(self) -> None:
        """Each span is counted once and exported once, by what became of it, and it is over."""
        state, spans, queue = self.processor.state, self.exporter.spans, self.processor.state.queue
        over = state.exported + state.rejected + state.failed + state.unknown
        offered = len(self.offered)
        assert queue.accepted + queue.full + queue.late == offered, "an offer is not counted"
        assert over == len(spans), "what is counted is not what was exported"
        assert queue.accepted == over + state.discarded, "a span is lost"
        assert len(set(spans)) == len(spans), "a span is exported twice"
        assert len(self.ended) == offered, "on_end raised"
        for name in {span[0] for span in spans}:
            own = [span for span in spans if span[0] == name]
            assert own == sorted(own), "spans are out of order"
        answer = self.exporter.answer
        became = {Returned(SUCCESS): state.exported, Returned(FAILURE): state.failed}
        told = became.get(answer, state.unknown)
        assert told == over, "spans are counted as something else than what became of them"
        assert conservation(state), "the machine is wrong: accepted spans"
        assert numbers_are_natural(state), "the machine is wrong: a negative number"
        assert queue_and_batch_are_bounded(self.processor.limits, state), "a limit is passed"
        assert closing_flushes_all(state), "the machine is wrong: shutdown does not flush"
        assert self.exporter.largest <= self.processor.limits.max_export_batch_size, "large batch"
        assert not self.processor._spans, "a span is kept"
        assert [each() for each in self.references] == [None] * offered, "a span is kept"
        assert state.phase == CLOSED, "the processor is not closed"

    def is_in_time(self, most: int = 0) -> None:
        """Flush and shutdown were done, said so, and at most so much time had to pass."""
        lost = self.processor.state.queue.full + self.processor.state.queue.late
        missing = set(self.before_flush) - set(self.at_flush)
        assert self.shut_down, "shutdown is not the truth"
        assert self.flushed is not False, "flush is not the truth"
        assert self.exporter.shutdowns == 1, "the exporter is not shut down once"
        assert self.processor.state.discarded == 0, "a span was discarded"
        assert len(missing) <= lost, "flush came before an export"
        assert self.schedule.now <= most, "somebody waited for the time to pass: a wake-up is lost"


class Forking(Program):
    """A program of which a thread may fork; what it says at its end is said of the child."""

    was_closed = False

    def fork(self) -> None:
        self.schedule.fork()
        self.workers = 2
        self.begin()
        self.exporter.begin()
        self.processor._forked()
        self.was_closed = self.processor.state.phase == CLOSED

    def fork_and_go_on(self) -> None:
        self.schedule.pause("is about to fork")
        self.fork()
        self.produce("c")
        self.flush()
        self.shutdown()

    def is_in_child(self) -> None:
        self.is_accounted_for()
        assert self.exporter.flushes <= 2, "a flush of the parent is the child's"
        if self.was_closed:
            late = self.processor.state.queue.late
            assert late == len(self.offered), "the child of a closed processor is open"
            assert self.processor._worker is None, "a worker is started for nothing"
        else:
            self.is_in_time()


class WithoutThreads:
    """Threads, locks and all, of which none can be started."""

    def __init__(self, schedule: Schedule) -> None:
        self.RLock = schedule.RLock
        self.Condition = schedule.Condition
        self.current_thread = schedule.current_thread

    def Thread(self, **_: Any) -> "WithoutThreads":  # noqa: N802
        return self

    def start(self) -> None:
        raise RuntimeError("no thread can be started")


class LateThreads(WithoutThreads):
    """Threads of which the first cannot be started."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self.schedule = schedule
        self.asked = 0

    def Thread(self, **how: Any) -> Any:  # noqa: N802
        self.asked += 1
        return self if self.asked == 1 else self.schedule.Thread(**how)
