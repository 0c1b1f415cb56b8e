"""Claims about the id generator, for every number that its source can draw."""

import os
import random
from typing import Any

from verified import IdGenerator, SpanId, TraceId

from ..claim import Fault, claim
from ..contracts import fresh_import
from ..domains import Draws
from ..verdict import Verdict


@claim(
    "A generated trace id is from 1 to 2**128 - 1, whatever is drawn",
    discharges=("ID-01", "ID-04", "SC-03"),
    subject=(IdGenerator.generate_trace_id, IdGenerator._draw),
)
def trace_id_is_valid(generator: IdGenerator) -> bool:
    made = generator.generate_trace_id()
    return made.is_valid and 0 < made < 1 << 128


@claim(
    "A generated span id is from 1 to 2**64 - 1, whatever is drawn",
    discharges=("ID-01", "ID-04", "SC-03"),
    subject=(IdGenerator.generate_span_id, IdGenerator._draw),
)
def span_id_is_valid(generator: IdGenerator) -> bool:
    made = generator.generate_span_id()
    return made.is_valid and 0 < made < 1 << 64


@claim(
    "A source that breaks its promise and draws what is out of range gives no invalid id",
    discharges=("ID-02", "ID-04"),
    subject=IdGenerator._draw,
    required=Verdict.BOUNDED,
)
def source_out_of_range_gives_no_invalid_id(number: int) -> bool:
    if number & ((1 << 64) - 1) == 0:
        return True
    generator = IdGenerator(lambda bits: number)
    return (
        0 < generator.generate_trace_id() < 1 << 128 and 0 < generator.generate_span_id() < 1 << 64
    )


@claim(
    "A root span's context is valid and local, has the random flag, and is sampled as decided",
    discharges=("ID-03", "TP-15", "TP-16", "TP-23"),
    subject=IdGenerator.root,
)
def root_says_that_its_id_is_random(generator: IdGenerator, sampled: bool) -> bool:
    context = generator.root(sampled)
    return (
        context.is_valid
        and not context.is_remote
        and context.trace_flags.random
        and context.trace_flags.sampled == sampled
        and not context.trace_state
        and generator.is_trace_id_random()
    )


@claim(
    "A draw that is not zero is the id, bit for bit: each id comes from one draw and is as "
    "likely as that draw, its last 7 bytes as random as the source",
    discharges=("ID-01", "ID-03", "TP-15"),
    subject=IdGenerator._draw,
)
def id_is_the_draw(trace_id: TraceId, span_id: SpanId) -> bool:
    return (
        not trace_id.is_valid or IdGenerator(lambda bits: trace_id).generate_trace_id() == trace_id
    ) and (not span_id.is_valid or IdGenerator(lambda bits: span_id).generate_span_id() == span_id)


@claim(
    "The source that is given to the generator is the one that is asked, for all 128 and 64 bits",
    discharges=("ID-01", "ID-02"),
    subject=(IdGenerator.generate_trace_id, IdGenerator.generate_span_id, IdGenerator._draw),
)
def source_is_asked_for_every_bit() -> bool:
    generator = IdGenerator(lambda bits: (1 << bits) - 1)
    return (
        generator.generate_trace_id() == (1 << 128) - 1
        and generator.generate_span_id() == (1 << 64) - 1
    )


@claim(
    "An id is the first number drawn that is not zero, and nothing more is drawn than that: each "
    "id comes from one draw",
    discharges=("ID-01", "ID-03", "TP-15"),
    subject=IdGenerator._draw,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def id_is_the_first_draw_that_is_not_zero(draws: Draws) -> bool:
    numbers = [number & ((1 << 64) - 1) for number in draws.numbers] + [(1 << 64) - 1]
    position = next(at for at, number in enumerate(numbers) if number)
    made = IdGenerator(draws).generate_span_id()
    return made == numbers[position] and draws.position == position + 1


@claim(
    "A root span is not sampled unless that is asked for",
    discharges="TP-23",
    subject=IdGenerator.root,
)
def root_is_not_sampled_by_default(generator: IdGenerator) -> bool:
    return not generator.root().trace_flags.sampled


def _default_ids(count: int) -> list[int]:
    """Trace ids from the default source of the shipped code, imported anew."""
    imported: Any = fresh_import(contracts=False, cached=False)["verified.id_generator"]
    generator = imported.IdGenerator()
    return [int(generator.generate_trace_id()) for _ in range(count)]


@claim(
    "The default source draws other ids in every process, whatever seed an application gives to "
    "the random module",
    discharges=("ID-01", "TP-15"),
    subject=IdGenerator._draw,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
    fault=Fault("verified.id_generator", "_random = Random()", "_random = Random(0)"),
)
def default_source_is_not_seeded() -> bool:
    state = random.getstate()
    random.seed(0)
    first = _default_ids(8)
    random.seed(0)
    second = _default_ids(8)
    random.setstate(state)
    return len({*first, *second}) == 16


@claim(
    "A forked process draws other ids than the process that it was forked from",
    discharges="ID-01",
    subject=IdGenerator._draw,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
    fault=Fault(
        "verified.id_generator", "os.register_at_fork(after_in_child=_random.seed)", "pass"
    ),
)
def forked_processes_draw_other_ids() -> bool:
    imported: Any = fresh_import(contracts=False, cached=False)["verified.id_generator"]
    generator = imported.IdGenerator()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, generator.generate_trace_id().to_bytes())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    return len(theirs) == 16 and theirs != generator.generate_trace_id().to_bytes()
