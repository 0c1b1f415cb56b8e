"""Claims about the threads of the batching processor, in every schedule of some programs.

Each program has producers, a flush, a shutdown and the worker; every thread, lock, wait and
moment is under control, and an export can be overtaken by anything.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import ref

from verified.exporter.batching import CLOSED, Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import BatchProcessor, _processors

from ..interleaving import every_schedule
from ..schedules import Schedule
from .batching import (
    closing_flushes_all,
    conservation,
    numbers_are_natural,
    queue_and_batch_are_bounded,
)

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


class Exporter:
    """An exporter that says of each batch what it is told to, or raises it, after a time."""

    def __init__(self, schedule: Schedule, answer: Any, takes: int) -> None:
        self.schedule = schedule
        self.answer = answer
        self.takes = takes
        self.spans: list[str] = []
        self.largest = 0
        self.shutdowns = 0
        self.is_busy = False

    def export(self, spans: Sequence[str]) -> Returned:
        errors = self.schedule.errors
        if self.is_busy or self.shutdowns:
            errors.append("two exports at once" if self.is_busy else "an export after shutdown")
        self.is_busy = True
        self.spans += map(str, spans)
        self.largest = max(self.largest, len(spans))
        does = f"exports {' '.join(spans)}"
        if self.takes:
            until = self.schedule.now + self.takes
            self.schedule.pause(does, lambda: False, until)
        else:
            self.schedule.pause(does)
        self.is_busy = False
        if isinstance(self.answer, type):
            raise self.answer
        # It may be nonsense, as an exporter's answer may.
        return self.answer  # type: ignore[no-any-return]

    def force_flush(self, timeout_millis: int) -> bool:
        self.schedule.pause("flushes the exporter")
        return True

    def shutdown(self) -> None:
        self.shutdowns += 1
        self.schedule.pause("shuts down the exporter")


class Program:
    """Producers of two spans each, a flush and a shutdown, each in a thread of its own."""

    def __init__(
        self, schedule: Schedule, limits: Limits, producers: int, answer: Any, takes: int = 0
    ) -> None:
        self.schedule = schedule
        self.exporter = Exporter(schedule, answer, takes)
        self.processor = BatchProcessor[str](
            self.exporter, limits, clock=schedule.clock, threads=schedule
        )
        # A run that is given up leaves nothing to shut down at the end of the interpreter.
        _processors.discard(self.processor)
        self.offered = 2 * producers
        self.references: list[ref[Span]] = []
        self.ended: list[str] = []
        self.before_flush: list[str] = []
        self.flushed = self.shut_down = False
        self.at_flush: list[str] = []
        threads: dict[str, Callable[[], None]] = {
            name: partial(self.produce, name) for name in "ab"[:producers]
        }
        # What the exporter raises is logged, thousands of times.
        was, LOGGER.disabled = LOGGER.disabled, True
        try:
            schedule.run({**threads, "flush": self.flush, "shutdown": self.shutdown})
        finally:
            LOGGER.disabled = was

    def produce(self, name: str) -> None:
        for number in "12":
            span = Span(name + number)
            self.references.append(ref(span))
            self.processor.on_end(span)
            del span
            self.ended.append(name + number)

    def flush(self) -> None:
        self.before_flush = list(self.ended)
        self.flushed = self.processor.force_flush(1000)
        self.at_flush = list(self.exporter.spans)

    def shutdown(self) -> None:
        self.shut_down = self.processor.shutdown(1000)

    def is_accounted_for(self) -> None:
        """Each span is counted once and exported once, by what became of it, and it is over."""
        state, spans, queue = self.processor.state, self.exporter.spans, self.processor.state.queue
        over = state.exported + state.rejected + state.failed + state.unknown
        assert queue.accepted + queue.full + queue.late == self.offered, "an offer is not counted"
        assert over == len(spans), "what is counted is not what was exported"
        assert queue.accepted == over + state.discarded, "a span is lost"
        assert len(set(spans)) == len(spans), "a span is exported twice"
        assert len(self.ended) == self.offered, "on_end raised"
        for name in "ab":
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
        assert [each() for each in self.references] == [None] * self.offered, "a span is kept"
        assert state.phase == CLOSED, "the processor is not closed"
        assert self.exporter.shutdowns == 1, "the exporter is not shut down once"

    def is_in_time(self) -> None:
        """Flush and shutdown were done, said so, and nobody waited for the time to pass."""
        lost = self.processor.state.queue.full + self.processor.state.queue.late
        missing = set(self.before_flush) - set(self.at_flush)
        assert self.shut_down, "shutdown is not the truth"
        assert self.flushed, "flush is not the truth"
        assert self.processor.state.discarded == 0, "a span was discarded"
        assert len(missing) <= lost, "flush came before an export"
        assert self.schedule.now == 0, "somebody waited for the time to pass: a wake-up is lost"


SENTENCE = (
    "{}: each span is accounted for by what became of it and exported once, exports are one at a "
    "time, flush covers what was accepted before it, the exporter is shut down once, no span is "
    "kept, and no wake-up is lost"
)


def _check(schedule: Schedule, limits: Limits, producers: int, answer: Any) -> None:
    program = Program(schedule, limits, producers, answer)
    if not schedule.errors:
        program.is_accounted_for()
        program.is_in_time()


@every_schedule(
    SENTENCE.format("Two producers, the worker, a flush and a shutdown"),
    preemptions=0,
    subject=SHELL,
    discharges=("BP-01", "BP-12"),
)
def two_producers(schedule: Schedule) -> None:
    _check(schedule, Limits(4, 2, 5000), 2, Returned(SUCCESS))


@every_schedule(
    SENTENCE.format("A batch that is not full"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-08", "BP-12"),
)
def batch_that_is_not_full(schedule: Schedule) -> None:
    _check(schedule, Limits(4, 3, 5000), 1, Returned(SUCCESS))


@every_schedule(
    SENTENCE.format("An exporter that fails"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-01", "BP-12", "BP-16"),
)
def exporter_that_fails(schedule: Schedule) -> None:
    _check(schedule, Limits(2, 2, 5000), 1, Returned(FAILURE))


@every_schedule(
    SENTENCE.format("An exporter that raises SystemExit, and a queue of one span"),
    preemptions=1,
    subject=SHELL,
    discharges=("BP-12", "BP-13"),
)
def exporter_that_exits(schedule: Schedule) -> None:
    _check(schedule, Limits(1, 1, 5000), 1, SystemExit)


@every_schedule(
    "An exporter that takes longer than the shutdown may: it keeps its time and says that it was "
    "not done, and each span is exported, discarded or refused, accounted for, and not kept",
    preemptions=1,
    subject=SHELL,
    discharges=("BP-07", "BP-09", "BP-12"),
)
def exporter_that_hangs(schedule: Schedule) -> None:
    program = Program(schedule, Limits(4, 1, 5000), 1, Returned(SUCCESS), takes=3000)
    if not schedule.errors:
        program.is_accounted_for()
        busy = len(program.exporter.spans) > 0
        assert program.processor._result is program.shut_down, "shutdown has no end"
        assert program.shut_down <= (not busy), "shutdown says that it was done in time"
