"""Symbolic inputs: for each domain the value that stands for all of its members.

A symbol can be read back: a model of the solver gives the input that it found, and an
input gives the terms that stand for it, so that a lifted function can be evaluated on
what the real function was run on.
"""

from __future__ import annotations

import inspect
import operator
import types
import typing
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import z3

from verified import IdGenerator, SpanContext, SpanId, TraceFlags, TraceId, TraceState

from ..domains import DECIMAL_BITS, NUMBER_BITS, Draws, Int64, Uint64
from . import values as v
from .paths import Drawn
from .records import is_record

Evaluate = Callable[[z3.ExprRef], z3.ExprRef]
"""The value of a term: that of a model, or that of chosen inputs."""

Substitution = list[tuple[z3.ExprRef, z3.ExprRef]]


@dataclass
class Symbol:
    """All inputs of a domain at once.

    ``read`` gives the input that an evaluation stands for, ``bind`` the substitution
    that stands for an input (None if the input is outside of the bound), ``smaller``
    conditions that make a counterexample easier to read, most important first.
    """

    value: v.Value
    known: z3.BoolRef
    read: Callable[[Evaluate], Any]
    bind: Callable[[Any], Substitution | None]
    smaller: list[z3.BoolRef] = field(default_factory=list)
    bound: str | None = None


EMPTY = z3.BitVecVal(0, 32)


def _bool(name: str) -> Symbol:
    term = z3.Bool(name)
    return Symbol(
        v.Bool(term),
        v.TRUE,
        lambda evaluate: z3.is_true(evaluate(term)),
        lambda value: [(term, z3.BoolVal(value))],
        [z3.Not(term)],
    )


def _natural(name: str, bits: int, cls: Any) -> Symbol:
    """An ``int`` of a class, of so many bits."""
    if not v.computes_as(cls, int):
        raise KeyError(cls)
    term = z3.BitVec(name, bits)

    return Symbol(
        v.unsigned(term, cls),
        v.TRUE,
        lambda evaluate: int.__new__(cls, _unsigned(evaluate(term))),
        lambda value: [(term, z3.BitVecVal(int(value), bits))],
        [term == 1, *(z3.ULT(term, 1 << n) for n in _halves(bits))],
    )


def _halves(bits: int) -> Sequence[int]:
    return [n for n in (1, 2, 4, 8, 16, 32, 64, 96, 112, 120, 124) if n < bits]


def _unsigned(term: z3.ExprRef) -> int:
    return term.as_long() if z3.is_bv_value(term) else 0


def _int(name: str, bits: int = NUMBER_BITS, whole: bool = False) -> Symbol:
    """An ``int`` of so many bits and a sign; ``whole`` says that the domain has no other."""
    term = z3.BitVec(name, bits + 1)
    low, high = -(1 << bits), (1 << bits) - 1

    def read(evaluate: Evaluate) -> int:
        value = evaluate(term)
        return value.as_signed_long() if z3.is_bv_value(value) else 0

    return Symbol(
        v.Int(term, low, high),
        v.TRUE,
        read,
        lambda value: [(term, z3.BitVecVal(value, bits + 1))] if low <= value <= high else None,
        [term == 0, term == 1, term >= 0, term < 256],
        None if whole else f"-2**{bits} <= {name} < 2**{bits}",
    )


def _text(name: str, kind: type) -> Symbol:
    text, known = v.any_string(name, kind)
    length = text.length.term
    nought = v.code(ord("0") if kind is str else 0)

    def read(evaluate: Evaluate) -> Any:
        size = _unsigned(evaluate(length))
        codes = [_unsigned(evaluate(c)) for c in text.codes[:size]]
        # What is behind the window decided nothing; any characters will do.
        codes += [nought.as_long()] * (min(size, 1 << 20) - len(codes))
        return bytes(codes) if kind is bytes else "".join(map(chr, codes))

    def bind(value: Any) -> Substitution:
        codes = list(value) if kind is bytes else list(map(ord, value))
        codes += [0] * (v.WINDOW - len(codes))
        pairs = zip(text.codes, codes, strict=False)
        return [(length, z3.BitVecVal(len(value), 64)), *((c, v.code(n)) for c, n in pairs)]

    lengths = [length < n for n in (1, 2, 9, 17, 33, 53, 54, 55, 56, 57, 58, v.WINDOW)]
    return Symbol(
        text, known, read, bind, [*lengths, length < 1 << 20, *(c == nought for c in text.codes)]
    )


def _trace_state(name: str) -> Symbol:
    # Only equality is asked of it, so as many values as there can be variables suffice.
    term = z3.BitVec(name, 32)

    def read(evaluate: Evaluate) -> TraceState:
        value = _unsigned(evaluate(term))
        return TraceState(f"k={value}" if value else "")

    def bind(value: TraceState) -> Substitution:
        return [(term, z3.BitVecVal(zlib.crc32(value.header.encode()) if value else 0, 32))]

    return Symbol(v.Opaque(term, EMPTY, TraceState), v.TRUE, read, bind, [term == EMPTY, term == 1])


def _span_context(name: str) -> Symbol:
    if not v.computes_as(SpanContext, tuple):
        raise KeyError(SpanContext)
    parts = {
        "trace_id": _natural(f"{name}.trace_id", 128, TraceId),
        "span_id": _natural(f"{name}.span_id", 64, SpanId),
        "trace_flags": _natural(f"{name}.trace_flags", 8, TraceFlags),
        "trace_state": _trace_state(f"{name}.trace_state"),
        "is_remote": _bool(f"{name}.is_remote"),
    }

    def bind(value: SpanContext) -> Substitution:
        pairs: Substitution = []
        for part, symbol in parts.items():
            pairs += symbol.bind(getattr(value, part)) or []
        return pairs

    return Symbol(
        v.Tuple(tuple(part.value for part in parts.values()), SpanContext),
        v.TRUE,
        lambda evaluate: tuple.__new__(
            SpanContext, [part.read(evaluate) for part in parts.values()]
        ),
        bind,
        [condition for part in parts.values() for condition in part.smaller],
    )


def _selected(name: str, cases: Sequence[tuple[Symbol, Callable[[Any], bool]]]) -> Symbol:
    """One of several symbols; beside each, whether an input is one of its own."""
    selector = z3.BitVec(f"{name}:case", 8)
    guards = [selector == i for i in range(len(cases))]

    def read(evaluate: Evaluate) -> Any:
        return cases[_unsigned(evaluate(selector))][0].read(evaluate)

    def bind(value: Any) -> Substitution | None:
        chosen = next(i for i, (_, owns) in enumerate(cases) if owns(value))
        inner = cases[chosen][0].bind(value)
        return None if inner is None else [(selector, z3.BitVecVal(chosen, 8)), *inner]

    symbols = [part for part, _ in cases]
    return Symbol(
        v.Choice(tuple((g, part.value) for g, part in zip(guards, symbols, strict=True))),
        v.both(z3.ULT(selector, len(cases)), *(part.known for part in symbols)),
        read,
        bind,
        [selector == 0, *(condition for part in symbols for condition in part.smaller)],
        "; ".join(part.bound for part in symbols if part.bound) or None,
    )


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind)


def _constant(value: Any) -> Symbol:
    return Symbol(v.literal(value), v.TRUE, lambda _: value, lambda _: [])


def _id_generator(name: str) -> Symbol:
    if IdGenerator.__getattribute__ is not object.__getattribute__:
        raise KeyError(IdGenerator)
    source = v.Draws(f"{name}.draw")
    return Symbol(
        v.Instance(IdGenerator, {"_getrandbits": source}),
        v.TRUE,
        lambda evaluate: IdGenerator(Draws([])),
        lambda value: [],
    )


def _linear(name: str) -> Symbol:
    """An integer of any size."""
    term = z3.Int(name)

    def read(evaluate: Evaluate) -> int:
        value = evaluate(term)
        return value.as_long() if isinstance(value, z3.IntNumRef) else 0

    return Symbol(
        v.Linear(term),
        v.TRUE,
        read,
        # Z3 reads numbers in decimal digits, of which Python does not write so many.
        lambda value: [(term, z3.IntVal(value))] if value.bit_length() < DECIMAL_BITS else None,
        [term == 0, term == 1, term >= 0, term < 10],
    )


def _record(name: str, cls: Any) -> Symbol:
    """A named tuple of integers of any size, truths and others of its kind."""
    kinds = inspect.get_annotations(cls, eval_str=True)
    if tuple(kinds) != cls._fields:
        raise KeyError(cls)
    parts = [
        (_linear if kind is int else partial(symbol, annotation=kind))(f"{name}.{field}")
        for field, kind in kinds.items()
    ]

    def bind(value: Any) -> Substitution | None:
        pairs = [part.bind(item) for part, item in zip(parts, value, strict=True)]
        return None if None in pairs else [pair for each in pairs if each for pair in each]

    return Symbol(
        v.Tuple(tuple(part.value for part in parts), cls),
        v.both(*(part.known for part in parts)),
        lambda evaluate: tuple.__new__(cls, [part.read(evaluate) for part in parts]),
        bind,
        [condition for part in parts for condition in part.smaller],
    )


def symbol(name: str, annotation: Any) -> Symbol:
    """The symbol of a type; raises ``KeyError`` if the type has none."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return _selected(name, [(_constant(c), partial(operator.eq, c)) for c in arguments])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return _selected(
            name,
            [(symbol(f"{name}:{kind.__name__}", kind), partial(_is_a, kind)) for kind in arguments],
        )
    if annotation not in _SYMBOLS and isinstance(annotation, type) and is_record(annotation):
        return _record(name, annotation)
    return _SYMBOLS[annotation](name)


def inputs(parameters: Mapping[str, Any]) -> dict[str, Symbol]:
    """The symbols of inputs; beside a record integers are linear as those of the record are.

    :raises KeyError: if a type has none.
    """
    kinds = [a for a in parameters.values() if isinstance(a, type) and a not in _SYMBOLS]
    linear = any(is_record(kind) for kind in kinds)
    return {
        name: _linear(name) if annotation is int and linear else symbol(name, annotation)
        for name, annotation in parameters.items()
    }


_SYMBOLS: dict[Any, Callable[[str], Symbol]] = {
    types.NoneType: lambda name: _constant(None),
    str: lambda name: _text(name, str),
    bytes: lambda name: _text(name, bytes),
    int: _int,
    Uint64: lambda name: _natural(name, 64, int),
    Int64: lambda name: _int(name, 63, whole=True),
    bool: _bool,
    TraceId: lambda name: _natural(name, 128, TraceId),
    SpanId: lambda name: _natural(name, 64, SpanId),
    TraceFlags: lambda name: _natural(name, 8, TraceFlags),
    TraceState: _trace_state,
    SpanContext: _span_context,
    IdGenerator: _id_generator,
}


def read_draws(drawn: Sequence[Drawn], evaluate: Evaluate) -> list[int]:
    """The numbers that were drawn on the run that an evaluation stands for, in order."""
    return [_unsigned(evaluate(draw.term)) for draw in drawn if z3.is_true(evaluate(draw.guard))]


def bind_draws(drawn: Sequence[Drawn], numbers: Sequence[int], known: Substitution) -> Substitution:
    """The substitution under which a run draws these numbers."""
    pairs: Substitution = list(known)
    left = list(numbers)

    def following(bits: int) -> int:
        return (left.pop(0) if left else -1) & ((1 << bits) - 1)

    for draw in drawn:
        bits, number = draw.term.size(), 0
        if z3.is_true(z3.simplify(z3.substitute(draw.guard, *pairs))):
            number = following(bits)
            while draw.in_loop and number == 0:
                # One round of a loop stands for all that draw in vain.
                number = following(bits)
        pairs.append((draw.term, z3.BitVecVal(number, bits)))
    return pairs
