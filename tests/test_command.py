"""The command line, as a user calls it."""

import json
import os
import signal
import subprocess
import sys
from copy import copy
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click import UsageError
from click.testing import CliRunner, Result

from proofs import command, report
from proofs.claim import claim_of, every_claim
from proofs.prover import failed
from proofs.verdict import Verdict


def verified(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verified", *arguments], capture_output=True, text=True, cwd=cwd
    )


def called(*arguments: str) -> Result:
    return CliRunner().invoke(command.command, arguments)


def test_a_run_that_holds_exits_with_zero_and_reports(tmp_path: Path) -> None:
    files = tmp_path / "out" / "report.json", tmp_path / "report.xml"
    run = verified(
        *("prove", "-k", "flags_are_bits or flags_are_eight or name_is_lowercase", "--jobs", "1"),
        *("--json", str(files[0]), "--junit", str(files[1])),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "3 of 3 claims hold" in run.stdout
    assert "more were not asked" in run.stdout
    found = json.loads(files[0].read_text())
    assert found["complete"] is True
    assert found["schema"] == report.SCHEMA
    assert found["selection"]["engine"] is None
    assert found["selection"]["examples"] == 100
    assert len(found["source_digest"]["value"]) == 64
    assert [c["id"] for c in found["claims"]] == [
        "trace_flags.flags_are_bits",
        "trace_flags.flags_are_eight_bits",
        "traceparent.name_is_lowercase",
    ]
    for claim in found["claims"]:
        assert claim["witness"] is not None
        assert claim["bites"]
        assert claim["counterexample"] is None
        for engine in claim["engines"]:
            assert {"engine", "verdict", "seconds", "count"} <= set(engine)
    assert found["claims"][1]["verdict"] == "PROVED (bound)"
    assert found["claims"][1]["bound"] == "-2**256 <= number < 2**256"
    suite = ElementTree.fromstring(files[1].read_bytes())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "0")
    # Nothing else is left in the folder.
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "report.xml"]


def test_a_verdict_below_what_is_required_exits_with_one() -> None:
    run = verified("prove", "-k", "traceparent.round_trip", "--engine", "fuzz", "--jobs", "1")
    assert run.returncode == 1
    assert "TESTED" in run.stdout
    assert "requires PROVED" in run.stdout
    assert "0 of 1 claims hold" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prove", "-k", "no_such_claim"], "no claim matches -k 'no_such_claim'"),
        (["prove", "-k", "a and"], "cannot read -k"),
        (["prove", "-k", "f(x)"], "cannot read -k"),
        (["prove", "--engine", "oracle"], "there is no engine 'oracle'; there are smt, induction"),
        (["prove", "-k", "flags_are_bits", "--engine", "language"], "no selected claim has"),
        (["prove", "--jobs", "0"], "not in the range"),
        (["prove", "--timeout", "0"], "not in the range"),
        (["prove", "--requirement", "XX-99"], "there is no requirement 'XX-99'"),
        (["prove", "--requirement", "SA-01"], "no selected claim discharges SA-01"),
        (["check", "spec"], "there is no obligation"),
        (["check", "README.md"], "README.md is no obligation in SMT-LIB 2"),
        (["check", "no/such/file"], "does not exist"),
        (["explain", "traceparent.round"], "did you mean traceparent.round_trip?"),
        (["explain", "nothing-like-it"], "`verified list` shows them"),
        (["nonsense"], "No such command"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_and_exits_with_two(
    arguments: list[str], message: str
) -> None:
    result = called(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_missing_package_is_named() -> None:
    code = (
        "import sys; sys.modules['z3'] = None\n"
        "sys.argv = ['verified', 'list']\n"
        "from verified.__main__ import main; main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 2
    assert "'z3' is missing" in run.stderr
    assert "verified-otlp[prove]" in run.stderr


def test_a_report_that_cannot_be_written_exits_with_two(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = str(tmp_path / "file" / "report.json")
    run = verified("prove", "-k", "name_is_lowercase", "--jobs", "1", "--json", target)
    assert run.returncode == 2
    assert "the report cannot be written" in run.stderr


def test_an_interrupted_run_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    with subprocess.Popen(
        [sys.executable, "-m", "verified", "prove", "--jobs", "1", "--json", str(target)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("ok")
        # As Ctrl-C does; but a shell may start its jobs with that one ignored.
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 1
    assert "interrupted" in rest
    found = json.loads(target.read_text())
    assert found["complete"] is False
    assert 0 < len(found["claims"]) < len(every_claim())


def test_workers_end_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "verified", "prove", "--jobs", "2"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        # The workers hold the pipe too: it ends only when the last of them has.
        assert b"claims hold" not in process.stdout.read()
    assert process.returncode == -signal.SIGKILL


def test_nothing_that_proves_is_imported_from_the_working_directory(tmp_path: Path) -> None:
    names = ("signal", "queue", "hypothesis", "pebble", "proofs")
    for name in names:
        (tmp_path / f"{name}.py").write_text("open(f'{__name__} was imported', 'w').close()\n")
    program = Path(sys.executable).with_name("verified")
    run = subprocess.run(
        [program, "prove", "-k", "name_is_lowercase", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(names)


def test_the_matcher_reads_words_and_operators() -> None:
    wanted = command.matcher("(traceparent or ids) and not contract")
    assert wanted("traceparent.round_trip")
    assert wanted("ids.trace_id_round_trip")
    assert not wanted("contract.traceparent.fields.1")
    assert not wanted("span_context.validity")
    assert command.matcher("'fields.1'")("contract.traceparent.fields.1")


def test_a_claim_that_is_gone_or_asks_for_less_is_noticed() -> None:
    claims = every_claim()
    command.check_that_none_is_missing(claims)
    with pytest.raises(UsageError, match=r"gone: .*round_trip PROVED"):
        command.check_that_none_is_missing([c for c in claims if "round_trip" not in c.id])
    weaker = copy(claim_of("traceparent.round_trip"))
    weaker.required = Verdict.TESTED
    with pytest.raises(UsageError, match=r"new:  traceparent\.round_trip TESTED"):
        command.check_that_none_is_missing([weaker, *claims[1:]])


def test_list_and_explain_say_what_a_claim_stands_for() -> None:
    rows = json.loads(called("list", "--json").output)
    assert len(rows) == len({row["id"] for row in rows})
    explained = called("explain", "traceparent.round_trip").output
    for part in ("discharges  TP-12", "verified.traceparent.format", "smt, fuzz", "PROVED"):
        assert part in explained
    requirement = called("explain", "TP-05").output
    assert "traceparent.accepts_what_the_standard_allows" in requirement
    assert "not discharged by any claim" in called("explain", "SA-01").output


def test_the_claims_of_a_requirement_are_asked() -> None:
    claims = command.selected(None, None, "TP-05")
    assert {claim.id for claim in claims} == {
        claim.id for claim in every_claim() if "TP-05" in claim.discharges
    }
    assert len(claims) > 1


def test_certificates_are_checked_by_both_solvers(tmp_path: Path) -> None:
    run = called(
        *("prove", "-k", "'batching.closed_once'", "--jobs", "1"),
        *("--certificates", str(tmp_path), "--tests", str(tmp_path)),
    )
    assert run.exit_code == 0, run.output
    folder = tmp_path / "batching.closed_once"
    checked = called("check", str(folder))
    assert checked.exit_code == 0
    lines = checked.output.splitlines()
    assert len(lines) == len(list(folder.glob("*.smt2"))) - 1 > 2
    assert all(line.endswith(": Z3 unsat, cvc5 unsat") for line in lines)
    # An obligation that does not hold, and a file that is none.
    for broken, status in (("(set-logic ALL)\n(check-sat)\n", 1), ("nonsense", 2)):
        (folder / "start.smt2").write_text(broken)
        checked = called("check", str(folder))
        assert checked.exit_code == status
        assert "start.smt2: Z3 unsat, cvc5 unsat" not in checked.output


def test_junit_holds_whatever_a_counterexample_holds() -> None:
    claim = claim_of("traceparent.round_trip")
    result = failed(claim, Verdict.REFUTED, "odd: \ud800 \x00 \x1b <&> \U0010ffff")
    suite = ElementTree.fromstring(report.as_junit([result], complete=False))
    assert (suite.get("failures"), suite.get("errors")) == ("1", "1")
    text = "".join(suite.itertext())
    assert "\\ud800 \\x00 \\x1b <&>" in text


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    report.write_atomically(target, b"first")
    with pytest.raises(TypeError):
        report.write_atomically(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
