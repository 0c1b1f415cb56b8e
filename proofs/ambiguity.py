"""Whether a regular expression matches a text in two ways.

A way to match a text is a choice at each branch and a number of turns of each repetition
(a parse tree). An expression is unambiguous if it matches no text in two ways.

That bounds the work of ``re``, which looks for a way by trying one after another. What it
tries is a beginning of a way: a path through the expression to one of its positions, over a
beginning of the text. Each position can be followed to a match, since no set here is
without characters. So two paths to one position over the same text would be two ways to
match some longer text. In an unambiguous expression there is one path at most for each
position and each beginning of the text: from one place ``re`` takes at most so many steps
as there are positions times characters, whether it finds a match or not.

A position counts as often as a repetition with a bound can repeat it, if the expression is
unambiguous only because of that bound; else once, since a path says itself how many turns
were taken. Nothing is said of ``search`` and ``sub``, which start from every place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .expressions import TYPE_FLAGS, NotRegular, characters, op, parsed
from .languages import CharSet

TWO = 2
"""Two ways or more: more are not told apart."""


@dataclass(frozen=True, eq=False)
class Node:
    """A part of an expression, as it was compiled."""


@dataclass(frozen=True, eq=False)
class Chars(Node):
    set: CharSet


@dataclass(frozen=True, eq=False)
class Row(Node):
    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Choice(Node):
    branches: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Repeat(Node):
    of: Node
    least: int
    most: int | None


@cache
def tree(pattern: re.Pattern[str]) -> Node:
    """The expression of which CPython's parser made the pattern.

    :raises NotRegular: if there is more in it than characters, branches and repetitions.
    """
    if not isinstance(pattern.pattern, str):
        raise NotRegular("a pattern over bytes")
    return _sequence(parsed(pattern), pattern.flags)


def _sequence(items: Any, flags: int) -> Node:
    return Row(tuple(_item(code, argument, flags) for code, argument in items))


def _item(code: Any, argument: Any, flags: int) -> Node:
    if code is op.BRANCH:
        return Choice(tuple(_sequence(branch, flags) for branch in argument[1]))
    if code is op.SUBPATTERN:
        _, added, removed, items = argument
        if added & TYPE_FLAGS:
            flags &= ~TYPE_FLAGS
        return _sequence(items, (flags | added) & ~removed)
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, items = argument
        return Repeat(_sequence(items, flags), least, None if most is op.MAXREPEAT else most)
    if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
        raise NotRegular("an assertion, which is of no length")
    members = characters(code, argument, flags)
    if not members:
        raise NotRegular("a set without characters")
    return Chars(members)


def ways(pattern: re.Pattern[str], text: str) -> int:
    """In how many ways the pattern matches the whole text: 0, 1, or 2 for two or more."""
    known: dict[tuple[Node, int], Mapping[int, int]] = {}

    def from_all(node: Node, starts: Mapping[int, int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for start, number in starts.items():
            _add(found, ends(node, start), number)
        return found

    def ends(node: Node, start: int) -> Mapping[int, int]:
        """Where the part can end if it begins at ``start``, each with the number of ways."""
        if (node, start) not in known:
            known[node, start] = _ends(node, start)
        return known[node, start]

    def _ends(node: Node, start: int) -> Mapping[int, int]:
        found: dict[int, int] = {}
        match node:
            case Chars(members):
                if start < len(text) and ord(text[start]) in members:
                    found = {start + 1: 1}
            case Row(parts):
                found = {start: 1}
                for part in parts:
                    found = from_all(part, found)
            case Choice(branches):
                for branch in branches:
                    _add(found, ends(branch, start))
            case Repeat(of, least, most):
                # More turns than characters are turns over nothing, of which two suffice.
                last = least + len(text) + TWO if most is None else most
                reached = {start: 1}
                for turn in range(last + 1):
                    if turn >= least:
                        _add(found, reached)
                    reached = from_all(of, reached)
                    if not reached:
                        break
        return found

    return ends(tree(pattern), 0).get(len(text), 0)


def _add(to: dict[int, int], more: Mapping[int, int], times: int = 1) -> None:
    """Count these in, each so many times."""
    for key, number in more.items():
        to[key] = min(TWO, to.get(key, 0) + number * times)


@dataclass(frozen=True)
class Answer:
    """A shortest text that is matched in two ways, if there is one, and how it was found."""

    text: str | None
    pairs: int


@cache
def ambiguity(pattern: re.Pattern[str]) -> Answer:
    """A shortest text that the pattern matches in two ways; None if it is unambiguous.

    Repetitions with a bound are first taken to have none, so that automata are small. A way
    is then a way still, and two are two: no text is lost that is matched in two ways. So if
    none is found there is none, and one that is found and is matched so by the pattern
    itself is a shortest one. If it is not, each turn gets positions of its own.
    """
    answer = Automaton.of(tree(pattern), bounded=False).ambiguity()
    if answer.text is None or ways(pattern, answer.text) == TWO:
        return answer
    return Automaton.of(tree(pattern), bounded=True).ambiguity()


@dataclass
class Part:
    """What an automaton has for a part of an expression, each with the number of ways.

    ``empty`` is how the part matches the empty text, ``first`` and ``last`` are the
    positions at which a match begins and ends.
    """

    empty: int
    first: dict[int, int]
    last: dict[int, int]


class Automaton:
    """The positions of an expression (Glushkov), position 0 being where it begins.

    A path through positions is a way to match its characters; how many ways it stands
    for, up to two, is the product of the numbers along it.
    """

    def __init__(self) -> None:
        self.sets = [CharSet(())]
        self.follow: list[dict[int, int]] = [{}]
        self.last: dict[int, int] = {}

    @classmethod
    def of(cls, node: Node, bounded: bool) -> Automaton:
        """The automaton of an expression, or of what it is without bounds of two and more."""
        made = cls()
        whole = made._sequence(Part(0, {}, {0: 1}), made._part(node, bounded))
        made.last = whole.last
        return made

    def _part(self, node: Node, bounded: bool) -> Part:
        match node:
            case Chars(members):
                self.sets.append(members)
                self.follow.append({})
                position = len(self.sets) - 1
                return Part(0, {position: 1}, {position: 1})
            case Row(parts):
                return self._row([self._part(part, bounded) for part in parts])
            case Choice(branches):
                made = Part(0, {}, {})
                for branch in branches:
                    part = self._part(branch, bounded)
                    made.empty = min(TWO, made.empty + part.empty)
                    made.first |= part.first
                    made.last |= part.last
                return made
            case Repeat(of, least, most):
                if most is None or (most > 1 and not bounded):
                    fixed = [self._part(of, bounded) for _ in range(least if bounded else 0)]
                    return self._row([*fixed, self._star(self._part(of, bounded))])
                made = Part(1, {}, {})
                for turn in range(most, 0, -1):
                    made = self._sequence(self._part(of, bounded), made)
                    if turn > least:
                        made.empty = min(TWO, made.empty + 1)
                return made
        raise TypeError(node)

    def _row(self, parts: Sequence[Part]) -> Part:
        made = Part(1, {}, {})
        for part in reversed(parts):
            made = self._sequence(part, made)
        return made

    def _sequence(self, one: Part, two: Part) -> Part:
        self._link(one.last, two.first)
        if one.empty:
            _add(one.first, two.first, one.empty)
        if two.empty:
            _add(two.last, one.last, two.empty)
        return Part(min(TWO, one.empty * two.empty), one.first, two.last)

    def _star(self, part: Part) -> Part:
        # Turns over nothing can be taken as often as one likes.
        times = TWO if part.empty else 1
        self._link(part.last, part.first, times)
        first, last = (
            {position: min(TWO, number * times) for position, number in each.items()}
            for each in (part.first, part.last)
        )
        return Part(times, first, last)

    def _link(self, last: Mapping[int, int], first: Mapping[int, int], times: int = 1) -> None:
        for position, number in last.items():
            _add(self.follow[position], first, number * times)

    def ambiguity(self) -> Answer:
        """A shortest text that two paths have in common, or one that stands for two ways."""
        start = 0, 0, False
        reached = {start: ""}
        queue = [start]
        for state in queue:
            one, other, differ = state
            if (self.last.get(one, 0) * self.last.get(other, 0)) > (0 if differ else 1):
                return Answer(reached[state], len(reached))
            for p, number in self.follow[one].items():
                for q in self.follow[other]:
                    common = _common(self.sets[p], self.sets[q])
                    after = min(p, q), max(p, q), differ or p != q or number == TWO
                    if common and after not in reached:
                        reached[after] = reached[state] + chr(common.simplest)
                        queue.append(after)
        return Answer(None, len(reached))


@cache
def _common(one: CharSet, other: CharSet) -> CharSet:
    return one & other
