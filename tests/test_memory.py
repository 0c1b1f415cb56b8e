"""A million spans take no more memory than a hundred thousand."""

import tracemalloc
from collections.abc import Sequence

from verified.exporter.batching import Returned
from verified.exporter.outcome import SUCCESS
from verified.exporter.processor import BatchProcessor

LONG = 20_000
BLOCK = 100_000


class Forgetful:
    """An exporter that keeps nothing."""

    def export(self, spans: Sequence[object]) -> Returned:
        return Returned(SUCCESS)

    def force_flush(self, timeout_millis: int) -> bool:
        return True

    def shutdown(self) -> None: ...


def test_memory_is_flat_between_the_first_hundred_thousand_spans_and_the_millionth() -> None:
    processor = BatchProcessor[bytes](Forgetful())
    kept: list[int] = []
    peaks: list[int] = []
    tracemalloc.start()
    try:
        for _ in range(10):
            tracemalloc.reset_peak()
            for number in range(BLOCK):
                processor.on_end(bytes(100))
                if number % 2048 == 0:
                    assert processor.force_flush(LONG)
            assert processor.force_flush(LONG)
            current, peak = tracemalloc.get_traced_memory()
            kept.append(current)
            peaks.append(peak)
    finally:
        tracemalloc.stop()
    state = processor.state
    assert state.queue.accepted + state.queue.full == 10 * BLOCK
    assert state.exported == state.queue.accepted
    # A span and its links take less than 400 bytes, and no more than max_queue_size are held.
    full = processor.limits.max_queue_size * 400
    # CPython keeps up to 2,000 tuples of each length for the next ones; these fill first.
    assert max(kept[1:]) - kept[0] < full
    assert max(kept[4:]) - kept[3] < full // 50
    assert max(peaks[1:]) < kept[0] + 2 * full
    assert processor.shutdown(LONG)
