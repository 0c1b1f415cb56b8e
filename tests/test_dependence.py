"""Whatever a verdict depends on changes its digest: a wrong hit would be a green that is false."""

import ast
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs import dependence
from proofs.claim import FunctionClaim, claim_of, every_claim
from proofs.dependence import Source
from proofs.drawn import _draw
from proofs.grammar import SPEC
from proofs.verdict import Verdict

ROOT = Path(dependence.__file__).parent.parent
CLAIM = claim_of("traceparent.round_trip")
OUTSIDE = "verified.exporter.retry"
"""A module that the claim does not depend on, and neither do the engines."""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    forget()
    yield
    forget()


def forget(surroundings: bool = True) -> None:
    dependence._digest.cache_clear()
    dependence._everywhere.cache_clear()
    dependence._later.cache_clear()
    dependence._leads_to.cache_clear()
    if surroundings:
        dependence._surroundings.cache_clear()


@contextmanager
def changed(name: str, text: str, folder: Path) -> Iterator[None]:
    """Let a module have this text."""
    before = dependence._sources()
    path = folder / ("__init__.py" if before[name].package == name else "module.py")
    path.write_text(text, encoding="utf-8")
    after = {**before, name: Source(name, path)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dependence, "_sources", lambda: after)
        patch.setattr(dependence, "_runs_as_written", lambda: True)
        forget(surroundings=False)
        yield
    forget(surroundings=False)


def with_text(name: str, text: str, folder: Path) -> str | None:
    """The digest of the claim if the module had this text."""
    with changed(name, text, folder):
        return dependence.digest(CLAIM)


def is_import(frame: FrameType | None) -> bool:
    """Whether it is in an import of all of the code, of which a claim looks at some."""
    while frame is not None and frame.f_code.co_name != "_fresh_import":
        frame = frame.f_back
    return frame is not None


def test_claims_depend_on_each_module_whose_code_they_are_seen_to_run() -> None:
    """What runs is observed, which is no matter of imports."""
    for claim in every_claim():
        found: set[str] = set()

        def note(frame: FrameType, event: str, _: Any, found: set[str] = found) -> None:
            if event == "call" and not is_import(frame):
                found.add(str(frame.f_globals.get("__name__")))

        choosy = claim if claim.is_choosy else None
        sys.setprofile(note)
        try:
            for values in _draw(tuple(claim.parameters.values()), choosy, 3, 0):
                claim.fails_on(dict(zip(claim.parameters, values, strict=True)))
        finally:
            sys.setprofile(None)
        reached = dependence._closure([*dependence._roots(claim), *dependence._everywhere()])
        assert found & dependence._sources().keys() <= reached, claim.id


def test_the_evidence_calls_nothing_of_the_code_but_classes_of_inputs() -> None:
    """What it imports of the code is then none of its dependences."""
    found = set()
    for name in dependence._sources():
        source = dependence._sources()[name]
        if not dependence._is_of_all(name):
            continue
        ours = {
            as_: f"{module}.{member}" if member else module
            for module, member, as_ in source.imports
            if module.startswith("verified") and module != dependence.STRATEGIES
        }
        for node in source.nodes:
            if isinstance(node, ast.Call):
                root = dependence._root(node.func)
                if root is not None and ours.get(root, "verified") != "verified":
                    found.add(ast.unparse(node.func).replace(root, ours[root], 1))
    assert found == {
        "verified.IdGenerator",
        "verified.TraceState",
        "verified.baggage.Entry",
        "verified.propagation.BaggagePropagator",
        "verified.propagation.TraceContextPropagator",
    }


def test_a_change_concerns_the_claims_that_depend_on_the_module_and_no_others(
    tmp_path: Path,
) -> None:
    every = {claim.id: dependence.digest(claim) for claim in every_claim()}

    def concerned(name: str) -> set[str]:
        text = dependence._sources()[name].text
        with changed(name, text + "\n# Nothing.\n", tmp_path):
            return {c.id for c in every_claim() if dependence.digest(c) != every[c.id]}

    assert "traceparent.round_trip" in concerned("verified.traceparent")
    assert "traceparent.round_trip" not in concerned("verified.baggage")
    assert "traceparent.round_trip" not in concerned("verified.exporter.batching")
    assert "baggage.got_is_what_was_set" not in concerned("verified.traceparent")
    assert {id.partition(".")[0] for id in concerned("verified.otlp.grpc")} == {
        *("contract_switch", "grpc", "otel", "otel_exporter", "patterns"),
    }
    assert concerned("proofs.domains") == every.keys()


CHANGES = [
    ("a constant", "verified.trace_flags", "= 0b00000001", "= 2"),
    ("a default", "verified.span_context", "is_remote: bool = False", "is_remote: bool = True"),
    ("an expression", "verified.traceparent", "[0-9a-f]{32}", "[0-9a-f]{31}"),
    ("a decorator", "verified.traceparent", "@ensure(", "@ensure(lambda: True)\n@ensure("),
    ("a base class", "verified.ids", "class TraceId(_Id)", "class TraceId(_Id, object)"),
    ("a body", "verified.tracestate", "return ", "return None or "),
    ("the claim", "proofs.claims.traceparent", "round_trip", "round_trip_"),
    ("a strategy", "verified.strategies", "1, 255, 256", "1, 255, 257"),
    ("a domain", "proofs.domains", "max_size=5", "max_size=4"),
    ("an engine", "proofs.engines.smt", "COMPARED = 25", "COMPARED = 24"),
    ("the lifter", "proofs.lift.models", "def ", "\ndef "),
]


@pytest.mark.parametrize(
    ("name", "was", "now"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_a_change_is_a_miss(name: str, was: str, now: str, tmp_path: Path) -> None:
    text = dependence._sources()[name].text
    changed = text.replace(was, now, 1)
    if changed == text:
        pytest.fail(f"{name} does not have {was!r}")
    assert with_text(name, text, tmp_path) == dependence.digest(CLAIM)
    assert with_text(name, changed, tmp_path) != dependence.digest(CLAIM)


REACHED = sorted(dependence._closure([*dependence._roots(CLAIM), *dependence._everywhere()]))


@settings(max_examples=30)
@given(st.sampled_from(REACHED), st.data())
def test_a_change_anywhere_in_what_is_reached_is_a_miss(name: str, data: st.DataObject) -> None:
    text = dependence._sources()[name].text
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.sampled_from(["", "#", " ", "1", "\n"]))
    changed = text[:at] + put + text[at + 1 :]
    try:
        ast.parse(changed)
    except SyntaxError:
        return
    with tempfile.TemporaryDirectory() as folder:
        found = with_text(name, changed, Path(folder))
    assert (found == dependence.digest(CLAIM)) == (changed == text)


PATCHES = [
    "import verified.traceparent as t\nt.VERSION = 1",
    "import verified.traceparent\nverified.traceparent.fields = None",
    "from verified import traceparent\nsetattr(traceparent, 'fields', None)",
    "from verified import traceparent\ndel traceparent.fields",
    "from verified import ids\nids.TraceId.__new__ = None",
    "from verified.traceparent import fields\nfields.__defaults__ = (1,)",
    "from verified.exporter.attempt import TRANSITIONS\nTRANSITIONS[1] = 2",
    "from verified import traceparent\n\n\ndef later():\n    traceparent.fields = None",
    "from verified import traceparent\n[t] = [traceparent]\nt.fields = None",
    "from verified import traceparent\n\n\ndef on(m):\n    m.fields = None\n\n\non(traceparent)",
    "import sys\nsys.modules['verified.ids'] = None",
    "exec('import verified.ids as i; i.X = 1')",
    "from verified import traceparent\nvars(traceparent)['fields'] = None",
    "from verified import traceparent\ntraceparent.__dict__.update(fields=None)",
    "from verified import traceparent\nif True:\n    traceparent.fields = None",
    "from verified import traceparent\nfor traceparent.fields in [None]:\n    pass",
]


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patch_at_import_is_a_miss_wherever_it_stands(patch: str, tmp_path: Path) -> None:
    before = dependence.digest(CLAIM)
    for name in (OUTSIDE, "proofs.claims.retry"):
        text = dependence._sources()[name].text
        assert with_text(name, f"{text}\n\n{patch}\n", tmp_path) != before


@pytest.mark.parametrize("name", [OUTSIDE, "proofs.claims.retry", "verified.otlp.grpc"])
def test_a_change_of_what_is_not_reached_is_none(name: str, tmp_path: Path) -> None:
    text = dependence._sources()[name].text
    function = "\n\n\ndef more(number: int) -> int:\n    return number + 1\n"
    assert with_text(name, text + function, tmp_path) == dependence.digest(CLAIM)


def test_claims_about_all_of_the_code_depend_on_all_of_it() -> None:
    for id in ("contract_switch.off_is_the_function_itself", "patterns.none_is_ambiguous"):
        reached = dependence._closure(dependence._roots(claim_of(id)))
        code = {name for name in dependence._sources() if name.startswith("verified")}
        assert code <= reached


def test_another_solver_library_or_python_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dependence.digest(CLAIM)
    with monkeypatch.context() as patch:
        patch.setattr(z3, "get_full_version", lambda: "Z3 0.0")
        forget()
        assert dependence.digest(CLAIM) != before
    with monkeypatch.context() as patch:
        patch.setattr(dependence, "distributions", list)
        forget()
        assert dependence.digest(CLAIM) != before
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version", "2.7")
        forget()
        assert dependence.digest(CLAIM) != before
    forget()
    assert dependence.digest(CLAIM) == before


@pytest.mark.parametrize("name", ["VERIFIED_CONTRACTS", "PYTHONHASHSEED", "OTEL_PROPAGATORS", "TZ"])
def test_another_environment_is_a_miss(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dependence.digest(CLAIM)
    monkeypatch.setenv(name, "something else")
    forget()
    assert dependence.digest(CLAIM) != before


def test_other_data_is_a_miss_and_the_list_of_claims_is_no_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = dependence.digest(CLAIM)
    folder = tmp_path / "spec"
    shutil.copytree(SPEC, folder)
    monkeypatch.setattr("proofs.dependence.SPEC", folder)
    forget()
    assert dependence.digest(CLAIM) == before
    for path in sorted(folder.iterdir()):
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        forget()
        assert (dependence.digest(CLAIM) == before) == (
            path.name in ("claims.txt", "INVARIANTS.md")
        ), path.name
        path.write_bytes(text)


def test_the_list_of_claims_is_read_by_the_command_alone() -> None:
    readers = [p.name for p in (ROOT / "proofs").rglob("*.py") if "claims.txt" in p.read_text()]
    assert sorted(readers) == ["command.py", "dependence.py"]


DIGEST = (
    "from proofs import dependence; from proofs.claim import claim_of; "
    "from proofs.memory import Memory; from pathlib import Path; "
    # What was compiled is remembered, which is to hide nothing from a later process.
    "dependence.remember_in(Memory(Path('remembered'))); "
    "print(dependence.digest(claim_of('traceparent.round_trip')))"
)


def copied(folder: Path) -> None:
    for name in ("verified", "proofs", "spec"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def in_a_new_process(folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", DIGEST],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder), "VERIFIED_CONTRACTS": "0"},
    )
    return run.stdout.strip()


def test_nothing_is_remembered_where_other_code_runs_than_is_written(tmp_path: Path) -> None:
    copied(tmp_path)
    assert len(in_a_new_process(tmp_path)) == 64
    # A module compiled from something else, that Python does not compare with its source.
    source = tmp_path / "verified" / "strategies.py"
    text = source.read_text()
    other = tmp_path / "other.py"
    assert "return text.upper()" in text
    other.write_text(text.replace("return text.upper()", "return text"))
    compiled = py_compile.compile(
        str(other),
        cfile=str(tmp_path / "compiled.pyc"),
        dfile=str(source),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    assert compiled is not None
    cached = source.parent / "__pycache__" / f"strategies.{sys.implementation.cache_tag}.pyc"
    cached.parent.mkdir(exist_ok=True)
    shutil.copy(compiled, cached)
    assert in_a_new_process(tmp_path) == "None"
    cached.unlink()
    assert len(in_a_new_process(tmp_path)) == 64
    # A function that is put in the place of another in a way that no reading would show.
    module = tmp_path / "verified" / "exporter" / "retry.py"
    module.write_text(
        module.read_text() + "\n\nfrom verified import traceparent\n"
        "def put(m):\n    m.fields = lambda header: None\nDONE = put(traceparent)\n"
    )
    assert in_a_new_process(tmp_path) == "None"


def test_nothing_that_proves_imports_what_asks_others() -> None:
    """So that no verdict depends on it."""
    script = (
        "import sys; from proofs import claim, runner; claim.every_claim();"
        "print([name for name in sys.modules if name.startswith('proofs.conform')])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_claims_about_other_code_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    def holds(number: int) -> bool:
        return number == number

    monkeypatch.setattr(holds, "__module__", "somebody.elses")
    other = FunctionClaim(holds, "It holds", (), Verdict.PROVED, ("smt",), (holds,), None)
    assert dependence.digest(other) is None
