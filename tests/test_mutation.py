"""Each mutant of the shipped code gets one judgement, and the score is no better than these are."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proofs import command, mutation, score, sources
from proofs.engines import Options
from proofs.equivalence import proved, same_value, subject_of
from proofs.memory import Memory
from proofs.mutants import every_mutant
from proofs.mutation import (
    EQUIVALENT,
    ERROR,
    KILLED,
    RAISED,
    STILLBORN,
    STOPPED,
    SURVIVED,
    Control,
    Judgement,
    Place,
    Reach,
    Reached,
    Trial,
    forked,
    places,
    shipped,
    trials,
)
from proofs.planting import Mutant
from proofs.score import Score
from verified import ids, trace_flags, traceparent
from verified.exporter import batching

OPTIONS = Options()
FLAGS = "verified.trace_flags"
PLACE = Place(FLAGS, "TraceFlags.sampled", True)


def judged(verdict: str, count: int, module: str = FLAGS) -> list[tuple[Place, Judgement]]:
    place = Place(module, "f", True)
    return [(place, Judgement(f"{module}:f: {verdict} -> {n}", 1, verdict)) for n in range(count)]


def wrongs(
    *found: list[tuple[Place, Judgement]],
    listed: Mapping[str, str] | None = None,
    is_complete: bool = True,
) -> list[str]:
    return Score([row for rows in found for row in rows], listed or {}, is_complete).wrongs


def test_all_that_fail_a_run_of_the_claims_count_as_seen() -> None:
    rows = [*judged(KILLED, 1), *judged(RAISED, 1), *judged(STOPPED, 1), *judged(SURVIVED, 1)]
    assert Score(rows, {}, True).total.score == 75


def test_what_could_not_be_judged_counts_as_a_survivor() -> None:
    found = Score([*judged(KILLED, 1), *judged(ERROR, 1)], {}, True)
    assert found.total.score == 50
    assert [each.verdict for each in found.survivors] == [ERROR]


def test_what_is_no_program_or_no_fault_counts_for_nothing() -> None:
    rows = [*judged(KILLED, 1), *judged(STILLBORN, 5), *judged(EQUIVALENT, 5), *judged(SURVIVED, 1)]
    assert Score(rows, {}, True).total.score == 50
    assert Score(rows, {rows[-1][1].id: "reason"}, True).total.score == 100


def test_a_score_below_what_is_asked_for_fails() -> None:
    assert wrongs(judged(KILLED, 19), judged(SURVIVED, 1)) == []
    assert wrongs(judged(KILLED, 94), judged(SURVIVED, 6)) == [
        "94.0 % in all, and at least 95 % are asked for"
    ]
    assert wrongs(judged(KILLED, 99, ids.__name__), judged(SURVIVED, 1, ids.__name__)) == [
        "verified.ids has 99.0 % and is to have 100 %"
    ]


def test_a_list_that_says_what_is_not_so_fails() -> None:
    seen = judged(KILLED, 1)
    (wrong,) = wrongs(seen, listed={seen[0][1].id: "reason"})
    assert wrong.startswith("listed as no fault, but killed")
    (wrong,) = wrongs(seen, listed={f"{FLAGS}:f: gone -> for good": "reason"})
    assert wrong.startswith("listed as no fault, but there is no such mutant")
    # Of modules that were not judged nothing is known.
    assert wrongs(seen, listed={"verified.ids:f: gone -> for good": "reason"}) == []


def test_a_run_that_was_not_finished_fails() -> None:
    assert wrongs(judged(KILLED, 1), is_complete=False) == ["the run was not finished"]


def test_a_mutant_that_is_listed_has_a_reason_and_is_listed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score, "LISTED", tmp_path / "equivalent.toml")
    group = '[[equivalent]]\nreason = "{}"\nmutants = ["a: b -> c"]\n'
    score.LISTED.write_text(group.format("so"))
    assert score.listed() == {"a: b -> c": "so"}
    score.LISTED.write_text(group.format(" "))
    with pytest.raises(ValueError, match="without a reason"):
        score.listed()
    score.LISTED.write_text(group.format("so") * 2)
    with pytest.raises(ValueError, match="twice"):
        score.listed()


def test_every_module_is_judged_but_those_that_the_report_names() -> None:
    root = Path(trace_flags.__file__).parent
    found = {path.relative_to(root).as_posix() for path in root.rglob("*.py")}
    names = {
        f"{name.replace('.', '/')}.py".removeprefix("verified/")
        if not hasattr(module, "__path__")
        else f"{name.replace('.', '/')}/__init__.py".removeprefix("verified/")
        for name, module in shipped().items()
    }
    assert found - names == {"__main__.py"}
    assert set(mutation.APART) < shipped().keys()


def test_ids_name_one_mutant_each_and_no_line() -> None:
    for module in (ids, traceparent, batching):
        found = [m for place in places(module.__name__) for m in every_mutant(*place)]
        assert len({mutant.id for mutant in found}) == len(found) > 50
        assert len({mutant.module.text for mutant in found}) == len(found)
        assert not any(re.search(r":\d+: ", mutant.id.partition(": ")[0]) for mutant in found)


def test_a_process_that_is_forked_gives_what_the_function_returns_or_raises() -> None:
    assert forked(lambda: {"answer": 42}, 30) == {"answer": 42}
    with pytest.raises(RuntimeError, match="ValueError: no"):
        forked(raises, 30)
    assert forked(lambda: os._exit(3), 30) is None
    assert forked(lambda: os.kill(os.getpid(), signal.SIGKILL), 30) is None


def raises() -> None:
    raise ValueError("no")


def test_what_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    def starts_another_and_hangs() -> None:
        child = os.fork()
        if child:
            (tmp_path / "child").write_text(str(child))
        while True:
            time.sleep(10)

    assert forked(starts_another_and_hangs, 1.0) is None
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 20
    while is_running(child):
        assert time.monotonic() < end


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("memory"))


def reached(memory: Memory, *claims: str) -> dict[str, Reached]:
    return {id: Reach(id, OPTIONS, memory).run() for id in claims}


def judgements(
    memory: Memory, place: Place, *claims: str, anew: bool = False
) -> dict[str, Judgement]:
    found = reached(memory, *claims)
    numbers = range(len(every_mutant(*place)))
    controls = tuple(each.control for each in found.values())
    trial = Trial(place, numbers, controls, anew, OPTIONS, memory)
    return {judgement.id: judgement for judgement in trial.run()}


def test_what_a_claim_runs_is_what_it_calls(memory: Memory) -> None:
    (found,) = reached(memory, "trace_flags.flags_are_bits").values()
    assert (FLAGS, "TraceFlags.sampled") in found.functions
    assert found.failure is None
    assert {module for module, _ in found.functions} == {FLAGS}
    # The second time it is remembered.
    assert reached(memory, "trace_flags.flags_are_bits") == {found.control.claim: found}


def test_a_mutant_is_seen_by_a_claim_about_it_and_by_no_other(memory: Memory) -> None:
    about = judgements(memory, PLACE, "trace_flags.flags_are_bits")
    # Contracts are on here, and raise; in the processes of a run they are off.
    assert {each.verdict for each in about.values()} <= {KILLED, RAISED}
    assert {each.by for each in about.values()} == {"trace_flags.flags_are_bits"}
    nothing = judgements(memory, PLACE, "traceparent.name_is_lowercase")
    assert nothing.keys() == about.keys()
    assert {each.verdict for each in nothing.values()} == {SURVIVED}


def test_a_constant_in_place_is_as_it_is_imported(memory: Memory) -> None:
    """Where that is chosen for speed, it is the same."""
    place = Place("verified.traceparent", "_SENT", False)
    assert mutation._shows_in_place(place)
    claims = ("traceparent.round_trip", "traceparent.name_is_lowercase")
    either = [judgements(memory, place, *claims, anew=anew) for anew in (False, True)]
    assert {i: j.verdict for i, j in either[0].items()} == {
        i: j.verdict for i, j in either[1].items()
    }
    assert {KILLED, RAISED} & {each.verdict for each in either[0].values()}


@pytest.mark.parametrize(
    "place",
    [
        Place("verified.ids", "TraceId.SIZE", False),
        Place("verified.exporter.batching", "Limits.max_queue_size", False),
        Place("verified.traceparent", "NAME", False),
        Place("verified.trace_flags", "SAMPLED", False),
        Place("verified.otlp.protobuf", "varint", True),
    ],
)
def test_what_an_import_uses_is_imported_anew(place: Place) -> None:
    """Defaults, tables and other modules have what was there when they were made."""
    assert not mutation._shows_in_place(place)


def changed(function: Any, was: str, now: str) -> Mutant:
    """The mutant of a function in which one text stands for another."""
    inner = sources.innermost(function)
    source = sources.module(inner.__module__)
    assert source.text.count(was) == 1
    module = sources.Module(source.name, source.path, source.text.replace(was, now))
    return Mutant(module, inner.__qualname__, True, 1, was, now)


def equivalent(mutant: Mutant, module: Any) -> str | None:
    found = subject_of(mutant, module)
    assert found is not None
    return proved(mutant, *found, seconds=20)


def test_a_mutant_that_does_the_same_is_proved_to() -> None:
    same = changed(trace_flags.TraceFlags.sampled, "self & SAMPLED != 0", "0 != SAMPLED & self")
    assert equivalent(same, trace_flags) == ""
    same = changed(batching.quiet, "return max(", "return 0 + max(")
    assert equivalent(same, batching) == ""


@pytest.mark.parametrize(
    "now",
    [
        "self & SAMPLED == 0",
        # Equal to the truth, and of another class.
        "self & SAMPLED",
        "self & 255 != 0",
        "None",
        "1 // (self & SAMPLED) != 0",
    ],
)
def test_a_mutant_that_does_something_else_is_not(now: str) -> None:
    other = changed(trace_flags.TraceFlags.sampled, "self & SAMPLED != 0", now)
    assert equivalent(other, trace_flags) is None


@pytest.mark.parametrize(
    ("value", "other", "same"),
    [
        (re.compile("[a-c]"), re.compile("[abc]"), True),
        (re.compile("[a-c]"), re.compile("[ac]"), False),
        (re.compile(r"[!-\[]"), re.compile(r"[!-[]"), True),
        (re.compile("(?P<a>b)"), re.compile("(?P<c>b)"), False),
        (re.compile("a"), re.compile("a", re.IGNORECASE), False),
        (re.compile("a"), re.compile(b"a"), False),
        ((1, "a"), (1, "a"), True),
        ((1,), (True,), False),
        (frozenset({1}), frozenset({True}), False),
        ({1: b"a"}, {1: b"a"}, True),
        ({1: 2, 3: 4}, {3: 4, 1: 2}, False),
        (0.0, -0.0, False),
        (object(), object(), False),
        (1, 1.0, False),
    ],
)
def test_constants_are_the_same_if_nothing_can_tell_them_apart(
    value: object, other: object, same: bool
) -> None:
    assert same_value(value, other) is same


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command.command, ["mutate", *arguments])
    return result.exit_code, result.output


def test_the_command_judges_every_mutant_of_a_module(tmp_path: Path, memory: Memory) -> None:
    report = tmp_path / "mutation.json"
    code, output = run(FLAGS, "--json", str(report), "--cache", str(memory.folder))
    found = json.loads(report.read_text())
    count = sum(len(every_mutant(*place)) for place in places(FLAGS))
    assert len(found["mutants"]) == count > 10
    assert found["complete"] is True
    assert found["score"] == 100
    assert (code, found["wrongs"]) == (0, [])
    assert re.search(r"trace_flags +\d+ .* 100\.0 %", output)


def test_a_module_that_is_not_there_or_stands_apart_is_a_wrong_call() -> None:
    for name in ("verified.nothing", "verified.strategies"):
        code, output = run(name)
        assert code == 2
        assert f"no module '{name}' is judged" in output


def test_a_claim_that_does_not_hold_judges_nothing(
    monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    from proofs import mutate

    class Asking(mutate.Asking):
        def about(self, doing: str, tasks: Any) -> Iterator[tuple[Any, Any]]:
            for task in tasks:
                yield task, Reached(Control(task.claim, 1, 0.0), frozenset(), "returned False")

    monkeypatch.setattr(mutate, "Asking", Asking)
    code, output = run(FLAGS, "--cache", str(memory.folder))
    assert code == 1
    assert "does not hold as the code is: returned False" in output


def test_work_that_is_lost_is_not_left_out() -> None:
    """Each of its mutants is reported as one that could not be judged."""
    work = list(trials({}, [FLAGS], OPTIONS, None))
    lost = [judgement for trial in work for judgement in trial.not_judged("it died")]
    assert {each.verdict for each in lost} == {ERROR}
    count = sum(len(every_mutant(*place)) for place in places(FLAGS))
    assert len({each.id for each in lost}) == count
