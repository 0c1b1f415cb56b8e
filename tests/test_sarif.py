"""SARIF that a viewer can show: a rule for each claim, and the lines of what fell short."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from proofs import command
from proofs.claim import claim_of
from proofs.grammar import SPEC
from proofs.prover import failed
from proofs.sarif import as_sarif
from proofs.verdict import Verdict

from . import reports

ROOT = SPEC.parent


def run_of(**changes: Any) -> dict[str, Any]:
    """A complete run in which the claims with these names came out so."""
    names = {id.replace("__", "."): found for id, found in changes.items()}
    found = [replace(result, **names.get(result.id, {})) for result in reports.results()]
    assert names.keys() <= {result.id for result in found}
    sarif = as_sarif(found, True)
    assert (sarif["version"], len(sarif["runs"])) == ("2.1.0", 1)
    (run,) = sarif["runs"]
    return dict(run)


def at(location: dict[str, Any]) -> tuple[str, str]:
    """The file of a location, and the text of its line."""
    place = location["physicalLocation"]
    assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    file = place["artifactLocation"]["uri"]
    lines = (ROOT / file).read_text().splitlines()
    return file, lines[place["region"]["startLine"] - 1].strip()


def test_what_holds_is_no_result_but_a_rule() -> None:
    run = run_of()
    assert run["results"] == []
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ids == sorted(result.id for result in reports.results())
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_a_refuted_claim_stands_at_the_code_of_which_it_speaks() -> None:
    run = run_of(
        traceparent__round_trip={
            "verdict": Verdict.REFUTED,
            "counterexample": {"context": "INVALID"},
        }
    )
    (found,) = run["results"]
    rule = run["tool"]["driver"]["rules"][found["ruleIndex"]]
    assert rule["id"] == found["ruleId"] == "traceparent.round_trip"
    assert found["level"] == "error"
    assert "REFUTED and must be PROVED" in found["message"]["text"]
    assert "Counterexample: context=INVALID" in found["message"]["text"]
    (first,) = found["locations"]
    file, line = at(first)
    assert file == "verified/traceparent.py"
    assert line.startswith("def ")
    stated = at(found["relatedLocations"][0])
    assert stated[0] == "proofs/claims/traceparent.py"
    assert [place["id"] for place in found["relatedLocations"]] == [
        *range(1, len(found["relatedLocations"]) + 1)
    ]


def test_a_contract_stands_where_it_is_written() -> None:
    contract = claim_of("contract.traceparent.fields.1")
    run = run_of(**{contract.id.replace(".", "__"): {"verdict": Verdict.TESTED}})
    (found,) = run["results"]
    (location,) = found["locations"]
    assert at(location)[0] == "verified/traceparent.py"
    assert location["physicalLocation"]["region"]["startLine"] == contract.where[1]


def test_a_constant_has_a_line_too() -> None:
    run = run_of(baggage__key_expression_is_the_grammar={"verdict": Verdict.UNKNOWN})
    (found,) = run["results"]
    file, line = at(found["locations"][0])
    assert file == "verified/baggage.py"
    assert "re.compile" in line


def test_a_run_that_was_not_finished_says_so() -> None:
    (run,) = as_sarif(reports.results()[:3], False)["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "not finished" in json.dumps(invocation)


def test_no_folder_of_the_machine_is_named() -> None:
    found = [failed(claim_of(r.id), Verdict.UNKNOWN, "no time") for r in reports.results()]
    text = json.dumps(as_sarif(found, True))
    assert str(ROOT) not in text
    assert "file:" not in text


def test_the_command_writes_it(tmp_path: Path) -> None:
    target = tmp_path / "report.sarif"
    arguments = ["prove", "-k", "'name_is_lowercase'", "--engine", "fuzz", "--jobs", "1"]
    result = CliRunner().invoke(command.command, [*arguments, "--sarif", str(target)])
    assert result.exit_code == 1
    (run,) = json.loads(target.read_text())["runs"]
    assert [found["ruleId"] for found in run["results"]] == ["traceparent.name_is_lowercase"]
