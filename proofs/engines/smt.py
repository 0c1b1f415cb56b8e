"""The smt engine: the claim and all that it calls, lifted, and its negation unsatisfiable.

A model of the negation is made smaller while it stays one, read back as inputs, and
run on the real code; one that does not make the real code fail is an error of the
engine. Before a proof counts, the lifted claim is evaluated on inputs from the domains
and compared with what CPython does on them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import z3

from .. import domains
from ..claim import Claim
from ..drawn import sample
from ..lift import symbols
from ..lift.lifter import Lifter
from ..lift.paths import Refused
from ..lift.values import both, either, negation
from ..sources import SourceMismatch
from ..verdict import OUTSIDE, Finding, Verdict
from . import Options

NAME = "smt"

COMPARED = 25
"""The number of inputs that are drawn to hold a lifted claim against CPython."""

SHRINKING = 5.0
"""Seconds that go into making a counterexample smaller."""


@dataclass
class Lifted:
    """A claim over symbols: ``violated`` is the term that says that it does not hold."""

    symbols: dict[str, symbols.Symbol]
    known: z3.BoolRef
    violated: z3.BoolRef
    lifter: Lifter

    @property
    def bound(self) -> str | None:
        return "; ".join(s.bound for s in self.symbols.values() if s.bound) or None


def lift(claim: Claim, timeout: float) -> Lifted:
    """Lift a claim, asking the solver at most so many seconds about each branch.

    :raises Refused: if the code is outside of the subset, or an input has no symbol.
    """
    try:
        inputs = symbols.inputs(claim.parameters)
    except KeyError as error:
        raise Refused(f"inputs of the type {error} have no symbol") from None
    known = both(*(s.known for s in inputs.values()))
    lifter = Lifter(known, timeout)
    holds = claim.lift(lifter, {name: s.value for name, s in inputs.items()})
    failing = both(lifter.path, negation(holds))
    violated = either(failing, *(raised.guard for raised in lifter.raised))
    return Lifted(inputs, known, violated, lifter)


def run(claim: Claim, options: Options) -> Finding:
    """Prove or refute a claim."""
    start = time.perf_counter()

    def finding(verdict: Verdict, **more: Any) -> Finding:
        return Finding(NAME, verdict, time.perf_counter() - start, **more)

    try:
        lifted = lift(claim, options.timeout / 10)
    except Refused as refusal:
        return finding(Verdict.UNKNOWN, reason=f"{OUTSIDE}: {refusal}")
    except SourceMismatch as mismatch:
        return finding(Verdict.ERROR, reason=str(mismatch))
    solver = z3.Solver()
    solver.set("timeout", max(1, int(1000 * options.timeout)))
    solver.add(lifted.known, lifted.violated)
    answer = solver.check()
    if answer == z3.sat:
        inputs = _counterexample(lifted, solver)
        if claim.fails_on(inputs) is None:
            reason = "the counterexample does not fail on the real code"
            return finding(Verdict.ERROR, inputs=inputs, reason=reason)
        return finding(Verdict.REFUTED, inputs=_plainer(claim, inputs))
    if answer != z3.unsat:
        return finding(Verdict.UNKNOWN, reason=f"the solver gave up: {solver.reason_unknown()}")
    compared, difference = disagreement(claim, lifted, options)
    if difference is not None:
        reason = "the lifted claim and CPython disagree"
        return finding(Verdict.ERROR, count=compared, inputs=difference, reason=reason)
    if compared == 0:
        return finding(Verdict.ERROR, count=0, reason="no input was compared with CPython")
    bound = lifted.bound
    verdict = Verdict.BOUNDED if bound else Verdict.PROVED
    return finding(verdict, count=compared, bound=bound)


def _counterexample(lifted: Lifted, solver: z3.Solver) -> dict[str, Any]:
    """The inputs of a model, after making it smaller for as long as ``SHRINKING`` allows."""
    model = solver.model()
    end = time.perf_counter() + SHRINKING
    for condition in chain.from_iterable(s.smaller for s in lifted.symbols.values()):
        if time.perf_counter() > end:
            break
        if z3.is_true(model.eval(condition, model_completion=True)):
            solver.add(condition)
            continue
        solver.push()
        solver.set("timeout", 1000)
        solver.add(condition)
        if solver.check() == z3.sat:
            model = solver.model()
        else:
            solver.pop()
    return _read(lifted, lambda term: model.eval(term, model_completion=True))


def _plainer(claim: Claim, inputs: dict[str, Any]) -> dict[str, Any]:
    """The counterexample with each character of its texts a "0", where that is one too."""
    for name, value in inputs.items():
        if isinstance(value, str):
            for i in range(min(len(value), 100)):
                tried = inputs | {name: inputs[name][:i] + "0" + inputs[name][i + 1 :]}
                if claim.fails_on(tried) is not None:
                    inputs = tried
    return inputs


def _read(lifted: Lifted, evaluate: symbols.Evaluate) -> dict[str, Any]:
    inputs = {name: symbol.read(evaluate) for name, symbol in lifted.symbols.items()}
    drawn = symbols.read_draws(lifted.lifter.drawn, evaluate)
    return {name: domains.with_draws(value, drawn) for name, value in inputs.items()}


def disagreement(
    claim: Claim, lifted: Lifted, options: Options
) -> tuple[int, dict[str, Any] | None]:
    """Evaluate the lifted claim on inputs from the domains, and the real one.

    Returns how many inputs were compared, and the first on which they differ.
    """
    compared = 0
    for inputs in islice(sample(claim, options), COMPARED):
        pairs = substitution(lifted, inputs)
        if pairs is None:
            continue
        compared += 1
        term = z3.simplify(z3.substitute(lifted.violated, *pairs))
        failed = claim.fails_on(inputs) is not None
        if not (z3.is_true(term) if failed else z3.is_false(term)):
            return compared, inputs
    return compared, None


def substitution(lifted: Lifted, inputs: Mapping[str, Any]) -> symbols.Substitution | None:
    """The terms that stand for these inputs; None if they are outside of the bound."""
    pairs: symbols.Substitution = []
    draws: tuple[int, ...] = ()
    for name, symbol in lifted.symbols.items():
        bound = symbol.bind(inputs[name])
        if bound is None:
            return None
        pairs += bound
        source = domains.source_of(inputs[name])
        draws = source.numbers if source is not None else draws
    return symbols.bind_draws(lifted.lifter.drawn, draws, pairs)
