"""What is asked of a target, and what the standard wants for an answer."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from ..requirements import Requirement, requirements
from .target import Arguments, Raised


class Verdict(enum.Enum):
    """What was found of a requirement, in one kind of case; the gravest comes last."""

    OK = "ok"
    NOT_OFFERED = "not offered"
    LICENSED = "licensed"
    ADVISORY = "advisory"
    DEVIATES = "deviates"
    ERROR = "error"

    @property
    def gravity(self) -> int:
        return list(Verdict).index(self)


_OF_LEVEL: Mapping[str, Verdict] = {
    "MUST": Verdict.DEVIATES,
    "grammar": Verdict.DEVIATES,
    "description": Verdict.DEVIATES,
    "SHOULD": Verdict.ADVISORY,
    "MAY": Verdict.LICENSED,
}


_PARTS = ("TP", "TS", "BG", "PR", "SC", "ID", "SA", "BP", "OT", "CF")


def place(id: str) -> tuple[int, str]:
    """Where a requirement stands in a report: from the headers to the exporter."""
    return _PARTS.index(id[:2]), id


@dataclass(frozen=True)
class Deviation:
    """An answer that the standard does not want, and what it wants, in words."""

    expected: str


@dataclass(frozen=True)
class Premise:
    """What a target must do for a check to tell anything of it.

    It is asked before; an operation that does not ``hold`` is passed over for the next one.
    """

    arguments: Arguments
    holds: Callable[[Any], bool]
    otherwise: str


Judge = Callable[[Arguments, Any], Deviation | None]
"""Says of arguments and the answer to them, which may be ``Raised``, what is wrong, if anything."""


@dataclass(frozen=True)
class Check:
    """One kind of case of a requirement.

    The first operation of ``operations`` that a target offers is asked with ``inputs``.
    ``level`` is that of the requirement, unless the case is of another.
    """

    requirement: Requirement
    kind: str
    operations: tuple[str, ...]
    inputs: SearchStrategy[Arguments]
    judge: Judge
    verdict: Verdict
    licence: str = ""
    cases: int | None = None
    """How many cases there are at most, if fewer than for others."""
    trace_context_levels: tuple[int, ...] = (1, 2)
    premise: Premise | None = None

    @property
    def name(self) -> str:
        return f"{self.requirement.id} {self.kind}"


CHECKS: list[Check] = []


def check(
    requirement: str,
    kind: str,
    operation: str | Sequence[str],
    inputs: SearchStrategy[Any],
    *,
    level: str | None = None,
    licence: str = "",
    cases: int | None = None,
    levels: tuple[int, ...] = (1, 2),
    premise: Premise | None = None,
) -> Callable[[Judge], Judge]:
    """Declare a check; the function below is its judge.

    ``level`` is MUST, SHOULD or MAY where a case of a requirement is of another level than the
    requirement, ``licence`` the sentence that leaves the choice where it is MAY, ``levels`` the
    levels of Trace Context that it is of, ``premise`` what an operation must do to be asked.

    :raises KeyError: if there is no such requirement or level.
    :raises ValueError: if what is licensed has no licence.
    """
    needed = requirements()[requirement]
    verdict = _OF_LEVEL[level or needed.level]
    if needed.status == "development" and verdict is Verdict.DEVIATES:
        verdict = Verdict.ADVISORY
    if (verdict is Verdict.LICENSED) != bool(licence):
        raise ValueError(f"{requirement} {kind}: a licence is for what is licensed")
    operations = (operation,) if isinstance(operation, str) else tuple(operation)

    def register(judge: Judge) -> Judge:
        CHECKS.append(
            Check(needed, kind, operations, inputs, judge, verdict, licence, cases, levels, premise)
        )
        return judge

    return register


def wants(holds: bool, expected: str) -> Deviation | None:
    """A deviation from what is expected, unless it holds."""
    return None if holds else Deviation(expected)


def raised(answer: Any) -> bool:
    return isinstance(answer, Raised)


def shown(answer: Any) -> Any:
    """An answer as it is put into a report."""
    if isinstance(answer, Raised):
        return f"raises {answer}"
    return answer


def key(arguments: Arguments) -> str:
    return json.dumps(arguments, sort_keys=True)
