"""What can be said of the agents without their packages, and what a target may not break."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proofs.command import command
from proofs.conform import matrix, program, report, run
from proofs.conform.check import Check, Premise, Verdict
from proofs.conform.checks import every_check
from proofs.conform.target import About, ProcessTarget
from proofs.requirements import requirements

PROTOCOL = (Path(program.__file__).parent / "protocol.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:`\w+\.[\w.]+`(?:, )?)+) \| ([^|]*)\|", PROTOCOL, re.MULTILINE)
OPERATIONS = {
    name: arguments for names, arguments in ROWS for name in re.findall(r"`([\w.]+)`", names)
}
"""What the protocol says of the arguments of each operation."""
PACKAGES = sorted(program.PACKAGES)
FAKE = Path(__file__).parent / "conform_program.py"
EXAMPLES: dict[str, Any] = {
    "headers": [["traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"]],
    "count": 2,
}


def offered(package: str) -> list[str]:
    """The operations that an agent offers, as they stand in its text."""
    found = []
    for node in ast.walk(ast.parse(program.knows(package))):
        if isinstance(node, ast.Dict):
            found += [key.value for key in node.keys if isinstance(key, ast.Constant)]
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found.append(node.slice.value)
    return [str(each) for each in found if str(each) in OPERATIONS or "." in str(each)]


def unbound(tree: ast.Module) -> set[str]:
    """The names that a module reads and nothing in it binds."""
    read, bound = set(), set(dir(builtins))
    for node in ast.walk(tree):
        match node:
            case ast.Name(id, ast.Load()):
                read.add(id)
            case ast.Name(id):
                bound.add(id)
            case ast.arg(name) | ast.FunctionDef(name) | ast.ClassDef(name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.alias(name, asname):
                bound.add((asname or name).partition(".")[0])
    return read - bound


@pytest.mark.parametrize("package", PACKAGES)
def test_an_agent_is_one_program_for_python_3_7(package: str) -> None:
    tree = ast.parse(program.agent(package), feature_version=(3, 7))
    assert unbound(tree) == set()
    # A future statement anywhere else is an error, which only the compiler sees.
    compile(program.agent(package), "agent", "exec")


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_offered_is_in_the_protocol_with_its_arguments(package: str) -> None:
    operations = offered(package)
    assert operations
    for operation in operations:
        assert operation in OPERATIONS
        words = set(re.findall(r"\w+", OPERATIONS[operation]))
        assert words >= set(parameters(package, operation)) or "same" in words


def parameters(package: str, operation: str) -> list[str]:
    """What the last function of this name takes that has to be given."""
    *_, function = [
        node
        for node in ast.parse(program.knows(package)).body
        if isinstance(node, ast.FunctionDef) and node.name == operation.replace(".", "_")
    ]
    names = [each.arg for each in function.args.args]
    return names[: len(names) - len(function.args.defaults)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_script_has_all_that_an_operation_needs_and_no_more(package: str) -> None:
    for operation in offered(package):
        script = program.script(
            package, operation, dict.fromkeys(parameters(package, operation), "")
        )
        tree = ast.parse(script, feature_version=(3, 7))
        assert unbound(tree) == set()
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert operation.replace(".", "_") in defined
        assert "serve" not in defined
        assert "OFFERS" not in script
        # No function stands there that the others do not call.
        called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert defined <= called


@pytest.mark.parametrize(
    ("package", "setting"),
    [
        ("ddtrace", "DD_TRACE_PROPAGATION_STYLE"),
        ("elastic-apm", "elasticapm.instrument()"),
        ("honeycomb-beeline", "beeline.init("),
        ("instana", "INSTANA_AGENT_PORT"),
        ("newrelic", "newrelic.agent.initialize()"),
        ("sentry-sdk", "sentry_sdk.init("),
    ],
)
def test_a_script_configures_the_package_before_it_is_asked(package: str, setting: str) -> None:
    for operation in offered(package):
        script = program.script(
            package, operation, dict.fromkeys(parameters(package, operation), "")
        )
        assert 0 < script.index(setting) < script.index("\nprint(")
        if setting.isupper():
            # The environment is read when the package is imported.
            first = re.search(rf"^ *(from|import) {package}", script, re.MULTILINE)
            assert first is not None
            assert script.index(setting) < first.start()


def checks(*names: str) -> list[Check]:
    known = {each.name: each for each in every_check()}
    return [known[name] for name in names]


def fake(fault: str, started: Path | str = "", hung: Path | str = "") -> list[str]:
    return [sys.executable, str(FAKE), fault, str(started), str(hung)]


FAULTS = {
    "chatty": "no answer: b'starting up",
    "hanging": "did not answer within 0.3 s",
    "ending": "exit status 3; its last words: no more",
    "killed": f"exit status {-signal.SIGABRT}",
    "behind": "it answered",
    "ahead": "it answered",
    "cut": "no answer: b'{",
    "empty": "no answer: {'id'",
    "list": "no answer",
    "binary": r"no answer: b'\xff",
    "mute": "closed its standard output",
    "number": "its answer 7 is not what the protocol says",
    "null": "its answer None is not what the protocol says",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_an_error_of_its_check_and_the_run_goes_on(fault: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    target = ProcessTarget(fake(fault, started))
    asked = checks("TP-02 version ff", "TP-03 a trace id of zeros")
    bad, good = run.run(target, run.Options(cases=5, patience=0.3), asked)
    assert (bad.verdict, good.verdict) == (Verdict.ERROR, Verdict.OK)
    assert FAULTS[fault] in bad.note
    assert bad.input is not None
    assert good.cases == 5
    target.close()
    pids = [int(line) for line in started.read_text().split()]
    # Given up after so many faults, and started once more for the check after; but a target
    # whose answer has a wrong form is as well as before.
    assert len(pids) == (1 if fault in ("number", "null") else run.MOST_GONE + 1)
    assert not any(map(is_running, pids))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_a_target_started_ends_with_it_and_holds_up_nobody(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    target = ProcessTarget(fake("child", held))
    assert target.ask("tracecontext.extract", {"headers": []}) == {"span": None}
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    target.close()
    # Nobody has it open to write any more.
    assert select.select([reader], [], [], 10)[0]
    assert os.read(reader, 1) == b""
    os.close(reader)


@pytest.mark.parametrize(
    "line",
    [
        "true",
        "false",
        "cat",
        "echo hello",
        "no-such-program",
        shlex.join([sys.executable, "-c", "["]),
    ],
)
def test_a_program_that_does_not_say_hello_is_a_wrong_call(line: str) -> None:
    result = CliRunner().invoke(command, ["conform", "--exec", line])
    assert result.exit_code == 2
    assert "cannot be checked" in result.output


@pytest.fixture(params=["asleep", "hanging"])
def hanging(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run that waits for a target, for its hello or an answer, and the process of the target."""
    fifo = tmp_path / "hung"
    os.mkfifo(fifo)
    line = shlex.join(fake(request.param, hung=fifo))
    arguments = ["-m", "verified", "conform", "--exec", line, "-k", "TP-02"]
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=FAKE.parent.parent,
    ) as process:
        # Read when the target has it open to write, which it has when it hangs.
        pid = int(fifo.read_text())
        yield process, pid
        process.kill()


def test_an_interrupt_leaves_no_process_behind(
    hanging: tuple[subprocess.Popen[str], int],
) -> None:
    process, pid = hanging
    assert is_running(pid)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "interrupted" in output
    assert not is_running(pid)


def results(claims: dict[str, Any], *names: str) -> list[run.Result]:
    target = ProcessTarget(fake(""), {"CLAIMS": json.dumps(claims)})
    try:
        return list(run.run(target, run.Options(cases=5), checks(*names)))
    finally:
        target.close()


def test_what_is_not_claimed_is_not_held_against_a_target() -> None:
    names = ("PR-07 a valid tracestate", "TS-13 a tracestate that is received")
    everything = results({}, *names)
    assert [each.verdict for each in everything] == [Verdict.DEVIATES] * 2
    other, claimed = results({"implements": ["w3c-trace-context"]}, *names)
    assert other.verdict is Verdict.NOT_OFFERED
    assert "does not claim OpenTelemetry" in other.note
    assert claimed.verdict is Verdict.DEVIATES


def test_level_2_is_not_held_against_a_target_of_level_1() -> None:
    name = "TP-11 a higher version that ends after its flags"
    levels = ("TP-14 the flag random of a trace that is continued", name)
    random, common = results({"trace_context_level": 1}, *levels)
    assert common.verdict is Verdict.DEVIATES
    assert random.verdict is Verdict.NOT_OFFERED
    assert "Level 1" in random.note
    assert results({}, *levels)[0].verdict is Verdict.OK


def test_how_a_tracestate_is_read_is_not_told_of_a_target_that_shows_none() -> None:
    (result,) = results({}, "TS-03 keys of Level 1")
    assert result.verdict is Verdict.NOT_OFFERED
    assert "nothing can be told" in result.note


def test_a_target_that_ends_at_the_premise_is_an_error() -> None:
    (check,) = checks("TP-03 a trace id of zeros")
    bad = {"headers": [["traceparent", "ff"]]}
    check = replace(check, premise=Premise(bad, lambda answer: False, "nothing can be told"))
    target = ProcessTarget(fake("ending"))
    result = run.run_check(check, target, run.Options(cases=5))
    target.close()
    assert result.verdict is Verdict.ERROR
    assert "no more" in result.note


def numbered(*numbers: int) -> str:
    return ",".join(f"k{number}=v" for number in numbers)


LONG = [f"k{number}=" + "v" * 240 for number in range(2)]


@pytest.mark.parametrize(
    ("name", "received", "sent", "is_allowed"),
    [
        ("TS-06 32 members", numbered(*range(32)), "own=1," + numbered(*range(31)), True),
        ("TS-06 32 members", numbered(*range(31)), "own=1," + numbered(*range(31)), True),
        ("TS-06 32 members", numbered(*range(32)), "own=1," + numbered(*range(1, 32)), False),
        ("TS-06 32 members", numbered(*range(31)), "own=1," + numbered(*range(30)), False),
        ("TS-04 values of the grammar", ",".join(LONG), f"own={'v' * 30},{LONG[0]}", True),
        ("TS-04 values of the grammar", ",".join(LONG), f"own=1,{LONG[0]}", False),
        ("TS-10 512 characters", ",".join(LONG), f"own={'v' * 30},{LONG[0]}", True),
        ("TS-10 512 characters", ",".join(LONG), f"own={'v' * 30},{LONG[0][:-1]}", False),
        ("TS-13 the order of the members", "a=1,b=2", "own=1,a=1,b=2", True),
        ("TS-13 the order of the members", "a=1,b=2", "own=1,b=2,a=1", False),
        ("TS-13 keys that end in the key of a tracing system", "ain=1,b=2", "in=1,ab=2", False),
        ("TS-13 keys that end in the key of a tracing system", "ain=1", "in=1,ain=1", True),
    ],
)
def test_a_service_may_put_a_member_of_its_own_before(
    name: str, received: str, sent: str, is_allowed: bool
) -> None:
    (check,) = checks(name)
    parent = ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
    asked = {"headers": [parent, ["tracestate", received]]}
    answer = {"headers": [parent, ["tracestate", sent]]}
    assert (check.judge(asked, answer) is None) is is_allowed


def test_each_requirement_knows_its_file() -> None:
    assert {each.file for each in requirements().values()} == {
        "opentelemetry-proto",
        "opentelemetry-specification",
        "w3c-baggage",
        "w3c-trace-context",
    }


# The matrix.


def reported(target: str, result: run.Result, path: Path) -> Path:
    about = About("fake", "1", "", frozenset())
    found = report.Report(about, run.Options(), True, (result,))
    data = {**report.as_data(found), "target": target}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_a_matrix_shows_each_target_and_what_deviates(tmp_path: Path) -> None:
    (check,) = checks("TS-13 a tracestate that is received")
    hostile = {"headers": [["tracestate", "a=`|*_<b>" + "x" * 500], ["other", "secret"]]}
    deviates = run.Result(
        check, Verdict.DEVIATES, 9, 4, hostile, "raises `X`", "kept * as | it <is>"
    )
    files = [
        reported("first", deviates, tmp_path / "a.json"),
        reported("second", run.Result(check, Verdict.OK, 9), tmp_path / "b.json"),
    ]
    page = tmp_path / "page.md"
    html = tmp_path / "page.html"
    call = ["matrix", *map(str, files), "--markdown", str(page), "--html", str(html)]
    result = CliRunner().invoke(command, call)
    assert (result.exit_code, result.output) == (0, "")
    text = page.read_text(encoding="utf-8")
    (header,) = [line for line in text.splitlines() if "first" in line and line.startswith("|")]
    (row,) = [line for line in text.splitlines() if line.startswith("| TS-13 ")]
    assert header.index("first") < header.index("second")
    assert row.startswith("| TS-13 | ✗ | ✓ |")
    assert header.count("|") == row.count("|")
    assert "deviates in 4 of 9 cases" in text
    assert "characters) ``" in text
    assert "secret" not in text
    assert r"kept \* as \| it \<is>" in text
    assert "`` raises `X` ``" in text
    assert text.index("### first") < text.index("TS-13, a tracestate") < text.index("### second")
    assert "first" in html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "x"}', "its schema is 'x'"),
        (json.dumps({"schema": report.SCHEMA, "target": "a"}), "has no complete, date"),
    ],
)
def test_a_file_that_is_no_report_is_a_wrong_call(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    result = CliRunner().invoke(command, ["matrix", str(path)])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_what_is_asked_by_make_conformance_is_pinned_and_known() -> None:
    folder = Path(program.__file__).parent / "newest"
    names = sorted(path.stem for path in folder.glob("*.in"))
    assert sorted([*names, "verified"]) == PACKAGES
    for name in names:
        pins = (folder / f"{name}.txt").read_text().splitlines()
        wanted = (folder / f"{name}.in").read_text().split()
        assert all(re.match(r"[\w.-]+==[\w.]+", pin) for pin in pins)
        assert {pin.partition("==")[0] for pin in pins} >= set(wanted)
        assert matrix.MARKS.keys() == set(Verdict)
