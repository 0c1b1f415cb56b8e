"""Verdicts of earlier runs, as far as they may stand for one of this run.

A verdict is remembered if it is a proof or the end of an exhaustion, is at least what the
claim requires, and nothing was left open for want of time. What fuzzing found is not: of a
claim that is TESTED it is remembered which mutant it refutes, and the inputs are run again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import dependence
from .claim import Claim
from .engines import Options
from .memory import Memory
from .prover import Result, failed
from .verdict import Finding, Verdict

KIND = "verdicts"


@dataclass(frozen=True)
class Known:
    """What is remembered of a claim: all of it, or by which mutant it is refuted, or nothing."""

    result: Result | None = None
    bites: str | None = None


def key(claim: Claim, options: Options, engines: Sequence[str] | None) -> str | None:
    """Under what a verdict is remembered; None if it is not to be."""
    source = dependence.digest(claim)
    asked = [e for e in claim.engines if engines is None or e in engines]
    return None if source is None else json.dumps([claim.id, source, asdict(options), asked])


def recall(memory: Memory, claim: Claim, key: str) -> Known:
    """What was remembered under this key."""
    stored = memory.get(KIND, key)
    if stored is None:
        return Known()
    try:
        return _read(claim, json.loads(stored))
    except (ValueError, KeyError, TypeError):
        return Known()


def _read(claim: Claim, found: Any) -> Known:
    bites = found["bites"]
    if not isinstance(bites, str):
        return Known()
    if found["verdict"] is None:
        return Known(bites=bites)
    findings = tuple(
        Finding(
            each["engine"],
            Verdict[each["verdict"]],
            count=each["count"],
            bound=each["bound"],
            certificate=tuple((str(name), str(text)) for name, text in each["certificate"]),
        )
        for each in found["findings"]
    )
    result = replace(
        failed(claim, Verdict[found["verdict"]], ""),
        bound=found["bound"],
        findings=findings,
        witness=found["witness"],
        bites=bites,
        reason=found["reason"],
        remembered=True,
        bites_remembered=True,
    )
    return Known(result) if result.passed and result.verdict > Verdict.TESTED else Known()


def remember(memory: Memory, key: str, result: Result) -> None:
    """Keep of a result what may be remembered."""
    if not result.passed or result.bites is None or result.bites_remembered:
        return
    kept: dict[str, Any] = {"bites": result.bites, "verdict": None}
    if is_lasting(result):
        kept |= {
            "verdict": result.verdict.name,
            "bound": result.bound,
            "reason": result.reason,
            "witness": result.witness,
            "findings": [
                asdict(f) | {"verdict": f.verdict.name}
                for f in result.findings
                if f.verdict > Verdict.TESTED
            ],
        }
    memory.put(KIND, key, json.dumps(kept).encode())


def is_lasting(result: Result) -> bool:
    """Whether a verdict would be the same if its engines had all the time that they want."""
    if not result.passed or result.verdict <= Verdict.TESTED:
        return False
    return result.verdict >= Verdict.BOUNDED or all(f.verdict.conclusive for f in result.findings)
