"""The processor with real threads, in whatever order its calls come.

The machine keeps what it did itself: what it offered, whether it blocked the exporter and
whether it asked for shutdown. The clock is its own and stands still within a step, so whether
a call is out of time is known and not measured.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple
from weakref import ref

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from verified.exporter.batching import CLOSED, Limits, Returned, State
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.exporter.processor import BatchProcessor, _processors

LOGGER: Final = logging.getLogger(BatchProcessor.__module__)

PATIENCE: Final = 20
"""How long, in seconds, a test waits for what must come."""

NEVER: Final = 2**40
"""A time in milliseconds that does not pass."""

DELAY: Final = 20
SHORT: Final = 10

Answer = Returned | type[BaseException] | None
ANSWERS: Final[list[Answer]] = [
    *(Returned(SUCCESS), Returned(SUCCESS, 1), Returned(FAILURE), Returned(UNKNOWN)),
    *(None, ValueError, SystemExit),
]


class Key(NamedTuple):
    """Which span it is: its producer offered it in this step, as this one of several."""

    producer: int
    step: int
    number: int


class Span:
    """A span that a weak reference can be made to."""

    def __init__(self, key: Key) -> None:
        self.key = key


class Seen(NamedTuple):
    """What an exporter saw and said, in numbers of spans."""

    begun: int = 0
    exported: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def over(self) -> int:
        return self.exported + self.rejected + self.failed + self.unknown


class Exporter:
    """Returns when it may, with the answer that is set then; keeps keys and no spans."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.answer: Answer = Returned(SUCCESS)
        self.may_return = True
        self.changed = threading.Condition()
        self.is_busy = False
        self.seen = Seen()
        self.keys: list[Key] = []
        self.over_at_flush = -1
        self.shutdowns = 0
        self.problems: list[str] = []

    def export(self, spans: Sequence[Span]) -> Returned:
        with self.changed:
            if self.is_busy:
                self.problems.append("two exports at once")
            if not 1 <= len(spans) <= self.largest:
                self.problems.append(f"a batch of {len(spans)} spans")
            self.is_busy = True
            self.keys += [span.key for span in spans]
            self.seen = self.seen._replace(begun=self.seen.begun + len(spans))
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.may_return)
            answer = self.answer
            self.seen = Seen(*map(sum, zip(self.seen, became(answer, len(spans)), strict=True)))
            self.is_busy = False
            self.changed.notify_all()
        if isinstance(answer, type):
            raise answer
        return answer  # type: ignore[return-value]

    def force_flush(self, timeout_millis: int) -> bool:
        with self.changed:
            self.over_at_flush = self.seen.over
        return True

    def shutdown(self) -> None:
        with self.changed:
            self.shutdowns += 1
            self.changed.notify_all()

    @property
    def is_stuck(self) -> bool:
        """Whether an export is under way that returns only when it is released."""
        return self.is_busy and not self.may_return

    def let_return(self, may_return: bool) -> None:
        with self.changed:
            self.may_return = may_return
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE), what


def became(answer: Answer, spans: int) -> Seen:
    """What an answer says of a batch."""
    if not isinstance(answer, Returned) or answer.outcome == UNKNOWN:
        return Seen(unknown=spans)
    if answer.outcome == FAILURE:
        return Seen(failed=spans)
    return Seen(exported=spans - answer.rejected, rejected=answer.rejected)


class Call(threading.Thread):
    """A flush or a shutdown in a thread of its own; ``before`` is what was accepted before it."""

    def __init__(self, does: Callable[[float], bool], millis: int, now: int, state: State) -> None:
        super().__init__(daemon=True)
        self.does = does
        self.millis = millis
        self.until = now + millis
        self.before = state.queue.accepted
        self.has_begun = threading.Event()
        self.result: bool | None = None

    def run(self) -> None:
        self.result = self.does(self.millis)

    def ended(self) -> bool:
        self.join(PATIENCE)
        assert self.result is not None, f"{self.does.__name__} hangs or raised"
        return self.result


class Processing(RuleBasedStateMachine):
    @initialize(
        limits=st.tuples(st.integers(1, 6), st.integers(0, 4), st.sampled_from([DELAY, NEVER]))
    )
    def begin(self, limits: tuple[int, int, int]) -> None:
        # What the exporter raises is logged, and a log that is captured keeps its frames.
        LOGGER.disabled = True
        batch, more, delay = limits
        self.limits = Limits(batch + more, batch, delay)
        self.exporter = Exporter(batch)
        self.now = 0
        self.processor = BatchProcessor[Span](self.exporter, self.limits, clock=self.clock)
        self.offered = 0
        self.steps = 0
        self.spans: list[ref[Span]] = []
        self.flushes: list[Call] = []
        self.shutdowns: list[Call] = []
        self.deadline: int | None = None
        self.has_ended = False
        self.at_end: int | None = None
        self.latest = State()

    def clock(self) -> int:
        now = self.now
        thread = threading.current_thread()
        if isinstance(thread, Call):
            thread.has_begun.set()
        return now

    @rule(counts=st.lists(st.integers(1, 8), min_size=1, max_size=3))
    def end_spans(self, counts: list[int]) -> None:
        """Producers end spans at the same time."""
        was_stuck, before = self.exporter.is_stuck, self.processor.state
        self.steps += 1
        threads = [
            threading.Thread(target=self.produce, args=(producer, count), daemon=True)
            for producer, count in enumerate(counts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "on_end waits"
        spans = sum(counts)
        self.offered += spans
        after = self.processor.state.queue
        accepted = after.accepted - before.queue.accepted
        room = min(spans, self.limits.max_queue_size - before.queue.queued)
        if self.has_ended:
            assert after.late == before.queue.late + spans, "a span is accepted after shutdown"
        elif self.deadline is None:
            assert after.late == 0, "a span is late before shutdown"
            assert accepted >= room, "a span is refused though there is room"
            assert not was_stuck or accepted == room, "more is accepted than there is room for"

    def produce(self, producer: int, count: int) -> None:
        for number in range(count):
            span = Span(Key(producer, self.steps, number))
            self.spans.append(ref(span))
            self.processor.on_end(span)

    @rule(answer=st.sampled_from(ANSWERS))
    def answer(self, answer: Answer) -> None:
        with self.exporter.changed:
            self.exporter.answer = answer

    @rule()
    def block(self) -> None:
        self.exporter.let_return(False)

    @rule()
    def release(self) -> None:
        """The exporter returns from now on, and so all that waits for it must end."""
        self.exporter.let_return(True)
        self.look_at_calls()

    @rule(millis=st.sampled_from([0, SHORT, NEVER]))
    def flush(self, millis: int) -> None:
        self.call(self.flushes, self.processor.force_flush, millis)

    @rule(millis=st.sampled_from([0, SHORT, NEVER]), times=st.integers(1, 3))
    @precondition(lambda self: self.steps > 2)
    def shutdown(self, millis: int, times: int) -> None:
        if self.deadline is None:
            self.deadline = self.now + millis
        for _ in range(times):
            self.call(self.shutdowns, self.processor.shutdown, millis)

    def call(self, calls: list[Call], does: Callable[[float], bool], millis: int) -> None:
        call = Call(does, millis, self.now, self.processor.state)
        calls.append(call)
        call.start()
        assert call.has_begun.wait(PATIENCE)
        self.look_at_calls()

    @rule(millis=st.sampled_from([1, SHORT, DELAY]))
    def pass_time(self, millis: int) -> None:
        before = self.processor.state
        handed = before.queue.accepted - before.queue.queued
        self.now += millis
        if before.queue.queued and millis >= self.limits.schedule_delay and self.deadline is None:
            self.exporter.wait_for(
                lambda: self.exporter.seen.begun > handed or self.exporter.is_stuck,
                "spans are due and not exported",
            )
        self.look_at_calls()

    def look_at_calls(self) -> None:
        """Join the calls that must have ended: nothing blocks them, or they are out of time."""
        is_free = self.exporter.may_return
        for flush in [each for each in self.flushes if is_free or each.until <= self.now]:
            self.flushes.remove(flush)
            if flush.ended():
                over = self.exporter.over_at_flush
                assert over >= flush.before, "the exporter is not flushed after the exports"
            else:
                in_vain = flush.until <= self.now or self.deadline is not None
                assert in_vain, "a flush that had time says that it had none"
        for call in [each for each in self.shutdowns if is_free or self.must_end(each)]:
            self.shutdowns.remove(call)
            if call.ended():
                state = self.processor.state
                assert state.phase == CLOSED, "shutdown says that it is done and is not"
                assert state.queue.queued + state.in_flight + state.discarded == 0
                assert self.exporter.seen.over == state.queue.accepted
                assert self.exporter.shutdowns == 1
                self.has_ended = True
            else:
                assert self.must_end(call), "a shutdown that had time says that it had none"
        self.has_ended |= self.processor.state.phase == CLOSED

    def must_end(self, call: Call) -> bool:
        """Whether a shutdown is out of its own time, or out of that of the first."""
        assert self.deadline is not None
        return min(call.until, self.deadline) <= self.now

    @invariant()
    def all_is_accounted_for(self) -> None:
        first, state, second = self.exporter.seen, self.processor.state, self.exporter.seen
        queue = state.queue
        over = state.exported + state.rejected + state.failed + state.unknown
        assert queue.accepted + queue.full + queue.late == self.offered
        assert queue.accepted == over + state.discarded + queue.queued + state.in_flight
        assert 0 <= queue.queued <= self.limits.max_queue_size
        assert 0 <= state.in_flight <= self.limits.max_export_batch_size
        assert first.begun <= over + state.in_flight, "an export is not counted"
        assert over <= second.over, "an export is counted before it returned"
        for counted, early, late in zip(state[3:7], first[1:], second[1:], strict=True):
            assert early - state.in_flight <= counted <= late, "it is counted as something else"
        # The numbers only grow, and phases are not left backwards.
        was, self.latest = self.latest, state
        assert was.phase <= state.phase
        assert all(a <= b for a, b in zip(was[3:8], state[3:8], strict=True))

    @invariant()
    def exports_are_in_order_and_one_at_a_time(self) -> None:
        with self.exporter.changed:
            keys = list(self.exporter.keys)
        assert self.exporter.problems == []
        assert self.exporter.shutdowns <= 1
        for producer in range(3):
            own = [key for key in keys if key.producer == producer]
            assert all(a < b for a, b in pairwise(own)), "out of order, or twice"

    @invariant()
    def nothing_is_handed_over_after_the_end(self) -> None:
        state = self.processor.state
        if state.phase == CLOSED:
            handed = state.queue.accepted - state.discarded
            assert self.at_end in (None, handed)
            assert state.queue.queued == 0
            self.at_end = handed

    @invariant()
    def a_full_batch_is_handed_over(self) -> None:
        if self.deadline is None:
            accepted = self.processor.state.queue.accepted
            room = self.limits.max_export_batch_size
            self.exporter.wait_for(
                lambda: accepted - self.exporter.seen.begun < room or self.exporter.is_stuck,
                "a batch is full and not exported",
            )

    def teardown(self) -> None:
        if hasattr(self, "processor"):
            try:
                self.end()
            finally:
                # The clock stands still; nobody is to wait for it at the end of the interpreter.
                _processors.discard(self.processor)
                LOGGER.disabled = False

    def end(self) -> None:
        """Shut down: all is accounted for, and nothing is kept."""
        self.exporter.let_return(True)
        self.shutdown(NEVER, 1)
        exporter = self.exporter
        exporter.wait_for(lambda: exporter.shutdowns == 1, "the exporter is not shut down")
        worker: Any = self.processor._worker
        if worker is not None:
            worker.join(PATIENCE)
            assert not worker.is_alive(), "the worker does not end"
        self.all_is_accounted_for()
        self.exports_are_in_order_and_one_at_a_time()
        self.nothing_is_handed_over_after_the_end()
        state, seen = self.processor.state, self.exporter.seen
        assert state.phase == CLOSED
        assert state.in_flight == 0
        assert state[3:7] == seen[1:]
        assert len(self.exporter.keys) == seen.over == state.queue.accepted - state.discarded
        assert [each() for each in self.spans] == [None] * self.offered, "a span is kept"


# Not shrunk: what hangs would be waited for again with every smaller program.
Processing.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
TestProcessing = Processing.TestCase
