"""``verified conform`` finds each planted fault, names it, and accuses nobody else."""

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from proofs.conform import program, report
from proofs.conform.check import Check, Deviation, Verdict
from proofs.conform.checks import every_check
from proofs.conform.run import SHRINKING, Options, Result, run, run_check
from proofs.conform.target import About, Arguments, ProcessTarget, Raised
from proofs.requirements import requirements
from tests.conform_faults import (
    Fault,
    Implementation,
    answers,
    arrives,
    receives,
    sends,
    steps,
)

FOUND = (Verdict.DEVIATES, Verdict.ADVISORY)
OPTIONS = Options(cases=60)
HEADERS = ("TP", "TS", "BG", "PR-01", "PR-07", "SC-05", "SC-06", "SC-07")


def found(fault: Fault | None, requirement: str) -> list[Result]:
    """What the checks of a requirement find in an implementation with a fault."""
    target = Implementation(fault)
    checks = [each for each in every_check() if each.requirement.id == requirement]
    assert checks, requirement
    return list(run(target, OPTIONS, checks))


def zero_random(text: str) -> str:
    return f"{text[:-2]}{int(text[-2:], 16) & ~2:02x}" if len(text) == 55 else text


def zero_before(arguments: Arguments, answer: Any) -> Any:
    return {"headers": [[name, f"{text[:53]}0{text[53:]}"] for name, text in answer["headers"]]}


def first_only(name: str) -> Callable[[list[list[str]]], list[list[str]]]:
    """The headers as a mapping would have them that keeps the first of a name."""
    return lambda headers: [
        each
        for number, each in enumerate(headers)
        if each[0] != name or name not in [other for other, _ in headers[:number]]
    ]


def without_state(headers: list[list[str]]) -> list[list[str]]:
    return [each for each in headers if each[0] != "tracestate"]


def only_state(ask: Any, operation: str, arguments: Arguments) -> Any:
    """Uses a tracestate, whatever the traceparent is."""
    headers = arguments.get("headers", [])
    good = ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
    states = [each for each in headers if each[0] == "tracestate"]
    if not states or not operation.startswith("tracecontext"):
        return ask(operation, arguments)
    return ask(operation, {**arguments, "headers": [good, *states]})


def unknown_state_hurts(ask: Any, operation: str, arguments: Arguments) -> Any:
    """Drops the traceparent beside a tracestate that is not valid."""
    states = [value for name, value in arguments.get("headers", []) if name == "tracestate"]
    if any(re.search("[^ -~]|^=|,=|[A-Z]", each) for each in states):
        return ask(operation, {**arguments, "headers": []})
    return ask(operation, arguments)


def keeps_parent(ask: Any, operation: str, arguments: Arguments) -> Any:
    """Sends the parent id that came in place of its own."""
    answer = ask(operation, arguments)
    came = dict(arguments.get("headers", [])).get("traceparent", "")
    if operation != "tracecontext.continue" or len(came) < 52:
        return answer
    sent = [
        [n, v[:36] + came[36:52] + v[52:] if n == "traceparent" and v[3:35] == came[3:35] else v]
        for n, v in answer["headers"]
    ]
    return {**answer, "headers": sent}


def keeps_parent_and_samples(ask: Any, operation: str, arguments: Arguments) -> Any:
    answer = keeps_parent(ask, operation, arguments)
    return (
        {
            **answer,
            "headers": [[n, v[:-2] + "01"] for n, v in answer["headers"] if n == "traceparent"],
        }
        if "headers" in answer
        else answer
    )


def takes_anything(ask: Any, operation: str, arguments: Arguments) -> Any:
    """Keeps what it finds in a tracestate, whatever that is."""
    answer = ask(operation, arguments)
    if operation == "tracecontext.extract" and answer["span"]:
        texts = [value for name, value in arguments["headers"] if name == "tracestate"]
        members = [each.partition("=") for text in texts for each in text.split(",")]
        answer["span"]["trace_state"] = [[key, value] for key, _, value in members]
    return answer


def sends_also(name: str, value: str) -> Fault:
    def fault(ask: Any, operation: str, arguments: Arguments) -> Any:
        answer = ask(operation, arguments)
        if "headers" in answer:
            answer["headers"].append([name, value])
        return answer

    return fault


def sorts(_: Any, step: dict[str, Any]) -> dict[str, Any]:
    return {**step, "members": sorted(step["members"])} if "members" in step else step


def appends(asked: list[Any], step: dict[str, Any]) -> dict[str, Any]:
    if asked[0] == "delete" or "members" not in step:
        return step
    rest = [each for each in step["members"] if each[0] != asked[1]]
    return {**step, "members": [*rest, [asked[1], asked[2]]]}


def restarted_state(ask: Any, operation: str, arguments: Arguments) -> Any:
    answer = ask(operation, arguments)
    if operation == "tracecontext.continue":
        states = [each for each in arguments["headers"] if each[0] == "tracestate"]
        rest = [each for each in answer["headers"] if each[0] != "tracestate"]
        answer = {**answer, "headers": [*rest, *states]}
    return answer


def pads(text: str) -> str:
    """Reads ids that are too short as if they had zeros before."""
    parts = text.split("-")
    if len(parts) < 4:
        return text
    return "-".join([parts[0], parts[1].rjust(32, "0"), parts[2].rjust(16, "0"), *parts[3:]])


def raises_for(pattern: str) -> Fault:
    def fault(ask: Any, operation: str, arguments: Arguments) -> Any:
        if re.search(pattern, json.dumps(arguments)):
            raise ValueError("planted")
        return ask(operation, arguments)

    return fault


def cut(text: str) -> str:
    return text[:512].rstrip(", =")


FAULTS: list[tuple[str, str, Fault]] = [
    ("TP-01", "takes capitals", receives(str.lower)),
    ("TP-01", "takes any delimiter", receives(lambda t: t.replace("_", "-").replace(":", "-"))),
    ("TP-01", "takes the first of two", arrives(first_only("traceparent"))),
    ("TP-01", "sends capitals", sends(str.upper)),
    ("TP-01", "sends flags with a zero before", answers("tracecontext.relay", zero_before)),
    ("TP-01", "takes nothing", receives(lambda _: "")),
    ("TP-02", "takes version ff", receives(lambda t: "00" + t[2:55] if t[:2] == "ff" else t)),
    ("TP-03", "takes a trace id of zeros", receives(lambda t: t.replace("0" * 32, "0" * 31 + "1"))),
    ("TP-03", "takes any digits", receives(lambda t: re.sub("[^-0-9a-f]", "1", t))),
    ("TP-03", "pads a trace id", receives(pads)),
    (
        "TP-04",
        "takes a parent id of zeros",
        receives(lambda t: t.replace("-" + "0" * 16 + "-", "-" + "1" * 16 + "-")),
    ),
    ("TP-04", "pads a parent id", receives(pads)),
    ("TP-05", "takes version 00 with more", receives(lambda t: t[:55] if t[:3] == "00-" else t)),
    ("TP-05", "takes a line feed", receives(lambda t: t.removesuffix("\n"))),
    ("TP-07", "takes any version", receives(lambda t: "00" + t[2:])),
    ("TP-08", "pads a short header", receives(lambda t: "00" + t[2:].ljust(53, "1"))),
    (
        "TP-09",
        "takes any ids of a higher version",
        receives(lambda t: t if t[:2] == "00" else re.sub("[^-0-9a-f]", "1", t)),
    ),
    ("TP-10", "takes more without a dash", receives(lambda t: t if t[:2] == "00" else t[:55])),
    ("TP-11", "ignores higher versions", receives(lambda t: t if t[:2] == "00" else "")),
    ("TP-11", "ignores more fields", receives(lambda t: t if len(t) == 55 else "")),
    ("TP-12", "sends the version that came", sends(lambda t: "01" + t[2:])),
    ("TP-13", "sends all flags", sends(lambda t: t[:-2] + "ff")),
    (
        "TP-13",
        "passes all flags on",
        answers(
            "tracecontext.relay",
            lambda _, a: {"headers": [[n, t[:53] + "ff"] for n, t in a["headers"]]},
        ),
    ),
    ("TP-14", "clears the flag random", sends(zero_random)),
    (
        "TP-17",
        "reads the flags as a number",
        answers(
            "tracecontext.extract",
            lambda _, a: {
                "span": a["span"] and {**a["span"], "flags": int(a["span"]["flags"] == 1)}
            },
        ),
    ),
    ("TP-18", "samples without a span", keeps_parent_and_samples),
    ("TP-19", "sends nothing", sends(lambda _: None)),
    ("TP-20", "drops the tracestate", sends(lambda _: None, "tracestate")),
    ("TP-21", "keeps the tracestate of another trace", restarted_state),
    ("TP-22", "sends the parent id that came", keeps_parent),
    ("TS-01", "reads a tracestate alone", only_state),
    ("TS-02", "drops the parent for a bad tracestate", unknown_state_hurts),
    (
        "TS-03",
        "has the keys of Level 1",
        receives(
            lambda t: t if re.fullmatch("([a-z][a-z0-9_*/-]*=[^,]*,?)*", t) else "", "tracestate"
        ),
    ),
    ("TS-03", "takes any key", takes_anything),
    ("TS-04", "takes any value", takes_anything),
    (
        "TS-04",
        "takes no values with spaces",
        receives(lambda t: "" if " " in t else t, "tracestate"),
    ),
    ("TS-05", "strips values", receives(lambda t: re.sub("= +", "=", t), "tracestate")),
    (
        "TS-06",
        "takes no white space",
        receives(lambda t: "" if re.search("[ \t],|,[ \t]", t) else t, "tracestate"),
    ),
    ("TS-06", "takes 31 members", receives(lambda t: "" if t.count(",") > 30 else t, "tracestate")),
    (
        "TS-07",
        "takes no empty members",
        receives(lambda t: "" if ",," in re.sub("[ \t]", "", f",{t},") else t, "tracestate"),
    ),
    (
        "TS-07",
        "sends an empty header",
        sends_also("tracestate", ""),
    ),
    ("TS-08", "takes the first header alone", arrives(first_only("tracestate"))),
    ("TS-09", "drops the new member", steps(lambda _, s: {**s, "members": s["before"]})),
    ("TS-10", "keeps 256 characters", receives(lambda t: t if len(t) < 256 else "", "tracestate")),
    ("TS-11", "cuts amid a member", sends(cut, "tracestate")),
    ("TS-12", "cuts from the end alone", sends(lambda t: ",".join(t.split(",")[:4]), "tracestate")),
    ("TS-13", "sorts members", sends(lambda t: ",".join(sorted(t.split(","))), "tracestate")),
    ("TS-14", "appends members", steps(appends)),
    (
        "TS-15",
        "adds a key twice",
        steps(lambda q, s: {**s, "members": [q[1:], *s["before"]]} if q[0] != "delete" else s),
    ),
    (
        "TS-16",
        "drops others' keys",
        receives(lambda t: t.rpartition(",")[0] or t, "tracestate"),
    ),
    (
        "SC-05",
        "deletes nothing",
        steps(lambda q, s: {**s, "members": s["before"]} if q[0] == "delete" else s),
    ),
    ("SC-06", "changes the list itself", steps(lambda _, s: {**s, "before": s.get("members", [])})),
    (
        "SC-07",
        "takes any member",
        steps(lambda q, s: {**s, "members": [q[1:], *s["before"]]} if len(q) == 3 else s),
    ),
    (
        "SC-07",
        "raises",
        steps(
            lambda q, s: (
                {"raised": {"type": "ValueError"}, "before": s["before"]}
                if s.get("members") == s["before"]
                else s
            )
        ),
    ),
    ("PR-01", "raises for a dash", raises_for('"headers".*"-')),
    (
        "PR-07",
        "sends no trace state",
        answers("tracecontext.inject", lambda _, a: {"headers": without_state(a["headers"])}),
    ),
    ("BG-01", "takes no empty value", receives(lambda t: "" if t.endswith("=") else t, "baggage")),
    ("BG-01", "reads plus as a space", receives(lambda t: t.replace("+", "%20"), "baggage")),
    ("BG-01", "reads properties as a value", receives(lambda t: t.replace(";", "%3B"), "baggage")),
    ("BG-02", "does not decode", receives(lambda t: t.replace("%", "%25"), "baggage")),
    (
        "BG-02",
        "does not encode",
        sends(lambda t: t.replace("%20", " ").replace("%E2", "\u00e2"), "baggage"),
    ),
    (
        "BG-03",
        "drops what is no UTF-8",
        receives(lambda t: re.sub("%[89a-fA-F].", "", t), "baggage"),
    ),
    (
        "BG-04",
        "keeps white space",
        receives(
            lambda t: re.sub(
                "[ \t]*=[ \t]*", lambda m: m[0].replace(" ", "%20").replace("\t", "%09"), t
            ),
            "baggage",
        ),
    ),
    (
        "BG-05",
        "splits at each equals sign",
        receives(lambda t: "=".join(t.split("=")[:2]), "baggage"),
    ),
    (
        "BG-06",
        "sends names that are no tokens",
        answers(
            "baggage.inject",
            lambda q, a: {"headers": [["baggage", f"{n}=1"] for n, _, _ in q["entries"]]},
        ),
    ),
    ("BG-06", "decodes keys", receives(lambda t: t.replace("%41", "A"), "baggage")),
    ("BG-06", "reads one header", arrives(first_only("baggage"))),
    (
        "BG-07",
        "takes no member over 4096",
        receives(lambda t: t if len(t) < 4096 else "", "baggage"),
    ),
    ("BG-07", "takes 63 members", receives(lambda t: ",".join(t.split(",")[:63]), "baggage")),
    ("BG-08", "cuts a member", receives(lambda t: t[:8192], "baggage")),
    ("BG-09", "sends a name twice", sends(lambda t: f"{t},{t}", "baggage")),
    ("BG-10", "sends no baggage on", answers("baggage.relay", lambda *_: {"headers": []})),
    (
        "BG-11",
        "keeps both values",
        answers("baggage.extract", lambda q, a: {"entries": [*a["entries"], *a["entries"]]}),
    ),
    (
        "BG-12",
        "strips values",
        answers(
            "baggage.extract",
            lambda q, a: {"entries": [[n, v.strip(), m] for n, v, m in a["entries"]]},
        ),
    ),
    (
        "BG-12",
        "has no case",
        steps(lambda _, s: {k: [[n.lower(), v, m] for n, v, m in e] for k, e in s.items()}),
    ),
    (
        "BG-13",
        "clears nothing",
        steps(lambda q, s: {**s, "entries": s["before"]} if q == ["clear"] else s),
    ),
    ("BG-13", "changes the container itself", steps(lambda _, s: {**s, "before": s["entries"]})),
    ("BG-14", "drops properties", sends(lambda t: re.sub(";[^,]*", "", t), "baggage")),
]


@pytest.mark.parametrize(("requirement", "name", "fault"), FAULTS, ids=lambda each: str(each)[:40])
def test_a_planted_fault_is_found(requirement: str, name: str, fault: Fault) -> None:
    results = [each for each in found(fault, requirement) if each.verdict in FOUND]
    assert results, f"{name} is not found by {requirement}"
    for each in results:
        assert each.expected
        assert each.script
        assert 0 < each.deviating <= each.cases


def test_each_row_has_a_planted_fault() -> None:
    checked = {each.requirement.id for each in every_check() if each.name.startswith(HEADERS)}
    # What is asked of new ids has its faults in test_conform_sdk.
    assert checked - {row for row, _, _ in FAULTS} == {"TP-06", "TP-15", "TP-16"}


def test_the_verified_parts_are_left_in_peace() -> None:
    checks = [each for each in every_check() if each.name.startswith(HEADERS)]
    results = list(run(Implementation(), Options(cases=150, seed=7), checks))
    assert {each.check.name for each in results if each.verdict in (*FOUND, Verdict.ERROR)} == set()
    assert sum(each.verdict is Verdict.OK for each in results) > 90


def one(judge: Callable[[Arguments, Any], Deviation | None], **changes: Any) -> Check:
    """A check out of the registry, that asks for the headers of a context."""
    template = next(each for each in every_check() if each.operations[0] == "tracecontext.extract")
    return Check(
        **{
            **{name: getattr(template, name) for name in Check.__dataclass_fields__},
            "judge": judge,
            **changes,
        }
    )


def test_a_deviation_that_does_not_repeat_is_an_error() -> None:
    asked = []

    def first_time(arguments: Arguments, answer: Any) -> Deviation | None:
        asked.append(arguments)
        return Deviation("never") if len(asked) <= OPTIONS.cases else None

    class Fickle(Implementation):
        def run(self, script: str, patience: float = 1) -> Any:
            asked.extend([{}] * 1000)
            return super().run(script, patience)

    result = run_check(one(first_time), Fickle(), OPTIONS)
    assert result.verdict is Verdict.ERROR
    assert "does not repeat" in result.note


def test_what_is_shown_is_the_smallest() -> None:
    def long(arguments: Arguments, answer: Any) -> Deviation | None:
        return Deviation("short") if int(arguments["headers"][0][1][3:35], 16) >= 1000 else None

    result = run_check(one(long), Implementation(), OPTIONS)
    assert result.input is not None
    assert int(result.input["headers"][0][1][3:35], 16) == 1000
    assert result.input["headers"][0][1][-2:] == "00"


def test_requirements_and_levels_are_those_of_the_standards() -> None:
    for each in every_check():
        assert each.requirement == requirements()[each.requirement.id]
        if each.verdict is Verdict.LICENSED:
            assert each.licence
        if each.verdict is Verdict.DEVIATES:
            assert each.requirement.level != "SHOULD" or "MUST" in each.requirement.text
    names = [each.name for each in every_check()]
    assert len(names) == len(set(names))


def test_level_1_does_not_ask_for_level_2() -> None:
    level_1 = {each.check.requirement.id for each in run(Implementation(), Options(1, level=1))}
    level_2 = {each.check.requirement.id for each in run(Implementation(), Options(1, level=2))}
    assert {"TP-10", "TP-14", "TS-05"} <= level_2 - level_1
    assert level_1 <= level_2


PROGRAM = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    id, operation = request["id"], request["operation"]
    if operation == "hello":
        answer = {"protocol": 1, "name": "toy", "version": "0", "offers": ["tracecontext.extract"]}
        print(json.dumps({"id": id, "answer": answer}), flush=True)
        continue
    text = dict(request["arguments"]["headers"]).get("traceparent", "")
    BEHAVIOUR
    print(json.dumps({"id": id, "answer": {"span": None}}), flush=True)
"""


def toy(tmp_path: Path, behaviour: str) -> ProcessTarget:
    path = tmp_path / "toy.py"
    path.write_text(PROGRAM.replace("BEHAVIOUR", behaviour), encoding="utf-8")
    return ProcessTarget([sys.executable, str(path)])


@pytest.mark.parametrize(
    ("behaviour", "note"),
    [
        ("sys.exit(3)", "it ended with exit status 3"),
        ("os.kill(os.getpid(), 11)", "it ended with exit status -11"),
        ("time.sleep(60)", "it did not answer within"),
        ("print('hello', flush=True)", "it printed what is no answer"),
        ("id += 1", "it answered"),
        (
            "print(json.dumps({'id': id, 'answer': {}}), flush=True); continue",
            "not what the protocol says",
        ),
        ("print('{}', file=sys.stderr); raise SystemExit('last words')", "last words"),
    ],
)
def test_a_target_that_fails_is_contained_and_started_anew(
    tmp_path: Path, behaviour: str, note: str
) -> None:
    """It fails for one version of the header, and answers for the others."""
    target = toy(tmp_path, f"if text[:2] == 'ff': {behaviour}")
    try:
        checks = [each for each in every_check() if each.requirement.id in ("TP-02", "TP-03")]
        results = list(run(target, Options(cases=5, patience=0.7), checks))
    finally:
        target.close()
    failed = [each for each in results if each.check.requirement.id == "TP-02"]
    assert {each.verdict for each in failed} == {Verdict.ERROR}
    assert all(note in each.note and each.input is not None for each in failed)
    others = {each.verdict for each in results if each not in failed}
    assert others == {Verdict.OK, Verdict.NOT_OFFERED}


def test_what_is_refused_is_no_case(tmp_path: Path) -> None:
    """A target may refuse some arguments of an operation; if it refuses all, it has no such."""
    target = toy(tmp_path, REFUSES)
    try:
        checks = [each for each in every_check() if each.requirement.id in ("TP-02", "TP-04")]
        results = list(run(target, Options(cases=20), checks))
    finally:
        target.close()
    assert results
    for each in results:
        if each.check.requirement.id == "TP-02":
            assert (each.verdict, each.note) == (Verdict.NOT_OFFERED, "not such a version")
        elif "tracecontext.extract" in each.check.operations:
            assert each.verdict is Verdict.OK
            assert 0 < each.cases < 20


REFUSES = """if text[:2] == 'ff' or text[-1:] in '02468ace':
        print(json.dumps({"id": id, "refused": "not such a version"}), flush=True)
        continue"""


def test_the_time_for_shrinking_may_end_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    def long(arguments: Arguments, answer: Any) -> Deviation | None:
        return Deviation("short") if int(arguments["headers"][0][1][3:35], 16) >= 1000 else None

    for moments in (0, 1, 10, 100):
        clock = itertools.count()
        seconds = SimpleNamespace(monotonic=lambda: next(clock) * SHRINKING / (moments + 1))  # noqa: B023
        monkeypatch.setattr("proofs.conform.run.time", seconds)
        result = run_check(one(long), Implementation(), OPTIONS)
        assert result.verdict is Verdict.DEVIATES, result.note


def conform(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verified", "conform", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_command_reports_what_it_found(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("report.json", "report.xml", "report.html")]
    options = ["--json", str(files[0]), "--junit", str(files[1]), "--html", str(files[2])]
    done = conform("opentelemetry", "-k", "TP-13 a span", "--cases", "20", *options)
    assert done.returncode == 1, done.stderr
    assert "deviates TP-13: a span context with flags that are not defined" in done.stdout
    data = json.loads(files[0].read_text())
    assert data["schema"] == "verified-conform/1"
    assert data["complete"] is True
    assert data["target"] == "opentelemetry"
    (row,) = [each for each in data["results"] if each["verdict"] == "deviates"]
    assert row["requirement"] == "TP-13"
    assert row["input"]["span"]["flags"] & ~3
    assert row["source"]
    again = subprocess.run(
        [sys.executable, "-c", row["script"]], capture_output=True, text=True, check=True
    )
    assert json.loads(again.stdout) == row["got"]
    suite = ElementTree.parse(files[1]).getroot()
    assert suite.get("failures") == "1"
    page = files[2].read_text()
    assert "a span context with flags that are not defined" in page
    assert not re.search("<script|<link|https?://", page)


def test_exit_statuses(tmp_path: Path) -> None:
    assert conform("verified", "-k", "TP-02", "--cases", "5").returncode == 0
    assert conform("opentelemetry", "-k", "TS-09", "--cases", "5").returncode == 0
    assert conform("opentelemetry", "-k", "TS-09", "--cases", "5", "--strict").returncode == 1
    missing = conform("no-such-package")
    assert missing.returncode == 2
    assert "no package 'no-such-package' is known" in missing.stderr
    assert conform("verified", "-k", "no such check").returncode == 2
    assert conform("--exec", "/no/such/program").returncode == 2
    nothing = toy(tmp_path, "pass")
    nothing.close()
    line = f"{sys.executable} {tmp_path / 'toy.py'}"
    assert conform("--exec", line, "-k", "BG-02").returncode == 2


def test_a_package_that_is_not_there_is_said() -> None:
    done = conform("opentelemetry", "--python", "/no/such/python")
    assert done.returncode == 2
    assert "/no/such/python cannot be started" in done.stderr


@pytest.mark.parametrize("package", program.PACKAGES)
def test_the_agent_is_one_file_for_old_pythons(package: str) -> None:
    import ast

    tree = ast.parse(program.agent(package), feature_version=(3, 7))
    imported = {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert "proofs" not in imported


def test_raised_is_shown() -> None:
    about = About("a", "1", "", frozenset())
    check = every_check()[0]
    results = (Result(check, Verdict.ERROR, 1, note="gone"),)
    assert report.status(report.Report(about, OPTIONS, True, results), False) == 2
    assert str(Raised("ValueError", "x")) == "ValueError: x"
