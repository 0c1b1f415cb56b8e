"""Asks a target, counts what deviates, and makes each deviation small and repeatable."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, find, given, seed, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

from . import setting
from .check import CHECKS, Check, Deviation, Verdict, key, shown
from .program import RECEIVERS
from .target import PATIENCE, About, Arguments, Gone, Refused, Target, Unfit

SHRINKING = 3.0
"""Seconds that are spent on making one deviation small."""

WRONG_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What a judge raises of an answer that is not of the form that the protocol gives it."""

CONFIGURED = ".configured"
"""Operations with this ending have a process for each case, and several are done at once."""

AT_ONCE = 3

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


Answers = dict[tuple[str, str], Future[Any]]
"""Answers by operation and arguments, where they are shared or asked for beforehand."""


@dataclass
class _Case:
    arguments: Arguments
    answer: Any
    deviation: Deviation | None


def run(target: Target, options: Options, checks: Sequence[Check] = ()) -> Iterator[Result]:
    """Run the checks of a level of Trace Context, in the order of their requirements."""
    chosen = [each for each in checks or CHECKS if options.level in each.trace_context_levels]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers: Answers = {}
        for check in chosen:
            operation = next(iter(_offered(check, target.about)), "")
            if operation.endswith(CONFIGURED) and not _missing(check, target.about):
                for arguments in _drawn(check, options):
                    answers[operation, key(arguments)] = pool.submit(
                        setting.ask, target, operation, arguments, options.patience
                    )
        try:
            for check in chosen:
                yield run_check(check, target, options, answers)
        finally:
            pool.shutdown(cancel_futures=True)


def run_check(
    check: Check, target: Target, options: Options, answers: Answers | None = None
) -> Result:
    """Run one check; ``answers`` are shared by the checks of a run.

    What is reported as a deviation was seen again in a script of its own; if it was not, that
    is an error of the checker and said to be one.
    """
    missing = _missing(check, target.about)
    if missing:
        return Result(check, Verdict.NOT_OFFERED, note=missing)
    shared: Answers = {} if answers is None else answers
    try:
        for operation in _offered(check, target.about):
            asking = _Asking(check, operation, target, options, shared)
            if asking.can_tell():
                return asking.result()
    except Refused as refused:
        return Result(check, Verdict.NOT_OFFERED, note=str(refused))
    assert check.premise is not None
    return Result(check, Verdict.NOT_OFFERED, note=check.premise.otherwise)


def _missing(check: Check, about: About) -> str:
    """Why a check is not for a target, if it is not."""
    if about.implements is not None and check.requirement.file not in about.implements:
        return f"the target does not claim {check.requirement.standard}"
    level = about.trace_context_level
    if level is not None and level not in check.trace_context_levels:
        return f"the target claims Level {level} of W3C Trace Context"
    if not _offered(check, about):
        return f"the target does not offer {' or '.join(check.operations)}"
    return ""


class _Over(BaseException):
    """Ends a search whose time is over; no Exception, which Hypothesis would take for a finding."""


class _Asking:
    """The cases of one check."""

    def __init__(
        self, check: Check, operation: str, target: Target, options: Options, answers: Answers
    ) -> None:
        self.check = check
        self.operation = operation
        self.target = target
        self.options = options
        self.answers = answers
        self.cases: dict[str, _Case] = {}
        self.gone: list[tuple[Arguments, Gone]] = []
        self.refused = ""

    def can_tell(self) -> bool:
        """Whether the operation does what the check builds on; so too if the target is gone."""
        premise = self.check.premise
        if premise is None:
            return True
        try:
            answer = self._answer(premise.arguments)
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
        for arguments in _parts(smallest):
            script = self.target.script(self.operation, arguments)
            again = self._again(script, arguments)
            if again.deviation is not None:
                break
        found, verdict, note = again, self.check.verdict, self.check.licence
        if again.deviation is None:
            found, verdict = smallest, Verdict.ERROR
            note = f"the deviation does not repeat in its script: {shown(again.answer)}"
        assert found.deviation is not None
        return Result(
            self.check,
            verdict,
            total,
            len(bad),
            found.arguments,
            shown(found.answer),
            found.deviation.expected,
            script,
            note,
        )

    def _draw(self) -> None:
        for arguments in _drawn(self.check, self.options):
            if len(self.gone) < MOST_GONE:
                self._ask(arguments)

    def _ask(self, arguments: Arguments) -> _Case | None:
        """Ask once for each input; None if it cannot be asked, or the target is gone."""
        name = key(arguments)
        if name not in self.cases:
            try:
                answer = self._answer(arguments)
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

    def _answer(self, arguments: Arguments) -> Any:
        asked = self.operation, key(arguments)
        if asked in self.answers:
            return self.answers[asked].result()
        answer: Future[Any] = Future()
        try:
            answer.set_result(
                setting.ask(self.target, self.operation, arguments, self.options.patience)
            )
        except Gone as gone:
            answer.set_exception(gone)
        if RECEIVERS in arguments:
            self.answers[asked] = answer
        return answer.result()

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

    def _again(self, script: str, arguments: Arguments) -> _Case:
        """What a script shows; no deviation if it cannot be run."""
        try:
            answer = self.target.run(script, self.options.patience)
        except Gone as gone:
            return _Case(arguments, str(gone), None)
        try:
            return _Case(arguments, answer, self.check.judge(arguments, answer))
        except WRONG_SHAPE as error:
            return _Case(arguments, str(_misshapen(answer, error)), None)

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


def _parts(case: _Case) -> Iterator[Arguments]:
    """The part of a case that deviates, where it has several, and then the whole."""
    if case.deviation is not None and case.deviation.receivers:
        yield setting.alone(case.arguments, case.deviation.receivers)
    yield case.arguments


def _offered(check: Check, about: About) -> list[str]:
    """The operations of a check that a target offers."""
    return [each for each in check.operations if each in about.offers]


def _drawn(check: Check, options: Options) -> list[Arguments]:
    """The cases of a check, each once."""
    drawn: dict[str, Arguments] = {}

    @seed(options.seed)
    @_settings(min(options.cases, check.cases or options.cases), Phase.generate)
    @given(check.inputs)
    def draw(arguments: Arguments) -> None:
        drawn.setdefault(key(arguments), arguments)

    draw()
    return list(drawn.values())


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
