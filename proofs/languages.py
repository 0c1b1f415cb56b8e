"""Regular languages over Unicode code points, for strings of any length.

A language is a term of the algebra below, closed under union, intersection and
complement. Brzozowski's derivatives turn a term into a finite automaton; whether two
languages are equal is whether their symmetric difference is empty, and a shortest
string of it is the counterexample. The alphabet is what a Python ``str`` can hold:
every code point from 0 to 0x10FFFF, surrogates among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

LAST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True)
class CharSet:
    """A set of code points, as sorted inclusive ranges that neither touch nor overlap."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> CharSet:
        merged: list[tuple[int, int]] = []
        for low, high in sorted(r for r in ranges if r[0] <= r[1]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return cls(tuple(merged))

    @classmethod
    def single(cls, character: str) -> CharSet:
        return cls(((ord(character), ord(character)),))

    def __contains__(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)

    def __or__(self, other: CharSet) -> CharSet:
        return CharSet.of(self.ranges + other.ranges)

    def __invert__(self) -> CharSet:
        gaps, start = [], 0
        for low, high in self.ranges:
            gaps.append((start, low - 1))
            start = high + 1
        return CharSet.of([*gaps, (start, LAST_CODE_POINT)])

    def __and__(self, other: CharSet) -> CharSet:
        return ~(~self | ~other)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    @property
    def simplest(self) -> int:
        """The member that is easiest to read: a digit or letter if there is one."""
        preferred = (*range(0x30, 0x3A), *range(0x61, 0x7B), *range(0x21, 0x7F))
        return next((code for code in preferred if code in self), self.ranges[0][0])


ANY_CHARACTER = CharSet(((0, LAST_CODE_POINT),))


class Language:
    """A set of strings. Make terms with the functions and operators of this module."""

    def __or__(self, other: Language) -> Language:
        return union([self, other])

    def __and__(self, other: Language) -> Language:
        return complement(union([complement(self), complement(other)]))

    def __add__(self, other: Language) -> Language:
        return concatenation([self, other])

    def __invert__(self) -> Language:
        return complement(self)

    def __xor__(self, other: Language) -> Language:
        return (self & ~other) | (~self & other)

    @cached_property
    def automaton(self) -> Automaton:
        return Automaton.of(self)

    def __contains__(self, text: str) -> bool:
        # By derivatives: an automaton of all that might be asked can be large.
        left: Language = self
        for character in text:
            left = left._after[character]
        return nullable(left)

    @cached_property
    def _after(self) -> _Derivatives:
        return _Derivatives(self)

    def shortest(self) -> str | None:
        """A shortest string of the language; None if the language is empty."""
        return self.automaton.shortest()


class _Derivatives(dict[str, Language]):
    """The derivatives of a language by characters, each found when it is first asked for."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def __missing__(self, character: str) -> Language:
        found = self[character] = derivative(self._language, ord(character))
        return found


@dataclass(frozen=True, eq=False)
class Chars(Language):
    """The strings of one character out of a set; none if the set is empty."""

    set: CharSet


@dataclass(frozen=True, eq=False)
class Epsilon(Language):
    """The empty string alone."""


@dataclass(frozen=True, eq=False)
class Concatenation(Language):
    first: Language
    rest: Language


@dataclass(frozen=True, eq=False)
class Union(Language):
    members: frozenset[Language]


@dataclass(frozen=True, eq=False)
class Complement(Language):
    of: Language


@dataclass(frozen=True, eq=False)
class Star(Language):
    of: Language


@dataclass(frozen=True, eq=False)
class Repeat(Language):
    """From ``least`` to ``most`` strings of a language one after another."""

    of: Language
    least: int
    most: int


@cache
def _made(kind: Callable[..., Language], *parts: Any) -> Language:
    """The one term of this kind and these parts: equal terms are the same object."""
    return kind(*parts)


NOTHING = _made(Chars, CharSet(()))
EPSILON = _made(Epsilon)
ANYTHING = _made(Complement, NOTHING)


def union(members: Iterable[Language]) -> Language:
    flat: set[Language] = set()
    chars = CharSet(())
    for member in members:
        for part in member.members if isinstance(member, Union) else (member,):
            if isinstance(part, Chars):
                chars = chars | part.set
            else:
                flat.add(part)
    if ANYTHING in flat:
        return ANYTHING
    if chars:
        flat.add(_made(Chars, chars))
    if not flat:
        return NOTHING
    return flat.pop() if len(flat) == 1 else _made(Union, frozenset(flat))


def complement(language: Language) -> Language:
    return language.of if isinstance(language, Complement) else _made(Complement, language)


def concatenation(parts: Sequence[Language]) -> Language:
    flat: list[Language] = []
    for part in parts:
        while isinstance(part, Concatenation):
            flat.append(part.first)
            part = part.rest
        flat.append(part)
    if NOTHING in flat:
        return NOTHING
    kept = [part for part in flat if part is not EPSILON]
    joined = kept.pop() if kept else EPSILON
    for part in reversed(kept):
        joined = _made(Concatenation, part, joined)
    return joined


def star(language: Language) -> Language:
    if language in (NOTHING, EPSILON):
        return EPSILON
    if isinstance(language, Chars) and language.set == ANY_CHARACTER:
        return ANYTHING
    return language if isinstance(language, Star) else _made(Star, language)


def repeat(language: Language, least: int, most: int | None) -> Language:
    """From ``least`` to ``most`` strings of a language one after another; None: no limit."""
    if most is None:
        return repeat(language, least, least) + star(language)
    if most == 0 or language is EPSILON or (language is NOTHING and least == 0):
        return EPSILON
    if language is NOTHING or (least, most) == (1, 1):
        return language
    return _made(Repeat, language, least, most)


def chars(ranges: Iterable[tuple[int, int]]) -> Language:
    return _made(Chars, CharSet.of(ranges))


def text(literal: str) -> Language:
    """The language of this one string."""
    return concatenation([chars([(ord(c), ord(c))]) for c in literal])


@cache
def nullable(language: Language) -> bool:
    """Whether the language has the empty string."""
    match language:
        case Chars():
            return False
        case Epsilon() | Star():
            return True
        case Concatenation(first, rest):
            return nullable(first) and nullable(rest)
        case Repeat(of, least, _):
            return least == 0 or nullable(of)
        case Union(members):
            return any(map(nullable, members))
        case Complement(of):
            return not nullable(of)
    raise TypeError(language)


@cache
def derivative(language: Language, code: int) -> Language:
    """What may follow this character in strings of the language."""
    match language:
        case Chars(set):
            return EPSILON if code in set else NOTHING
        case Epsilon():
            return NOTHING
        case Concatenation(first, rest):
            followed = derivative(first, code) + rest
            return union([followed, derivative(rest, code)]) if nullable(first) else followed
        case Union(members):
            return union([derivative(member, code) for member in members])
        case Complement(of):
            return complement(derivative(of, code))
        case Star(of):
            return derivative(of, code) + language
        case Repeat(of, least, most):
            return derivative(of, code) + repeat(of, max(least - 1, 0), most - 1)
    raise TypeError(language)


@cache
def boundaries(language: Language) -> frozenset[int]:
    """Code points at which the derivative by the next character may change.

    Between two neighbouring boundaries all characters have the same derivative.
    """
    match language:
        case Chars(set):
            return frozenset(edge for low, high in set.ranges for edge in (low, high + 1))
        case Epsilon():
            return frozenset()
        case Concatenation(first, rest):
            return boundaries(first) | (boundaries(rest) if nullable(first) else frozenset())
        case Union(members):
            return frozenset().union(*map(boundaries, members))
        case Complement(of) | Star(of) | Repeat(of, _, _):
            return boundaries(of)
    raise TypeError(language)


def steps(language: Language) -> Iterator[tuple[CharSet, Language]]:
    """The derivatives of a language, each with the set of characters that leads to it."""
    edges = sorted({0, *boundaries(language)} - {LAST_CODE_POINT + 1})
    targets: dict[Language, list[tuple[int, int]]] = {}
    for low, following in zip(edges, [*edges[1:], LAST_CODE_POINT + 1], strict=True):
        targets.setdefault(derivative(language, low), []).append((low, following - 1))
    for target, ranges in targets.items():
        yield CharSet.of(ranges), target


@dataclass(frozen=True)
class Automaton:
    """A deterministic automaton; state 0 starts, every state steps on every character."""

    transitions: tuple[tuple[tuple[CharSet, int], ...], ...]
    accepting: frozenset[int]

    @classmethod
    def of(cls, language: Language) -> Automaton:
        numbers = {language: 0}
        todo = [language]
        transitions: list[tuple[tuple[CharSet, int], ...]] = []
        for state in todo:
            row = []
            for characters, target in steps(state):
                if target not in numbers:
                    numbers[target] = len(todo)
                    todo.append(target)
                row.append((characters, numbers[target]))
            transitions.append(tuple(row))
        return cls(tuple(transitions), frozenset(n for s, n in numbers.items() if nullable(s)))

    def accepts(self, text: str) -> bool:
        state = 0
        for character in text:
            state = next(
                t for characters, t in self.transitions[state] if ord(character) in characters
            )
        return state in self.accepting

    def shortest(self) -> str | None:
        reached: dict[int, str] = {0: ""}
        queue = [0]
        for state in queue:
            if state in self.accepting:
                return reached[state]
            for characters, target in self.transitions[state]:
                if target not in reached:
                    reached[target] = reached[state] + chr(characters.simplest)
                    queue.append(target)
        return None

    def _can_reach(self, goal: frozenset[int]) -> frozenset[int]:
        reaching = set(goal)
        grown = True
        while grown:
            more = {
                state
                for state, row in enumerate(self.transitions)
                if state not in reaching and any(target in reaching for _, target in row)
            }
            grown = bool(more)
            reaching |= more
        return frozenset(reaching)

    @cached_property
    def dead(self) -> frozenset[int]:
        """States from which no string is accepted."""
        return frozenset(range(len(self.transitions))) - self._can_reach(self.accepting)

    @cached_property
    def universal(self) -> frozenset[int]:
        """States from which every string is accepted."""
        states = frozenset(range(len(self.transitions)))
        return states - self._can_reach(states - self.accepting)
