"""Claims about the threads of the batching processor, in every schedule of some programs.

Each program has producers, a flush, a shutdown and the worker.
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

from verified.exporter import processor as shell
from verified.exporter.batching import Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import BatchProcessor, _processors

from ..claim import Constant, Fault, claim
from ..contracts import fresh_import
from ..domains import Uint64
from ..interleaving import every_schedule
from ..schedules import Schedule
from ..verdict import Verdict
from .programs import DONE, LOGGER, Forking, LateThreads, Processor, Program, WithoutThreads

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
