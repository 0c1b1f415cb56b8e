"""Claims about the threads of the batching processor, in every schedule of some programs.

Each program has producers, a flush, a shutdown and the worker; every thread, lock, wait and
moment is under control, and an export can be overtaken by anything. Of a fork the child is
run; the parent shares nothing with it.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal
from unittest import mock
from weakref import ref

from verified.exporter import processor as shell
from verified.exporter.batching import CLOSED, Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import BatchProcessor, _processors

from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import Uint64
from ..interleaving import every_schedule
from ..schedules import Schedule
from ..verdict import Verdict
from .batching import (
    closing_flushes_all,
    conservation,
    numbers_are_natural,
    queue_and_batch_are_bounded,
)

DONE = Returned(SUCCESS)

LOGGER = logging.getLogger(BatchProcessor.__module__)

SHELL = (
    BatchProcessor._turn,
    BatchProcessor._feed,
    BatchProcessor.on_end,
    BatchProcessor._look,
    BatchProcessor.force_flush,
    BatchProcessor.shutdown,
    BatchProcessor._answer,
    BatchProcessor._end,
    BatchProcessor._start_worker,
)


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


SENTENCE = (
    "{}: each span is accounted for by what became of it and exported once, the worker alone calls "
    "the exporter and never under the lock, flush covers what was accepted before it, the exporter "
    "is shut down once, no span is kept, and no wake-up is lost"
)


def _check(program: Program, producers: str = "a") -> None:
    if program.run(producers, flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    SENTENCE.format("Two producers, the worker, a flush and a shutdown"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-01", "BP-12"),
)
def two_producers(schedule: Schedule) -> None:
    # That the lock is held is for the others to see, which are faster.
    _check(Program(schedule, Limits(4, 2, 5000), kind=Processor), "ab")


@every_schedule(
    SENTENCE.format("A batch that is not full"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-08", "BP-12"),
)
def batch_that_is_not_full(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 3, 5000))

    def produce() -> None:
        program.produce("a")
        program.look()

    if program.run("", a=produce, flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    SENTENCE.format("A batch that is full, which is exported though nobody asks for it"),
    preemptions=2,
    subject=SHELL,
    discharges=("BP-02", "BP-12"),
)
def batch_that_is_full(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))

    def shutdown() -> None:
        schedule.pause("waits for an export", lambda: len(program.exporter.spans) > 0)
        program.shutdown()

    if program.run(shutdown=shutdown):
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    SENTENCE.format("A batch that is not full, which is exported when the delay is over"),
    preemptions=2,
    subject=SHELL,
    discharges=("BP-02", "BP-12"),
)
def batch_that_is_due(schedule: Schedule) -> None:
    schedule.now = 7
    program = Program(schedule, Limits(4, 3, 5000))

    def shutdown() -> None:
        schedule.pause("waits for an export", lambda: len(program.exporter.spans) > 0)
        program.shutdown()

    if program.run(shutdown=shutdown):
        program.is_accounted_for()
        program.is_in_time(5007)
        times = [does for name, does in schedule.trace if name == "time"]
        assert times == ["is 5007"], "the worker looks, or exports, before a batch is due"


@every_schedule(
    SENTENCE.format("An exporter that fails"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-01", "BP-12", "BP-16"),
)
def exporter_that_fails(schedule: Schedule) -> None:
    _check(Program(schedule, Limits(2, 2, 5000), Returned(FAILURE)))


@every_schedule(
    SENTENCE.format("An exporter that raises SystemExit, and a queue of one span"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-12", "BP-13"),
)
def exporter_that_exits(schedule: Schedule) -> None:
    _check(Program(schedule, Limits(1, 1, 5000), SystemExit))


@every_schedule(
    SENTENCE.format("An exporter that ends a span, flushes and shuts down its own processor"),
    preemptions=1,
    subject=SHELL,
    discharges="BP-12",
)
def exporter_that_calls_back(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 1, 5000))

    def calls() -> None:
        program.exporter.calls = lambda: None
        program.end("e1")
        answers = program.processor.force_flush(1000), program.processor.shutdown(1000)
        schedule.expect(answers == (False, False), "the worker says that it waited for itself")

    program.exporter.calls = calls
    if program.run(flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    "A handler in the middle of any thread that ends a span, flushes or shuts down: each span is "
    "accounted for and exported once, by one worker, all are told the truth, and who is not told "
    "of what the handler did looks after a second",
    preemptions=1,
    subject=SHELL,
    discharges="BP-12",
)
def handler(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 1000))
    processor, program.timeout = program.processor, 10_000
    # It may interrupt a start.
    program.workers = 2

    def handle() -> None:
        match schedule.choose(3):
            case 0:
                program.end("h1")
                return
            case 1:
                done = processor.force_flush(program.timeout)
            case _:
                done = processor.shutdown(program.timeout)
        schedule.expect(
            done is not processor.is_run_by_worker(), "the handler is not told the truth"
        )

    schedule.handler = handle
    if program.run(shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time(1000)


@every_schedule(
    "A handler in the middle of any thread that shuts down, and has little time: at the deadline "
    "all is over, and each span is exported or discarded, accounted for, and not kept",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-09", "BP-12"),
)
def handler_that_shuts_down(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.timeout, program.workers = 500, 2
    schedule.handler = partial(program.processor.shutdown, program.timeout)
    if program.run(shutdown=program.shutdown):
        program.is_accounted_for()
        assert schedule.now <= 500, "a thread outlives the deadline"


@every_schedule(
    "An exporter that takes longer than the shutdown may: it keeps its time and says that it was "
    "not done, and each span is exported, discarded or refused, accounted for, and not kept",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-07", "BP-09", "BP-12"),
)
def exporter_that_hangs(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 1, 5000))
    program.exporter.takes = 3000

    def shutdown() -> None:
        program.shutdown()
        schedule.expect(schedule.now <= 1000, "shutdown does not keep its time")

    def flush() -> None:
        program.flush()
        schedule.expect(not vars(program.processor)["_flushes"], "a flush that is over is kept")

    if program.run(flush=flush, shutdown=shutdown):
        program.is_accounted_for()
        busy = len(program.exporter.spans) > 0
        assert program.processor._result is program.shut_down, "shutdown has no end"
        assert program.shut_down is not busy, "shutdown says that it was done in time"
        assert program.exporter.shutdowns == 1, "the exporter is not shut down once"


@every_schedule(
    "A shutdown that has less time than the one before: it keeps its own time, and takes nothing "
    "from the other's",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-06", "BP-07", "BP-12"),
)
def shutdown_in_a_hurry(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.exporter.takes = 800

    def hurried() -> None:
        program.processor.shutdown(500)
        schedule.expect(schedule.now <= 500, "the time is not kept")

    if program.run("", a=partial(program.end, "a1"), hurried=hurried, shutdown=program.shutdown):
        program.is_accounted_for()
        if program.processor.state.deadline == program.timeout:
            assert program.shut_down, "shutdown is not the truth"
            assert program.processor.state.discarded == 0, "a span was discarded"
        assert program.exporter.shutdowns == 1, "the exporter is not shut down once"


@every_schedule(
    "An exporter that takes longer to flush than flush and shutdown may: they keep their time and "
    "say that it was not done, each span is accounted for, and all ends once",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-09", "BP-12"),
)
def exporter_that_flushes_slowly(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.exporter.takes_to_flush = 3000

    def in_time(does: Callable[[], None]) -> None:
        does()
        schedule.expect(schedule.now <= 1000, "the time is not kept")

    flush, shutdown = partial(in_time, program.flush), partial(in_time, program.shutdown)
    if program.run(flush=flush, shutdown=shutdown):
        program.is_accounted_for()
        assert not program.shut_down, "shutdown says that it was done in time"
        assert not program.flushed, "flush says that it was done in time"
        assert program.exporter.shutdowns == 1, "the exporter is not shut down once"


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


@every_schedule(
    "Where no thread can be started nobody waits, flush and shutdown say that they were not done, "
    "and each span is discarded or refused, accounted for, and not kept",
    preemptions=2,
    subject=SHELL,
    discharges="BP-12",
)
def without_threads(schedule: Schedule) -> None:
    program = Program(schedule, Limits(2, 2, 5000), threads=WithoutThreads(schedule))
    if program.run("ab", flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        assert program.flushed is program.shut_down is False, "it is said to be done"
        assert not program.exporter.spans, "spans were exported"
        assert schedule.now == 0, "somebody waited"


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


@every_schedule(
    "A thread that forks, whatever the others do and hold: the child starts anew, exports its own "
    "spans and no others, and waits for nobody",
    preemptions=1,
    subject=(*SHELL, BatchProcessor._forked, BatchProcessor._begin),
    discharges="BP-12",
)
def fork(schedule: Schedule) -> None:
    program = Forking(schedule, Limits(4, 1, 5000))
    if program.run(forks=program.fork_and_go_on, flush=program.flush):
        program.is_in_child()


@every_schedule(
    "An exporter that forks: in the child the worker that called it is none, and what it returns "
    "is not counted; the child's own worker exports its spans, unless the parent was shut down",
    preemptions=2,
    subject=(*SHELL, BatchProcessor._forked, BatchProcessor._begin),
    discharges="BP-12",
)
def exporter_that_forks(schedule: Schedule) -> None:
    program = Forking(schedule, Limits(4, 2, 5000), Returned(FAILURE))

    def calls() -> None:
        program.exporter.calls = lambda: None
        program.fork()
        program.exporter.answer = Returned(SUCCESS)
        program.produce("c")
        schedule.Thread(program.shutdown, "child", daemon=True).start()

    program.exporter.calls = calls
    if program.run(shutdown=program.shutdown):
        program.is_in_child()


@every_schedule(
    "An export that ends with the time of shutdown: what is closed then is not said to be done, "
    "and the exporter is not asked to flush in no time",
    preemptions=1,
    subject=(*SHELL, BatchProcessor._flush_exporter),
    discharges="BP-09",
)
def export_until_the_deadline(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 1, 5000))
    program.exporter.takes = program.timeout
    if program.run(shutdown=program.shutdown):
        program.is_accounted_for()
        done = program.shut_down and schedule.now >= program.timeout
        assert not done, "shutdown says that it was done in time"


@every_schedule(
    "An exporter that takes its time to export: it is to flush in what is left of it",
    preemptions=1,
    subject=SHELL,
    discharges="BP-07",
)
def flush_has_what_is_left(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.exporter.takes = 600
    end = partial(program.end, "a1")
    if program.run("", a=end, flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time(600)


@every_schedule(
    "A flush that has more time than the shutdown that comes meanwhile: it ends with it",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-07", "BP-09"),
)
def flush_ends_with_shutdown(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 1, 5000))
    program.timeout, program.exporter.takes = 2000, 3000

    def flush() -> None:
        program.flush()
        schedule.expect(schedule.now <= 1000, "flush waits for what has ended")

    if program.run(flush=flush, shutdown=partial(program.processor.shutdown, 1000)):
        program.is_accounted_for()


@every_schedule(
    "A flush and a shutdown that have one millisecond, which are done in it",
    preemptions=1,
    subject=(*SHELL, BatchProcessor._wait, BatchProcessor._flush_exporter),
    discharges="BP-07",
)
def one_millisecond_is_time(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.timeout = 1
    if program.run(flush=program.flush, shutdown=program.shutdown):
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    "A flush that has no time, or less than none: it does not wait",
    preemptions=1,
    subject=(*SHELL, BatchProcessor._after),
    discharges="BP-07",
)
def no_time_is_none(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 2, 5000))
    program.exporter.takes = 5

    def produce() -> None:
        program.produce("a")
        for millis in (0, -9):
            began = schedule.now
            program.processor.force_flush(millis)
            schedule.expect(schedule.now == began, "flush waits")

    if program.run("", a=produce, shutdown=program.shutdown):
        program.is_accounted_for()


@every_schedule(
    "A delay of one millisecond, after which a batch is exported that is not full",
    preemptions=1,
    subject=SHELL,
    discharges="BP-02",
)
def delay_of_one_millisecond(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 3, 1))

    def shutdown() -> None:
        schedule.pause("waits for an export", lambda: len(program.exporter.spans) > 0)
        program.shutdown()

    if program.run(shutdown=shutdown):
        program.is_accounted_for()
        program.is_in_time(1)


class LateThreads(WithoutThreads):
    """Threads of which the first cannot be started."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule)
        self.schedule = schedule
        self.asked = 0

    def Thread(self, **how: Any) -> Any:  # noqa: N802
        self.asked += 1
        return self if self.asked == 1 else self.schedule.Thread(**how)


@every_schedule(
    "Where the worker cannot be started for the first span it is started for the next one",
    preemptions=1,
    subject=SHELL,
    discharges="BP-02",
)
def worker_that_starts_late(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 3, 5000), threads=LateThreads(schedule))

    def shutdown() -> None:
        schedule.pause("waits for an export", lambda: len(program.exporter.spans) > 0)
        program.shutdown()

    if program.run(shutdown=shutdown):
        program.is_accounted_for()
        program.is_in_time(5000)


class Faulty:
    """An exporter that does one thing wrong, or none."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def does(self, what: str, answer: Any) -> Any:
        if self.fault == f"{what} raises":
            raise ValueError(what)
        wrong = {"nothing": None, "False": False, "numbers": (0, 0)}
        wrong["words"] = Returned("all", "none")  # type: ignore[arg-type]
        name, _, says = self.fault.partition(" says ")
        return wrong[says] if name == what else answer

    def export(self, spans: Sequence[str]) -> Any:
        return self.does("export", DONE)

    def force_flush(self, timeout_millis: int) -> Any:
        return self.does("flush", None)

    def shutdown(self) -> Any:
        return self.does("shutdown", None)


class Records(logging.Handler):
    """Keeps what is logged, and may raise then."""

    def __init__(self, raises: bool) -> None:
        super().__init__()
        self.raises = raises
        self.found: list[tuple[int, str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        raised = record.exc_info[0] if record.exc_info else None
        self.found.append((record.levelno, record.getMessage(), raised))
        if self.raises:
            raise SystemExit


@contextmanager
def _logged(raises: bool) -> Iterator[Records]:
    records = Records(raises)
    was, LOGGER.propagate = LOGGER.propagate, False
    LOGGER.addHandler(records)
    try:
        yield records
    finally:
        LOGGER.removeHandler(records)
        LOGGER.propagate = was


Wrong = Literal[
    "none",
    "export raises",
    "export says nothing",
    "export says numbers",
    "export says words",
    "flush raises",
    "flush says False",
    "shutdown raises",
]


@claim(
    "An exporter that raises, or does not say what became of a batch, is logged as a "
    "warning each time, with what it raised; flush and shutdown say that they were not done if it "
    "could not, and a logger that raises changes none of this",
    discharges="BP-13",
    subject=(
        BatchProcessor._export,
        BatchProcessor._flush_exporter,
        BatchProcessor._shut_down_exporter,
        BatchProcessor._turn,
        shell._is_answer,
        shell._report,
        Constant(shell.__name__, "_logger"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def faults_of_an_exporter_are_logged(fault: Wrong, raises: bool) -> bool:
    schedule = Schedule()
    processor = BatchProcessor[str](
        Faulty(fault), Limits(4, 2, 5000), clock=schedule.clock, threads=schedule
    )
    _processors.discard(processor)
    answers: list[bool] = []

    def thread() -> None:
        processor.on_end("a")
        processor.on_end("b")
        answers.extend([processor.force_flush(1000), processor.shutdown(1000)])

    with _logged(raises) as records:
        schedule.run({"a": thread})
    raised = "The exporter raised while it "
    logged: list[tuple[str, Any]] = {
        "export raises": [(raised + "exported 2 spans", ValueError)],
        "flush raises": [(raised + "flushed", ValueError)] * 2,
        "shutdown raises": [(raised + "was shut down", ValueError)],
    }.get(fault, [])
    if fault.startswith("export says"):
        logged = [("The exporter does not say what became of 2 spans", None)]
    state = processor.state
    return (
        not schedule.errors
        and records.found == [(logging.WARNING, *each) for each in logged]
        and answers == [not fault.startswith("flush"), fault[:5] not in ("flush", "shutd")]
        and (state.exported, state.unknown) == ((0, 2) if fault.startswith("export") else (2, 0))
    )


@claim(
    "Shutdown has 30 seconds if nothing is said, and a time of more than 2**40 milliseconds, or "
    "without end, is as good as that",
    discharges="BP-07",
    subject=(
        BatchProcessor._after,
        BatchProcessor.shutdown,
        *(Constant(shell.__name__, name) for name in ("TIMEOUT", "_LONGEST")),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def times_have_an_end(
    millis: Literal["", "-1", "0", "1.9", "1e12", "1e15", "inf", "nan"], now: Literal[0, 7]
) -> bool:
    schedule = Schedule()
    schedule.now = now
    program = Program(schedule, Limits(), threads=WithoutThreads(schedule), kind=Processor)
    given = [float(millis)] if millis else []
    schedule.run({"a": lambda: program.processor.shutdown(*given)})
    lasts = {"": 30_000, "-1": 0, "0": 0, "1.9": 1, "1e12": 10**12, "nan": 0}.get(millis, 2**40)
    return not schedule.errors and program.processor.state.deadline == now + lasts


@claim(
    "A span that fills no batch is only counted as it ends: the machine makes no step",
    discharges="BP-12",
    subject=(BatchProcessor.on_end, BatchProcessor._feed),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def most_spans_need_no_step(spans: Literal[1, 2, 3]) -> bool:
    schedule = Schedule()
    program = Program(schedule, Limits(8, 5, 5000), kind=Processor)
    states: list[Any] = []

    def thread() -> None:
        for number in range(spans + 1):
            program.end(f"a{number}")
            states.append(vars(program.processor)["_state"])
        program.shutdown()

    return program.run("", a=thread) and all(state is states[0] for state in states)


@claim(
    "The clock of a processor tells the whole milliseconds of the interpreter's monotonic clock",
    subject=shell.monotonic_millis,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def the_clock_tells_whole_milliseconds(nanoseconds: Uint64) -> bool:
    with mock.patch.object(time, "monotonic_ns", return_value=nanoseconds):
        millis = shell.monotonic_millis()
    return type(millis) is int and 0 <= nanoseconds - 1_000_000 * millis < 1_000_000


class Ending:
    """A processor that takes some time to shut down, and notes how much it may take."""

    def __init__(self, takes: int, clock: list[int]) -> None:
        self.takes = takes
        self.clock = clock
        self.given: list[float] = []
        self.forks = 0

    def shutdown(self, timeout_millis: float) -> None:
        self.given.append(timeout_millis)
        self.clock[0] += self.takes * 1_000_000

    def _forked(self) -> None:
        self.forks += 1


@claim(
    "At the end of the interpreter all processors that are left are shut down, within 30 seconds "
    "together, and in a child of a fork each of them starts anew",
    subject=(shell._shut_down_all, shell._fork_all),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def all_processors_are_looked_after(first: Literal[0, 1000], second: Literal[0, 29_500]) -> bool:
    clock = [7_000_000]
    every = [Ending(takes, clock) for takes in (first, second, 0)]
    with (
        mock.patch.object(shell, "_processors", every),
        mock.patch.object(time, "monotonic_ns", partial(sum, clock)),
    ):
        shell._fork_all()
        shell._shut_down_all()
    times = [30_000, 30_000 - first, 30_000 - first - second]
    return [each.given for each in every] == [[time] for time in times] and all(
        each.forks == 1 for each in every
    )


@claim(
    "The interpreter is told to start all processors anew in a child of a fork, and to shut them "
    "down at its exit",
    subject=(shell._fork_all, shell._shut_down_all),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
    fault=Fault(shell.__name__, "after_in_child=_fork_all", "after_in_parent=_fork_all"),
)
def forks_and_exits_are_told_of(what: Literal["fork", "exit"]) -> bool:
    with (
        mock.patch.object(os, "register_at_fork") as at_fork,
        mock.patch.object(atexit, "register") as at_exit,
    ):
        imported: Any = fresh_import(contracts=False, cached=False)[shell.__name__]
    if what == "fork":
        return mock.call(after_in_child=imported._fork_all) in at_fork.mock_calls
    return mock.call(imported._shut_down_all) in at_exit.mock_calls
