"""A verdict is never better than the evidence."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from proofs import domains, report, sources
from proofs.claim import FALSE, Claim, claim_of
from proofs.engines import Options, smt
from proofs.prover import ENGINES, prove
from proofs.verdict import Finding, Verdict
from verified import TraceId

from . import faulty
from .faulty import faulty as a_claim

OPTIONS = Options(timeout=20)


def test_a_false_claim_is_refuted_with_a_smallest_counterexample_that_replays() -> None:
    result = prove(a_claim(faulty.doubled_half_is_the_number), OPTIONS)
    assert result.verdict is Verdict.REFUTED
    assert result.counterexample == {"number": "1"}
    assert result.replay == FALSE
    assert not result.passed


def test_a_claim_that_no_mutant_can_fail_is_vacuous() -> None:
    result = prove(a_claim(faulty.anything_goes), OPTIONS)
    assert {f.verdict for f in result.findings} == {Verdict.BOUNDED, Verdict.TESTED}
    assert result.verdict is Verdict.VACUOUS
    assert not result.passed


def test_mutants_on_which_the_engine_comes_to_no_end_do_not_make_a_claim_vacuous(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether it bites is not known then: it may refute each of them."""
    engine = ENGINES["smt"]

    def gives_up_on_mutants(claim: Claim, options: Options) -> Finding:
        if sources.replacements():
            return Finding("smt", Verdict.UNKNOWN, reason="the solver gave up")
        return engine(claim, options)

    claim = a_claim(faulty.anything_goes)
    monkeypatch.setitem(ENGINES, "smt", gives_up_on_mutants)
    result = prove(claim, OPTIONS)
    assert result.verdict is Verdict.UNKNOWN
    assert re.fullmatch(
        r"of (\d+) mutants it refutes none, and \1 are not decided", result.reason or ""
    )
    assert not result.passed


def test_a_mutant_that_only_raises_does_not_save_a_claim_that_says_nothing() -> None:
    claim = a_claim(faulty.says_nothing, subject=TraceId.to_bytes)
    result = prove(claim, OPTIONS)
    assert result.findings[1].verdict is Verdict.PROVED
    assert result.verdict is Verdict.VACUOUS


def test_code_outside_of_the_subset_is_refused_with_its_place_and_still_searched() -> None:
    claim = a_claim(faulty.a_word_is_no_longer_than_its_text, subject=faulty.first_word)
    result = prove(claim, OPTIONS)
    refusal = prove(claim, OPTIONS, ["smt"]).findings[0]
    assert refusal.verdict is Verdict.UNKNOWN
    assert refusal.reason is not None
    assert "faulty.py:" in refusal.reason
    assert "split" in refusal.reason
    # The fuzz engine finds that the empty text has no word.
    assert result.verdict is Verdict.REFUTED
    assert result.replay is not None
    assert "IndexError" in result.replay


def test_less_evidence_than_required_does_not_pass() -> None:
    result = prove(claim_of("traceparent.round_trip"), OPTIONS, ["fuzz"])
    assert result.verdict is Verdict.TESTED
    assert result.required is Verdict.PROVED
    assert not result.passed


def test_an_engine_that_contradicts_a_proof_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def proves(claim: object, options: Options) -> Finding:
        return Finding("language", Verdict.PROVED, 0.0)

    monkeypatch.setitem(ENGINES, "language", proves)
    claim = a_claim(faulty.doubled_half_is_the_number, engines=("language", "smt"))
    result = prove(claim, OPTIONS)
    assert result.verdict is Verdict.ERROR
    assert result.reason == "language proves what smt refutes"
    assert result.counterexample == {"number": "1"}


def test_a_counterexample_that_does_not_replay_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = a_claim(faulty.doubled_half_is_the_number)
    monkeypatch.setattr(type(claim), "fails_on", lambda self, inputs: None)
    finding = smt.run(claim, OPTIONS)
    assert finding.verdict is Verdict.ERROR
    assert finding.reason == "the counterexample does not fail on the real code"


def test_a_lifted_term_that_disagrees_with_cpython_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = claim_of("traceparent.round_trip")
    monkeypatch.setattr(type(claim), "fails_on", lambda self, inputs: FALSE)
    finding = smt.run(claim, OPTIONS)
    assert finding.verdict is Verdict.ERROR
    assert finding.reason == "the lifted claim and CPython disagree"


@given(domains.DOMAINS[int].strategy | domains.HUGE)
def test_a_witness_of_any_size_is_written(number: int) -> None:
    assert ast.literal_eval(domains.source(number)) == number


def test_an_engine_that_raises_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(claim: object, options: Options) -> Finding:
        raise RuntimeError("no solver today")

    monkeypatch.setitem(ENGINES, "smt", broken)
    result = prove(claim_of("traceparent.name_is_lowercase"), OPTIONS)
    assert result.verdict is Verdict.ERROR
    assert "no solver today" in str(result.reason)


def test_the_test_that_is_written_fails_for_the_same_reason(tmp_path: Path) -> None:
    # A copy of the code with a fault, and the test that `verified prove` leaves behind.
    root = Path(report.__file__).parent.parent
    for folder in ("verified", "proofs", "spec"):
        shutil.copytree(root / folder, tmp_path / folder)
    changed = tmp_path / "verified" / "traceparent.py"
    text = changed.read_text()
    assert "not trace_id or not parent_id" in text
    changed.write_text(text.replace("not trace_id or not parent_id", "not trace_id"))
    run = subprocess.run(
        [sys.executable, "-m", "verified", "prove", "-k", "accepts_what", "--jobs", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "REFUTED" in run.stdout
    (written,) = (tmp_path / "build" / "counterexamples").glob("test_*.py")
    again = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert again.returncode == 1
    assert "1 failed" in again.stdout
    assert "fails_on" in again.stdout
