"""Whether every text of one language is in another, with a shortest text that is not.

Decided by pairs of derivatives. A list of 32 members whose keys and values may have 256
characters has an automaton of ten thousands of states, though nothing depends on how long
a key is. So a repetition that stands on both sides is looked at as if it were one letter.

That is sound. Let ``left'`` and ``right'`` be the terms in which letters ``c`` stand for
repetitions ``R``, where no set of characters in either term has a ``c``, and neither term
has a complement, but for the language of all texts on the right. For a text over such
letters let ``h`` be the language that comes of it when each ``c`` is replaced by the texts
of its ``R``. Union, concatenation and repetition commute with ``h``, so

    left = h(left')    and    h(right') is in right,

the latter an equality but for the language of all texts, which can only become less. If
``left'`` is in ``right'``, then ``h(left')`` is in ``h(right')``, and so ``left`` in ``right``.

Nor is the shortest text lost. A text of ``left`` that is not in ``right`` comes of one of
``left'`` that is not in ``right'``, and is not shorter than it is with the shortest text of
``R`` for each ``c``. So if one that is shortest in that measure is a counterexample when it
is spelt out so, then it is a shortest one. If it is none, the repetitions are looked into.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count, islice

from . import languages
from .languages import ANYTHING, LAST_CODE_POINT, NOTHING, CharSet, Language


@dataclass(frozen=True)
class Inclusion:
    """The statement that every text of ``left``, if it is shorter than that, is in ``right``."""

    left: Language
    right: Language
    shorter_than: float = math.inf

    @cached_property
    def decided(self) -> Abstract:
        """The statement that was decided instead, with the same answer.

        Where its counterexample is none of this one, fewer repetitions are letters: those
        with a bound, which are what makes automata large, then none.
        """
        letters = _letters(self.left, self.right)
        bounded = {c: r for c, r in letters.items() if isinstance(r, languages.Repeat)}
        for kept in (letters, bounded):
            codes = {repetition: code for code, repetition in kept.items()}
            left, right = _replaced(self.left, codes), _replaced(self.right, codes)
            tried = Abstract(left, right, kept, self.shorter_than)
            text = tried.counterexample
            if text is None or (text in self.left and text not in self.right):
                return tried
        return Abstract(self.left, self.right, {}, self.shorter_than)

    def counterexample(self) -> str | None:
        """A shortest text of ``left`` that is not in ``right``; None if there is none."""
        return self.decided.counterexample


@dataclass(frozen=True)
class Abstract:
    """An inclusion in which letters, by code point, stand for languages that are not empty."""

    left: Language
    right: Language
    letters: Mapping[int, Language]
    shorter_than: float = math.inf

    @property
    def counterexample(self) -> str | None:
        """A text of ``left`` not in ``right``, a shortest one, its letters spelt out."""
        return self._search[0]

    @property
    def states(self) -> int:
        """The number of pairs of derivatives that were looked at."""
        return self._search[1]

    @cached_property
    def _search(self) -> tuple[str | None, int]:
        spelt = {code: _shortest(language) for code, language in self.letters.items()}
        order = count()
        queue = [(0, next(order), "", self.left, self.right)]
        seen = set()
        while queue:
            _, _, text, left, right = heapq.heappop(queue)
            if (left, right) in seen:
                continue
            seen.add((left, right))
            if languages.nullable(left) and not languages.nullable(right):
                return text, len(seen)
            for code, left_after, right_after in _steps(left, right, self.letters):
                longer = text + spelt.get(code, chr(code))
                entry = len(longer), next(order), longer, left_after, right_after
                if len(longer) < self.shorter_than:
                    heapq.heappush(queue, entry)
        return None, len(seen)


def _steps(
    left: Language, right: Language, letters: Mapping[int, Language]
) -> Iterator[tuple[int, Language, Language]]:
    """The pairs of derivatives, each with a code point, on which a counterexample may go on."""
    alone = {edge for code in letters for edge in (code, code + 1)}
    found = languages.boundaries(left) | languages.boundaries(right) | alone
    edges = sorted({0, *found} - {LAST_CODE_POINT + 1})
    targets: dict[tuple[Language, Language], list[tuple[int, int]]] = {}
    for low, following in zip(edges, [*edges[1:], LAST_CODE_POINT + 1], strict=True):
        after = languages.derivative(left, low), languages.derivative(right, low)
        if after[0] is NOTHING or after[1] is ANYTHING:
            continue
        if low in letters:
            yield low, *after
        else:
            targets.setdefault(after, []).append((low, following - 1))
    for after, ranges in targets.items():
        yield CharSet.of(ranges).simplest, *after


def _letters(left: Language, right: Language) -> dict[int, Language]:
    """Characters that are in no set of either term, for the repetitions that stand in both."""
    terms = _parts(left) | _parts(right)
    complements = {term for term in terms if isinstance(term, languages.Complement)}
    if complements - {ANYTHING} or ANYTHING in _parts(left):
        return {}
    used = CharSet.of(r for t in terms if isinstance(t, languages.Chars) for r in t.set.ranges)
    free = (code for low, high in (~used).ranges for code in range(low, high + 1))
    shared = [
        t for t in _parts(left) & _parts(right) if isinstance(t, languages.Repeat | languages.Star)
    ]
    # Z3 has only the first code points, and these come first.
    codes = list(islice(free, len(shared)))
    return dict(zip(codes, shared, strict=False))


@cache
def _parts(language: Language) -> frozenset[Language]:
    """A term and the terms that it is made of; the language of all texts is made of none."""
    match language:
        case languages.Concatenation(first, rest):
            inner = [first, rest]
        case languages.Union(members):
            inner = [*members]
        case languages.Star(of) | languages.Repeat(of, _, _):
            inner = [of]
        case languages.Complement(of) if language is not ANYTHING:
            inner = [of]
        case _:
            inner = []
    return frozenset([language]).union(*map(_parts, inner))


def _replaced(language: Language, codes: Mapping[Language, int]) -> Language:
    """The term with letters for these of its parts, the largest first."""
    if language in codes:
        return languages.chars([(codes[language],) * 2])
    match language:
        case languages.Concatenation(first, rest):
            return _replaced(first, codes) + _replaced(rest, codes)
        case languages.Union(members):
            return languages.union([_replaced(member, codes) for member in members])
        case languages.Star(of):
            return languages.star(_replaced(of, codes))
        case languages.Repeat(of, least, most):
            return languages.repeat(_replaced(of, codes), least, most)
    return language


@cache
def _shortest(language: Language) -> str:
    text = Abstract(language, NOTHING, {}).counterexample
    assert text is not None, "no term repeats nothing"
    return text
