"""The processor with its real threads, in sequences of whatever may be done with it."""

import math
import threading
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proofs.claims import batching
from tests.test_processor import NEVER, Recorder
from verified.exporter.batching import CLOSED, Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.exporter.processor import BatchProcessor

ANSWERS: list[Any] = [
    Returned(SUCCESS),
    Returned(SUCCESS, 1),
    Returned(FAILURE),
    Returned(UNKNOWN),
    RuntimeError(),
    SystemExit(),
    KeyboardInterrupt(),
    GeneratorExit(),
    None,
    "nonsense",
]
LONG = 30_000
LIMITS = st.builds(
    lambda size, batch: Limits(size, min(size, batch), NEVER), st.integers(1, 6), st.integers(1, 4)
)


class Telling(Recorder):
    """A recorder that counts what became of spans, by what it says or raises of them."""

    def __init__(self) -> None:
        super().__init__()
        self.became = {SUCCESS: 0, FAILURE: 0, UNKNOWN: 0}

    def export(self, spans: Sequence[Any]) -> Returned:
        told = UNKNOWN
        try:
            answer = super().export(spans)
            if isinstance(answer, Returned):
                told = answer.outcome
            return answer
        finally:
            self.became[told] += len(spans)


class Processing(RuleBasedStateMachine):
    """Spans are offered, exports answered or held, flushes and shutdowns asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.exporter = Telling()
        self.given: list[Any] = []
        self.exporter.answers = self.given
        self.processor: BatchProcessor[int] | None = None
        self.limits = Limits()
        self.offered = 0

    @rule(limits=LIMITS)
    @precondition(lambda self: self.processor is None)
    def begin(self, limits: Limits) -> None:
        self.limits = limits
        self.processor = BatchProcessor(self.exporter, limits)

    @rule(spans=st.integers(1, 5), threads=st.integers(1, 2))
    @precondition(lambda self: self.processor is not None)
    def offer(self, spans: int, threads: int) -> None:
        assert self.processor is not None
        first, self.offered = self.offered, self.offered + spans * threads
        names = range(first, self.offered)
        ends = [lambda part=names[n::threads]: self.end(part) for n in range(threads)]
        started = [threading.Thread(target=end) for end in ends]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    def end(self, spans: range) -> None:
        assert self.processor is not None
        for span in spans:
            self.processor.on_end(span)

    @rule(answer=st.sampled_from(ANSWERS))
    def will_answer(self, answer: Any) -> None:
        self.given.append(answer)

    @rule()
    def hold(self) -> None:
        self.exporter.may_return.clear()

    @rule()
    def release(self) -> None:
        self.exporter.may_return.set()

    @rule(timeout=st.sampled_from([0, -1, 1, math.nan, -math.inf]))
    @precondition(lambda self: self.processor is not None)
    def flush_without_time(self, timeout: float) -> None:
        assert self.processor is not None
        assert self.processor.force_flush(timeout) in (True, False)

    @rule(timeout=st.sampled_from([LONG, math.inf]))
    @precondition(lambda self: self.processor is not None and self.exporter.may_return.is_set())
    def flush(self, timeout: float) -> None:
        assert self.processor is not None
        before = self.processor.state.queue.accepted
        self.processor.force_flush(timeout)
        state = self.processor.state
        assert before <= state.queue.accepted - state.queue.queued - state.in_flight

    @rule(timeout=st.sampled_from([0, -1, math.nan, 1]))
    @precondition(lambda self: self.processor is not None)
    def shut_down_without_time(self, timeout: float) -> None:
        assert self.processor is not None
        self.processor.shutdown(timeout)
        assert not self.processor.state.queue.is_open

    @invariant()
    def nothing_is_lost(self) -> None:
        if self.processor is None:
            return
        state = self.processor.state
        assert state.queue.accepted + state.queue.full + state.queue.late == self.offered
        assert batching.conservation(state)
        assert batching.numbers_are_natural(state)
        assert batching.queue_and_batch_are_bounded(self.limits, state)

    def teardown(self) -> None:
        self.exporter.may_return.set()
        if self.processor is None:
            return
        self.processor.shutdown(LONG)
        worker = self.processor._worker
        if worker is not None:
            worker.join()
        state = self.processor.state
        assert state.phase == CLOSED
        assert state.queue.queued == state.in_flight == 0
        assert len(set(self.exporter.spans)) == len(self.exporter.spans)
        assert state.exported + state.rejected == self.exporter.became[SUCCESS]
        assert state.failed == self.exporter.became[FAILURE]
        assert state.unknown == self.exporter.became[UNKNOWN]
        over = sum(self.exporter.became.values())
        assert over == len(self.exporter.spans) == state.queue.accepted - state.discarded
        assert self.exporter.calls.count("shutdown") == 1


TestProcessing = Processing.TestCase
TestProcessing.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
