"""The regular expressions of Python's ``re``, read as languages.

CPython's own parser reads the pattern, so what is analysed is what runs. A set of
characters that depends on Unicode data (``\\d``, ``\\s``, ``\\w``, or any under
``re.IGNORECASE``) is taken from the running engine by trying every code point. What
is not regular, or not modelled, is refused.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

# What re compiled is known to its own parser alone, which has no types.
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from . import languages
from .languages import ANY_CHARACTER, ANYTHING, EPSILON, LAST_CODE_POINT, CharSet, Language

op: Any = _constants
"""The constructs that CPython's parser knows."""

TYPE_FLAGS = re.ASCII | re.LOCALE | re.UNICODE
ASSERTIONS = (op.AT, op.ASSERT, op.ASSERT_NOT)
CHARACTERS = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY)


class NotRegular(Exception):
    """A construct of a pattern that these languages do not have."""


def parsed(pattern: re.Pattern[str]) -> Any:
    """The tree of a pattern, as CPython's parser makes it."""
    return _parser.parse(pattern.pattern, pattern.flags)


@cache
def full_match(pattern: re.Pattern[str]) -> Language:
    """The strings on which ``pattern.fullmatch`` finds a match."""
    return _read(pattern, EPSILON)


@cache
def prefix_match(pattern: re.Pattern[str]) -> Language:
    """The strings on which ``pattern.match`` finds a match."""
    return _read(pattern, ANYTHING)


@cache
def group_places(pattern: re.Pattern[str]) -> tuple[tuple[int, int], ...] | None:
    """Where each group starts and ends in every match, counted from the start of the match.

    None unless every group takes part in every match, at the same place in all of them.
    """
    places: dict[int, tuple[int, int]] = {}
    _place(list(parsed(pattern)), 0, places)
    if len(places) != pattern.groups:
        return None
    return tuple(places[group] for group in sorted(places))


def _place(
    items: Sequence[Any], start: int | None, places: dict[int, tuple[int, int]]
) -> int | None:
    """Note the groups among these items, the first of which is at ``start``; return their end.

    A place is None if it is not the same in every match. A group inside of a branch, a
    repetition or an assertion need not take part, or takes part twice; it is not noted.
    """
    for code, argument in items:
        if code is op.SUBPATTERN:
            group, _, _, inner = argument
            end = _place(list(inner), start, places)
            if group is not None and start is not None and end is not None:
                places[group] = start, end
        else:
            width = _width(code, argument)
            end = None if start is None or width is None else start + width
        start = end
    return start


def _width(code: Any, argument: Any) -> int | None:
    """How many characters an item takes, if that is the same in every match."""
    if any(code is one for one in CHARACTERS):
        return 1
    if any(code is assertion for assertion in ASSERTIONS):
        return 0
    if code is op.MAX_REPEAT or code is op.MIN_REPEAT:
        least, most, items = argument
        width = _place(list(items), 0, {})
        return least * width if least == most and width is not None else None
    return None


def _read(pattern: re.Pattern[str], rest: Language) -> Language:
    if not isinstance(pattern.pattern, str):
        raise NotRegular("a pattern over bytes")
    return _sequence(list(parsed(pattern)), pattern.flags, rest)


def _sequence(items: Sequence[Any], flags: int, rest: Language) -> Language:
    """The language of these items followed by ``rest``.

    Reading from the right lets an assertion speak of all that follows it.
    """
    for code, argument in reversed(items):
        rest = _item(code, argument, flags, rest)
    return rest


def _item(code: Any, argument: Any, flags: int, rest: Language) -> Language:
    if code is op.BRANCH:
        _, branches = argument
        return languages.union([_sequence(list(branch), flags, rest) for branch in branches])
    if code is op.SUBPATTERN:
        _, added, removed, items = argument
        if added & TYPE_FLAGS:
            flags &= ~TYPE_FLAGS
        return _sequence(list(items), (flags | added) & ~removed, rest)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, items = argument
        # By identity: these constants are equal to others that have the same number.
        if any(inner is code for inner in _codes(items) for code in ASSERTIONS):
            raise NotRegular("an assertion inside a repetition")
        repeated = _sequence(list(items), flags, EPSILON)
        return languages.repeat(repeated, least, None if most is op.MAXREPEAT else most) + rest
    if code is op.AT:
        return _position(argument, flags, rest)
    if code in (op.ASSERT, op.ASSERT_NOT):
        direction, items = argument
        if direction != 1:
            raise NotRegular("a look-behind assertion")
        ahead = _sequence(list(items), flags, ANYTHING)
        return rest & (ahead if code is op.ASSERT else ~ahead)
    return languages.chars(characters(code, argument, flags).ranges) + rest


def _position(where: Any, flags: int, rest: Language) -> Language:
    if flags & re.MULTILINE and where in (op.AT_BEGINNING, op.AT_END):
        raise NotRegular("^ or $ under re.MULTILINE")
    if where is op.AT_END:
        return rest & (EPSILON | languages.text("\n"))
    if where is op.AT_END_STRING:
        return rest & EPSILON
    raise NotRegular(f"the position {where}")


def _codes(part: Any) -> Iterator[Any]:
    """Every operation code of a parsed pattern, at any depth."""
    if isinstance(part, (_parser.SubPattern, list, tuple)):
        for inner in part:
            yield from _codes(inner)
    elif isinstance(part, type(op.AT)):
        yield part


def characters(code: Any, argument: Any, flags: int) -> CharSet:
    if flags & re.IGNORECASE:
        return _tried(code, argument, flags)
    if code is op.LITERAL:
        return CharSet.of([(argument, argument)])
    if code is op.NOT_LITERAL:
        return ~CharSet.of([(argument, argument)])
    if code is op.RANGE:
        return CharSet.of([argument])
    if code is op.ANY:
        return ANY_CHARACTER if flags & re.DOTALL else ~CharSet.single("\n")
    if code is op.CATEGORY:
        return _tried(op.IN, [(code, argument)], flags)
    if code is op.IN:
        negated = bool(argument) and argument[0][0] is op.NEGATE
        members = CharSet(())
        for inner, value in argument[1:] if negated else argument:
            members = members | characters(inner, value, flags)
        return ~members if negated else members
    raise NotRegular(f"the construct {code}")


def _tried(code: Any, argument: Any, flags: int) -> CharSet:
    """Ask CPython's engine, code point by code point."""
    frozen = tuple(argument) if isinstance(argument, list) else argument
    return _tried_once(code, frozen, flags & ~re.DEBUG)


@cache
def _tried_once(code: Any, argument: Any, flags: int) -> CharSet:
    if code not in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
        raise NotRegular(f"the construct {code}")
    state = _parser.State()
    state.flags = flags
    state.str = ""
    item = _parser.SubPattern(state, [(code, list(argument) if code is op.IN else argument)])
    # The compiler is as private as the parser is.
    matches = re._compiler.compile(item, flags).match  # type: ignore[attr-defined]
    every = map(chr, range(LAST_CODE_POINT + 1))
    return CharSet.of((c, c) for c, character in enumerate(every) if matches(character))
