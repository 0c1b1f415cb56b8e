"""The batching processor keeps the numbers of spans that a shell with real spans would count."""

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from verified.exporter import batching
from verified.exporter.batching import (
    CLOSED,
    CLOSING,
    RUNNING,
    Effects,
    Event,
    FlushAsked,
    Forked,
    Limits,
    Looked,
    Offered,
    Queue,
    Returned,
    ShutdownAsked,
    State,
    settled,
)
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN

PASSED = st.sampled_from([0, 0, 1, 3, 10])


class Processor(RuleBasedStateMachine):
    """A shell around the machine, which has the spans themselves and does what it is told.

    A span is its number. What is to happen is worked out from the lists of spans, and the
    machine is to say the same.
    """

    @initialize(batch=st.integers(1, 3), more=st.integers(0, 3), delay=st.sampled_from([0, 2, 9]))
    def starts(self, batch: int, more: int, delay: int) -> None:
        self.limits = Limits(batch + more, batch, delay)
        self.now = 0
        self.offered = 0
        self._begin(RUNNING)
        self.state = batching.start(self.limits, self.now)

    def _begin(self, phase: int) -> None:
        self.phase = phase
        self.queue: list[int] = []
        self.flight: list[int] = []
        self.accepted: list[int] = []
        self.full: list[int] = []
        self.late: list[int] = []
        self.taken: list[int] = []
        self.rejected: list[int] = []
        self.failed: list[int] = []
        self.unknown: list[int] = []
        self.discarded: list[int] = []
        self.flushed: set[int] = set()
        self.due = self.now + self.limits.schedule_delay if phase == RUNNING else 0
        self.deadline = 0

    def _step(self, event: Event) -> Effects:
        self.state, effects = batching.step(self.limits, self.state, event)
        return effects

    def _leave(self, count: int) -> list[int]:
        """The oldest spans, which leave the queue."""
        left, self.queue = self.queue[:count], self.queue[count:]
        return left

    @rule(times=st.integers(1, 4))
    def ends(self, times: int) -> None:
        for _ in range(times):
            self.offered += 1
            span, fills = self.offered, False
            if self.phase != RUNNING:
                self.late.append(span)
            elif len(self.queue) == self.limits.max_queue_size:
                self.full.append(span)
            else:
                self.queue.append(span)
                self.accepted.append(span)
                fills = len(self.queue) == self.limits.max_export_batch_size
            assert self._step(Offered()) == Effects(wake=fills)

    @rule(passed=PASSED)
    def looks(self, passed: int) -> None:
        self.now += passed
        effects = self._step(Looked(self.now))
        if self.phase == CLOSING and self.now >= self.deadline:
            assert effects == Effects(discard=len(self.queue), close=True)
            self.discarded += self._leave(effects.discard)
            self.phase = CLOSED
        elif self.phase == CLOSED or self.flight:
            assert effects == Effects()
        elif not self.queue:
            assert effects == Effects(close=self.phase == CLOSING)
            if self.phase == CLOSING:
                self.phase = CLOSED
            else:
                self.due = self.now + self.limits.schedule_delay
        else:
            batch = self.limits.max_export_batch_size
            wanted = self.flushed & set(self.queue)
            ready = len(self.queue) >= batch or wanted or self.now >= self.due
            assert effects == Effects(export=min(len(self.queue), batch) if ready else 0)
            if ready:
                self.flight = self._leave(effects.export)
                self.due = self.now + self.limits.schedule_delay

    @rule(outcome=st.sampled_from([SUCCESS, FAILURE, UNKNOWN]), rejected=st.integers(-2, 5))
    def returns(self, outcome: int, rejected: int) -> None:
        batch, self.flight = self.flight, []
        if outcome == SUCCESS:
            refused = min(max(rejected, 0), len(batch))
            self.rejected += batch[:refused]
            self.taken += batch[refused:]
        else:
            (self.failed if outcome == FAILURE else self.unknown).extend(batch)
        assert self._step(Returned(outcome, rejected)) == Effects(wake=self.phase != CLOSED)

    @rule()
    def flushes(self) -> None:
        if self.phase != CLOSED:
            self.flushed = set(self.accepted)
        assert self._step(FlushAsked()) == Effects(wake=self.phase != CLOSED)

    @rule(more=PASSED)
    def shuts_down(self, more: int) -> None:
        running = self.phase == RUNNING
        if running:
            self.phase, self.deadline = CLOSING, self.now + more
            self.flushed = set(self.accepted)
        assert self._step(ShutdownAsked(self.now + more)) == Effects(wake=running)

    @rule()
    def forks(self) -> None:
        assert self._step(Forked(self.now)) == Effects(discard=len(self.queue))
        self._begin(RUNNING if self.phase == RUNNING else CLOSED)

    @invariant()
    def counts_what_there_is(self) -> None:
        def count(*lists: Sequence[int]) -> list[int]:
            return [len(each) for each in lists]

        queue, state = self.state.queue, self.state
        assert list(queue) == [
            self.phase == RUNNING,
            *count(self.queue, self.accepted, self.full, self.late),
        ]
        assert [state.in_flight, state.exported, state.rejected] == count(
            self.flight, self.taken, self.rejected
        )
        assert [state.failed, state.unknown, state.discarded] == count(
            self.failed, self.unknown, self.discarded
        )
        assert (state.phase, state.due, state.deadline) == (self.phase, self.due, self.deadline)

    @invariant()
    def knows_every_span_once(self) -> None:
        known = self.taken + self.rejected + self.failed + self.unknown + self.discarded
        assert sorted(known + self.flight + self.queue) == self.accepted
        assert len(known) == settled(self.state)

    @invariant()
    def waits_for_the_spans_of_a_flush(self) -> None:
        """The number of a flush says which spans it waits for: the oldest that were accepted."""
        assert set(self.accepted[: self.state.flush]) == self.flushed
        waits = bool(self.flushed & {*self.queue, *self.flight})
        assert waits == (settled(self.state) < self.state.flush)

    def teardown(self) -> None:
        """Whatever happened, looking and returning bring a flush and a shutdown to their end."""
        if not hasattr(self, "state"):
            return
        self.flushes()
        for _ in range(len(self.accepted) + 1):
            self.looks(0)
            self.returns(SUCCESS, 0)
        assert not self.flushed & {*self.queue, *self.flight}
        self.shuts_down(0)
        self.looks(0)
        assert self.phase == CLOSED
        self.counts_what_there_is()


Processor.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestProcessor = Processor.TestCase


def after(limits: Limits, *events: Event) -> tuple[State, Effects]:
    state, effects = batching.start(limits, 0), Effects()
    for event in events:
        state, effects = batching.step(limits, state, event)
    return state, effects


def test_limits_that_are_valid() -> None:
    """The defaults are those of the specification; a batch fits into the queue."""
    assert Limits() == (2048, 512, 5000)
    assert Limits().is_valid
    assert Limits(1, 1, 0).is_valid
    assert not any(limits.is_valid for limits in (Limits(0, 0), Limits(1, 2), Limits(2, 0)))
    assert not Limits(2, 1, -1).is_valid


def test_a_batch_is_full_before_it_is_due() -> None:
    limits = Limits(4, 2, 100)
    assert after(limits, Offered(), Looked(99))[1] == Effects()
    assert after(limits, Offered(), Looked(100))[1] == Effects(export=1)
    assert after(limits, Offered(), Offered())[1] == Effects(wake=True)
    assert after(limits, Offered(), Offered(), Offered(), Looked(0))[1] == Effects(export=2)


def test_a_flush_does_not_wait_for_what_comes_later() -> None:
    limits = Limits(9, 5, 100)
    events: list[Event] = [
        Offered(),
        FlushAsked(),
        Looked(0),
        Offered(),
        Returned(SUCCESS),
        Looked(1),
    ]
    state, effects = after(limits, *events)
    assert effects == Effects()
    assert state.queue.queued == 1
    assert settled(state) == state.flush == 1


def test_an_export_that_returns_after_the_deadline_is_counted() -> None:
    limits = Limits(4, 2, 0)
    spans: list[Event] = [Offered() for _ in range(3)]
    state, effects = after(limits, *spans, Looked(0), ShutdownAsked(5), Looked(5))
    assert (effects, state.in_flight) == (Effects(discard=1, close=True), 2)
    state, effects = batching.step(limits, state, Returned(UNKNOWN))
    assert (state.unknown, state.discarded, state.phase) == (2, 1, CLOSED)
    assert effects == Effects()


def test_a_child_of_a_closing_processor_accepts_nothing() -> None:
    state, effects = after(Limits(4, 2, 0), Offered(), ShutdownAsked(5), Forked(3))
    assert effects == Effects(discard=1)
    assert state == State(queue=Queue(is_open=False), phase=CLOSED)
