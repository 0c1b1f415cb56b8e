"""The audit has every requirement, claim and contract, and is another when any of them changes."""

import json
import re
import tomllib
from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import replace
from html import unescape
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from proofs import audit as audit_module
from proofs import command, statement
from proofs.audit import (
    Audit,
    Stale,
    as_code,
    escaped,
    invariants,
    named_mutants,
    short,
    slug,
    without_line,
)
from proofs.claim import Claim, FunctionClaim, claim_of, every_claim
from proofs.grammar import SPEC
from proofs.mutants import mutants
from proofs.requirements import requirements
from proofs.verdict import Verdict

from . import reports

ROOT = SPEC.parent


@pytest.fixture(scope="module", autouse=True)
def drawn() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "labels", reports.labels)
        yield


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return reports.complete()


@pytest.fixture(scope="module")
def document(report: dict[str, Any], drawn: None) -> str:
    return invariants(Audit(report))


def test_every_requirement_is_there_with_all_that_is_asked_of_it(document: str) -> None:
    entries = dict(re.findall(r"^#### (\S+)\n(.*?)(?=^##)", document, re.DOTALL | re.MULTILINE))
    assert list(entries) == list(requirements())
    for id, needed in requirements().items():
        entry = entries[id]
        assert escaped(needed.text) in entry
        assert needed.level in entry
        assert all(source.url in entry for source in needed.sources)
        claims = [claim for claim in every_claim() if id in claim.discharges]
        if claims:
            assert f"verified prove --requirement {id}" in entry
            assert "verified/" in entry
        else:
            assert needed.reason is not None
            assert escaped(needed.reason) in entry
            assert "Not discharged" in entry
        for claim in claims:
            (row,) = re.findall(rf"^\| \[`{re.escape(claim.id)}`\].*", entry, re.MULTILINE)
            assert claim.required.name.replace("BOUNDED", "PROVED") in row
            assert claim.engines[0] in row
            assert "`verified.ids: == 0 -> != 0`" in row


def test_what_is_not_discharged_is_counted_at_the_top(document: str) -> None:
    summary = document.partition("## Requirements")[0]
    counts = dict(re.findall(r"^\| \**(.+?)\** \| \**(\d+)\** \|$", summary, re.MULTILINE))
    missing = [n for n in requirements().values() if n.reason]
    assert counts["all"] == "133"
    assert int(counts["discharged by claims"]) == 133 - len(missing)
    assert int(counts["not discharged: open"]) == sum(bool(n.open) for n in missing)
    assert int(counts["not discharged: bind somebody else"]) == sum(
        bool(n.elsewhere) for n in missing
    )
    assert int(counts["not discharged: of what is not offered"]) == sum(
        bool(n.not_offered) for n in missing
    )
    assert all(f"[{needed.id}](#" in summary for needed in missing)


def test_every_claim_and_contract_is_stated_once(document: str) -> None:
    ids = re.findall(r'<a id="(?:claim|contracts)-[^"]+"></a>`([^`]+)`', document)
    assert sorted(ids) == sorted(claim.id for claim in every_claim())


def test_links_lead_somewhere(document: str) -> None:
    headings = re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    places = {slug(heading) for heading in headings}
    places |= set(re.findall(r'<a id="([^"]+)">', document))
    targets = set(re.findall(r"\]\(([^)\s]+)\)", document))
    assert {t for t in targets if t.startswith("#") and t[1:] not in places} == set()
    files = {t for t in targets if not t.startswith(("#", "https://"))}
    assert {file for file in files if not (SPEC / file).is_file()} == set()
    assert "../verified/traceparent.py" in files


def tables(document: str) -> Iterator[list[str]]:
    rows: list[str] = []
    for line in chain(document.splitlines(), [""]):
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            yield rows
            rows = []


def test_every_row_of_a_table_has_the_cells_of_its_head(document: str) -> None:
    found = list(tables(document))
    assert len(found) > 100
    for rows in found:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, rows[0]


def test_it_says_nothing_of_the_machine_or_of_time(report: dict[str, Any], document: str) -> None:
    other = deepcopy(report)
    other["python"] = {"implementation": "CPython", "version": "3.99"}
    for row in other["claims"]:
        row["seconds"] = 99.0
        row["witness"] = {"x": "9"}
        row["line"] += 5
        row["bites"] = row["bites"].replace(":70:", ":75:")
        for engine in row["engines"]:
            engine["seconds"] = 99.0
            engine["certificate"] = dict.fromkeys(engine["certificate"], "another digest")
    assert invariants(Audit(other)) == document
    assert str(ROOT) not in document


def test_a_mutant_stays_as_long_as_it_is_one(report: dict[str, Any], document: str) -> None:
    """And as long as the claim says what it said; one that is none is not kept."""

    def named(found: dict[str, Any], document: str) -> str | None:
        (claim,) = (c for c in Audit(found, document).claims if c.id == "traceparent.round_trip")
        return claim.mutant

    def with_mutant(text: str) -> dict[str, Any]:
        other = deepcopy(report)
        (row,) = (row for row in other["claims"] if row["id"] == "traceparent.round_trip")
        row["bites"] = text
        return other

    first, second = (
        str(mutant) for mutant in islice(mutants(claim_of("traceparent.round_trip").subject), 2)
    )
    before = invariants(Audit(with_mutant(first)))
    assert named(with_mutant(second), before) == without_line(first)
    assert invariants(Audit(with_mutant(second), before)) == before
    assert named(with_mutant(second), "") == without_line(second)
    none = before.replace(as_code(without_line(first)), "`verified.traceparent: a -> b`")
    assert named(with_mutant(second), none) == without_line(second)
    (row,) = (row for row in report["claims"] if row["id"] == "traceparent.round_trip")
    changed = before.replace(row["statement"][:12], "0" * 12)
    assert named(with_mutant(second), changed) == without_line(second)


def test_every_mutant_is_read_back_from_the_document(document: str) -> None:
    found = named_mutants(document)
    assert {id for id, _ in found} == {claim.id for claim in every_claim()}
    assert set(found.values()) == {"`verified.ids: == 0 -> != 0`"}


# What drifts. Each of these leaves the document as it is, and the code or spec/ not.


def difference(report: dict[str, Any], tmp_path: Path, document: str) -> Result:
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "INVARIANTS.md").write_text(document)
    return CliRunner().invoke(
        command.command,
        ["audit", str(tmp_path / "report.json"), "--against", str(tmp_path / "INVARIANTS.md")],
    )


def test_the_same_is_no_difference(report: dict[str, Any], tmp_path: Path, document: str) -> None:
    result = difference(report, tmp_path, document)
    assert (result.exit_code, result.output) == (0, "")


def test_a_weaker_verdict_is_a_difference(
    report: dict[str, Any], tmp_path: Path, document: str
) -> None:
    weaker = deepcopy(report)
    (row,) = (row for row in weaker["claims"] if row["id"] == "traceparent.round_trip")
    row |= {"verdict": "TESTED", "count": 100}
    result = difference(weaker, tmp_path, document)
    assert result.exit_code == 1
    assert re.search(r"^-\| .*round_trip.* PROVED \|", result.output, re.MULTILINE)
    assert re.search(r"^\+\| .*round_trip.* TESTED \(100\) \|", result.output, re.MULTILINE)
    assert "run `make audit`" in result.output


def test_a_transition_that_changed_is_a_difference(
    report: dict[str, Any], tmp_path: Path, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {("Closing", "Running"): ["Forked"]}
    monkeypatch.setattr(
        audit_module, "labels", lambda machine, memory: reports.labels(machine) | more
    )
    result = difference(report, tmp_path, document)
    assert result.exit_code == 1
    assert "+    Closing --> Running: Forked\n" in result.output


def test_a_requirement_that_changed_is_a_difference(
    report: dict[str, Any], tmp_path: Path, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = dict(requirements())
    changed["TP-02"] = replace(changed["TP-02"], text="version fe invalid")
    monkeypatch.setattr(audit_module, "requirements", lambda: changed)
    result = difference(report, tmp_path, document)
    assert result.exit_code == 1
    assert "+MUST: version fe invalid\n" in result.output


def claims_are(monkeypatch: pytest.MonkeyPatch, claims: list[Claim]) -> None:
    for module in ("proofs.report", "proofs.audit", "tests.reports"):
        monkeypatch.setattr(f"{module}.every_claim", lambda: claims)


def test_a_claim_that_is_gone_is_a_difference(
    tmp_path: Path, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "tracestate.long_is_over_128"
    claims_are(monkeypatch, [claim for claim in every_claim() if claim.id != gone])
    result = difference(reports.complete(), tmp_path, document)
    assert result.exit_code == 1
    assert re.search(rf"^-\| .*`{gone}`", result.output, re.MULTILINE)
    assert not re.search(rf"^\+.*`{gone}`", result.output, re.MULTILINE)


def test_a_claim_that_asks_for_less_is_a_difference(
    tmp_path: Path, document: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaker = copy(claim_of("traceparent.round_trip"))
    assert isinstance(weaker, FunctionClaim)
    weaker.required = Verdict.TESTED
    others = [claim for claim in every_claim() if claim.id != weaker.id]
    claims_are(monkeypatch, [*others, weaker])
    result = difference(reports.complete(), tmp_path, document)
    assert result.exit_code == 1
    assert re.search(r"^\+\| .*round_trip.*\| TESTED \|", result.output, re.MULTILINE)


CHANGES = [
    # Of a claim that calls helpers: a word of its own, and one far away.
    ("propagation.several_headers_are_one", "claims/propagation.py", '"list")', '"member")'),
    ("propagation.several_headers_are_one", "reading.py", "range(128)", "range(127)"),
    ("otlp.values_are_read_back", "wire.py", "def _varint(", "def _varint(_: int, "),
    ("processor.two_producers", "claims/processor.py", "def _check(", "def _check(_: int, "),
    (
        "batching.conservation",
        "claims/batching.py",
        "def conservation(",
        "def conservation(_: int, ",
    ),
]


@pytest.mark.parametrize(("id", "file", "was", "now"), CHANGES, ids=[c[1] for c in CHANGES])
def test_a_claim_changes_with_all_that_it_says(
    id: str, file: str, was: str, now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, claim = Path.read_text, claim_of(id)
    before = statement.statement(claim)

    def changed(was: str, now: str) -> str:
        def text(path: Path, *arguments: Any, **named: Any) -> str:
            found = read(path, *arguments, **named)
            if not str(path).endswith(f"proofs/{file}"):
                return found
            assert was in found
            return found.replace(was, now)

        statement._definitions.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", text)
            found = statement.statement(claim)
        statement._definitions.cache_clear()
        return found

    assert changed(was, now) != before
    assert changed("\n", "\n\n") == before


def test_a_contract_changes_with_the_helper_that_its_condition_calls() -> None:
    settled = claim_of("contract.exporter.batching.step.1")
    assert any("def _counted(" in text for text in statement._texts(settled))
    assert any("limits.is_valid" in text for text in statement._texts(settled))


def test_statements_are_all_different() -> None:
    found = [statement.statement(claim) for claim in every_claim()]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r | {"schema": "verified-report-0"}, "the schema 'verified-report-0'"),
        (lambda r: r | {"complete": False}, "not of a complete run"),
        (lambda r: r | {"selection": reports.SELECTION | {"expression": "ids"}}, "complete run"),
        (lambda r: r | {"selection": reports.SELECTION | {"requirement": "ID-04"}}, "complete run"),
        (lambda r: r | {"source_digest": {"value": "0"}}, "the code has changed"),
        (lambda r: r | {"claims": r["claims"][1:]}, "claims have changed since: answer"),
        (
            lambda r: r | {"claims": [r["claims"][0] | {"statement": "0"}, *r["claims"][1:]]},
            "claims have changed since: answer",
        ),
    ],
)
def test_a_report_of_something_else_is_refused(
    report: dict[str, Any], tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(Stale, match=re.escape(message)):
        Audit(change(report))
    result = difference(change(report), tmp_path, "")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize("text", ["", "[]", "{}", "not JSON", '{"schema": "verified-report-2"}'])
def test_what_is_no_report_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    result = CliRunner().invoke(command.command, ["audit", str(tmp_path / "report.json")])
    assert result.exit_code == 2
    assert "report" in result.output


def test_a_document_that_is_not_there_is_all_difference(
    report: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report))
    missing = tmp_path / "none.md"
    result = CliRunner().invoke(
        command.command, ["audit", str(tmp_path / "report.json"), "--against", str(missing)]
    )
    assert result.exit_code == 1
    assert "+# Invariants\n" in result.output


def test_every_file_of_the_evidence_is_in_the_trusted_base_once() -> None:
    parts = tomllib.loads((SPEC / "trusted.toml").read_text())["part"]
    named = [
        path.relative_to(ROOT).as_posix()
        for part in parts
        for pattern in part["files"]
        for path in ROOT.glob(pattern)
    ]
    there = [path.relative_to(ROOT).as_posix() for path in (ROOT / "proofs").rglob("*.py")]
    assert sorted(named) == sorted(there)
    for part in parts:
        assert part["believed"]
        assert part["tests"]
        assert all((ROOT / test).is_file() for test in part["tests"])


@given(st.text(alphabet="ab`|* \\", max_size=30))
def test_code_is_one_cell_and_is_read_back(text: str) -> None:
    shown = as_code(text)
    if shown.startswith("<code>"):
        assert unescape(shown) == f"<code>{text}</code>"
        assert not set("|`*\\") & set(shown)
        return
    fence = re.match("`+", shown)
    assert fence is not None
    inside = shown[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inside)
    assert inside.replace(r"\|", "|").strip() == text.strip()
    assert not re.search(r"(?<!\\)\|", shown)


@given(st.text(alphabet="abc ", max_size=200), st.text(alphabet="abc ", max_size=200))
def test_a_change_is_cut_to_what_differs(was: str, now: str) -> None:
    cut = short(f"{was} -> {now}")
    left, _, right = cut.partition(" -> ")
    assert (left == right) == (was == now)
    if len(was) + len(now) <= 90:
        assert cut == f"{was} -> {now}"
