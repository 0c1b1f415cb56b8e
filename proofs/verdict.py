"""Verdicts: how strong the evidence for a claim is."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class Verdict(IntEnum):
    """From weak to strong; a claim passes if its verdict is at least what it requires.

    ========= ======================================================================
    ERROR     an engine failed, or two engines contradict each other
    REFUTED   a counterexample was found and makes the real code fail
    VACUOUS   the claim cannot fail: no mutant of the code is refuted by it
    UNKNOWN   no engine came to an end
    TESTED    so many inputs were tried on the real code and all were right
    EXHAUSTED every path of the real code, or every input, was tried
    BOUNDED   proved for all inputs up to a stated bound
    PROVED    proved for all inputs
    ========= ======================================================================
    """

    ERROR = 0
    REFUTED = 1
    VACUOUS = 2
    UNKNOWN = 3
    TESTED = 4
    EXHAUSTED = 5
    BOUNDED = 6
    PROVED = 7

    @property
    def conclusive(self) -> bool:
        """Whether the verdict is evidence for the claim."""
        return self >= Verdict.TESTED


OUTSIDE = "not in the subset"
"""How the reason begins where an engine does not read the code, however much time it has."""


@dataclass(frozen=True)
class Finding:
    """What one engine found out about one claim.

    ``count`` is the number of inputs, paths or strings that were run or, for a proof,
    on which the lifted terms were held against CPython; None if nothing was counted.
    """

    engine: str
    verdict: Verdict
    seconds: float | None = None
    count: int | None = None
    bound: str | None = None
    inputs: dict[str, Any] | None = None
    """The counterexample, by parameter."""
    reason: str | None = None
    """Why there is no better verdict."""
    certificate: tuple[tuple[str, str], ...] = ()
    """What others can check again: names of files and their text, SMT-LIB 2."""
