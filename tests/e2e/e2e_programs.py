"""The programs that speak for implementations in other languages, as `make e2e` builds them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from proofs.conform import report, run
from proofs.conform.check import Check, Verdict
from proofs.conform.checks import every_check
from proofs.conform.target import ProcessTarget, Raised
from tests.e2e.filter import FAULTS

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "proofs" / "conform" / "programs"
FILTER = Path(__file__).with_name("filter.py")

PINS = {
    "javascript": ("package.json", r'"@opentelemetry/sdk-trace": "(.+)"'),
    "go": ("go.mod", r"go.opentelemetry.io/otel/sdk v(.+)"),
    "rust": ("Cargo.toml", r'opentelemetry_sdk = "=(.+)"'),
    "java": ("pom.xml", r"<artifactId>opentelemetry-sdk-trace</artifactId>\s*<version>(.+)<"),
}
"""For each language the manifest, and where it says which SDK is taken."""

OFFERS = {*FAULTS, "span_context.make", "ids.generate"}

FOUND_BY = {
    "tracecontext.extract": "PR-07 a valid tracestate",
    "tracecontext.inject": "TP-12 the version that is sent",
    "tracecontext.relay": "TP-20 the tracestate of a traceparent that is not changed",
    "tracecontext.continue": "TP-12 the version that is sent on",
    "tracestate.apply": "SC-06 the list that an operation is asked of",
    "baggage.extract": "BG-01 plain members",
    "baggage.inject": "BG-09 names that are sent",
    "baggage.relay": "BG-10 received baggage",
    "baggage.apply": "BG-13 the container that an operation is asked of",
}
"""The check that finds the fault which the filter makes in the answers of an operation."""

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
STATE = [["a", "1"], ["b", "2"]]
TRACE = [["traceparent", TRACEPARENT], ["tracestate", "a=1,b=2"]]
SPAN = {
    "trace_id": TRACE_ID,
    "span_id": SPAN_ID,
    "flags": 1,
    "is_remote": True,
    "trace_state": STATE,
}
BAGGAGE = [["a", "1", "p=2;q"], ["b", "c,d", ""]]


def program(language: str) -> Path:
    return ROOT / "build" / "programs" / language / "program"


@pytest.fixture(params=PINS)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(language: str) -> Iterator[ProcessTarget]:
    started = ProcessTarget([str(program(language))])
    yield started
    started.close()


def filtered(language: str, notes: Path, way: str) -> list[str]:
    return [sys.executable, str(FILTER), str(notes), way, str(program(language))]


def pinned(language: str) -> str:
    manifest, pattern = PINS[language]
    found = re.search(pattern, (SOURCES / language / manifest).read_text())
    assert found is not None
    return found[1]


def headers(answer: Any) -> dict[str, str]:
    """Headers that were sent; that a name comes once is part of what is asserted."""
    sent = {name.lower(): value for name, value in answer["headers"]}
    assert len(sent) == len(answer["headers"])
    return sent


def members(answer: Any) -> set[str]:
    return set(headers(answer)["baggage"].split(","))


def test_it_says_what_it_is(language: str, target: ProcessTarget) -> None:
    assert target.about.offers == OFFERS
    assert pinned(language) in re.split(r"[ ,]", target.about.version)
    assert f" {pinned(language)};" in (SOURCES / "README.md").read_text()


def test_it_answers_as_the_protocol_says(target: ProcessTarget) -> None:
    """What every implementation does alike, and how it is told."""

    def ask(operation: str, **arguments: Any) -> Any:
        return target.ask(operation, arguments)

    assert ask("tracecontext.extract", headers=TRACE) == {"span": SPAN}
    assert ask("tracecontext.extract", headers=[["tracestate", "a=1"]]) == {"span": None}
    wanted = {"traceparent": TRACEPARENT, "tracestate": "a=1,b=2"}
    assert headers(ask("tracecontext.inject", span=SPAN)) == wanted
    assert headers(ask("tracecontext.relay", headers=TRACE)) == wanted

    continued = ask("tracecontext.continue", headers=TRACE)
    child = continued["span"]
    assert child == {**SPAN, "span_id": child["span_id"], "is_remote": False}
    assert child["span_id"] != SPAN_ID
    assert headers(continued) == {
        "traceparent": f"00-{TRACE_ID}-{child['span_id']}-01",
        "tracestate": "a=1,b=2",
    }
    unsampled = [["traceparent", TRACEPARENT[:-1] + "0"]]
    assert ask("tracecontext.continue", headers=unsampled)["span"]["flags"] & 1 == 0

    operations = [["add", "c", "3"], ["delete", "a"], ["add", "A", "4"]]
    added, deleted = [["c", "3"], *STATE], [["c", "3"], ["b", "2"]]
    assert ask("tracestate.apply", members=STATE, operations=operations)["steps"] == [
        {"members": added, "before": STATE},
        {"members": deleted, "before": added},
        {"members": deleted, "before": deleted},
    ]

    received = [["baggage", "a=1;p=2;q,b=c%2Cd"]]
    assert sorted(ask("baggage.extract", headers=received)["entries"]) == BAGGAGE
    assert members(ask("baggage.inject", entries=BAGGAGE)) == {"a=1;p=2;q", "b=c%2Cd"}
    assert members(ask("baggage.relay", headers=received)) == {"a=1;p=2;q", "b=c%2Cd"}
    changes = [["set", "a", "3"], ["remove", "b"], ["clear"]]
    steps = ask("baggage.apply", entries=BAGGAGE, operations=changes)["steps"]
    after = [BAGGAGE, [["a", "3", ""], BAGGAGE[1]], [["a", "3", ""]], []]
    assert [sorted(step["before"]) for step in steps] == after[:-1]
    assert [sorted(step["entries"]) for step in steps] == after[1:]

    ids = {"trace_id": "0" * 31 + "1", "span_id": "0" * 15 + "a"}
    assert ask("span_context.make", trace_id="1", span_id="a", flags=0) == {"is_valid": True, **ids}
    assert not ask("span_context.make", trace_id="0", span_id="a", flags=0)["is_valid"]
    assert not ask("span_context.make", trace_id="1", span_id="0", flags=1)["is_valid"]
    made = ask("ids.generate", count=50)["ids"]
    assert len({trace_id for trace_id, _ in made}) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", a) and re.fullmatch("[0-9a-f]{16}", b) for a, b in made)


def test_any_text_goes_in_and_comes_out_as_it_is(target: ProcessTarget) -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    for start in range(0, len(every), 2000):
        text = every[start : start + 2000]
        answer = target.ask("baggage.apply", {"entries": [], "operations": [["set", "a", text]]})
        assert answer["steps"][0]["entries"] == [["a", text, ""]], f"from {start:x}"


@pytest.mark.parametrize("operation", ["tracecontext.extract", "baggage.extract"])
@pytest.mark.parametrize("text", ["a=" + "v" * 2**20, "a=1," * 2**18, "\x00" * 2**20, "=" * 2**20])
def test_a_line_may_be_long(target: ProcessTarget, operation: str, text: str) -> None:
    asked = {"headers": [["traceparent", TRACEPARENT], ["tracestate", text], ["baggage", text]]}
    answer = target.ask(operation, asked)
    assert not isinstance(answer, Raised)
    assert "span" in answer or "entries" in answer


def test_what_is_no_operation_is_refused(target: ProcessTarget) -> None:
    refused = subprocess.run(
        target.command,
        input=b'{"id": 7, "operation": "dance", "arguments": {}}\n',
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(refused.stdout) == {"id": 7, "refused": "there is no dance"}


REFUSED = {"SC-03 an id that is too wide"}
"""What a program refuses in a language in which ids have a size."""


def checked(language: str, notes: Path, way: str, checks: Sequence[Check]) -> report.Report:
    """What a short run finds, with little time to make deviations small, which nobody reads."""
    target, options = ProcessTarget(filtered(language, notes, way)), run.Options(cases=20)
    try:
        return report.Report(target.about, options, True, tuple(run.run(target, options, checks)))
    finally:
        target.close()


def test_a_run_asks_all_that_is_offered_and_ends_without_errors(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SHRINKING", 0.1)
    checks = [each for each in every_check() if 2 in each.trace_context_levels]
    told = report.as_data(checked(language, tmp_path / "notes", "honest", checks))
    assert set(told["offers"]) == OFFERS
    names = [f"{each['requirement']} {each['kind']}" for each in told["results"]]
    assert names == [each.name for each in checks]
    for check, result in zip(checks, told["results"], strict=True):
        assert result["verdict"] != Verdict.ERROR.value, result
        if check.name not in REFUSED or result["cases"]:
            assert (result["cases"] > 0) == bool(OFFERS & set(check.operations)), result
    some_check_asks = {operation for check in checks for operation in check.operations}
    asked = (tmp_path / "notes").read_text().split()
    assert set(asked) - {"hello"} == OFFERS & some_check_asks


def test_a_fault_in_any_answer_is_found(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SHRINKING", 0.1)
    checks = [each for each in every_check() if each.name in FOUND_BY.values()]
    verdicts = {}
    for way in ("honest", "broken"):
        results = checked(language, tmp_path / "notes", way, checks).results
        verdicts[way] = {result.check.name: result.verdict for result in results}
    found = (Verdict.DEVIATES, Verdict.ADVISORY)
    for operation, name in FOUND_BY.items():
        assert verdicts["honest"][name] is Verdict.OK, operation
        assert verdicts["broken"][name] in found, operation
