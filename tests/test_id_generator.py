"""The default source of randomness, in threads, forked processes and seeded applications."""

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest

from verified import IdGenerator, SpanId, TraceId

GENERATOR = IdGenerator()


def ids(count: int) -> list[int]:
    return [GENERATOR.generate_trace_id() for _ in range(count)]


@contextmanager
def child_that_writes(numbers: int) -> Iterator[int]:
    """A forked child that draws so many trace ids; yields where to read them."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(TraceId(n).to_bytes() for n in ids(numbers)))
        os._exit(0)
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)
        assert os.waitpid(child, 0)[1] == 0


def test_forked_children_draw_other_ids_than_their_parent_and_each_other() -> None:
    with child_that_writes(50) as first, child_that_writes(50) as second:
        drawn = [ids(50)]
        for reader in (first, second):
            data = os.read(reader, 50 * TraceId.SIZE)
            drawn.append([int.from_bytes(data[i : i + 16], "big") for i in range(0, len(data), 16)])
    assert [len(each) for each in drawn] == [50, 50, 50]
    assert len({number for each in drawn for number in each}) == 150


def test_threads_never_draw_the_same_id() -> None:
    start = Barrier(8)

    def draw(_: int) -> list[int]:
        start.wait()
        return ids(500)

    with ThreadPoolExecutor(8) as pool:
        drawn = [number for numbers in pool.map(draw, range(8)) for number in numbers]
    assert len(set(drawn)) == 8 * 500


def test_an_application_that_seeds_random_does_not_repeat_ids() -> None:
    before = random.getstate()
    try:
        random.seed(1)
        first = ids(20)
        random.seed(1)
        second = ids(20)
    finally:
        random.setstate(before)
    assert not set(first) & set(second)


def test_every_bit_of_an_id_is_drawn() -> None:
    # Of 200 draws a given bit is the same in all with probability 2**-199.
    for bits, draw in ((128, GENERATOR.generate_trace_id), (64, GENERATOR.generate_span_id)):
        drawn = [int(draw()) for _ in range(200)]
        for bit in range(bits):
            assert {number >> bit & 1 for number in drawn} == {0, 1}


def test_zero_is_drawn_again_and_the_source_decides_all_else() -> None:
    numbers = iter([0, 0, 7, 0, 9])
    asked = []

    def source(bits: int) -> int:
        asked.append(bits)
        return next(numbers)

    generator = IdGenerator(source)
    assert generator.generate_trace_id() == 7
    assert generator.generate_span_id() == 9
    assert asked == [128, 128, 128, 64, 64]
    assert type(generator) is IdGenerator


@pytest.mark.parametrize("cls", [TraceId, SpanId])
def test_ids_are_not_made_of_what_is_no_integer(cls: type[TraceId | SpanId]) -> None:
    for value in (1.0, "1", b"1", None):
        with pytest.raises(TypeError):
            cls(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 1 << 128, 1 << 20_000], ids=int.bit_length)
def test_the_message_says_what_was_wrong_and_what_to_do(value: int) -> None:
    with pytest.raises(ValueError, match=r"TraceId must be from 1 to 2\*\*128 - 1, not ") as caught:
        TraceId(value)
    assert "TraceId.INVALID" in str(caught.value)


def test_ids_are_shown_as_the_standards_write_them() -> None:
    trace_id = TraceId(0xAF7651916CD43DD8448EB211C80319C)
    assert repr(trace_id) == "TraceId(0x0af7651916cd43dd8448eb211c80319c)"
    assert eval(repr(trace_id)) == trace_id
    assert repr(SpanId.INVALID) == "SpanId.INVALID"
    # As an exporter that knows only of integers calls it.
    assert trace_id.to_bytes(length=16, byteorder="big", signed=False) == trace_id.to_bytes()
