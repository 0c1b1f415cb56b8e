"""Regular expressions, read as languages, match what CPython's engine matches."""

import itertools
import re
import warnings
from collections.abc import Iterable
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from proofs.expressions import NotRegular, full_match, prefix_match
from proofs.languages import LAST_CODE_POINT

ODD = (
    "aAbBkKsSzZ019_- \n\r\t\x00\x1c\x85\xa0\u0130\u0131\u017f\u212a"
    "\u0660\u03c3\u03c2\xb5\xe9\xc9\ud800\U0010ffff"
)
"""Characters at which one of the classes, or a case without a match of its own, turns."""


def differences(pattern: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    """The texts on which a language and CPython's engine do not agree."""
    full, prefix = full_match(pattern), prefix_match(pattern)
    return [
        text
        for text in texts
        if (text in full) != (pattern.fullmatch(text) is not None)
        or (text in prefix) != (pattern.match(text) is not None)
    ]


PATTERNS: list[tuple[str, int]] = [
    ("", 0),
    ("a", 0),
    ("ab|a|b", 0),
    ("a|ab", 0),
    ("(a|ab)(b|$)", 0),
    ("(?:a|b)*", 0),
    ("(a*)*b?", 0),
    ("(?:a?)*", 0),
    ("(?:a?){2,3}", 0),
    ("(?:|a)+", 0),
    ("(?:a|)*?b", 0),
    ("a{2}", 0),
    ("a{1,3}b", 0),
    ("a{,2}", 0),
    ("a{2,}", 0),
    ("a+?b*?", 0),
    ("(?:ab?){1,2}?a", 0),
    (".", 0),
    (".*", 0),
    (".*", re.DOTALL),
    ("(?s:.)a", 0),
    ("(?-s:.)a.", re.DOTALL),
    ("a$", 0),
    ("a$\n", 0),
    ("a$.*", re.DOTALL),
    ("a$\n?", 0),
    ("a\\Z", 0),
    ("a\\Z\n", 0),
    ("$", 0),
    ("a*$|b", 0),
    ("(a|b$)\n?", 0),
    ("(?:$|b)a?", 0),
    ("[ab]", 0),
    ("[^ab]", 0),
    ("[^a]", 0),
    ("[a-]", 0),
    ("[]a]", 0),
    ("[^\\n]", 0),
    ("[\\d_]", 0),
    ("[^\\d]", 0),
    ("[^\\W_]", 0),
    ("[\\s\\S]", 0),
    ("\\d", 0),
    ("\\d", re.ASCII),
    ("\\D", 0),
    ("\\s", 0),
    ("\\s", re.ASCII),
    ("\\S+", 0),
    ("\\w", 0),
    ("\\w+", re.ASCII),
    ("\\W", 0),
    ("k", re.IGNORECASE),
    ("s", re.IGNORECASE),
    ("k", re.IGNORECASE | re.ASCII),
    ("[a-z]", re.IGNORECASE),
    ("[a-z]", re.IGNORECASE | re.ASCII),
    ("[^k]", re.IGNORECASE),
    ("[^a-z]", re.IGNORECASE),
    ("\u017f", re.IGNORECASE),
    ("\u0131|\u0130", re.IGNORECASE),
    ("\u03c3", re.IGNORECASE),
    ("\xe9", re.IGNORECASE),
    (".", re.IGNORECASE),
    ("\\d", re.IGNORECASE),
    ("(?i:k)s", 0),
    ("(?-i:k)s", re.IGNORECASE),
    ("(?i)k", 0),
    ("(?a:\\d)", 0),
    ("(?a:\\w)\\w", 0),
    ("(?u:\\d)\\d", re.ASCII),
    ("(?a:[^\\s])", 0),
    ("(?ai:k)", 0),
    ("(?ai:[a-z])k", re.IGNORECASE),
    ("(?u:(?i:k))", re.ASCII),
    ("a b # c", re.VERBOSE),
    ("a\\ b", re.VERBOSE),
    ("(?x: a b )c", 0),
    ("(?=a)", 0),
    ("(?=a).*", 0),
    ("(?!a)", 0),
    ("(?!a).*", 0),
    ("(?=ab)a.", 0),
    ("a(?=b)", 0),
    ("a(?!b).?", 0),
    ("(?=.*b)a*b?a*", 0),
    ("(?!.*aa)[ab]*", 0),
    ("(?=a$)a\n?", 0),
    ("(?!a\\Z)a.?", 0),
    ("(?=a(?!b))..", 0),
    ("(?!(?!a))a", 0),
    ("(?:(?=a)|b)a?b?", 0),
    ("(?=(a|ab))\\w*$", 0),
    ("(?P<name>a)b", 0),
    ("[0-9a-f]{2}-[0-9a-f]{1,3}", 0),
    ("\\x00|\\ud800|\\U0010ffff", 0),
    ("[\\x00-\\U0010ffff]", 0),
    ("[\\ud800-\\udfff]", 0),
    ("(?#comment)a", 0),
    ("\\.\\*", 0),
    ("a|", 0),
    ("(|a)(|b)", 0),
]


@cache
def compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


SHORT = ["".join(t) for n in range(4) for t in itertools.product("ab\n", repeat=n)]
SINGLE = [*ODD, *(a + b for a, b in itertools.product("akK\u212aS\u017f\n0\u0660", repeat=2))]
FIXED = [
    *SHORT,
    *SINGLE,
    "ab-f",
    "00-a",
    "0a-f00",
    "aab",
    "abab",
    "aaab",
    "abaab",
    "\n\n",
    "ab c",
    ".*",
]


@pytest.mark.parametrize(("pattern", "flags"), PATTERNS)
def test_patterns(pattern: str, flags: int) -> None:
    """A pattern matches the texts that its language has: whole texts and beginnings."""
    assert differences(compiled(pattern, flags), FIXED) == []


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        ("\\d", 0),
        ("\\s", 0),
        ("[^\\w\\s]", 0),
        ("k", re.IGNORECASE),
        ("[^a-s]", re.IGNORECASE),
        ("(?a:\\w)", 0),
    ],
)
def test_every_character(pattern: str, flags: int) -> None:
    """A pattern of one character matches exactly the characters of its language."""
    expression = compiled(pattern, flags)
    automaton = full_match(expression).automaton
    accepted = {
        code
        for characters, target in automaton.transitions[0]
        if target in automaton.accepting
        for low, high in characters.ranges
        for code in range(low, high + 1)
    }
    every = range(LAST_CODE_POINT + 1)
    assert accepted == {code for code in every if expression.fullmatch(chr(code))}


ATOMS = st.sampled_from(
    ["a", "b", "ab", ".", "[ab]", "[^a]", "\\n", "\\d", "\\w", "[^\\d\\n]", "k", "", "\\s"]
)
ENDS = st.sampled_from(["", "", "", "$", "\\Z"])


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = inner.map(lambda p: f"(?:{p})") | inner.map(lambda p: f"({p})")
    repeats = st.sampled_from(
        ["*", "+", "?", "{2}", "{1,2}", "{,2}", "{2,}", "*?", "+?", "{1,3}?", "??"]
    )
    return st.one_of(
        st.lists(groups, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.builds("{}{}".format, groups, repeats),
        st.builds("(?={}){}".format, inner, groups),
        st.builds("(?!{}){}".format, inner, groups),
        st.builds("{}{}".format, groups, ENDS),
    )


EXPRESSIONS = st.builds("{}{}".format, st.recursive(ATOMS, composed, max_leaves=6), ENDS)
FLAGS = st.sampled_from([0, 0, re.DOTALL, re.IGNORECASE, re.ASCII, re.IGNORECASE | re.ASCII])
GENERATED = st.text("ab\nkK1 ", max_size=6) | st.text(ODD, max_size=4)


@settings(max_examples=80, deadline=None)
@given(EXPRESSIONS, FLAGS, st.lists(GENERATED, min_size=5, max_size=5))
def test_generated_patterns(pattern: str, flags: int, texts: list[str]) -> None:
    """Patterns of all constructs together match what their languages have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        expression = compiled(pattern, flags)
    try:
        full_match(expression)
    except NotRegular:
        assume(False)
    assert differences(expression, [*texts, *SHORT]) == []


@settings(max_examples=60, deadline=None)
@given(EXPRESSIONS, FLAGS)
def test_shortest_strings_match(pattern: str, flags: int) -> None:
    """The shortest string of a language is matched, and that of its complement is not."""
    expression = compiled(pattern, flags)
    try:
        full, prefix = full_match(expression), prefix_match(expression)
    except NotRegular:
        assume(False)
    witnesses = [language.shortest() for language in (full, ~full, prefix, ~prefix)]
    assert differences(expression, [w for w in witnesses if w is not None]) == []


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [
        ("(a)\\1", 0),
        ("(?P<x>a)(?P=x)", 0),
        ("(a)\\1", re.IGNORECASE),
        ("(a)?(?(1)b|c)", 0),
        ("(?<=a)b", 0),
        ("(?<!a)b", 0),
        ("\\ba", 0),
        ("a\\b", 0),
        ("\\Ba", 0),
        ("\\bk", re.IGNORECASE),
        ("a*+", 0),
        ("a++b", 0),
        ("a?+", re.IGNORECASE),
        ("a{1,2}+", 0),
        ("(?>a|ab)", 0),
        ("(?>a)", re.IGNORECASE),
        ("(?:a$)*", 0),
        ("(?:(?=a)a)+", 0),
        ("a$", re.MULTILINE),
        ("^a", re.MULTILINE),
        ("(?m:a$)", 0),
        ("(?:(?!a).)*", 0),
    ],
)
def test_what_is_not_regular(pattern: str, flags: int) -> None:
    """What these languages do not have is refused by both readings."""
    expression = compiled(pattern, flags)
    with pytest.raises(NotRegular):
        full_match(expression)
    with pytest.raises(NotRegular):
        prefix_match(expression)


@pytest.mark.parametrize("pattern", ["^a", "\\Aa", "a|^b", "a^"])
def test_beginnings(pattern: str) -> None:
    """An assertion of the beginning is refused or right."""
    expression = compiled(pattern, 0)
    try:
        full_match(expression)
    except NotRegular:
        return
    assert differences(expression, FIXED) == []


def test_patterns_over_bytes() -> None:
    """A pattern over bytes has no language of texts."""
    with pytest.raises(NotRegular):
        full_match(re.compile(b"a"))
