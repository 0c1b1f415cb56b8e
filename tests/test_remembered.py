"""A verdict that is remembered is one that would be found again, and is said to be remembered."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs import dependence, remembered
from proofs.claim import Claim, claim_of
from proofs.engines import Options
from proofs.memory import Memory
from proofs.prover import Result, failed
from proofs.verdict import Finding, Verdict

ROOT = Path(dependence.__file__).parent.parent
PROVED = claim_of("traceparent.version_must_be_read")
TESTED = claim_of("answer.retry_after_says_when")
SELECTED = (
    "flags_are_bits or flags_are_eight or name_is_lowercase or abandoned_is_done "
    "or retry_after_says_when"
)


class Copy:
    """A copy of the project, and runs of its command that share a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("verified", "proofs", "spec"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)

    def run(self, *more: str, status: int = 0, select: str = SELECTED) -> dict[str, Any]:
        files = self.folder / "report.json", self.folder / "report.xml"
        run = subprocess.run(
            [
                *(sys.executable, "-m", "verified", "prove", "-k", select, "--jobs", "1"),
                *("--cache", "cache", "--json", str(files[0]), "--junit", str(files[1]), *more),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert run.returncode == status, run.stdout + run.stderr
        self.output = run.stdout
        found = json.loads(files[0].read_text())
        cases = ElementTree.fromstring(files[1].read_bytes()).iter("testcase")
        said = {
            f"{c.get('classname')}.{c.get('name')}": {
                p.get("name"): p.get("value") for p in c.iter("property")
            }
            for c in cases
        }
        for claim in found["claims"]:
            assert said[claim["id"]]["remembered"] == str(claim["remembered"]).lower()
        return {claim["id"]: claim for claim in found["claims"]}

    def change(self, name: str, was: str, now: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, now))


def verdicts_of(claims: dict[str, Any]) -> dict[str, Any]:
    """What two runs are to agree about."""
    names = ("sentence", "verdict", "passed", "bound", "witness", "bites", "counterexample")
    return {id: {name: claim[name] for name in names} for id, claim in claims.items()}


def test_runs_remember_what_they_may_and_say_what_they_do(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    first = copy.run("--certificates", "one")
    assert len(first) == 5
    assert not any(c["remembered"] or c["bites_remembered"] for c in first.values())
    assert "remembered" not in copy.output

    second = copy.run("--certificates", "two")
    assert verdicts_of(second) == verdicts_of(first)
    for id, claim in second.items():
        # What fuzzing found is found again, on as many inputs; by what it bites is known.
        is_tested = claim["verdict"] == "TESTED"
        assert claim["remembered"] == (not is_tested), id
        assert claim["bites_remembered"]
        if is_tested:
            engines = [{**e, "seconds": None} for e in claim["engines"]]
            assert engines == [{**e, "seconds": None} for e in first[id]["engines"]]
            assert claim["engines"][0]["seconds"] is not None
        else:
            assert claim["seconds"] is None
            assert all(e["engine"] != "fuzz" for e in claim["engines"])
    assert "4 remembered, 1 computed" in copy.output
    assert "ok   traceparent.name_is_lowercase: PROVED, remembered" in copy.output

    # Certificates are there all the same, and the same.
    one, two = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.smt2")}
        for name in ("one", "two")
    )
    assert one
    assert one == two

    # Other options are another question, and without a memory all is computed.
    assert not any(c["remembered"] for c in copy.run("--seed", "1").values())
    assert not any(c["bites_remembered"] for c in copy.run("--no-cache").values())

    # What is broken in the folder is computed again.
    for path in (tmp_path / "cache" / remembered.KIND).iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    third = copy.run()
    assert verdicts_of(third) == verdicts_of(first)
    assert not any(c["bites_remembered"] for c in third.values())
    assert any(c["remembered"] for c in copy.run().values())

    # Of a change in a module, only what depends on it.
    copy.change("verified/exporter/attempt.py", "import Any, Final", "import Any,Final")
    changed = copy.run()
    assert {id for id, c in changed.items() if not c["remembered"]} == {
        "answer.retry_after_says_when",
        "attempt.abandoned_is_done",
    }
    assert not changed["answer.retry_after_says_when"]["bites_remembered"]


def test_a_fault_is_found_whatever_is_remembered(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    select = "accepts_what_the_standard_allows"
    assert all(c["passed"] for c in copy.run(select=select).values())
    assert all(c["remembered"] for c in copy.run(select=select).values())
    copy.change("verified/traceparent.py", "not trace_id or not parent_id", "not trace_id")
    (broken,) = copy.run(select=select, status=1).values()
    assert (broken["verdict"], broken["remembered"]) == ("REFUTED", False)
    # Nor is it remembered that a claim fails.
    (again,) = copy.run(select=select, status=1).values()
    assert (again["verdict"], again["remembered"]) == ("REFUTED", False)
    copy.change("verified/traceparent.py", "not trace_id", "not trace_id or not parent_id")
    (mended,) = copy.run(select=select).values()
    assert mended["remembered"]


def found(claim: Claim, verdict: Verdict, *findings: Finding) -> Result:
    made = replace(failed(claim, verdict, "", 1.0), findings=findings, bites="a mutant")
    return replace(made, witness={"number": "1"}, reason=None)


def recalled(folder: Path, claim: Claim, result: Result) -> remembered.Known:
    memory = Memory(folder)
    remembered.remember(memory, "key", result)
    return remembered.recall(memory, claim, "key")


PROOF = Finding("smt", Verdict.PROVED, 1.0, 25)
TRIED = Finding("fuzz", Verdict.TESTED, 1.0, 100)


def test_a_proof_is_remembered_without_the_fuzzing_beside_it(tmp_path: Path) -> None:
    result = found(PROVED, Verdict.PROVED, TRIED, PROOF)
    known = recalled(tmp_path, PROVED, result).result
    assert known is not None
    assert known.findings == (replace(PROOF, seconds=None),)
    assert known.remembered
    assert known.bites_remembered
    assert known.seconds is None
    names = ("id", "verdict", "bound", "witness", "bites", "reason", "where", "passed")
    assert all(getattr(known, name) == getattr(result, name) for name in names)


@pytest.mark.parametrize(
    "result",
    [
        found(PROVED, Verdict.TESTED, TRIED),
        found(PROVED, Verdict.BOUNDED, PROOF),
        found(PROVED, Verdict.UNKNOWN, Finding("smt", Verdict.UNKNOWN, reason="stopped")),
        found(PROVED, Verdict.VACUOUS, PROOF),
        found(PROVED, Verdict.REFUTED, PROOF),
        found(PROVED, Verdict.ERROR, PROOF),
        replace(found(PROVED, Verdict.PROVED, PROOF), bites=None),
    ],
    ids=lambda result: result.verdict.name,
)
def test_what_falls_short_is_not_remembered(result: Result, tmp_path: Path) -> None:
    assert recalled(tmp_path, PROVED, result) == remembered.Known()
    assert list(tmp_path.iterdir()) == []


def test_of_what_was_fuzzed_or_came_to_no_end_only_the_mutant_is_remembered(
    tmp_path: Path,
) -> None:
    exhausted = Finding("exhaustive", Verdict.EXHAUSTED, 1.0, 5)
    late = Finding("smt", Verdict.UNKNOWN, reason="the solver gave up: timeout")
    for number, result in enumerate(
        [found(TESTED, Verdict.TESTED, TRIED), found(TESTED, Verdict.EXHAUSTED, late, exhausted)]
    ):
        known = recalled(tmp_path / str(number), TESTED, result)
        assert known == remembered.Known(bites="a mutant")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)
ENTRY: dict[str, Any] = {
    "bites": "m",
    "verdict": "PROVED",
    "bound": None,
    "reason": None,
    "witness": {},
    "findings": [],
}


@given(
    JSON.map(json.dumps).map(str.encode)
    | st.binary(max_size=20)
    | st.builds(
        lambda name, value: json.dumps({**ENTRY, name: value}).encode(),
        st.sampled_from(["bites", "verdict", "findings"]),
        JSON,
    )
)
def test_an_entry_of_another_form_is_nothing_and_no_error(content: bytes) -> None:
    class Made(Memory):
        def get(self, kind: str, key: str) -> bytes:
            return content

    known = remembered.recall(Made(Path()), PROVED, "key")
    assert known.result is None or known.result.verdict >= PROVED.required


def test_a_verdict_below_what_is_required_is_nothing_even_if_it_stands_there(
    tmp_path: Path,
) -> None:
    memory = Memory(tmp_path)
    for verdict in Verdict:
        entry = {**ENTRY, "verdict": verdict.name}
        memory.put(remembered.KIND, "key", json.dumps(entry).encode())
        known = remembered.recall(memory, PROVED, "key")
        assert (known.result is not None) == (verdict is Verdict.PROVED)


def test_a_key_names_options_engines_and_the_claim() -> None:
    keys = [
        remembered.key(PROVED, Options(), None),
        remembered.key(PROVED, Options(seed=1), None),
        remembered.key(PROVED, Options(examples=99), None),
        remembered.key(PROVED, Options(timeout=29), None),
        remembered.key(PROVED, Options(), ["smt"]),
        remembered.key(claim_of("traceparent.round_trip"), Options(), None),
    ]
    assert None not in keys
    assert len(set(keys)) == len(keys)
