"""A mutant is the running code while it is in place, and nothing of it stays."""

import threading
from typing import Any, cast

import libcst as cst
import pytest

from proofs import mutants as mutants_module
from proofs import sources
from proofs.claim import Constant, Fault
from proofs.contracts import fresh_import
from proofs.mutants import mutants
from proofs.planting import Mutant, TooSlow, applied, planted, time_limit
from verified import IdGenerator, TraceFlags, traceparent, tracestate
from verified import trace_flags as module
from verified.exporter import batching
from verified.traceparent import format as alias
from verified.traceparent import parse


def mutant(subject: object, was: str, now: str) -> Mutant:
    """The mutant of a subject that makes this change."""
    found = [m for m in mutants([subject]) if (m.was, m.now) == (was, now)]  # type: ignore[list-item]
    return found[0]


def test_every_alias_sees_the_mutant_and_none_does_afterwards() -> None:
    context = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff")
    assert context is not None
    before = sources.innermost(alias).__code__
    change = mutant(traceparent.format, "not trace_id", "trace_id")
    with applied(change):
        assert sources.innermost(alias)(context) is None
        assert sources.definition(alias) is change.module.definitions["format"]
    assert sources.innermost(alias).__code__ is before
    assert str(alias(context)).endswith("-03")


def test_a_constant_that_is_made_of_a_changed_one_changes_with_it() -> None:
    change = mutant(Constant("verified.trace_flags", "SAMPLED"), "0b00000001", "2")
    with applied(change):
        assert (module.SAMPLED, module.KNOWN) == (2, 2)
    assert (module.SAMPLED, module.KNOWN) == (1, 3)


def test_each_character_of_a_regular_expression_is_left_out_once() -> None:
    """Patterns that are no regular expressions any more are mutants that cannot be evaluated."""
    key = Constant("verified.tracestate", "_KEY")
    shorter = [m.now for m in mutants([key]) if m.now.startswith("re.compile")]
    assert r're.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,25}")' in shorter
    assert r're.compile(r"[a-z0-9][a-z0-9_\-*/]{0,255}")' in shorter
    assert len(set(shorter)) >= len(tracestate._KEY.pattern)
    values = {m.now for m in mutants([Constant("verified.tracestate", "_MEMBER")])}
    assert 're.compile(f"{_KEY.pattern}{_VALUE.pattern}")' in values


def test_a_default_is_mutated_too() -> None:
    signature = "def root(self, sampled: bool = True)"
    (change,) = (m for m in mutants([IdGenerator.root]) if signature in m.module.text)
    function = sources.innermost(IdGenerator.root)
    with applied(change):
        assert function.__defaults__ == (True,)
    assert function.__defaults__ == (False,)


def test_only_what_decides_something_is_mutated() -> None:
    for each in mutants([traceparent.fields, TraceFlags.__new__]):
        text = each.module.text.splitlines()[each.line - 1]
        assert '"""' not in text
        assert "raise" not in text


def test_a_planted_fault_shows_where_the_code_is_imported_anew() -> None:
    fault = planted(
        Fault("verified.trace_flags", "RANDOM_TRACE_ID = 0b00000010", "RANDOM_TRACE_ID = 8")
    )
    with applied(fault):
        changed = fresh_import(contracts=False)["verified.trace_flags"]
        assert vars(changed)["KNOWN"] == 9
    assert vars(fresh_import(contracts=False)["verified.trace_flags"])["KNOWN"] == 3
    with pytest.raises(ValueError, match="does not contain"):
        planted(Fault("verified.trace_flags", "no such text", ""))


def test_what_does_not_end_is_stopped_even_if_it_catches_all_exceptions() -> None:
    def stubborn() -> None:
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    with pytest.raises(TooSlow), time_limit(0.05):
        stubborn()


def test_what_waits_is_stopped_too() -> None:
    with pytest.raises(TooSlow), time_limit(0.05):
        threading.Event().wait()


@pytest.mark.parametrize("subject", [traceparent.fields, IdGenerator.root, batching._looked])
def test_a_mutant_is_the_module_with_one_node_changed(
    subject: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However its text is made: here beside libcst's own way, which takes ten times as long."""
    seen = []
    made = mutants_module._with

    def both(text: str, tree: cst.Module, where: Any, node: cst.CSTNode, changed: Any) -> str:
        found = made(text, tree, where, node, changed)
        assert found == cast(cst.Module, tree.deep_replace(node, changed)).code
        seen.append(mutants_module._of_as_many_lines(text, found))
        return found

    monkeypatch.setattr(mutants_module, "_with", both)
    inner = sources.innermost(subject)
    found = list(mutants_module._made(sources.module(inner.__module__), inner.__qualname__, True))
    assert {mutant.module.text for mutant in found} <= set(seen)
    assert found


@pytest.mark.parametrize("subject", [IdGenerator.root, batching._looked])
def test_a_mutant_leaves_all_other_functions_as_they_are(subject: object) -> None:
    """Also where they stand, which is part of their code."""
    inner = sources.innermost(subject)
    before = sources.module(inner.__module__).codes
    found = list(mutants([subject]))  # type: ignore[list-item]
    assert any(mutant.now.count(",") < mutant.was.count(",") for mutant in found)
    for mutant in found:
        after = mutant.module.codes
        assert after.keys() == before.keys()
        changed = {name for name in after if after[name] != before[name]}
        # A class has the code of its functions.
        assert all(inner.__qualname__.startswith(name) for name in changed)
