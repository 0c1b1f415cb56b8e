"""The algebra of languages and its automata agree with trying all short strings."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest
import z3
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proofs import languages
from proofs.engines.language import Z3_LAST_CODE_POINT, to_z3
from proofs.expressions import NotRegular
from proofs.languages import (
    ANY_CHARACTER,
    ANYTHING,
    EPSILON,
    LAST_CODE_POINT,
    NOTHING,
    Automaton,
    CharSet,
    Language,
)

LONGEST = 4
LETTERS = "abc"
"""No term below tells ``c`` from any character behind it, so ``c`` stands for them all."""


@dataclass(frozen=True)
class Term:
    """A term of the algebra, to be made a language and to be tried on strings."""

    kind: str
    of: tuple["Term", ...] = ()
    letters: str = ""
    least: int = 0
    most: int | None = None


WORDS = tuple(
    "".join(word) for n in range(LONGEST + 1) for word in itertools.product(LETTERS, repeat=n)
)


@cache
def language(term: Term) -> Language:
    """The language of a term, made by the functions and operators of the module."""
    parts = [language(part) for part in term.of]
    match term.kind:
        case "chars":
            ranges = [(ord(c), ord(c) if c != "c" else LAST_CODE_POINT) for c in term.letters]
            return languages.chars([*ranges, *[(0, ord("a") - 1)] * ("c" in term.letters)])
        case "text":
            return languages.text(term.letters)
        case "epsilon":
            return EPSILON
        case "nothing":
            return NOTHING
        case "anything":
            return ANYTHING
        case "or":
            return parts[0] | parts[1]
        case "and":
            return parts[0] & parts[1]
        case "xor":
            return parts[0] ^ parts[1]
        case "not":
            return ~parts[0]
        case "concatenation":
            return languages.concatenation(parts)
        case "star":
            return languages.star(parts[0])
        case "repeat":
            return languages.repeat(parts[0], term.least, term.most)
    raise ValueError(term)


@cache
def has(term: Term, word: str) -> bool:
    """Whether a word is in the language of a term, by the meaning of the operators."""
    match term.kind:
        case "chars":
            return len(word) == 1 and word in term.letters
        case "text":
            return word == term.letters
        case "epsilon":
            return word == ""
        case "nothing":
            return False
        case "anything":
            return True
        case "or":
            return has(term.of[0], word) or has(term.of[1], word)
        case "and":
            return has(term.of[0], word) and has(term.of[1], word)
        case "xor":
            return has(term.of[0], word) != has(term.of[1], word)
        case "not":
            return not has(term.of[0], word)
        case "concatenation":
            return divided(term.of, word)
        case "star":
            return repeated(term.of[0], word, 0, None)
        case "repeat":
            return repeated(term.of[0], word, term.least, term.most)
    raise ValueError(term)


def divided(parts: tuple[Term, ...], word: str) -> bool:
    if not parts:
        return word == ""
    return any(
        has(parts[0], word[:n]) and divided(parts[1:], word[n:]) for n in range(len(word) + 1)
    )


def repeated(part: Term, word: str, least: int, most: int | None) -> bool:
    # No more empty parts are needed than it takes to reach the least number.
    limit = least + len(word) if most is None else most
    return any(divided((part,) * n, word) for n in range(least, limit + 1))


def extended(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    two = st.tuples(inner, inner)
    return st.one_of(
        st.builds(Term, st.sampled_from(["or", "and", "xor"]), two),
        st.builds(Term, st.just("concatenation"), st.lists(inner, max_size=3).map(tuple)),
        st.builds(Term, st.sampled_from(["not", "star"]), st.tuples(inner)),
        st.builds(
            lambda of, least, more: Term(
                "repeat", (of,), "", least, None if more is None else least + more
            ),
            inner,
            st.integers(0, 2),
            st.none() | st.integers(0, 2),
        ),
    )


TERMS = st.recursive(
    st.one_of(
        st.builds(Term, st.just("chars"), st.just(()), st.sampled_from(["", "a", "b", "ab", "c"])),
        st.builds(Term, st.just("text"), st.just(()), st.sampled_from(["", "a", "ab", "aba"])),
        st.builds(Term, st.sampled_from(["epsilon", "nothing", "anything"])),
    ),
    extended,
    max_leaves=6,
)
MANY = settings(max_examples=150, deadline=None)


def letter(character: str) -> str:
    """The letter that stands for a character."""
    return character if character in "ab" else "c"


@MANY
@given(TERMS)
def test_membership(term: Term) -> None:
    """A language has exactly the words that its operators say."""
    words = {word for word in WORDS if word in language(term)}
    assert words == {word for word in WORDS if has(term, word)}


@MANY
@given(TERMS)
def test_shortest(term: Term) -> None:
    """The shortest string is in the language, and none is shorter."""
    shortest = language(term).shortest()
    lengths = [len(word) for word in WORDS if has(term, word)]
    if shortest is None:
        assert not lengths
        return
    assert shortest in language(term)
    assert has(term, "".join(map(letter, shortest)))
    assert len(shortest) == min(lengths, default=len(shortest))
    assert lengths or len(shortest) > LONGEST


def reachable(automaton: Automaton, start: int) -> set[int]:
    found, todo = {start}, [start]
    while todo:
        new = {target for _, target in automaton.transitions[todo.pop()]} - found
        found |= new
        todo += new
    return found


@MANY
@given(TERMS)
def test_automaton(term: Term) -> None:
    """Each state steps on every character to one state; dead and universal are what they say."""
    automaton = language(term).automaton
    for state, row in enumerate(automaton.transitions):
        ranges = sorted(r for characters, _ in row for r in characters.ranges)
        ends = [-1, *(high for _, high in ranges)]
        assert [low for low, _ in ranges] == [end + 1 for end in ends[:-1]]
        assert ends[-1] == LAST_CODE_POINT
        ahead = reachable(automaton, state)
        assert (state in automaton.dead) == (not ahead & automaton.accepting)
        assert (state in automaton.universal) == (ahead <= automaton.accepting)


@MANY
@given(TERMS, st.sampled_from([word for word in WORDS if len(word) <= 2]))
def test_dead_and_universal_states(term: Term, word: str) -> None:
    """Behind a dead state no word is in the language, behind a universal one every word."""
    automaton, state = language(term).automaton, 0
    for character in word:
        (state,) = [t for chars, t in automaton.transitions[state] if ord(character) in chars]
    ends = [has(term, word + end) for end in WORDS if len(word + end) <= LONGEST]
    assert state not in automaton.dead or not any(ends)
    assert state not in automaton.universal or all(ends)


@MANY
@given(TERMS, TERMS)
def test_equality(one: Term, other: Term) -> None:
    """Two languages are equal exactly if nothing is in one alone."""
    difference = (language(one) ^ language(other)).shortest()
    assert (difference is None) == ((language(other) ^ language(one)).shortest() is None)
    if difference is None:
        assert all(has(one, word) == has(other, word) for word in WORDS)
    else:
        assert (difference in language(one)) != (difference in language(other))


@MANY
@given(TERMS, TERMS, TERMS)
def test_laws(a: Term, b: Term, c: Term) -> None:
    """Laws of the algebra hold whatever the terms are simplified to."""
    x, y, z = map(language, (a, b, c))

    def equal(one: Language, other: Language) -> bool:
        return (one ^ other).shortest() is None

    assert equal(~(x | y), ~x & ~y)
    assert equal((x | y) + z, x + z | y + z)
    assert equal((x + y) + z, x + (y + z))
    assert equal(languages.star(languages.star(x)), languages.star(x))
    assert equal(languages.repeat(x, 1, None), x + languages.star(x))
    assert equal(~~x, x)


@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 1), (1, 1), (2, 5), (3, None), (0, None)])
def test_repeat_counts(least: int, most: int | None) -> None:
    """The bounds of a repetition are both inclusive."""
    repeated = languages.repeat(languages.text("a"), least, most)
    counts = [n for n in range(9) if "a" * n in repeated]
    assert counts == [n for n in range(9) if least <= n and (most is None or n <= most)]


# Sets of characters.


EDGES = (0, 1, 2, 5, 6, 0xD800, 0xDFFF, LAST_CODE_POINT - 1, LAST_CODE_POINT)
RANGES = st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)), max_size=4)
SAMPLE = sorted({n for edge in EDGES for n in (edge - 1, edge, edge + 1)} - {-1, 0x110000})


def members(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {code for code in SAMPLE if any(low <= code <= high for low, high in ranges)}


def sampled(characters: CharSet) -> set[int]:
    return {code for code in SAMPLE if code in characters}


@MANY
@given(RANGES, RANGES)
def test_sets_of_characters(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Union, intersection and complement are those of sets."""
    a, b = CharSet.of(one), CharSet.of(other)
    assert sampled(a) == members(one)
    assert sampled(a | b) == members(one) | members(other)
    assert sampled(a & b) == members(one) & members(other)
    assert sampled(~a) == set(SAMPLE) - members(one)
    assert ~~a == a
    assert (a | ~a) == ANY_CHARACTER
    assert not a & ~a
    assert not a or a.simplest in a


@MANY
@given(RANGES)
def test_ranges_are_normal(ranges: list[tuple[int, int]]) -> None:
    """Ranges are in order, apart from each other and not empty, so that equal sets are equal."""
    found = CharSet.of(ranges).ranges
    assert all(low <= high for low, high in found)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(found))
    assert CharSet.of(
        (c, c) for low, high in found[:1] for c in range(low, min(high, low + 9))
    ) == (CharSet.of((low, min(high, low + 9) - 1) for low, high in found[:1]))


def test_every_code_point_is_a_character() -> None:
    """Surrogates and the last code point are characters as any other."""
    for character in ("\x00", "\n", "\ud800", "\udfff", "\uffff", chr(LAST_CODE_POINT)):
        assert character in languages.chars([(0, LAST_CODE_POINT)])
        assert character not in ~languages.chars([(0, LAST_CODE_POINT)])
        assert character in ANYTHING
        assert character not in languages.chars([(0, ord(character) - 1)])
        assert character * 3 in languages.star(languages.text(character))


# Z3.


def z3_has(expression: z3.ReRef, word: str) -> bool:
    solver = z3.Solver()
    solver.add(z3.InRe(z3.StringVal(word), expression))
    answer = solver.check()
    assert answer != z3.unknown
    return bool(answer == z3.sat)


@settings(max_examples=60, deadline=None)
@given(TERMS)
def test_z3_membership(term: Term) -> None:
    """Z3 finds the same short words in a language."""
    expression = to_z3(language(term))
    for word in WORDS[:13]:
        assert z3_has(expression, word) == has(term, word), word


@settings(max_examples=60, deadline=None)
@given(TERMS)
def test_z3_emptiness(term: Term) -> None:
    """Z3 finds a language empty if the automaton does, and else a word that is in it."""
    solver, word = z3.Solver(), z3.String("word")
    solver.set("timeout", 2000)
    solver.add(z3.InRe(word, to_z3(language(term))))
    answer = solver.check()
    assume(answer != z3.unknown)
    assert (answer == z3.unsat) == (language(term).shortest() is None)
    if answer == z3.sat:
        found = solver.model().eval(word, model_completion=True).as_string()
        plain = "".join(map(letter, unescaped(found)))
        assert plain in language(term)


def unescaped(text: str) -> Iterator[str]:
    """The characters of a string as Z3 prints it."""
    while text:
        if text.startswith("\\u{"):
            digits, _, text = text[3:].partition("}")
            yield chr(int(digits, 16))
        else:
            yield text[0]
            text = text[1:]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (Z3_LAST_CODE_POINT + 1, LAST_CODE_POINT),
        (0, Z3_LAST_CODE_POINT),
        (0x61, Z3_LAST_CODE_POINT + 1),
        (0, LAST_CODE_POINT - 1),
        (LAST_CODE_POINT, LAST_CODE_POINT),
    ],
)
def test_characters_that_z3_has_not(low: int, high: int) -> None:
    """A set that tells characters behind the end of Z3's alphabet apart is refused."""
    with pytest.raises(NotRegular):
        to_z3(languages.chars([(low, high)]))


@pytest.mark.parametrize(
    ("low", "high"), [(0, LAST_CODE_POINT), (0x61, LAST_CODE_POINT), (0x2FFFE, 0x2FFFE)]
)
def test_characters_that_z3_has(low: int, high: int) -> None:
    """A set with its edges inside of Z3's alphabet has the same characters there."""
    expression = to_z3(languages.chars([(low, high)]))
    for code in (low - 1, low, min(high, 0x2FFFE), min(high, 0x2FFFE) + 1):
        if 0 <= code <= Z3_LAST_CODE_POINT:
            assert z3_has(expression, chr(code)) == (low <= code <= high)


def test_long_repetitions_are_decided() -> None:
    """Terms are shared, so that a repetition of hundreds is neither deep nor large."""
    letter = languages.chars([(ord("a"), ord("z"))])
    long = languages.repeat(letter, 0, 255) + letter
    assert "a" * 256 in long
    assert "a" * 257 not in long
    assert "" not in long
    other = letter + languages.repeat(letter, 0, 255)
    assert (long ^ other).shortest() is None
