"""The report as SARIF 2.1.0: where in the code a claim fell short.

The schema is https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json;
the sections that are named here are those of the standard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import verified

from . import report
from .claim import Claim, every_claim
from .contracts import ContractClaim
from .prover import Result
from .sources import place

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def as_sarif(results: Sequence[Result], complete: bool) -> dict[str, Any]:
    """A rule for each claim (3.49) and a result (3.27) for each that fell short."""
    claims = {claim.id: claim for claim in every_claim()}
    ordered = sorted(results, key=lambda r: r.id)
    short = [(number, result) for number, result in enumerate(ordered) if not result.passed]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "verified",
                        "semanticVersion": verified.__version__,
                        "rules": [_rule(result) for result in ordered],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(complete)],
                "results": [
                    _result(number, result, claims.get(result.id)) for number, result in short
                ],
            }
        ],
    }


def _invocation(complete: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"executionSuccessful": complete}
    if not complete:
        text = "the run was not finished"
        made["toolExecutionNotifications"] = [{"level": "error", "message": {"text": text}}]
    return made


def _rule(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "shortDescription": {"text": f"{result.sentence}."},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "requirements": list(result.discharges),
            "required": report.verdict_name(result.required),
        },
    }


def _result(number: int, result: Result, claim: Claim | None) -> dict[str, Any]:
    required = report.verdict_name(result.required)
    lines = [
        f"{result.sentence}. It is {report.shown(result)} and must be {required}.",
        result.reason,
        _inputs(result.counterexample),
    ]
    stated, *spoken_of = _places(result, claim)
    return {
        "ruleId": result.id,
        "ruleIndex": number,
        "level": "error",
        "message": {"text": "\n".join(line for line in lines if line)},
        # A contract stands in the code; of any other claim that is shown of which it speaks.
        "locations": spoken_of[:1] or [stated],
        "relatedLocations": [
            place | {"id": id} for id, place in enumerate([stated, *spoken_of[1:]], 1)
        ],
        "partialFingerprints": {"claim/v1": result.id},
        "properties": {"verdict": report.verdict_name(result.verdict), "required": required},
    }


def _inputs(counterexample: Mapping[str, str] | None) -> str | None:
    if counterexample is None:
        return None
    inputs = ", ".join(f"{name}={value}" for name, value in counterexample.items())
    return f"Counterexample: {inputs or '(no inputs)'}"


def _places(result: Result, claim: Claim | None) -> list[dict[str, Any]]:
    """Where the claim is stated, then the code of which it speaks, unless it stands there."""
    found = [_location(*result.where, f"the claim {result.id}")]
    if claim is not None and not isinstance(claim, ContractClaim):
        names = zip(claim.subject, result.subject, strict=True)
        found += [_location(*place(subject), name) for subject, name in names]
    return found


def _location(file: str, line: int, what: str) -> dict[str, Any]:
    """A line of a file (3.28), relative to the root of the checkout."""
    path = report.relative(file)
    artifact = (
        {"uri": Path(path).as_uri()}
        if Path(path).is_absolute()
        else {"uri": quote(path), "uriBaseId": "%SRCROOT%"}
    )
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": line}},
        "message": {"text": what},
    }
