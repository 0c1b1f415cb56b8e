"""One claim from beginning to end: engines, verdict, witness, mutants.

The verdict of a claim is that of its strongest engine, unless an engine refutes it or
fails: evidence does not outvote a counterexample. It counts only with a witness (inputs
that the claim speaks of, on which the real code holds it), and only if the claim bites:
some mutant of the code that it speaks of makes it fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from . import domains
from .claim import FALSE, Claim, Constant, Subject
from .drawn import sample
from .engines import (
    Options,
    ambiguity,
    exhaustive,
    fuzz,
    induction,
    language,
    schedules,
    smt,
    symbolic,
)
from .planting import Mutant, Stillborn, TooSlow, applied, planted, time_limit
from .sources import innermost
from .verdict import OUTSIDE, Finding, Verdict

ENGINES: Mapping[str, Callable[[Claim, Options], Finding]] = {
    engine.NAME: engine.run
    for engine in (smt, induction, language, ambiguity, symbolic, exhaustive, schedules, fuzz)
}

ALONE = 5
"""How many times more inputs fuzzing draws for a claim that has no other engine."""

SEARCHING = 20
"""How many times more where another engine should have come to an end and did not."""

CONCRETE = 60
"""The number of inputs on which each mutant is run before an engine is asked."""


@dataclass(frozen=True)
class Result:
    """All that was found out about a claim. Inputs are Python source, by parameter."""

    id: str
    sentence: str
    discharges: tuple[str, ...]
    subject: tuple[str, ...]
    required: Verdict
    verdict: Verdict
    bound: str | None
    findings: tuple[Finding, ...]
    witness: dict[str, str] | None
    bites: str | None
    counterexample: dict[str, str] | None
    replay: str | None
    """What the real code does on the counterexample."""
    reason: str | None
    seconds: float | None
    where: tuple[str, int]
    remembered: bool = False
    """Whether the verdict is that of an earlier run."""
    bites_remembered: bool = False
    """Whether it is known from an earlier run by which mutant it is refuted."""

    @property
    def passed(self) -> bool:
        return self.verdict >= self.required

    @property
    def count(self) -> int | None:
        """What the verdict's number counts: inputs tried."""
        if self.verdict in (Verdict.TESTED, Verdict.EXHAUSTED):
            counts = [f.count for f in self.findings if f.verdict is self.verdict and f.count]
            return max(counts, default=None)
        return None


def prove(
    claim: Claim,
    options: Options,
    engines: Sequence[str] | None = None,
    bites: str | None = None,
) -> Result:
    """Run the engines of a claim, or those of them that are named, and judge.

    That it bites is not shown again if it is remembered by which mutant.
    """
    start = time.perf_counter()
    findings = _ask(claim, options, [e for e in claim.engines if engines is None or e in engines])
    verdict, finding, reason = _weigh(findings)
    counterexample = finding.inputs if verdict <= Verdict.REFUTED and finding else None
    replay = claim.fails_on(counterexample) if counterexample is not None else None
    if counterexample is not None and reason is None:
        reason = claim.listing(counterexample)
    witness = None
    remembered, bites = bites, None
    if verdict.conclusive and verdict >= claim.required:
        inputs = list(islice(sample(claim, options), CONCRETE))
        witness = next((i for i in inputs if claim.fails_on(i) is None), None)
        if witness is None:
            verdict, reason = Verdict.VACUOUS, "no inputs were found of which it speaks"
        elif remembered is not None:
            bites = remembered
        else:
            mutant, left, tried = _bite(
                claim, options, inputs, finding.engine if finding else "fuzz"
            )
            bites = None if mutant is None else str(mutant)
            if bites is None and left:
                verdict = Verdict.UNKNOWN
                reason = f"of {tried} mutants it refutes none, and {left} are not decided"
            elif bites is None:
                verdict = Verdict.VACUOUS
                reason = f"none of {tried} mutants of its subject is refuted by it"
    return replace(
        failed(claim, verdict, reason or "", time.perf_counter() - start),
        bound=finding.bound if finding is not None and verdict.conclusive else None,
        findings=tuple(replace(f, inputs=None) for f in findings),
        witness=_written(witness),
        bites=bites,
        bites_remembered=bites is not None and remembered is not None,
        counterexample=_written(counterexample),
        replay=replay,
        reason=reason,
    )


def failed(claim: Claim, verdict: Verdict, reason: str, seconds: float | None = None) -> Result:
    """The result of a claim that was not brought to an end."""
    return Result(
        id=claim.id,
        sentence=claim.sentence,
        discharges=tuple(claim.discharges),
        subject=tuple(subject_name(s) for s in claim.subject),
        required=claim.required,
        verdict=verdict,
        bound=None,
        findings=(),
        witness=None,
        bites=None,
        counterexample=None,
        replay=None,
        reason=reason,
        seconds=seconds,
        where=claim.where,
    )


def _ask(claim: Claim, options: Options, names: Sequence[str]) -> list[Finding]:
    """Ask the engines, until one refutes the claim.

    Fuzzing comes first, since what it refutes needs no proof, and once more with many
    more inputs if no other engine came to an end.
    """
    findings: list[Finding] = []
    others = [name for name in names if name != fuzz.NAME]
    if fuzz.NAME in names:
        findings.append(_one(fuzz.NAME, claim, options, 1 if others else ALONE))
    for name in others:
        if not any(f.verdict is Verdict.REFUTED for f in findings):
            findings.append(_one(name, claim, options))
    settled = any(f.verdict >= Verdict.EXHAUSTED or f.inputs is not None for f in findings)
    if fuzz.NAME in names and others and not settled:
        findings[0] = _one(fuzz.NAME, claim, options, SEARCHING)
    return findings


def _one(name: str, claim: Claim, options: Options, more: int = 1) -> Finding:
    try:
        return ENGINES[name](claim, replace(options, examples=options.examples * more))
    except Exception as error:
        reason = f"the engine failed: {type(error).__name__}: {error}"
        return Finding(name, Verdict.ERROR, reason=reason[:500])


def _weigh(findings: Sequence[Finding]) -> tuple[Verdict, Finding | None, str | None]:
    """The verdict on what the engines found, the finding that decides, and why it is no better."""
    if not findings:
        return Verdict.UNKNOWN, None, "none of its engines was asked"
    refuted = [f for f in findings if f.verdict is Verdict.REFUTED]
    failed = [f for f in findings if f.verdict is Verdict.ERROR]
    proved = [f for f in findings if f.verdict >= Verdict.EXHAUSTED]
    if refuted and proved:
        reason = f"{proved[0].engine} proves what {refuted[0].engine} refutes"
        return Verdict.ERROR, refuted[0], reason
    if refuted:
        return Verdict.REFUTED, refuted[0], None
    if failed:
        return Verdict.ERROR, failed[0], failed[0].reason
    best = max(findings, key=lambda f: f.verdict)
    reasons = [
        f"{f.engine}: {f.reason}" for f in findings if f.reason and f.verdict < Verdict.TESTED
    ]
    return best.verdict, best, "; ".join(reasons) or None


def _bite(
    claim: Claim, options: Options, inputs: Sequence[Mapping[str, Any]], engine: str
) -> tuple[Mutant | None, int, int]:
    """The first mutant of the subject that the claim refutes; of how many it was not decided
    whether they are, for want of time or as the engine cannot say; and how many were tried.

    The mutant must make the claim false: that it raises would refute any claim that
    calls it, one that says nothing too. Running the claim on inputs at hand refutes
    most; the engine of the verdict is asked about the others. It is asked about a fault
    before the next mutant is tried, since a fault is planted to be found.
    """
    quick = replace(options, timeout=min(options.timeout, 5.0))

    def refuted(mutant: Mutant, spending: Options) -> bool | None:
        with applied(mutant):
            try:
                with time_limit(2 * spending.timeout):
                    found = ENGINES[engine](claim, spending)
                    if found.inputs is not None:
                        return claim.fails_on(found.inputs) == FALSE
                    # No more time would have it read what is not in the subset.
                    outside = (found.reason or "").startswith(OUTSIDE)
                    return False if found.verdict.conclusive or outside else None
            except (Exception, TooSlow):
                return None

    # Fuzzing gets more inputs than before: what few reach is not what none can.
    more = (ALONE, SEARCHING) if engine == fuzz.NAME else (1,)
    efforts = [replace(quick, examples=options.examples * times) for times in more]
    from .mutants import mutants

    survivors = []
    tried = 0
    faults = [planted(claim.fault)] if claim.fault is not None else []
    for mutant in chain(faults, mutants(claim.subject)):
        try:
            with applied(mutant):
                tried += 1
                bitten = _fails_on_any(claim, inputs)
        except Stillborn:
            continue
        if bitten or (mutant in faults and any(refuted(mutant, effort) for effort in efforts)):
            return mutant, 0, tried
        if mutant not in faults:
            survivors.append(mutant)
    end = time.process_time() + options.timeout
    for effort in efforts:
        # A mutant is to have no part in what is drawn.
        list(sample(claim, effort))
        undecided = 0
        for position, mutant in enumerate(survivors):
            # What others take of the machine is not this claim's.
            if time.process_time() > end:
                return None, undecided + len(survivors) - position, tried
            answer = refuted(mutant, effort)
            if answer:
                return mutant, 0, tried
            undecided += answer is None
    return None, undecided, tried


def _fails_on_any(claim: Claim, inputs: Sequence[Mapping[str, Any]]) -> bool:
    try:
        with time_limit(1.0):
            return any(claim.fails_on(each) == FALSE for each in inputs)
    except TooSlow:
        # A mutant that loops is not refuted by a claim about what is returned.
        return False


def subject_name(subject: Subject) -> str:
    """The qualified name of what a claim speaks of."""
    if isinstance(subject, Constant):
        return f"{subject.module}.{subject.name}"
    inner = innermost(subject)
    return f"{inner.__module__}.{inner.__qualname__}"


def _written(inputs: Mapping[str, Any] | None) -> dict[str, str] | None:
    return None if inputs is None else {n: domains.source(v) for n, v in inputs.items()}
