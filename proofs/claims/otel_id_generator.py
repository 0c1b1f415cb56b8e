"""Claims about the id generator for OpenTelemetry's SDK."""

from collections.abc import Iterator
from unittest.mock import patch

from verified import id_generator as core
from verified.id_generator import IdGenerator
from verified.otel import id_generator
from verified.otel.id_generator import VerifiedIdGenerator

from ..claim import claim
from ..domains import Draws
from ..verdict import Verdict


@claim(
    "The ids that an SDK is given are plain integers, each one draw of 128 or 64 bits, or, where "
    "that is zero, the next that is not; the SDK may say that they are random",
    discharges=("ID-01", "ID-03", "ID-04"),
    subject=(VerifiedIdGenerator.generate_trace_id, VerifiedIdGenerator.generate_span_id),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def ids_are_draws(draws: Draws) -> bool:
    ids = VerifiedIdGenerator()
    for bits, generate in ((128, ids.generate_trace_id), (64, ids.generate_span_id)):
        most = (1 << bits) - 1
        numbers = [number & most for number in draws.numbers] + [most]
        asked: list[int] = []
        left = iter(numbers)

        def draw(count: int, asked: list[int] = asked, left: Iterator[int] = left) -> int:
            asked.append(count)
            return next(left)

        with (
            patch.object(id_generator, "_getrandbits", draw),
            patch.object(id_generator, "_ids", IdGenerator(draw)),
        ):
            made = generate()
        position = next(at for at, number in enumerate(numbers) if number)
        if type(made) is not int or made != numbers[position]:
            return False
        if asked != [bits] * (position + 1):
            return False
    return ids.is_trace_id_random()


@claim(
    "The ids that an SDK is given come from the source of the core, which no application seeds and "
    "which is another in each forked process",
    discharges=("ID-01", "TP-15"),
    subject=(VerifiedIdGenerator.generate_trace_id, VerifiedIdGenerator.generate_span_id),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def the_source_is_that_of_the_core(is_trace_id: bool) -> bool:
    ids = VerifiedIdGenerator()
    state = core._random.getstate()
    made = ids.generate_trace_id() if is_trace_id else ids.generate_span_id()
    core._random.setstate(state)
    return made == core._random.getrandbits(128 if is_trace_id else 64)
