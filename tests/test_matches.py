"""The groups of a match are what CPython finds, or they are refused."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs.claim import FunctionClaim
from proofs.engines import Options, smt
from proofs.expressions import group_places
from proofs.lift import models, symbols
from proofs.lift import values as v
from proofs.lift.lifter import Lifter
from proofs.lift.paths import Refused
from proofs.verdict import Verdict
from tests.test_models import Lifted, at_most, evaluation, lifted, run

MANY = settings(max_examples=200, deadline=None)
SOME = settings(max_examples=40, deadline=None)

# Where the groups are.


ITEMS = st.sampled_from(["a", "[ab]", ".", "[^a]", "(?=a)", "(?!ab)", "$", "\\Z", ""])


def larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(parts, parts).map("".join),
        parts.map("({})".format),
        parts.map("(?:{})".format),
        parts.map("(?i:{})".format),
        parts.map("(?={})".format),
        st.tuples(parts, st.sampled_from(["?", "*", "+?", "{1}", "{2}", "{1,2}", "{0}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.tuples(parts, parts).map("(?:{0[0]}|{0[1]})".format),
    )


PATTERNS = st.recursive(ITEMS, larger, max_leaves=8).map(re.compile)
TEXTS = ["".join(text) for size in range(6) for text in itertools.product("ab", repeat=size)]


@MANY
@given(PATTERNS)
def test_places_are_those_of_every_match(pattern: re.Pattern[str]) -> None:
    """Where places are known, each group of each match of each short text is there."""
    places = group_places(pattern)
    if places is None:
        assert pattern.groups > 0
        return
    assert len(places) == pattern.groups
    for text in TEXTS:
        for found in (pattern.match(text), pattern.fullmatch(text)):
            spans = None if found is None else found.regs[1:]
            assert spans in (None, places), text


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("", ()),
        ("a*", ()),
        ("(a)", ((0, 1),)),
        ("()", ((0, 0),)),
        ("a(b)(?:c|dd)", ((1, 2),)),
        ("(?P<name>a)[bc]{3}(.)", ((0, 1), (4, 5))),
        ("(a(b))", ((0, 2), (1, 2))),
        ("(a|b)", ((0, 1),)),
        ("(?!b)(?:a{2}){3}(?i:(b))", ((6, 7),)),
        ("([0-9a-f]{32})-([0-9a-f]{16}).*", ((0, 32), (33, 49))),
    ],
)
def test_places_that_are_known(pattern: str, places: tuple[tuple[int, int], ...]) -> None:
    """What stands before a group and in it has one width, whatever comes behind."""
    assert group_places(re.compile(pattern)) == places


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a)?", "(a)*", "(a){2}", "(a){0}", "(?:(a)){1,2}", "(?:a(b))?"),
        *("(a)|b", "(?:(a)|(b))", "(ab|ba)", "(a|bc)", "(?:ab|ba)(c)"),
        *("(a*)", "(a{1,2})", "a*(b)", "a?(b)", "(?:a?){2}(b)", "(a)(b*)"),
        *("(?=(a))a", "(?!(a))b", "(?=a(b))", "(?>(a))", "(a)(?(1)b)(c)"),
    ],
)
def test_places_that_are_not_known(pattern: str) -> None:
    """A group that may be elsewhere, of another width, or nowhere has no place."""
    assert group_places(re.compile(pattern)) is None


# Groups, lifted.


@SOME
@given(PATTERNS.filter(lambda pattern: pattern.groups > 0), st.sampled_from(["match", "fullmatch"]))
def test_groups_of_any_pattern(pattern: re.Pattern[str], method: str) -> None:
    """The groups are those of CPython, on every short text, or they are refused."""
    text = symbols.symbol("text", str)
    lifter = Lifter(v.both(text.known, at_most(5)({"text": text.value})))
    try:
        found = models.PATTERN_METHODS[method](pattern)(lifter, text.value)
        method_groups = lifter.over(found, lambda m: lifter.attribute(m, "groups"))
        groups = lifter.over(method_groups, lambda m: lifter.apply(m, [], {}))
    except Refused:
        return

    def real(text: str) -> Any:
        return getattr(pattern, method)(text).groups()

    for each in TEXTS[::3]:
        inputs = evaluation({"text": text}, {"text": each})
        assert inputs is not None
        assert inputs.outcome(lifter, groups) == run(real, {"text": each}), each


HEADER = re.compile("[0-9a-f]{2}-([0-9a-f]{4})-([0-9a-f]{2})")
EXACT = re.compile("00-([0-9a-f]{4})-([0-9a-f]{2})")
SHIFTED = re.compile("([0-9a-f]{4})")
OPTIONAL = re.compile("(a)?b")
LONG = re.compile("[a-z]{60}([a-z]{5})")


def unpacked(s: str) -> Any:
    found = HEADER.fullmatch(s)
    if found is None:
        return None
    four, two = found.groups()
    return two, four, len(four), int(four, 16) + int(two, 16)


def unpacked_of_prefix(s: str) -> Any:
    found = HEADER.match(s)
    if not found:
        return "nothing"
    four, two = found.groups()
    return two + four


def unpacked_as_three(s: str) -> Any:
    found = HEADER.match(s)
    if found is None:
        return None
    one, two, three = found.groups()
    return one + two + three


def one_by_one(s: str) -> Any:
    found = HEADER.match(s)
    if found is None:
        return None
    return found.group(1), found[2], found.group(2) == s[8:10]


def no_such_group(s: str) -> Any:
    found = HEADER.match(s)
    return None if found is None else found.group(3)


def negative_group(s: str) -> Any:
    found = HEADER.match(s)
    return None if found is None else found[-1]


FULL_MATCH = HEADER.fullmatch
MATCH = HEADER.match


def found_by_constants(s: str) -> Any:
    found = FULL_MATCH(s)
    if found is None:
        found = MATCH(s[1:])
        return "prefix", found and found.groups()
    return found.groups()


def found_by_variable(s: str) -> Any:
    find = HEADER.match
    return find(s) is None


def found_by_either(s: str) -> Any:
    found = EXACT.fullmatch(s) or HEADER.match(s)
    return found and found.groups()


def found_by_either_elsewhere(s: str) -> Any:
    found = EXACT.fullmatch(s)
    if found is None:
        found = SHIFTED.match(s)
        if found is None:
            return None
    return found.groups()


def found_in_different_texts(s: str, b: bool) -> Any:
    found = HEADER.match(s) if b else HEADER.match(s[1:])
    return None if found is None else found.groups()


def groups_of_nothing(s: str) -> Any:
    return HEADER.match(s).groups()  # type: ignore[union-attr]


def asked_of_a_match(s: str) -> Any:
    found = HEADER.match(s)
    return (
        found is None,
        not found,
        found == None,  # noqa: E711
        found == "a",  # type: ignore[comparison-overlap]
        found in (None, 1),  # type: ignore[comparison-overlap]
        isinstance(found, re.Match),
        type(found) is re.Match,
    )


GROUPS = [
    unpacked,
    unpacked_of_prefix,
    unpacked_as_three,
    one_by_one,
    no_such_group,
    negative_group,
    found_by_constants,
    found_by_variable,
    found_by_either,
    found_by_either_elsewhere,
    found_in_different_texts,
    groups_of_nothing,
    asked_of_a_match,
]
HEADERS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "x", "a"]),
        st.sampled_from(["00-", "0f-", "ff-", "00", "0g-"]),
        st.sampled_from(["0000", "12ab", "ffff", "\u06600aa", "12AB", "12a"]),
        st.sampled_from(["-", "-", ""]),
        st.sampled_from(["00", "0f", "a"]),
        st.sampled_from(["", "", "-", "\n", "0"]),
    ),
)


@pytest.mark.parametrize("function", GROUPS)
@SOME
@given(HEADERS, st.booleans())
def test_groups(function: Callable[..., Any], s: str, b: bool) -> None:
    """Groups by name, number and position, of what one or another expression finds."""
    inputs = {"s": s, "b": b} if function is found_in_different_texts else {"s": s}
    assert lifted(function).agrees(**inputs)


def group_nought(s: str) -> Any:
    found = HEADER.match(s)
    return found and found.group(0)


def group_by_name(s: str) -> Any:
    found = HEADER.match(s)
    return found and found.group("a")


def several_groups(s: str) -> Any:
    found = HEADER.match(s)
    return found and found.group(1, 2)


def groups_with_default(s: str) -> Any:
    found = HEADER.match(s)
    return found and found.groups("")


def groups_that_may_be_missing(s: str) -> Any:
    found = OPTIONAL.match(s)
    return found and found.groups()


def group_behind_the_window(s: str) -> Any:
    found = LONG.match(s)
    return found and found.groups()


def start_of_group(s: str) -> Any:
    found = HEADER.match(s)
    return found and found.start(1)


def same_match(s: str) -> Any:
    found = HEADER.match(s)
    return found == found


@pytest.mark.parametrize(
    "function",
    [
        group_nought,
        group_by_name,
        several_groups,
        groups_with_default,
        groups_that_may_be_missing,
        group_behind_the_window,
        start_of_group,
        same_match,
    ],
)
def test_what_else_may_be_asked_is_refused(function: Callable[..., Any]) -> None:
    """Of a match no more is known than its groups."""
    with pytest.raises(Refused):
        Lifted(function)


# What is said of groups is proved if it is true, and refuted if it is not.


def groups_are_slices(s: str) -> bool:
    found = HEADER.match(s)
    return found is None or found.groups() == (s[3:7], s[8:10])


def groups_are_hexadecimal(s: str) -> bool:
    found = HEADER.fullmatch(s)
    return found is None or f"{int(found[1], 16):04x}-{int(found[2], 16):02x}" == s[3:]


def groups_are_other_slices(s: str) -> bool:
    found = HEADER.match(s)
    return found is None or found.groups() == (s[3:7], s[7:9])


def groups_are_what_is_left(s: str) -> bool:
    found = HEADER.match(s)
    return found is None or len(s) > 40 or found[2] == s[8:]


def groups_do_not_depend_on_the_expression(s: str) -> bool:
    found = EXACT.fullmatch(s) or SHIFTED.match(s)
    return found is None or found[1] == s[:4]


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        (groups_are_slices, Verdict.PROVED),
        (groups_are_hexadecimal, Verdict.PROVED),
        (groups_are_other_slices, Verdict.REFUTED),
        (groups_are_what_is_left, Verdict.REFUTED),
        (groups_do_not_depend_on_the_expression, Verdict.REFUTED),
    ],
)
def test_facts_about_groups(function: Callable[..., bool], verdict: Verdict) -> None:
    """A wrong fact has a counterexample, which is wrong on the real code."""
    claim = FunctionClaim(function, "", (), verdict, ("smt",), (function,), None)
    assert smt.run(claim, Options(timeout=20)).verdict is verdict
