"""What CrossHair says is worth what it is worth, and not more."""

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace

import icontract
import pytest
from crosshair.core_and_libs import analyze_function, run_checkables
from crosshair.options import AnalysisKind, AnalysisOptionSet

from proofs.claim import claim_of
from proofs.contracts import every_contract
from proofs.engines import Options, symbolic
from proofs.verdict import Verdict


@dataclass
class Message:
    state: SimpleNamespace
    message: str


def says(name: str, text: str = "") -> list[Message]:
    return [Message(SimpleNamespace(name=name), text)]


SAMPLED = claim_of("contract.trace_flags.TraceFlags.sampled.1")
FIELDS = claim_of("contract.traceparent.fields.1")


def crosshair(function: object) -> list[str]:
    """The states that CrossHair itself reports for a function with icontract contracts."""
    options = AnalysisOptionSet(
        analysis_kind=[AnalysisKind.icontract], report_all=True, per_condition_timeout=1.0
    )
    checks: Iterable[object] = analyze_function(function, options)
    return [message.state.name for message in run_checkables(checks)]


@icontract.require(lambda x: x > 0)
def only_a_precondition(x: int) -> int:
    return x


def no_contract(x: int) -> int:
    return x


def test_crosshair_confirms_a_function_that_promises_nothing() -> None:
    assert crosshair(only_a_precondition) == ["CONFIRMED"]


def test_what_it_confirms_then_has_no_source_and_is_not_asked_for() -> None:
    (check,) = analyze_function(only_a_precondition)
    (made_up,) = check.conditions.post
    assert made_up.expr_source == ""
    assert FIELDS.id in {claim.id for claim in every_contract()}
    assert all(claim.condition.body for claim in every_contract())


def test_crosshair_returns_nothing_where_there_is_nothing_to_check() -> None:
    assert crosshair(no_contract) == []


def test_so_silence_is_an_error() -> None:
    finding = symbolic.judge(SAMPLED, [], 0.0)
    assert finding.verdict is Verdict.ERROR
    assert finding.reason == "CrossHair checked nothing"


@pytest.mark.parametrize("state", ["CANNOT_CONFIRM", "PRE_UNSAT"])
def test_giving_up_is_no_evidence(state: str) -> None:
    assert symbolic.judge(SAMPLED, says(state, "Unable to meet precondition."), 0.0).verdict is (
        Verdict.UNKNOWN
    )


def test_confirmed_beside_anything_else_is_no_evidence() -> None:
    both = says("CONFIRMED") + says("CANNOT_CONFIRM")
    assert symbolic.judge(SAMPLED, both, 0.0).verdict is Verdict.UNKNOWN


def test_a_counterexample_that_does_not_fail_is_an_error() -> None:
    message = says("POST_FAIL", "false when calling sampled(TraceFlags(0x01)) (which returns True)")
    finding = symbolic.judge(SAMPLED, message, 0.0)
    assert finding.verdict is Verdict.ERROR
    assert finding.inputs == {"self": 1}


def test_a_counterexample_that_cannot_be_read_is_an_error() -> None:
    assert symbolic.judge(SAMPLED, says("EXEC_ERR", "something broke"), 0.0).verdict is (
        Verdict.ERROR
    )


def test_all_paths_of_a_shipped_function_are_exhausted() -> None:
    finding = symbolic.run(SAMPLED, Options())
    assert finding.verdict is Verdict.EXHAUSTED


def test_what_it_cannot_do_is_unknown() -> None:
    # int(text, 16) over symbolic text is beyond it; that must not look like evidence.
    assert symbolic.run(FIELDS, Options()).verdict is Verdict.UNKNOWN


def test_a_claim_that_is_no_contract_is_not_for_it() -> None:
    finding = symbolic.run(claim_of("traceparent.round_trip"), Options())
    assert finding.verdict is Verdict.UNKNOWN
