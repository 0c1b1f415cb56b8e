"""What is called unambiguous is matched in one way, and what is not has a shortest text in two."""

import itertools
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import verified
from proofs import contracts, sources
from proofs.ambiguity import TWO, Automaton, Chars, Choice, Node, Repeat, Row, ambiguity, tree, ways
from proofs.claim import FALSE, Fault, claim_of
from proofs.engines import Options
from proofs.engines.ambiguity import run
from proofs.expressions import NotRegular
from proofs.patterns import OutOfSight, patterns
from proofs.planting import applied, planted
from proofs.verdict import Verdict

WORDS = ["".join(word) for n in range(6) for word in itertools.product("ab", repeat=n)]


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = inner.map(lambda p: f"(?:{p})") | inner.map(lambda p: f"({p})")
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}", "*?", "{2,3}?"])
    return st.one_of(
        st.lists(groups, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.builds("{}{}".format, groups, repeats),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "ab", "ba", "[ab]", "a?", "", "b{2}"]), composed, max_leaves=6
).map(re.compile)
# The same expressions each time: of a few that could be drawn all ways take hours to walk.
MANY = settings(max_examples=300, deadline=None, derandomize=True)


def every_way(node: Node, text: str, start: int) -> Iterator[int]:
    """The end of each way to match a part, where no repetition turns twice over nothing."""
    match node:
        case Chars(members):
            if start < len(text) and ord(text[start]) in members:
                yield start + 1
        case Row(parts):
            ends = [start]
            for part in parts:
                ends = [end for each in ends for end in every_way(part, text, each)]
            yield from ends
        case Choice(branches):
            for branch in branches:
                yield from every_way(branch, text, start)
        case Repeat(of, least, most):
            limit = least + len(text) + 2 if most is None else most
            ends = [start]
            for turn in range(limit + 1):
                if turn >= least:
                    yield from ends
                ends = [end for each in ends for end in every_way(of, text, each)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(EXPRESSIONS, st.sampled_from(WORDS[:31]))
def test_ways_are_counted(pattern: re.Pattern[str], word: str) -> None:
    """As many ways are counted as there are when each is gone."""
    gone = itertools.islice((e for e in every_way(tree(pattern), word, 0) if e == len(word)), TWO)
    assert ways(pattern, word) == len(list(gone))
    assert (ways(pattern, word) > 0) == (pattern.fullmatch(word) is not None)


@MANY
@given(EXPRESSIONS)
def test_ambiguity_is_that_of_all_short_texts(pattern: re.Pattern[str]) -> None:
    """The text is matched in two ways, none that is shorter is; without one no text is at all."""
    found = ambiguity(pattern).text
    shorter = [word for word in WORDS if found is None or len(word) < len(found)]
    assert all(ways(pattern, word) < TWO for word in shorter)
    assert found is None or ways(pattern, found) == TWO


@MANY
@given(EXPRESSIONS)
def test_no_ambiguity_is_lost_without_bounds(pattern: re.Pattern[str]) -> None:
    """Positions for each turn of a repetition give the same answer."""
    exact = Automaton.of(tree(pattern), bounded=True).ambiguity().text
    found = ambiguity(pattern).text
    assert (found is None) == (exact is None)
    assert found is None or exact is None or len(found) == len(exact)


def steps(node: Node, text: str) -> int:
    """How many characters a matcher takes that tries every way, to an end or not."""
    taken = 0

    def match_(node: Node, start: int, then: Callable[[int], None]) -> None:
        nonlocal taken
        match node:
            case Chars(members):
                if start < len(text) and ord(text[start]) in members:
                    taken += 1
                    then(start + 1)
            case Row(()):
                then(start)
            case Row(parts):
                match_(parts[0], start, lambda end: match_(Row(parts[1:]), end, then))
            case Choice(branches):
                for branch in branches:
                    match_(branch, start, then)
            case Repeat(of, least, most):
                if most is None or most > 0:
                    fewer = Repeat(of, max(least - 1, 0), None if most is None else most - 1)
                    match_(of, start, lambda end: match_(fewer, end, then))
                if least == 0:
                    then(start)

    match_(node, 0, lambda end: None)
    return taken


@MANY
@given(EXPRESSIONS, st.text("ab", max_size=12))
def test_unambiguous_expressions_do_not_backtrack_much(pattern: re.Pattern[str], text: str) -> None:
    """Each position is tried once at most for each character, if the text does not match too."""
    assume(ambiguity(pattern).text is None)
    bounded = Automaton.of(tree(pattern), bounded=True)
    assert steps(tree(pattern), text) <= (len(bounded.sets) - 1) * len(text)
    loose = Automaton.of(tree(pattern), bounded=False)
    if loose.ambiguity().text is None:
        assert steps(tree(pattern), text) <= (len(loose.sets) - 1) * len(text)


@pytest.mark.parametrize(
    ("expression", "shortest"),
    [
        ("(a|a)*", "a"),
        ("(a*)*", ""),
        ("(a+)+", "aa"),
        ("(a*b?)*", ""),
        (r"([ \t]*,?[ \t]*)*", ""),
        (r"(?:[ \t]*,[ \t]*)+", ",\t,"),
        ("a*a*", "a"),
        ("a*b?a*", "a"),
        ("(a|ab)(c|bcd)d*", "abcd"),
        ("(?:a?){3}", "a"),
        ("a{1,2}a{1,2}", "aaa"),
        ("a{0,255}a?", "a"),
        ("(?:a|ab|ba)*", "aba"),
        ("(?:)?", ""),
        ("(?i:k)|\u212a", "\u212a"),
        # Not ambiguous, though for the second one it takes the bounds to see it.
        ("a|b|ab", None),
        ("[0-9a-f]{8}[0-9a-f]{4}", None),
        ("(?:a{2}){3}", None),
        ("(?:ab?)*b", None),
        ("a{0,255}b?", None),
    ],
)
def test_examples(expression: str, shortest: str | None) -> None:
    """Shortest texts that are matched in two ways."""
    assert ambiguity(re.compile(expression)).text == shortest


@pytest.mark.parametrize(
    "expression",
    ["a$", "(?=a)a", r"\ba", r"(a)\1", "(?>a)b", "a*+b", r"[^\s\S]a*a*", "(a)?(?(1)b)", "^a"],
)
def test_what_is_not_decided_is_refused(expression: str) -> None:
    """Assertions, references and atomic groups, and sets without characters."""
    with pytest.raises(NotRegular):
        ambiguity(re.compile(expression))
    with pytest.raises(NotRegular):
        ambiguity(re.compile(b"a"))


FAULTS = [
    ("verified.baggage", r'[ \t]*=(?:[ \t]*[!#-+\--:<-\[\]-~]+)?)?")', r'[ \t]*=?[ \t]*(?:x)?)?")'),
    ("verified.baggage", r"(?:[ \t]*;[ \t]*{_PROPERTY", r"(?:[ \t]*;?[ \t]*{_PROPERTY"),
    ("verified.baggage", "(?:%[0-9A-Fa-f]{2})+", "(?:%[0-9A-Fa-f]+)*%?[0-9a-f]*"),
    ("verified.tracestate", "(?:,{_MEMBER.pattern}){{0,31}}", "(?:,?{_MEMBER.pattern}){{0,31}}"),
    ("verified.traceparent", '"[0-9a-f]{2}-(', '"[0-9a-f]+[0-9a-f]?-('),
    ("verified.ids", '"[0-9a-f]{32}"', '"(?:[0-9a-f]+)+"'),
]


@pytest.mark.parametrize(("name", "was", "now"), FAULTS)
def test_faults_are_found(name: str, was: str, now: str) -> None:
    """Two ways to match are found wherever they are, with a text that is matched so."""
    claim = claim_of("patterns.none_is_ambiguous")
    with applied(planted(Fault(name, was, now))):
        found = run(claim, Options())
        assert found.verdict is Verdict.REFUTED
        assert found.inputs is not None
        assert claim.fails_on(found.inputs) == FALSE


def of_source(text: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of this source."""
    made = types.ModuleType("verified.made")
    exec(text, vars(made))
    there = {made.__name__: sources.Module(made.__name__, "", text)}
    monkeypatch.setattr(sources, "_instead", there)
    return made


def test_every_pattern_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'import re\nA = re.compile("a")\nclass C:\n    B: re.Pattern[str] = re.compile("b")\n'
    found = patterns([of_source(text, monkeypatch)])
    assert {name: pattern.pattern for name, pattern in found.items()} == {
        "made.A": "a",
        "made.C.B": "b",
    }


@pytest.mark.parametrize(
    "text",
    [
        'import re\nA = [re.compile("a")]',
        'import re\ndef f(x): return re.compile("a")',
        'import re\ndef f(x): return re.fullmatch("a", x)',
        "import re as r",
        "from re import compile",
    ],
)
def test_a_pattern_that_is_no_constant_is_an_error(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutOfSight):
        patterns([of_source(text, monkeypatch)])


def test_no_other_file_has_patterns() -> None:
    searched = {Path(str(each.__file__)) for each in contracts.modules()}
    for path in set(Path(str(verified.__file__)).parent.rglob("*.py")) - searched:
        assert "import re\n" not in path.read_text()
        assert "from re " not in path.read_text()
