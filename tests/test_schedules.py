"""The processor under every interleaving of two producers, a flush and a shutdown."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from proofs.schedules import Schedule, explore
from verified.exporter.batching import Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import BatchProcessor


class Exporter:
    """An exporter under a schedule, where an export can be overtaken by anything."""

    def __init__(self, schedule: Schedule, answer: Any) -> None:
        self.schedule = schedule
        self.answer = answer
        self.spans: list[str] = []
        self.calls: list[str] = []
        self.is_busy = False

    def export(self, spans: Sequence[str]) -> Returned:
        assert not self.is_busy, "two exports at once"
        assert "shutdown" not in self.calls, "an export after shutdown"
        self.is_busy = True
        self.spans += spans
        self.schedule.pause(f"exports {' '.join(spans)}")
        self.is_busy = False
        if isinstance(self.answer, type):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def force_flush(self, timeout_millis: int) -> bool:
        self.schedule.pause("flushes the exporter")
        return True

    def shutdown(self) -> None:
        assert "shutdown" not in self.calls, "two shutdowns"
        self.calls.append("shutdown")
        self.schedule.pause("shuts down the exporter")


class Program:
    """Producers, a flush and a shutdown, each in a thread of its own."""

    def __init__(
        self,
        schedule: Schedule,
        limits: Limits,
        producers: int,
        answer: Any,
        make: Callable[..., BatchProcessor[str]] = BatchProcessor,
    ) -> None:
        self.exporter = Exporter(schedule, answer)
        self.processor = make(self.exporter, limits, clock=schedule.clock, threads=schedule)
        self.offered = 2 * producers
        self.ended: list[str] = []
        self.flushed: list[tuple[list[str], bool, list[str]]] = []
        self.shut_down: list[bool] = []
        threads: dict[str, Callable[[], None]] = {
            name: lambda name=name: self.produce(name)  # type: ignore[misc]
            for name in "ab"[:producers]
        }
        schedule.run({**threads, "flush": self.flush, "shutdown": self.shutdown})
        if not schedule.errors:
            try:
                self.check(schedule)
            except AssertionError as error:
                schedule.errors.append(str(error).partition("\n")[0])

    def produce(self, name: str) -> None:
        for number in "12":
            self.processor.on_end(name + number)
            self.ended.append(name + number)

    def flush(self) -> None:
        before = list(self.ended)
        result = self.processor.force_flush(1000)
        self.flushed.append((before, result, list(self.exporter.spans)))

    def shutdown(self) -> None:
        self.shut_down.append(self.processor.shutdown(1000))

    def check(self, schedule: Schedule) -> None:
        state, spans = self.processor.state, self.exporter.spans
        queue = state.queue
        assert queue.accepted + queue.full + queue.late == self.offered, "an offer is not counted"
        over = state.exported + state.rejected + state.failed + state.unknown
        assert queue.accepted == over == len(spans), "a span is lost or exported twice"
        assert len(set(spans)) == len(spans), "a span is exported twice"
        for name in "ab":
            own = [span for span in spans if span[0] == name]
            assert own == sorted(own), "spans are out of order"
        assert self.shut_down == [True], "shutdown is not the truth"
        assert self.exporter.calls == ["shutdown"], "the exporter is not shut down once"
        for before, result, exported in self.flushed:
            lost = queue.full + queue.late
            assert result, "flush is not the truth"
            assert len(set(before) - set(exported)) <= lost, "flush came before an export"
        assert schedule.now == 0, "somebody had to wait for the time to pass: a wake-up was lost"


CASES = [
    # limits, producers, answer, preemptions
    (Limits(4, 2, 5000), 2, Returned(SUCCESS), 0),
    (Limits(2, 2, 5000), 1, Returned(FAILURE), 1),
    (Limits(1, 1, 5000), 1, SystemExit, 1),
    (Limits(4, 3, 5000), 1, Returned(SUCCESS), 1),
]


def broken(
    limits: Limits, producers: int, answer: Any, preemptions: int, make: Any = BatchProcessor
) -> tuple[int, Schedule | None]:
    """How many schedules were run, and the first that breaks."""

    def run(schedule: Schedule) -> None:
        Program(schedule, limits, producers, answer, make)

    count = 0
    for schedule in explore(run, preemptions):
        count += 1
        if schedule.errors:
            return count, schedule
    return count, None


@pytest.mark.parametrize(("limits", "producers", "answer", "preemptions"), CASES)
def test_every_schedule(limits: Limits, producers: int, answer: Any, preemptions: int) -> None:
    count, schedule = broken(limits, producers, answer, preemptions)
    assert schedule is None, schedule and schedule.listing()
    assert count > 100
    print(f"{count} schedules with at most {preemptions} preemptions hold")


class Deaf(BatchProcessor[str]):
    """Nobody is told that there is something to do."""

    def _feed(self, *arguments: Any) -> tuple[int, bool]:
        work, self._work = self._work, self._threads.Condition(self._lock)
        try:
            return super()._feed(*arguments)
        finally:
            self._work = work


class Careless(BatchProcessor[str]):
    """What is pending is read before the lock is taken."""

    def on_end(self, span: str) -> None:
        pending = self._pending
        with self._lock:
            self._pending = pending
        super().on_end(span)


@pytest.mark.parametrize("make", [Deaf, Careless])
def test_a_schedule_that_breaks_is_found_and_listed(make: type[BatchProcessor[str]]) -> None:
    _, schedule = broken(Limits(4, 3, 5000), 1, Returned(SUCCESS), 1, make)
    assert schedule is not None
    assert schedule.errors[0] in schedule.listing()
    again = Schedule(schedule.given)
    Program(again, Limits(4, 3, 5000), 1, Returned(SUCCESS), make)
    assert again.trace == schedule.trace
