"""Asks a target, counts what deviates, and makes each deviation small and repeatable."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from .check import CHECKS, Check, Deviation, Verdict, key, shown
from .target import PATIENCE, About, Arguments, Gone, Refused, Target, Unfit

SHRINKING = 3.0
"""Seconds that are spent on making one deviation small."""

WRONG_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What a judge raises of an answer that is not of the form that the protocol gives it."""

MOST_GONE = 3
"""How often a target may die or hang in one check until the check is given up."""


@dataclass(frozen=True)
class Options:
    """How a run goes: the cases of a check, the draws, the level of Trace Context, patience."""

    cases: int = 100
    seed: int = 0
    level: int = 2
    patience: float = PATIENCE


@dataclass(frozen=True)
class Result:
    """What a check found. ``deviating`` of ``cases`` were not as the standard wants."""

    check: Check
    verdict: Verdict
    cases: int = 0
    deviating: int = 0
    input: Arguments | None = None
    got: Any = None
    expected: str = ""
    script: str = ""
    note: str = ""


@dataclass
class _Case:
    arguments: Arguments
    answer: Any
    deviation: Deviation | None


def run(target: Target, options: Options, checks: Sequence[Check] = ()) -> Iterator[Result]:
    """Run the checks of a level of Trace Context, in the order of their requirements."""
    for each in checks or CHECKS:
        if options.level in each.trace_context_levels:
            yield run_check(each, target, options)


def run_check(check: Check, target: Target, options: Options) -> Result:
    """Run one check.

    What is reported as a deviation was seen again in a script of its own; if it was not, that
    is an error of the checker and said to be one.
    """
    missing = _unclaimed(check, target.about)
    offered = [each for each in check.operations if each in target.about.offers]
    if not offered and not missing:
        missing = f"the target does not offer {' or '.join(check.operations)}"
    if missing:
        return Result(check, Verdict.NOT_OFFERED, note=missing)
    try:
        for operation in offered:
            asking = _Asking(check, operation, target, options)
            if asking.can_tell():
                return asking.result()
    except Refused as refused:
        return Result(check, Verdict.NOT_OFFERED, note=str(refused))
    assert check.premise is not None
    return Result(check, Verdict.NOT_OFFERED, note=check.premise.otherwise)


def _unclaimed(check: Check, about: About) -> str:
    """Why a target is not bound by a requirement, if it is not."""
    if about.implements is not None and check.requirement.file not in about.implements:
        return f"the target does not claim {check.requirement.standard}"
    level = about.trace_context_level
    if level is not None and level not in check.trace_context_levels:
        return f"the target claims Level {level} of W3C Trace Context"
    return ""


class _Over(BaseException):
    """Ends a search whose time is over; no Exception, which Hypothesis would take for a finding."""


class _Asking:
    """The cases of one check."""

    def __init__(self, check: Check, operation: str, target: Target, options: Options) -> None:
        self.check = check
        self.operation = operation
        self.target = target
        self.options = options
        self.cases: dict[str, _Case] = {}
        self.gone: list[tuple[Arguments, Gone]] = []
        self.refused = ""

    def can_tell(self) -> bool:
        """Whether the operation does what the check builds on; so too if the target is gone."""
        premise = self.check.premise
        if premise is None:
            return True
        try:
            answer = self.target.ask(self.operation, premise.arguments, self.options.patience)
        except Gone as gone:
            self.gone += [(premise.arguments, gone)] * MOST_GONE
            return True
        except Unfit:
            return False
        try:
            return premise.holds(answer)
        except WRONG_SHAPE:
            return True  # The cases will show it.

    def result(self) -> Result:
        """All cases, then the smallest that deviates, then its script."""
        self._draw()
        if self.gone:
            return self._error(*self.gone[0])
        bad = [case for case in self.cases.values() if case.deviation is not None]
        total = len(self.cases)
        if not total:
            return Result(self.check, Verdict.NOT_OFFERED, note=self.refused)
        if not bad:
            return Result(self.check, Verdict.OK, total)
        smallest = self._smallest(min(bad, key=lambda case: len(key(case.arguments))))
        assert smallest.deviation is not None
        script = self.target.script(self.operation, smallest.arguments)
        verdict, note = self.check.verdict, self.check.licence
        again = self._repeats(script, smallest.arguments)
        if again is not None:
            verdict, note = Verdict.ERROR, f"the deviation does not repeat in its script: {again}"
        return Result(
            self.check,
            verdict,
            total,
            len(bad),
            smallest.arguments,
            shown(smallest.answer),
            smallest.deviation.expected,
            script,
            note,
        )

    def _draw(self) -> None:
        most = min(self.options.cases, self.check.cases or self.options.cases)

        @seed(self.options.seed)
        @_settings(most, Phase.generate)
        @given(self.check.inputs)
        def one(arguments: Arguments) -> None:
            if len(self.gone) < MOST_GONE:
                self._ask(arguments)

        one()

    def _ask(self, arguments: Arguments) -> _Case | None:
        """Ask once for each input; None if it cannot be asked, or the target is gone."""
        name = key(arguments)
        if name not in self.cases:
            try:
                answer = self.target.ask(self.operation, arguments, self.options.patience)
            except (Refused, Unfit) as refused:
                self.refused = str(refused)
                return None
            except Gone as gone:
                self.gone.append((arguments, gone))
                return None
            try:
                deviation = self.check.judge(arguments, answer)
            except WRONG_SHAPE as error:
                self.gone.append((arguments, _misshapen(answer, error)))
                return None
            self.cases[name] = _Case(arguments, answer, deviation)
        return self.cases[name]

    def _smallest(self, known: _Case) -> _Case:
        """A case that deviates and that Hypothesis finds no simpler one for in its time."""
        over = time.monotonic() + SHRINKING
        best = [known]

        def deviates(arguments: Arguments) -> bool:
            if time.monotonic() > over or len(self.gone) >= MOST_GONE:
                raise _Over
            case = self._ask(arguments)
            if case is None or case.deviation is None:
                return False
            best.append(case)
            return True

        with suppress(_Over, NoSuchExample, Unsatisfiable):
            find(
                self.check.inputs,
                deviates,
                settings=_settings(self.options.cases, Phase.generate, Phase.shrink),
                random=Random(self.options.seed),
            )
        # The last that deviated is the simplest, of those that are no longer than the first.
        return min(reversed(best), key=lambda case: len(key(case.arguments)))

    def _repeats(self, script: str, arguments: Arguments) -> str | None:
        """What else a script shows, if it does not show the deviation."""
        try:
            answer = self.target.run(script, self.options.patience)
        except Gone as gone:
            return str(gone)
        try:
            deviation = self.check.judge(arguments, answer)
        except WRONG_SHAPE as error:
            return str(_misshapen(answer, error))
        return None if deviation is not None else str(shown(answer))

    def _error(self, arguments: Arguments, gone: Gone) -> Result:
        return Result(
            self.check,
            Verdict.ERROR,
            len(self.cases) + len(self.gone),
            0,
            arguments,
            None,
            "an answer",
            self.target.script(self.operation, arguments),
            f"the target gave no answer: {gone}",
        )


def _misshapen(answer: Any, error: Exception) -> Gone:
    return Gone(
        f"its answer {str(shown(answer))[:80]} is not what the protocol says for the operation "
        f"({type(error).__name__}: {error})"
    )


def _settings(most: int, *phases: Phase) -> settings:
    return settings(
        max_examples=most,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def summary(results: Sequence[Result]) -> Mapping[Verdict, int]:
    """How many results there are of each verdict."""
    return {each: sum(r.verdict is each for r in results) for each in Verdict}
