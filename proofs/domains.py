"""One domain for each type: where every engine takes its inputs.

A domain names the values that a claim speaks of. The fuzz engine draws from its
strategy, the exhaustive engine runs through its ``every`` where it is finite, the smt
engine starts from the symbolic value that ``proofs.lift.symbols`` makes for the same
type. The strategies aim at the edges: texts that are valid or one edit away from
valid, numbers at powers of two. No input is made by the constructors of the code that is
under proof, which may be at fault.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NewType

from hypothesis import strategies as st

from verified import IdGenerator, SpanContext, SpanId, TraceFlags, TraceId

NUMBER_BITS = 256
"""The integers of the smt engine are from -(2**256) to 2**256 - 1."""


class Draws:
    """A source of random bits that gives these numbers in order, then ones.

    Each number is cut to the number of bits that are asked for. The ones let a
    function end that draws until it likes what it gets.
    """

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = tuple(numbers)
        self.position = 0

    def __call__(self, bits: int) -> int:
        at = self.position
        self.position += 1
        drawn = self.numbers[at] if at < len(self.numbers) else -1
        return drawn & ((1 << bits) - 1)

    def __repr__(self) -> str:
        return f"Draws({list(self.numbers)!r})"


@dataclass(frozen=True)
class Domain:
    """The inputs of one type. ``every`` is empty where there are too many to count."""

    strategy: st.SearchStrategy[Any]
    every: tuple[Any, ...] = ()


ODD_CHARACTERS = (
    "0aAfFgG_-+xX \t\n\r\x00\x7f\x85\xa0\u0660\u0969\uff10\uff41\u212a\u017f\ud800\U0010ffff"
)
"""Characters that some builtin takes for a digit, a letter or a space, and some that none does."""


def _hexadecimal(digits: int) -> st.SearchStrategy[str]:
    numbers = st.integers(0, 16**digits - 1) | st.sampled_from(
        [0, 1, 16 ** (digits - 1), 16**digits - 1]
    )
    return numbers.map(lambda n: f"{n:0{digits}x}")


VERSIONS = st.sampled_from(["00"] * 4 + ["01", "0a", "10", "cc", "fe", "f0", "ff", "0f"])

ENDINGS = st.sampled_from([""] * 6 + ["-", "-00", "-what-comes-next", "-\n", "\n", " ", "x", "0"])

HEADERS = st.builds(
    lambda version, trace, parent, flags, end: f"{version}-{trace}-{parent}-{flags}{end}",
    VERSIONS,
    _hexadecimal(32),
    _hexadecimal(16),
    _hexadecimal(2),
    ENDINGS,
)


SPACES = st.text(" \t\n\r\x1c\x85\xa0\u2003", min_size=1, max_size=4)


@st.composite
def near_misses(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with an edit or two.

    A character is put in, taken out or changed, letters change their case, spaces are
    put before or behind, or the text is cut.
    """
    text = draw(texts)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["in", "out", "change", "upper", "one upper", "pad", "cut"])):
            case "in":
                text = text[:at] + draw(st.sampled_from(ODD_CHARACTERS)) + text[at:]
            case "out":
                text = text[:at] + text[at + 1 :]
            case "change":
                text = text[:at] + draw(st.sampled_from(ODD_CHARACTERS)) + text[at + 1 :]
            case "upper":
                text = text.upper()
            case "one upper":
                text = text[:at] + text[at : at + 1].upper() + text[at + 1 :]
            case "pad":
                spaces = draw(SPACES)
                text = spaces + text if draw(st.booleans()) else text + spaces
            case "cut":
                text = text[:at]
    return text


ID_TEXTS = _hexadecimal(32) | _hexadecimal(16)

TEXTS = (
    HEADERS
    | near_misses(HEADERS)
    | ID_TEXTS
    | near_misses(ID_TEXTS)
    | st.text(st.characters() | st.sampled_from(ODD_CHARACTERS))
)

DECIMAL_BITS = 10_000
"""Longer integers are not written in decimal digits, of which ``str`` has a limit."""

HUGE = st.sampled_from([1 << 20_000, -(1 << 20_000)])
"""Beyond what ``str`` turns into decimal digits."""

NUMBERS = (
    st.integers()
    | HUGE
    | st.builds(
        lambda power, off, sign: sign * ((1 << power) + off),
        st.sampled_from([0, 1, 2, 7, 8, 9, 56, 63, 64, 65, 127, 128, 129, 300]),
        st.integers(-2, 2),
        st.sampled_from([1, -1]),
    )
)


def _ids(cls: type[TraceId] | type[SpanId]) -> st.SearchStrategy[Any]:
    most = (1 << (128 if cls is TraceId else 64)) - 1
    edges = st.sampled_from([0, 1, 255, 256, most >> 1, (most >> 1) + 1, most])
    return (st.integers(0, most) | edges).map(partial(int.__new__, cls))


FLAGS = st.integers(0, 255).map(partial(int.__new__, TraceFlags))
MEMBERS = st.text("abcz019_-*/@", min_size=1, max_size=8)
TRACE_STATES = st.lists(st.tuples(MEMBERS, MEMBERS), max_size=3).map(tuple)
EVERY_BOOL = (False, True)

DRAWS = st.lists(st.just(0) | st.just(1 << 64) | st.integers(0, (1 << 128) - 1), max_size=4).map(
    Draws
)

Length = NewType("Length", int)
"""A number of bytes, from 0 to 40."""

DOMAINS: dict[Any, Domain] = {
    Draws: Domain(DRAWS),
    Length: Domain(st.integers(0, 40), tuple(range(41))),
    float: Domain(st.floats()),
    str: Domain(TEXTS),
    bytes: Domain(
        st.binary(max_size=40)
        | st.binary(min_size=16, max_size=16)
        | st.binary(min_size=8, max_size=8)
        | st.integers(0, 20).map(bytes)
    ),
    int: Domain(NUMBERS),
    bool: Domain(st.booleans(), EVERY_BOOL),
    types.NoneType: Domain(st.none(), (None,)),
    TraceId: Domain(_ids(TraceId)),
    SpanId: Domain(_ids(SpanId)),
    TraceFlags: Domain(FLAGS, tuple(int.__new__(TraceFlags, n) for n in range(256))),
    tuple[tuple[str, str], ...]: Domain(TRACE_STATES),
    SpanContext: Domain(
        st.tuples(_ids(TraceId), _ids(SpanId), FLAGS, TRACE_STATES, st.booleans()).map(
            partial(tuple.__new__, SpanContext)
        )
    ),
    IdGenerator: Domain(DRAWS.map(IdGenerator)),
}


def domain(annotation: Any) -> Domain | None:
    """The domain of a type, a union of types or a ``Literal``; None if there is none."""
    if annotation in DOMAINS:
        return DOMAINS[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return Domain(st.sampled_from(arguments), arguments)
    if origin in (types.UnionType, typing.Union):
        parts = [domain(argument) for argument in arguments]
        if all(parts):
            known = [part for part in parts if part is not None]
            finite = all(part.every for part in known)
            every = tuple(value for part in known for value in part.every) if finite else ()
            return Domain(st.one_of([part.strategy for part in known]), every)
    return None


def source(value: Any) -> str:
    """The Python expression that makes an input again."""
    if isinstance(value, IdGenerator):
        return f"IdGenerator({value._getrandbits!r})"
    if type(value) is int and value.bit_length() > DECIMAL_BITS:
        return hex(value)
    return repr(value)


def source_of(value: Any) -> Draws | None:
    """The source of random bits inside of an input, if it has one."""
    source = value._getrandbits if isinstance(value, IdGenerator) else value
    return source if isinstance(source, Draws) else None


def with_draws(value: Any, numbers: Sequence[int]) -> Any:
    """The input, its source of random bits giving these numbers."""
    if source_of(value) is None:
        return value
    return Draws(numbers) if isinstance(value, Draws) else IdGenerator(Draws(numbers))


def fresh(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs once more, for another run: sources of random bits start from the beginning."""
    sources = {name: source_of(value) for name, value in inputs.items()}
    return {
        name: value if source is None else with_draws(value, source.numbers)
        for (name, value), source in zip(inputs.items(), sources.values(), strict=True)
    }
