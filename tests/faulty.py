"""Code and claims that are wrong on purpose, each in its own way."""

import os
import time
from pathlib import Path

import z3

from proofs.claim import FunctionClaim
from proofs.verdict import Verdict
from verified import TraceId


def half(number: int) -> int:
    return number >> 1


def doubled_half_is_the_number(number: int) -> bool:
    return half(number) * 2 == number


def anything_goes(number: int) -> bool:
    return half(number) == half(number)


def says_nothing(trace_id: TraceId) -> bool:
    return len(trace_id.to_bytes()) >= 0


def loops(number: int) -> bool:
    while True:
        time.sleep(0.01)


def asks_a_solver_for_ever(number: int) -> bool:
    """As a query that no solver answers; where it runs is said in a file."""
    where = Path(os.environ["FAULTY_PID"])
    where.with_suffix(".part").write_text(str(os.getpid()))
    where.with_suffix(".part").rename(where)
    solver = z3.Solver()
    factors = z3.BitVecs("p q", 512)
    solver.add(*(z3.UGT(f, 1) for f in factors), factors[0] * factors[1] == (1 << 511) - 111)
    return bool(solver.check() == z3.unsat)


def exits(number: int) -> bool:
    os._exit(3)


def first_word(text: str) -> str:
    return text.split()[0]


def a_word_is_no_longer_than_its_text(text: str) -> bool:
    return len(first_word(text)) <= len(text)


def faulty(
    function: object,
    subject: object = half,
    required: Verdict = Verdict.BOUNDED,
    engines: tuple[str, ...] = ("smt", "fuzz"),
) -> FunctionClaim:
    """A claim out of a function of this module, outside of the registry."""
    return FunctionClaim(
        function,  # type: ignore[arg-type]
        "A claim that is wrong on purpose",
        (),
        required,
        engines,
        (subject,),  # type: ignore[arg-type]
        None,
    )
