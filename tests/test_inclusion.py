"""Inclusion is that of the exact automata, with a shortest counterexample, abstract or not."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs import languages
from proofs.claim import FALSE, claim_of
from proofs.engines import Options
from proofs.engines.language import run
from proofs.expressions import full_match
from proofs.grammar import Grammar
from proofs.inclusion import Inclusion
from proofs.languages import ANYTHING, Language
from proofs.verdict import Verdict
from verified import tracestate

from .test_languages import MANY, TERMS, Term, language

ATOMS = st.sampled_from(["a", "b", "ab"]).map(lambda letters: Term("chars", letters=letters))
REPETITIONS = st.builds(
    lambda of, least, more: Term(
        "repeat", (of,), "", least, None if more is None else least + more
    ),
    ATOMS | st.just(Term("text", letters="ab")),
    st.integers(0, 2),
    st.none() | st.integers(1, 2),
)
SHARED = st.shared(REPETITIONS, key="one") | st.shared(REPETITIONS, key="another")


def monotone(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    return st.one_of(
        st.builds(Term, st.just("or"), st.tuples(inner, inner)),
        st.builds(Term, st.just("concatenation"), st.lists(inner, max_size=3).map(tuple)),
        st.builds(Term, st.just("star"), st.tuples(inner)),
        st.builds(lambda of: Term("repeat", (of,), "", 0, 2), inner),
    )


MONOTONE = st.recursive(SHARED | ATOMS | REPETITIONS, monotone, max_leaves=5)
RIGHT = MONOTONE | st.builds(
    lambda one, other: Term("or", (one, Term("concatenation", (other, Term("anything"))))),
    MONOTONE,
    MONOTONE,
)


def agrees(left: Language, right: Language) -> None:
    found = Inclusion(left, right).counterexample()
    exact = (left & ~right).shortest()
    assert (found is None) == (exact is None)
    if found is not None and exact is not None:
        assert len(found) == len(exact)
        assert found in left
        assert found not in right


@MANY
@given(MONOTONE, RIGHT)
def test_shared_repetitions(left: Term, right: Term) -> None:
    """Letters in place of repetitions change neither the answer nor how long the text is."""
    agrees(language(left), language(right))


@settings(max_examples=100, deadline=None)
@given(TERMS, TERMS)
def test_any_terms(left: Term, right: Term) -> None:
    """Terms with complements are decided as they are."""
    agrees(language(left), language(right))


@MANY
@given(MONOTONE, RIGHT, st.integers(1, 5))
def test_only_shorter_texts_are_asked_for(left: Term, right: Term, limit: int) -> None:
    """With a limit that is not beyond the shortest counterexample there is none.

    The limit 0 is left out: no text is shorter, and who asks has a counterexample already.
    """
    asked = Inclusion(language(left), language(right))
    found = asked.counterexample()
    shorter = replace(asked, shorter_than=limit).counterexample()
    if found is not None and len(found) < limit:
        assert shorter is not None
        assert len(shorter) == len(found)
    else:
        assert shorter is None


def test_a_long_list_is_decided_by_few_pairs() -> None:
    """Nobody looks into keys and values that both sides repeat alike."""
    decided = Inclusion(
        full_match(tracestate._LIST), Grammar("tracestate", "list").language
    ).decided
    assert decided.counterexample is None
    assert len(decided.letters) == 2
    assert decided.states < 1000


def test_repetitions_that_matter_are_looked_into() -> None:
    """What a letter hides is found: that a repetition of one side is part of another one."""
    a = languages.repeat(languages.text("a"), 0, 3)
    double = languages.repeat(a, 0, 2)
    assert Inclusion(a + a, double).counterexample() is None
    assert Inclusion(a + a + a, double).counterexample() == "a" * 7


def test_no_letter_stands_where_all_texts_are_asked_about() -> None:
    """All texts on the left would have the letter too."""
    a = languages.repeat(languages.text("a"), 0, 2)
    b = languages.text("b") + ANYTHING
    assert Inclusion(ANYTHING, a | b).counterexample() == "0"
    assert Inclusion(a, a + ANYTHING).counterexample() is None


MEMBER = tracestate._MEMBER.pattern


@pytest.mark.parametrize(
    ("expression", "length"),
    [
        (rf"(?:{MEMBER}|)(?:[ \t]*,(?:[ \t]*{MEMBER}|)){{0,32}}", 32),
        (rf"(?:{MEMBER}|)(?:[ \t]*,(?:[ \t]*{MEMBER}|)){{0,30}}", 31),
        (rf"(?:{MEMBER}|)(?:[ \t]?,(?:[ \t]*{MEMBER}|)){{0,31}}", 4),
        (rf"(?:{MEMBER}|)(?:[ \t]*,(?:[ \t]*{MEMBER})){{0,31}}", 1),
        (rf"(?:{MEMBER}|)(?:[ \t]*;(?:[ \t]*{MEMBER}|)){{0,31}}", 1),
        (MEMBER, 0),
    ],
)
def test_faults_in_the_list(expression: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is a little off is refuted by a shortest text, which the real code gets wrong."""
    claim = claim_of("tracestate.list_expression_is_the_grammar")
    monkeypatch.setattr(tracestate, "_LIST", re.compile(expression))
    found = run(claim, Options())
    assert found.verdict is Verdict.REFUTED
    assert found.inputs is not None
    assert len(found.inputs["text"]) == length
    assert claim.fails_on(found.inputs) == FALSE


def test_the_keys_that_level_2_added() -> None:
    """A shortest key that Level 1 has not is a digit; Level 1 has none that Level 2 has not."""
    one, two = (Grammar("tracestate", rule).language for rule in ("key-level-1", "key"))
    assert Inclusion(two, one).counterexample() == "0"
    assert Inclusion(one, two).counterexample() is None
    longest = "t" * 241 + "@" + "s" * 14
    assert longest in one
    assert longest in two
