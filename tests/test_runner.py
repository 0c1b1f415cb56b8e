"""A claim that hangs or dies is one claim, not the run."""

import os
import sys
from pathlib import Path

import pytest

from proofs import runner
from proofs.claim import Claim, claim_of
from proofs.engines import Options
from proofs.planting import TooSlow
from proofs.prover import Result, prove
from proofs.verdict import Verdict
from verified.contracts import CONTRACTS_ENABLED

from . import faulty

GOOD = claim_of("traceparent.name_is_lowercase")


class Elsewhere:
    """Claims of ``faulty``, which a worker finds by name as it finds its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, task: runner.Task) -> Result:
        claim = GOOD if task.id == GOOD.id else faulty.faulty(getattr(faulty, self.name))
        return prove(claim, task.options, ["fuzz"] if claim is not GOOD else None)


def results(monkeypatch: pytest.MonkeyPatch, name: str) -> dict[str, Result]:
    monkeypatch.setattr(runner, "_prove", Elsewhere(name))
    claims: list[Claim] = [faulty.faulty(getattr(faulty, name)), GOOD]
    monkeypatch.setattr(runner, "_limit", lambda options: 8.0)
    return {r.id: r for r in runner.run(claims, Options(timeout=2), jobs=2)}


def test_a_claim_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    found = results(monkeypatch, "loops")
    assert found["faulty.loops"].verdict is Verdict.UNKNOWN
    assert found["faulty.loops"].reason == "stopped after 8 s"
    assert found[GOOD.id].passed


def test_a_claim_that_hangs_in_a_solver_is_stopped_and_its_process_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAULTY_PID", str(tmp_path / "pid"))
    found = results(monkeypatch, "asks_a_solver_for_ever")
    assert found["faulty.asks_a_solver_for_ever"].verdict is Verdict.UNKNOWN
    assert found["faulty.asks_a_solver_for_ever"].reason == "stopped after 8 s"
    assert found[GOOD.id].passed
    number = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_claim_that_kills_its_process_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = results(monkeypatch, "exits")
    assert found["faulty.exits"].verdict is Verdict.ERROR
    assert "died" in str(found["faulty.exits"].reason)
    assert found[GOOD.id].passed


def test_workers_run_the_code_as_it_is_shipped() -> None:
    assert CONTRACTS_ENABLED, "the tests are to run with contracts"
    with runner.workers(1, None) as submit:
        task = runner.Task("", Options(), None, limit=60)
        assert submit(has_contracts, task).result() is False


def has_contracts(_: runner.Task) -> bool:
    """Whether the code was imported with contracts."""
    return CONTRACTS_ENABLED


class Ends:
    """Raises something when it is finalized."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


def test_only_that_a_time_is_over_is_raised_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", runner._is_raised_in_vain)
    Ends(TooSlow())
    assert capsys.readouterr().err == ""
    Ends(ValueError("wrong"))
    assert "ValueError: wrong" in capsys.readouterr().err


def test_every_claim_gets_one_result() -> None:
    claims = [claim_of("traceparent.name_is_lowercase"), claim_of("trace_flags.flags_are_bits")]
    found = list(runner.run(claims, Options(), jobs=2))
    assert sorted(r.id for r in found) == sorted(c.id for c in claims)
    assert all(r.passed for r in found)
