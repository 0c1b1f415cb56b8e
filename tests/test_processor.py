"""The processor with real threads: exporters that block, raise, hang, and processes that fork."""

import dis
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from verified.exporter.batching import CLOSED, Limits, Returned, State
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.exporter.processor import BatchProcessor

LONG = 20_000
"""A time, in milliseconds, that no test waits for unless it fails."""

NEVER = 2**40
"""A delay that is not over while a test runs."""


class Span:
    """Something that a weak reference can be made to."""


class Recorder:
    """An exporter that keeps what it was called with, and answers what it is told to."""

    def __init__(self, *answers: Returned | BaseException | None) -> None:
        self.answers = list(answers)
        self.batches: list[list[Any]] = []
        self.calls: list[str] = []
        self.flushed: object = True
        self.busy = threading.Lock()
        self.entered = threading.Event()
        self.may_return = threading.Event()
        self.may_return.set()

    def export(self, spans: Sequence[Any]) -> Returned:
        assert self.busy.acquire(blocking=False), "two exports at once"
        try:
            assert "shutdown" not in self.calls, "an export after shutdown"
            self.calls.append("export")
            self.batches.append(list(spans))
            self.entered.set()
            assert self.may_return.wait(LONG)
            answer = self.answers.pop(0) if self.answers else Returned(SUCCESS)
            if isinstance(answer, BaseException):
                raise answer
            return answer  # type: ignore[return-value]
        finally:
            self.busy.release()

    def force_flush(self, timeout_millis: int) -> object:
        assert timeout_millis > 0
        self.calls.append("force_flush")
        if isinstance(self.flushed, BaseException):
            raise self.flushed
        return self.flushed

    def shutdown(self) -> None:
        self.calls.append("shutdown")

    @property
    def spans(self) -> list[Any]:
        return [span for batch in self.batches for span in batch]


def over(state: State) -> int:
    """How many spans were handed over and are settled."""
    return state.exported + state.rejected + state.failed + state.unknown


def check(processor: BatchProcessor[Any], exporter: Recorder, offered: int) -> State:
    """What holds at the end of every test: every span is counted once and exported once."""
    state = processor.state
    queue = state.queue
    assert queue.accepted + queue.full + queue.late == offered
    assert queue.accepted == over(state) + state.discarded + queue.queued + state.in_flight
    assert len(exporter.spans) == over(state) + state.in_flight
    assert len(set(map(id, exporter.spans))) == len(exporter.spans)
    assert all(len(batch) <= processor.limits.max_export_batch_size for batch in exporter.batches)
    assert exporter.calls.count("shutdown") <= 1
    return state


@contextmanager
def in_thread(function: Callable[[], object]) -> Iterator[list[object]]:
    """Run a function beside the block; what it returned is in the list after it."""
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    yield results
    thread.join(LONG / 1000)
    assert not thread.is_alive()


def slow_limits(queue: int = 8, batch: int = 4) -> Limits:
    return Limits(queue, batch, NEVER)


def test_a_full_batch_is_exported_at_once_and_in_order() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, slow_limits())
    for span in range(4):
        assert not exporter.entered.is_set()
        processor.on_end(span)
    assert exporter.entered.wait(LONG)
    assert exporter.batches == [[0, 1, 2, 3]]
    assert processor.shutdown(LONG)
    check(processor, exporter, 4)


def test_a_batch_is_exported_when_the_delay_is_over() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, Limits(8, 4, 1))
    processor.on_end(0)
    assert exporter.entered.wait(LONG)
    assert processor.shutdown(LONG)
    check(processor, exporter, 1)


def test_flush_exports_what_was_accepted_then_flushes_the_exporter() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, slow_limits(20))
    for span in range(3):
        processor.on_end(span)
    assert processor.force_flush(LONG)
    assert exporter.calls == ["export", "force_flush"]
    assert processor.force_flush(LONG)
    assert exporter.calls == ["export", "force_flush", "force_flush"]
    assert over(check(processor, exporter, 3)) == 3
    assert processor.shutdown(LONG)


@pytest.mark.parametrize("said", [False, ValueError("x"), SystemExit(1)])
def test_flush_and_shutdown_say_what_the_exporter_says(said: object) -> None:
    exporter = Recorder()
    exporter.flushed = said
    processor = BatchProcessor(exporter, slow_limits())
    processor.on_end(0)
    assert not processor.force_flush(LONG)
    assert processor.state.exported == 1
    assert not processor.shutdown(LONG)
    assert exporter.calls[-1] == "shutdown"
    check(processor, exporter, 1)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exporter_that_raises_loses_one_batch_of_unknown_fate(
    error: type[BaseException],
) -> None:
    exporter = Recorder(error())
    processor = BatchProcessor(exporter, slow_limits())
    for span in range(6):
        processor.on_end(span)
    assert processor.force_flush(LONG)
    state = check(processor, exporter, 6)
    assert (state.unknown, state.exported) == (4, 2)
    assert processor.shutdown(LONG)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (Returned(SUCCESS), (2, 0, 0, 0)),
        (Returned(SUCCESS, 1), (1, 1, 0, 0)),
        (Returned(SUCCESS, 99), (0, 2, 0, 0)),
        (Returned(FAILURE), (0, 0, 2, 0)),
        (Returned(UNKNOWN), (0, 0, 0, 2)),
        (None, (0, 0, 0, 2)),
        (Returned("?"), (0, 0, 0, 2)),  # type: ignore[arg-type]
    ],
)
def test_each_answer_has_its_counter(answer: Any, counts: tuple[int, ...]) -> None:
    exporter = Recorder(answer if answer is not None else Returned(None))  # type: ignore[arg-type]
    processor = BatchProcessor(exporter, slow_limits())
    processor.on_end(0)
    processor.on_end(1)
    assert processor.force_flush(LONG)
    state = check(processor, exporter, 2)
    assert (state.exported, state.rejected, state.failed, state.unknown) == counts
    assert processor.shutdown(LONG)


def test_spans_end_while_an_export_is_under_way_and_the_rest_is_counted() -> None:
    exporter = Recorder()
    exporter.may_return.clear()
    processor = BatchProcessor(exporter, slow_limits(8, 4))
    for span in range(4):
        processor.on_end(span)
    assert exporter.entered.wait(LONG)
    for span in range(4, 15):
        processor.on_end(span)
    state = check(processor, exporter, 15)
    assert (state.in_flight, state.queue.queued, state.queue.full) == (4, 8, 3)
    assert not processor.force_flush(1)
    exporter.may_return.set()
    assert processor.shutdown(LONG)
    assert exporter.spans == list(range(12))
    check(processor, exporter, 15)


def test_shutdown_keeps_its_time_though_the_exporter_hangs() -> None:
    exporter = Recorder()
    exporter.may_return.clear()
    processor = BatchProcessor(exporter, slow_limits(8, 4))
    for span in range(6):
        processor.on_end(span)
    assert exporter.entered.wait(LONG)
    assert not processor.shutdown(1)
    state = check(processor, exporter, 6)
    assert (state.in_flight, state.discarded, state.phase) == (4, 2, CLOSED)
    assert not processor.shutdown(LONG)
    assert not processor.force_flush(LONG)
    processor.on_end(6)
    worker = processor._worker
    exporter.may_return.set()
    worker.join(LONG / 1000)
    state = check(processor, exporter, 7)
    assert (state.exported, state.discarded, state.queue.late) == (4, 2, 1)
    assert exporter.batches == [[0, 1, 2, 3]]


def test_shutdown_without_time_discards_and_still_shuts_the_exporter_down() -> None:
    exporter = Recorder()
    down = threading.Event()
    exporter.shutdown = lambda: (exporter.calls.append("shutdown"), down.set())  # type: ignore[method-assign, assignment, func-returns-value]
    processor = BatchProcessor(exporter, slow_limits())
    processor.on_end(0)
    assert not processor.shutdown(-1)
    assert down.wait(LONG)
    assert check(processor, exporter, 1).discarded == 1
    assert exporter.calls == ["shutdown"]


def test_shutdown_once_however_many_call() -> None:
    exporter = Recorder()
    exporter.may_return.clear()
    processor = BatchProcessor(exporter, slow_limits(8, 4))
    for span in range(3):
        processor.on_end(span)
    with in_thread(lambda: processor.shutdown(LONG)) as first:
        assert exporter.entered.wait(LONG)
        assert not processor.shutdown(1)
        with in_thread(lambda: processor.shutdown(LONG)) as second:
            exporter.may_return.set()
    assert first == second == [True]
    assert processor.shutdown(0)
    assert processor.force_flush(0)
    assert exporter.calls == ["export", "force_flush", "shutdown"]
    check(processor, exporter, 3)


@pytest.mark.parametrize("time", [float("inf"), float("nan"), 1e300, 2**80, 0.5])
def test_times_may_be_any_numbers(time: float) -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, slow_limits())
    processor.force_flush(time)
    processor.shutdown(time)
    assert processor.state.phase == CLOSED


def test_an_exporter_that_calls_its_processor_does_not_wait_for_itself() -> None:
    said: list[bool] = []

    class Recursive(Recorder):
        def export(self, spans: Sequence[Any]) -> Returned:
            said.extend([processor.force_flush(LONG), processor.shutdown(LONG)])
            return super().export(spans)

    exporter = Recursive()
    processor = BatchProcessor[Any](exporter, slow_limits())
    processor.on_end(0)
    processor.force_flush(LONG)
    assert said == [False, False]
    assert processor.shutdown(LONG)
    assert check(processor, exporter, 1).exported == 1


def test_many_threads() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, Limits(64, 16, 1))
    ready = threading.Barrier(6)

    def produce(first: int) -> None:
        ready.wait()
        for span in range(first, first + 500):
            processor.on_end(span)

    def flush() -> None:
        ready.wait()
        for _ in range(20):
            assert processor.force_flush(LONG)

    producers = [threading.Thread(target=produce, args=(first,)) for first in range(0, 2000, 500)]
    others = [threading.Thread(target=flush) for _ in range(2)]
    for thread in (*producers, *others):
        thread.start()
    for thread in (*producers, *others):
        thread.join(LONG / 1000)
    assert processor.shutdown(LONG)
    state = check(processor, exporter, 2000)
    assert state.exported == state.queue.accepted > 0


def test_a_shutdown_among_producers() -> None:
    for round in range(20):
        exporter = Recorder(ValueError(), Returned(FAILURE))
        processor = BatchProcessor(exporter, Limits(8, 3, 1))
        ready = threading.Barrier(3)

        def produce(ready: threading.Barrier, processor: BatchProcessor[Any], first: int) -> None:
            ready.wait()
            for span in range(first, first + 50):
                processor.on_end(span)

        threads = [
            threading.Thread(target=produce, args=(ready, processor, first)) for first in (0, 50)
        ]
        for thread in threads:
            thread.start()
        ready.wait()
        assert processor.shutdown(LONG) is True, round
        for thread in threads:
            thread.join(LONG / 1000)
        state = check(processor, exporter, 100)
        assert (state.queue.queued, state.in_flight, state.discarded) == (0, 0, 0)


def test_nothing_is_kept_of_what_was_exported() -> None:
    exporter = Recorder(ValueError())
    exporter.export = lambda spans: Returned(SUCCESS)  # type: ignore[method-assign]
    processor = BatchProcessor(exporter, slow_limits(100, 4))
    spans = [Span() for _ in range(10)]
    references = [weakref.ref(span) for span in spans]
    for span in spans:
        processor.on_end(span)
    del span
    spans.clear()
    assert processor.force_flush(LONG)
    assert [each() for each in references] == [None] * 10
    assert processor.shutdown(LONG)
    late = Span()
    reference = weakref.ref(late)
    processor.on_end(late)
    del late
    assert reference() is None


def test_what_is_discarded_or_refused_is_not_kept() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, slow_limits(4, 4))
    spans = [Span() for _ in range(3)]
    references = [weakref.ref(span) for span in spans]
    for span in spans:
        processor.on_end(span)
    del span
    spans.clear()
    assert not processor.shutdown(0)
    assert [each() for each in references] == [None] * 3


def test_a_processor_that_was_shut_down_is_not_kept() -> None:
    exporter = Recorder()
    processor = BatchProcessor(exporter, slow_limits())
    processor.on_end(0)
    assert processor.shutdown(LONG)
    processor._worker.join(LONG / 1000)
    reference = weakref.ref(processor)
    del processor
    gc.collect()
    assert reference() is None


class Interrupt:
    """Runs a handler in the middle of a call, where the interpreter might: see ``MAY_INTERRUPT``.

    It does so once, at the place with this number.
    """

    def __init__(self, place: int, handler: Callable[[], object]) -> None:
        self.left = place
        self.handler = handler
        self.latest: dict[Any, str] = {}

    @property
    def is_over(self) -> bool:
        return self.left == 0

    def trace(self, frame: Any, event: str, argument: object) -> Any:
        if self.is_over or not frame.f_code.co_filename.endswith("exporter/processor.py"):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            before = self.latest.get(frame, "RESUME")
            self.latest[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if before.startswith(MAY_INTERRUPT):
                self.left -= 1
                if self.is_over:
                    self.handler()
        return self.trace

    def __call__(self, function: Callable[[], object]) -> None:
        tracer = sys.gettrace()
        sys.settrace(self.trace)
        try:
            function()
        finally:
            sys.settrace(tracer)


MAY_INTERRUPT = ("RESUME", "CALL", "JUMP_BACKWARD", "BUILD", "LIST", "BEFORE_WITH", "FOR_ITER")
"""The instructions after which signal handlers run, or which allocate, so that finalizers do."""


@pytest.mark.parametrize("does", ["on_end", "force_flush", "shutdown"])
def test_a_signal_handler_may_do_anything_at_any_place_of_on_end(does: str) -> None:
    """The handler runs in the thread that is inside of on_end, at each place of it in turn."""
    place = 0
    while True:
        place += 1
        exporter = Recorder()
        processor = BatchProcessor[Any](exporter, slow_limits(4, 3))
        spans = [Span() for _ in range(7)]
        handled: list[object] = []

        def handle(
            processor: BatchProcessor[Any] = processor, handled: list[object] = handled
        ) -> None:
            if does == "on_end":
                processor.on_end(Span())
                handled.append(True)
            else:
                handled.append(getattr(processor, does)(LONG))

        def end(processor: BatchProcessor[Any] = processor, spans: list[Span] = spans) -> None:
            for span in spans:
                processor.on_end(span)

        interrupt = Interrupt(place, handle)
        interrupt(end)
        assert handled in ([], [True]), place
        assert processor.shutdown(LONG), place
        state = check(processor, exporter, 7 + (does == "on_end") * len(handled))
        assert state.exported == state.queue.accepted, place
        if not interrupt.is_over:
            assert place > 20
            return


def interrupted() -> object:
    raise KeyboardInterrupt


def test_a_signal_handler_may_raise_at_any_place_of_on_end() -> None:
    """What was accepted before is exported; of the span that was interrupted it is not known."""
    place = 0
    while True:
        place += 1
        exporter = Recorder()
        processor = BatchProcessor[Any](exporter, slow_limits(4, 3))
        interrupt = Interrupt(place, interrupted)

        def end(processor: BatchProcessor[Any] = processor) -> None:
            for span in range(7):
                with suppress(KeyboardInterrupt):
                    processor.on_end(span)

        interrupt(end)
        assert processor.shutdown(LONG), place
        state = processor.state
        check(processor, exporter, state.queue.accepted + state.queue.full)
        assert state.queue.accepted + state.queue.full >= 6, place
        assert len(exporter.spans) == state.exported == state.queue.accepted, place
        if not interrupt.is_over:
            assert place > 20
            return


def run(source: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has a processor and an exporter that prints what happens."""
    program = PRELUDE + textwrap.dedent(source)
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=LONG / 1000,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


PRELUDE = """
import os, sys, threading
from verified.exporter import processor as module
from verified.exporter.batching import *
from verified.exporter.processor import BatchProcessor

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Exporter:
    entered, may_return, closes = threading.Event(), threading.Event(), True
    may_return.set()
    def export(self, spans):
        self.entered.set()
        self.may_return.wait()
        say("export", *spans)
        return Returned(SUCCESS)
    def force_flush(self, timeout_millis):
        return True
    def shutdown(self):
        say("shutdown")

exporter = Exporter()
processor = BatchProcessor(exporter, Limits(8, 4, 2**40))
"""


def test_at_exit_of_the_interpreter_what_is_left_is_exported() -> None:
    done = run("processor.on_end(1); processor.on_end(2)")
    assert (done.stdout, done.stderr, done.returncode) == ("export 1 2\nshutdown\n", "", 0)


def test_at_exit_an_exporter_that_hangs_is_not_waited_for() -> None:
    done = run(
        """
        module.TIMEOUT = 1
        exporter.may_return.clear()
        for span in range(6): processor.on_end(span)
        exporter.entered.wait()
        """
    )
    assert "export" not in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_child_starts_anew_and_exports_nothing_of_its_parents() -> None:
    done = run(
        """
        processor.on_end(1)
        with processor._lock:      # as another thread might
            child = os.fork()
        if child == 0:
            assert processor.state.queue == Queue(), processor.state
            assert processor._worker is None
            processor.on_end(2)
            assert processor.force_flush()
            assert processor.state.exported == processor.state.queue.accepted == 1
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "export 2\nshutdown\nexport 1\nshutdown\n"


def test_a_fork_in_the_middle_of_an_export() -> None:
    done = run(
        """
        exporter.may_return.clear()
        for span in range(6): processor.on_end(span)
        exporter.entered.wait()
        flush = threading.Thread(target=processor.force_flush)
        flush.start()
        child = os.fork()
        if child == 0:
            exporter.may_return.set()
            processor.on_end(7)
            assert processor.shutdown()
            assert processor.state.exported == 1
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        exporter.may_return.set()
        flush.join()
        assert processor.state.exported == 6
        """
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == "export 7\nshutdown\nexport 0 1 2 3\nexport 4 5\nshutdown\n"


def test_a_child_of_a_processor_that_was_shut_down_is_shut_down() -> None:
    done = run(
        """
        processor.on_end(1)
        assert processor.shutdown()
        child = os.fork()
        if child == 0:
            processor.on_end(2)
            assert processor.state.queue == Queue(is_open=False, late=1)
            assert processor.shutdown() and processor.force_flush()
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("export 1\nshutdown\n", "", 0)


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="no processor"):
        BatchProcessor(Recorder(), Limits(4, 8, 1))
