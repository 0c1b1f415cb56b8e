"""What a lifted expression evaluates to: Python values with solver terms inside.

An integer is a signed bit-vector together with bounds that it is known to keep. The
vector is always wide enough for the bounds, and each operation widens it as needed,
so that no calculation wraps round: the terms mean Python's integers.

A string is a length and the code points of its first characters, its *window*. The
length may be any that a ``str`` can have, so what is proved of it is proved of
strings of any length; looking at a character behind the window is refused. Bytes are
the same with codes up to 255.

Values of different shape that meet where branches join are kept side by side, each
under its guard, as a ``Choice``.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import z3

CODE_BITS = 21
WINDOW = 64

TRUE = z3.BoolVal(True)
FALSE = z3.BoolVal(False)


@dataclass(frozen=True)
class Int:
    term: z3.BitVecRef
    low: int
    high: int
    cls: type = int

    @property
    def constant(self) -> int | None:
        return self.low if self.low == self.high else None


@dataclass(frozen=True)
class Linear:
    """An integer of any size, of which only what is linear is asked (``proofs.lift.linear``)."""

    term: z3.ArithRef


@dataclass(frozen=True)
class Bool:
    term: z3.BoolRef


@dataclass(frozen=True)
class Str:
    length: Int
    codes: tuple[z3.BitVecRef, ...]
    kind: type = str

    @property
    def bounded(self) -> bool:
        """Whether the window holds the whole string."""
        return self.length.high <= len(self.codes)


@dataclass(frozen=True)
class Tuple:
    items: tuple[Value, ...]
    cls: type = tuple


@dataclass(frozen=True)
class Match:
    """What a regular expression found at the start of a text.

    ``places`` are those of its groups, if they are the same in every match.
    """

    text: Str
    places: tuple[tuple[int, int], ...] | None


@dataclass(frozen=True)
class Opaque:
    """A value of which the code may ask nothing but its class and whether it is another.

    ``empty`` is the term of the one value that is false, and equal to ``cls()``.
    """

    term: z3.ExprRef
    empty: z3.ExprRef
    cls: type


@dataclass(frozen=True)
class Instance:
    """An object of a class that is written in Python, with its attributes."""

    cls: type
    attributes: dict[str, Value]


@dataclass(frozen=True)
class Draws:
    """A source of random bits: each call gives a number that nothing else determines."""

    name: str


@dataclass(frozen=True, eq=False)
class Const:
    """A Python object that the solver need not look into.

    Equal to itself alone: the object may say of itself that it equals any other.
    """

    object: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and other.object is self.object

    def __hash__(self) -> int:
        return id(self.object)


@dataclass(frozen=True)
class Method:
    """A function bound to its first argument."""

    receiver: Value
    function: Any


@dataclass(frozen=True, eq=False)
class Closure:
    """A lambda, with the frame whose names it can see, as they are when it is called."""

    node: ast.Lambda
    frame: Any


@dataclass(frozen=True)
class Undefined:
    """The value of a name that has none on this path, or of no path at all."""


@dataclass(frozen=True)
class Choice:
    alternatives: tuple[tuple[z3.BoolRef, Value], ...]


Value = (
    Int
    | Linear
    | Bool
    | Str
    | Tuple
    | Match
    | Opaque
    | Instance
    | Draws
    | Const
    | Method
    | Closure
    | Undefined
    | Choice
)

NONE = Const(None)


def width(low: int, high: int) -> int:
    """The number of bits of the narrowest signed vector from low to high."""
    return (
        max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
    )


def resize(term: z3.BitVecRef, bits: int) -> z3.BitVecRef:
    size = term.size()
    if size == bits:
        return term
    if z3.is_bv_value(term):
        return z3.BitVecVal(term.as_signed_long(), bits)
    return z3.SignExt(bits - size, term) if size < bits else z3.Extract(bits - 1, 0, term)


def integer(term: z3.BitVecRef, low: int, high: int, cls: type = int) -> Int:
    """An integer known to be from low to high, its term in any wide enough vector."""
    return Int(resize(term, width(low, high)), low, high, cls)


def number(value: int, cls: type = int) -> Int:
    return Int(z3.BitVecVal(value, width(value, value)), value, value, cls)


def unsigned(term: z3.BitVecRef, cls: type = int) -> Int:
    """The integer that the bits of a term denote, all of them as value."""
    return Int(z3.ZeroExt(1, term), 0, (1 << term.size()) - 1, cls)


def code(value: int) -> z3.BitVecRef:
    return z3.BitVecVal(value, CODE_BITS)


def string(value: str | bytes) -> Str:
    codes = value if isinstance(value, bytes) else map(ord, value)
    return Str(number(len(value)), tuple(map(code, codes)), type(value))


_BINARY = "add sub mul and or xor lshift rshift floordiv mod truediv pow matmul divmod"
_OTHER = (
    "eq ne lt le gt ge neg pos invert bool len int index trunc float format contains getitem "
    "iter getattribute getattr class instancecheck hash"
)
_OPERATIONS: Set[str] = {
    *(f"__{form}{name}__" for name in re.split(" ", _BINARY) for form in ("", "r", "i")),
    *(f"__{name}__" for name in re.split(" ", _OTHER)),
}


def _line(cls: type) -> tuple[type, ...]:
    """A class and those that it comes from."""
    return cls.__mro__


def computes_as(cls: type, base: type) -> bool:
    """Whether a class leaves all operations as they are in the builtin that it extends."""
    theirs = {*_line(base), *_line(type(base))}
    own = [each for each in (*_line(cls), *_line(type(cls))) if each not in theirs]
    return issubclass(cls, base) and all(
        vars(each)[name] is inspect.getattr_static(base, name, None)
        for each in own
        for name in vars(each).keys() & _OPERATIONS
    )


def found_in(cls: type, name: str) -> Any:
    """What a class has for its instances under a name, as it stands there; None if nothing."""
    return next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), None)


def _is_as_its_class(value: object) -> bool:
    """Whether an object has nothing of its own in the place of what its class has."""
    own: dict[str, Any] = getattr(value, "__dict__", {})
    return all(found_in(type(value), name) is None for name in own)


def literal(value: Any) -> Value:
    """The value that a Python object is."""
    if isinstance(value, bool):
        return Bool(z3.BoolVal(value))
    if isinstance(value, int) and computes_as(type(value), int) and _is_as_its_class(value):
        return number(int(value), type(value))
    if type(value) in (str, bytes):
        return string(value)
    if isinstance(value, tuple) and computes_as(type(value), tuple) and _is_as_its_class(value):
        return Tuple(tuple(map(literal, value)), type(value))
    return Const(value)


def both(*conditions: z3.BoolRef) -> z3.BoolRef:
    kept = [c for c in conditions if not z3.is_true(c)]
    if any(z3.is_false(c) for c in kept):
        return FALSE
    return kept[0] if len(kept) == 1 else z3.And(*kept) if kept else TRUE


def either(*conditions: z3.BoolRef) -> z3.BoolRef:
    kept = [c for c in conditions if not z3.is_false(c)]
    if any(z3.is_true(c) for c in kept):
        return TRUE
    return kept[0] if len(kept) == 1 else z3.Or(*kept) if kept else FALSE


def negation(condition: z3.BoolRef) -> z3.BoolRef:
    if z3.is_true(condition):
        return FALSE
    return TRUE if z3.is_false(condition) else z3.Not(condition)


def as_int(value: Int | Bool) -> Int:
    if isinstance(value, Bool):
        return integer(z3.If(value.term, z3.BitVecVal(1, 2), z3.BitVecVal(0, 2)), 0, 1)
    return value


def compare(relation: str, left: Int, right: Int) -> z3.BoolRef:
    """A comparison, decided by the bounds where they suffice."""
    a, b = left, right
    certain = {
        "<": (a.high < b.low, a.low >= b.high),
        "<=": (a.high <= b.low, a.low > b.high),
        ">": (a.low > b.high, a.high <= b.low),
        ">=": (a.low >= b.high, a.high < b.low),
        "==": (a.low == a.high == b.low == b.high, a.high < b.low or b.high < a.low),
    }
    if relation == "!=":
        return negation(compare("==", left, right))
    always, never = certain[relation]
    if always or never:
        return z3.BoolVal(always)
    bits = max(a.term.size(), b.term.size())
    x, y = resize(a.term, bits), resize(b.term, bits)
    operators = {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y, "==": x == y}
    return operators[relation]


def add(left: Int, right: Int) -> Int:
    low, high = left.low + right.low, left.high + right.high
    bits = max(width(low, high), left.term.size(), right.term.size())
    return integer(resize(left.term, bits) + resize(right.term, bits), low, high)


def negative(value: Int) -> Int:
    bits = max(value.term.size() + 1, width(-value.high, -value.low))
    return integer(-resize(value.term, bits), -value.high, -value.low)


def smaller(left: Int, right: Int) -> Int:
    return _selected(compare("<=", left, right), left, right, min)


def larger(left: Int, right: Int) -> Int:
    return _selected(compare(">=", left, right), left, right, max)


def _selected(condition: z3.BoolRef, left: Int, right: Int, pick: Any) -> Int:
    low, high = pick(left.low, right.low), pick(left.high, right.high)
    bits = max(left.term.size(), right.term.size())
    return integer(z3.If(condition, resize(left.term, bits), resize(right.term, bits)), low, high)


def any_string(name: str, kind: type) -> tuple[Str, z3.BoolRef]:
    """A string of any length and any characters, and what the solver must know of it."""
    length = z3.BitVec(f"{name}.length", 64)
    codes = tuple(z3.BitVec(f"{name}[{i}]", CODE_BITS) for i in range(WINDOW))
    last = sys.maxunicode if kind is str else 0xFF
    known = both(length >= 0, *(z3.ULE(c, last) for c in codes))
    return Str(Int(length, 0, sys.maxsize), codes, kind), known


def _shape(value: Value) -> object:
    match value:
        case Int(cls=cls):
            return Int, cls
        case Str(kind=kind):
            return Str, kind
        case Tuple(items, cls):
            return Tuple, cls, len(items)
        case Match(_, places):
            return Match, places
        case Bool() | Linear() | Undefined():
            return type(value)
        case Opaque(term, _, cls):
            return Opaque, term.sort(), cls
        case Const(of):
            return Const, id(of)
    return id(value)


def _join(condition: z3.BoolRef, value: Any, other: Any) -> Value:
    """``value`` where the condition holds, else ``other``, which has the same shape."""
    match value:
        case Int():
            low, high = min(value.low, other.low), max(value.high, other.high)
            bits = width(low, high)
            term = z3.If(condition, resize(value.term, bits), resize(other.term, bits))
            return Int(term, low, high, value.cls)
        case Bool() | Linear():
            return type(value)(z3.If(condition, value.term, other.term))
        case Opaque():
            return Opaque(z3.If(condition, value.term, other.term), value.empty, value.cls)
        case Str():
            length = _join(condition, value.length, other.length)
            assert isinstance(length, Int)
            windows = [len(s.codes) for s in (value, other) if not s.bounded]
            size = min(windows) if windows else max(len(value.codes), len(other.codes))
            codes = tuple(
                z3.If(condition, a, b)
                for a, b in zip(_padded(value, size), _padded(other, size), strict=True)
            )
            return Str(length, codes, value.kind)
        case Tuple(items, cls):
            pairs = zip(items, other.items, strict=True)
            negated = negation(condition)
            return Tuple(tuple(merge([(condition, a), (negated, b)]) for a, b in pairs), cls)
        case Match(text, places):
            found = merge([(condition, text), (negation(condition), other.text)])
            assert isinstance(found, Str)
            return Match(found, places)
    same: Value = value
    return same


def _padded(value: Str, size: int) -> Sequence[z3.BitVecRef]:
    return (*value.codes[:size], *[code(0)] * (size - len(value.codes)))


def _as_linear(value: Value) -> Value:
    """A number that is one of known ones as a linear integer, so that it joins others."""
    known = of_known(value) if isinstance(value, Int) and value.cls is int else None
    return value if known is None else Linear(known)


def of_known(value: Int) -> z3.ArithRef | None:
    """The integer that a value is, if it is one of known numbers."""
    return _of_known(z3.simplify(value.term))


def _of_known(term: z3.ExprRef) -> z3.ArithRef | None:
    if z3.is_bv_value(term):
        return z3.IntVal(term.as_signed_long())
    if z3.is_app_of(term, z3.Z3_OP_ITE):
        first, second = _of_known(term.arg(1)), _of_known(term.arg(2))
        return None if first is None or second is None else z3.If(term.arg(0), first, second)
    return None


def merge(cases: Sequence[tuple[z3.BoolRef, Value]]) -> Value:
    """One value that is each of these where its guard holds; guards exclude each other."""
    flat: list[tuple[z3.BoolRef, Value]] = []
    for guard, value in cases:
        if isinstance(value, Choice):
            flat += [(both(guard, inner), v) for inner, v in value.alternatives]
        else:
            flat.append((guard, value))
    if any(isinstance(value, Linear) for _, value in flat):
        flat = [(guard, _as_linear(value)) for guard, value in flat]
    groups: dict[object, list[tuple[z3.BoolRef, Value]]] = {}
    for guard, value in flat:
        if not z3.is_false(guard):
            groups.setdefault(_shape(value), []).append((guard, value))
    alternatives = []
    for group in groups.values():
        merged = group[-1][1]
        for guard, value in reversed(group[:-1]):
            merged = merged if value is merged else _join(guard, value, merged)
        alternatives.append((either(*(guard for guard, _ in group)), merged))
    if not alternatives:
        return Undefined()
    return alternatives[0][1] if len(alternatives) == 1 else Choice(tuple(alternatives))


def describe(value: Value) -> str:
    """What a value is, for a person."""
    match value:
        case Int(cls=cls) | Tuple(cls=cls) | Instance(cls=cls) | Opaque(cls=cls):
            return f"a {cls.__name__}"
        case Linear():
            return "a linear int"
        case Bool():
            return "a bool"
        case Str(kind=kind):
            return f"a {kind.__name__}"
        case Match():
            return "a match"
        case Const(of):
            return repr(of)
        case Method(_, function):
            return f"the method {getattr(function, '__qualname__', function)}"
        case Choice(alternatives):
            return " or ".join(dict.fromkeys(describe(v) for _, v in alternatives))
    return "nothing"
