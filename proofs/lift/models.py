"""What CPython's builtins do, as terms.

Each model is exact on all arguments that it accepts, and refuses the others. These
models are part of what a proof trusts; ``tests/test_models.py`` holds each of them
against CPython, by enumeration where the arguments are few and by fuzzing elsewhere.
"""

from __future__ import annotations

import ast
import operator
import re
import sys
import types
import unicodedata
from abc import ABCMeta
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import z3

from ..expressions import NotRegular, full_match, group_places, prefix_match
from ..grammar import Grammar
from ..languages import CharSet, Language
from . import linear
from .values import (
    CODE_BITS,
    FALSE,
    NONE,
    TRUE,
    Bool,
    Choice,
    Const,
    Int,
    Linear,
    Match,
    Opaque,
    Str,
    Tuple,
    Undefined,
    Value,
    add,
    as_int,
    both,
    code,
    compare,
    computes_as,
    either,
    found_in,
    integer,
    larger,
    negation,
    negative,
    number,
    resize,
    smaller,
    unsigned,
    width,
)

if TYPE_CHECKING:
    from .operations import Operations

Model = Callable[..., Value]


# Integers.


def unary(operation: ast.unaryop, value: Int) -> Int:
    if isinstance(operation, ast.USub):
        return negative(value)
    if isinstance(operation, ast.Invert):
        return integer(~value.term, ~value.high, ~value.low)
    return Int(value.term, value.low, value.high)


def arithmetic(lifter: Operations, operation: ast.operator, left: Int, right: Int) -> Value:
    match operation:
        case ast.Add():
            return add(left, right)
        case ast.Sub():
            return add(left, negative(right))
        case ast.Mult():
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            bits = left.term.size() + right.term.size()
            product = resize(left.term, bits) * resize(right.term, bits)
            return integer(product, min(corners), max(corners))
        case ast.BitAnd() | ast.BitOr() | ast.BitXor():
            return _bitwise(operation, left, right)
        case ast.LShift() | ast.RShift():
            return _shifted(lifter, isinstance(operation, ast.LShift), left, right)
        case ast.FloorDiv() | ast.Mod():
            return _divided(lifter, isinstance(operation, ast.FloorDiv), left, right)
    raise lifter.refuse(f"the operator {type(operation).__name__} on integers")


def _bitwise(operation: ast.operator, left: Int, right: Int) -> Int:
    bits = max(left.term.size(), right.term.size())
    a, b = resize(left.term, bits), resize(right.term, bits)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if isinstance(operation, ast.BitAnd):
        limits = [x.high for x in (left, right) if x.low >= 0]
        return integer(a & b, 0 if limits else low, min(limits, default=high))
    if left.low >= 0 and right.low >= 0:
        low = 0
    return integer(a | b if isinstance(operation, ast.BitOr) else a ^ b, low, high)


def _shifted(lifter: Operations, to_the_left: bool, left: Int, right: Int) -> Value:
    lifter.raise_when(compare("<", right, number(0)), ValueError)
    if not lifter.possible(TRUE):
        return Undefined()
    distance = lifter.fixed(right)
    if distance is None:
        raise lifter.refuse("a shift by a number of bits that is not known")
    if to_the_left:
        low, high = left.low << distance, left.high << distance
        bits = width(low, high)
        return integer(resize(left.term, bits) << distance, low, high)
    bits = left.term.size()
    return integer(
        left.term >> min(distance, bits - 1), left.low >> distance, left.high >> distance
    )


def _divided(lifter: Operations, quotient: bool, left: Int, right: Int) -> Value:
    divisor = lifter.fixed(right)
    if divisor is None or divisor <= 0 or left.low < 0:
        if divisor == 0:
            lifter.raise_when(TRUE, ZeroDivisionError)
            return Undefined()
        raise lifter.refuse("a division that is not of a natural number by a known positive one")
    bits = max(left.term.size(), width(0, divisor))
    dividend, by = resize(left.term, bits), z3.BitVecVal(divisor, bits)
    if quotient:
        return integer(z3.UDiv(dividend, by), left.low // divisor, left.high // divisor)
    return integer(z3.URem(dividend, by), 0, min(left.high, divisor - 1))


def least(left: Int, right: Int) -> Int:
    return smaller(left, right)


def difference_from_zero(end: Int, start: int) -> Int:
    """The number of steps from start to end, none if end comes first."""
    return larger(add(end, number(-start)), number(0))


# Characters.


def in_set(character: z3.BitVecRef, members: CharSet) -> z3.BoolRef:
    inside = []
    for low, high in members.ranges:
        if low == high:
            inside.append(character == code(low))
        elif low == 0:
            inside.append(z3.ULE(character, code(high)))
        elif high == sys.maxunicode:
            inside.append(z3.UGE(character, code(low)))
        else:
            inside.append(z3.And(z3.UGE(character, code(low)), z3.ULE(character, code(high))))
    return either(*inside)


HEX_DIGITS = CharSet.of([(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)])
ASCII_SPACES = CharSet.of([(0x09, 0x0D), (0x20, 0x20)])


@cache
def decimals() -> tuple[tuple[int, int], ...]:
    """First and last of each run of decimal digits beyond ASCII, as ``int`` reads them."""
    runs: list[tuple[int, int]] = []
    for c in range(0x80, sys.maxunicode + 1):
        digit = unicodedata.decimal(chr(c), -1)
        if digit == 0:
            runs.append((c, c))
        elif digit > 0:
            if runs[-1] != (c - digit, c - 1):
                raise AssertionError(f"decimal digits are not in runs from zero at {c:#x}")
            runs[-1] = (c - digit, c)
    return tuple(runs)


@cache
def spaces() -> CharSet:
    """The characters that ``int`` skips at both ends."""
    beyond = [(c, c) for c in range(0x80, sys.maxunicode + 1) if chr(c).isspace()]
    return ASCII_SPACES | CharSet.of(beyond)


def digit_value(character: z3.BitVecRef, ascii_only: bool) -> z3.BitVecRef:
    """The value of a hexadecimal digit, in 4 bits; that it is one is not checked."""

    def minus(start: int) -> z3.BitVecRef:
        return z3.Extract(3, 0, character - code(start))

    value = z3.If(z3.ULE(character, code(0x46)), minus(0x41 - 10), minus(0x61 - 10))
    value = z3.If(z3.ULE(character, code(0x39)), minus(0x30), value)
    for first, last in () if ascii_only else decimals():
        within = z3.And(z3.UGE(character, code(first)), z3.ULE(character, code(last)))
        value = z3.If(within, minus(first), value)
    return value


def accepted(text: Str, language: Language) -> z3.BoolRef | None:
    """Whether the language has the text; None if that is decided behind the window."""
    automaton = language.automaton
    reached: dict[int, z3.BoolRef] = {0: TRUE}
    verdict = []
    for i in range(len(text.codes) + 1):
        here = number(i)
        for state in list(reached):
            if state in automaton.dead:
                del reached[state]
            elif state in automaton.universal:
                verdict.append(both(reached.pop(state), compare(">=", text.length, here)))
            elif state in automaton.accepting:
                verdict.append(both(reached[state], compare("==", text.length, here)))
        if i == len(text.codes) or not reached:
            break
        following: dict[int, list[z3.BoolRef]] = {}
        for state, guard in reached.items():
            for members, target in automaton.transitions[state]:
                if target not in automaton.dead:
                    step = both(guard, in_set(text.codes[i], members))
                    following.setdefault(target, []).append(step)
        reached = {state: either(*guards) for state, guards in following.items()}
    if reached and not text.bounded:
        return None
    return either(*verdict)


def membership(lifter: Operations, text: Value, language: Language) -> z3.BoolRef:
    if not isinstance(text, Str) or text.kind is not str:
        raise lifter.refuse("a match of what is not a str")
    holds = accepted(text, language)
    if holds is None:
        raise lifter.refuse("a match that is decided behind the window")
    return holds


def _match(read: Callable[[re.Pattern[str]], Language]) -> Callable[[re.Pattern[str]], Model]:
    def model_of_pattern(pattern: re.Pattern[str]) -> Model:
        def model(lifter: Operations, text: Value) -> Value:
            try:
                language = read(pattern)
            except NotRegular as reason:
                raise lifter.refuse(
                    f"the regular expression {pattern.pattern!r}: {reason}"
                ) from None
            holds = membership(lifter, text, language)
            assert isinstance(text, Str)
            found = Match(text, group_places(pattern))
            return Choice(((holds, found), (negation(holds), NONE)))

        return model

    return model_of_pattern


PATTERN_METHODS = {"fullmatch": _match(full_match), "match": _match(prefix_match)}


def groups(lifter: Operations, match: Value) -> Value:
    if not isinstance(match, Match) or match.places is None:
        raise lifter.refuse("groups that are not at the same place in every match")
    return Tuple(tuple(_group(lifter, match.text, place) for place in match.places))


def group(lifter: Operations, match: Value, which: Value) -> Value:
    """One group by its number; group 0, all that was found, is not modelled."""
    chosen = which.constant if isinstance(which, Int) else None
    if not isinstance(match, Match) or match.places is None or chosen is None or chosen == 0:
        raise lifter.refuse("a group that is not at the same place in every match")
    if not 0 < chosen <= len(match.places):
        lifter.raise_when(TRUE, IndexError)
        return Undefined()
    return _group(lifter, match.text, match.places[chosen - 1])


def _group(lifter: Operations, text: Str, place: tuple[int, int]) -> Value:
    """A part of a text that is there, since the text has a match."""
    start, end = place
    if end > len(text.codes):
        raise lifter.refuse(f"a group to character {end}, behind the window")
    return Str(number(end - start), text.codes[start:end])


def matches(lifter: Operations, grammar: Value, text: Value) -> Value:
    assert isinstance(grammar, Const)
    return Bool(membership(lifter, text, grammar.object.language))


# Texts to numbers and back.


def parsed(lifter: Operations, text: Str) -> Value:
    """``int(text, 16)`` of a text of fixed length."""
    characters = text.codes
    size = len(characters)
    digits = [in_set(c, HEX_DIGITS) for c in characters]
    if size and lifter.certain(both(*digits)):
        nibbles = [digit_value(c, ascii_only=True) for c in characters]
        return unsigned(z3.Concat(*nibbles) if size > 1 else nibbles[0])
    ascii_only = lifter.certain(both(*(z3.ULE(c, code(0x7F)) for c in characters)))
    beyond = CharSet(()) if ascii_only else CharSet.of(decimals())
    is_digit = [either(d, in_set(c, beyond)) for c, d in zip(characters, digits, strict=True)]
    lifter.raise_when(negation(_is_numeral(characters, is_digit, beyond)), ValueError)
    value = z3.BitVecVal(0, 4 * size + 1)
    for character, digit in zip(characters, is_digit, strict=True):
        nibble = z3.ZeroExt(4 * size - 3, digit_value(character, ascii_only))
        value = z3.If(digit, value << 4 | nibble, value)
    minus = either(*(c == code(ord("-")) for c in characters))
    largest = (1 << 4 * size) - 1
    return integer(z3.If(minus, -value, value), -largest, largest)


def _is_numeral(
    characters: Sequence[z3.BitVecRef], digits: Sequence[z3.BoolRef], beyond: CharSet
) -> z3.BoolRef:
    """Whether the text is spaces, a sign, a prefix, digits, and spaces, as ``int`` reads it.

    ``beyond`` are the digits beyond ASCII that may occur; if none may, no such space may.

    ``[space]* [+-]? (0[xX] _?)? digit (_? digit)* [space]*``
    """
    start, signed, zero, prefix, gap, inside, underscore, end = range(8)
    state = {start: TRUE, signed: FALSE, zero: FALSE, prefix: FALSE} | dict.fromkeys(
        (gap, inside, underscore, end), FALSE
    )
    zeros = CharSet.of([(0x30, 0x30), *((low, low) for low, _ in decimals() if low in beyond)])
    for c, digit in zip(characters, digits, strict=True):
        space = in_set(c, spaces() if beyond else ASCII_SPACES)
        sign = in_set(c, CharSet.of([(0x2B, 0x2B), (0x2D, 0x2D)]))
        x = in_set(c, CharSet.of([(0x58, 0x58), (0x78, 0x78)]))
        line = c == code(ord("_"))
        nought = in_set(c, zeros)
        before = state
        fresh = either(before[start], before[signed])
        going_on = either(
            before[zero], before[prefix], before[gap], before[inside], before[underscore]
        )
        numeral = either(before[zero], before[inside])
        state = {
            start: both(before[start], space),
            signed: both(before[start], sign),
            zero: both(fresh, nought),
            prefix: both(before[zero], x),
            gap: both(before[prefix], line),
            inside: either(both(fresh, digit, negation(nought)), both(going_on, digit)),
            underscore: both(numeral, line),
            end: both(either(numeral, before[end]), space),
        }
    return either(state[zero], state[inside], state[end])


def to_int(lifter: Operations, *arguments: Value) -> Value:
    match arguments:
        case (Int() | Bool() as value,):
            whole = as_int(value)
            return Int(whole.term, whole.low, whole.high)
        case (Str(kind=kind) as text, Int(low=16, high=16)) if kind is str:
            return lifter.of_fixed_length(text, lambda s: parsed(lifter, s))
        case (value, *_) if value == NONE:
            lifter.raise_when(TRUE, TypeError)
            return Undefined()
    raise lifter.refuse("a call of int other than int(number) and int(text, 16)")


def constant_text(value: Value) -> str | None:
    """The text that a value certainly is, if it is a constant."""
    if not isinstance(value, Str) or value.length.constant != len(value.codes):
        return None
    if not all(z3.is_bv_value(c) for c in value.codes):
        return None
    return "".join(chr(c.as_long()) for c in value.codes if z3.is_bv_value(c))


def format_number(lifter: Operations, value: Value, spec: str) -> Value:
    """``format(value, spec)`` of an integer, for ``x`` with or without zero padding."""
    form = re.fullmatch("(?:0([0-9]+))?x", spec)
    if form is None or not isinstance(value, Int | Bool):
        if value == NONE and spec:
            lifter.raise_when(TRUE, TypeError)
            return Undefined()
        raise lifter.refuse(f"the format {spec!r} of this value")
    least_width = max(1, int(form[1] or 1))
    whole = as_int(value)
    if lifter.certain(
        both(compare(">=", whole, number(0)), compare("<", whole, number(16**least_width)))
    ):
        return _hexadecimal(whole, least_width, sign=False)
    most = max(len(f"{whole.low:x}"), len(f"{whole.high:x}"), least_width)
    cases: list[tuple[z3.BoolRef, Callable[[], Value]]] = []
    for sign in (False, True):
        for size in range(least_width, most + 1):
            digits = size - sign
            if digits == 0:
                continue
            shortest = 0 if size == least_width else 16 ** (digits - 1)
            magnitude = negative(whole) if sign else whole
            guard = both(
                compare("<", whole, number(0)) if sign else compare(">=", whole, number(0)),
                compare(">=", magnitude, number(shortest)),
                compare("<", magnitude, number(16**digits)),
            )
            cases.append((guard, partial(_hexadecimal, magnitude, digits, sign)))
    return lifter.fork(cases)


def _hexadecimal(value: Int, digits: int, sign: bool) -> Str:
    bits = resize(value.term, 4 * digits + 1)
    codes = [code(ord("-"))] if sign else []
    codes += _digits(bits, digits)
    return Str(number(len(codes)), tuple(codes))


def _digits(bits: z3.BitVecRef, count: int) -> list[z3.BitVecRef]:
    """The last hexadecimal digits, in lowercase, of what these bits are."""
    codes = []
    for i in reversed(range(count)):
        nibble = z3.ZeroExt(CODE_BITS - 4, z3.Extract(4 * i + 3, 4 * i, bits))
        codes.append(z3.If(z3.ULE(nibble, code(9)), nibble + code(0x30), nibble + code(0x61 - 10)))
    return codes


def to_bytes(lifter: Operations, *arguments: Value, **keywords: Value) -> Value:
    """``int.to_bytes(value, length, byteorder, signed=...)``."""
    given = [*arguments, *(keywords[k] for k in ("length", "byteorder") if k in keywords)]
    if len(given) != 3 or keywords.keys() - {"length", "byteorder", "signed"}:
        raise lifter.refuse("a call of int.to_bytes without a length and an order")
    value, length, order = given
    signed = keywords.get("signed", Bool(FALSE))
    size = lifter.fixed(length) if isinstance(length, Int) else None
    order_name = constant_text(order)
    if (
        not isinstance(value, Int)
        or size is None
        or size < 0
        or order_name not in ("big", "little")
    ):
        raise lifter.refuse("a call of int.to_bytes with a length or order that is not known")
    if not isinstance(signed, Bool):
        raise lifter.refuse("a call of int.to_bytes with signed that is not a bool")
    span = number(1 << 8 * size)
    half = number(1 << 8 * size - 1) if size else number(1)
    fits = z3.If(
        signed.term,
        both(compare("<", value, half), compare(">=", value, negative(half))),
        both(compare("<", value, span), compare(">=", value, number(0))),
    )
    lifter.raise_when(negation(fits), OverflowError)
    bits = resize(value.term, max(8 * size, value.term.size()))
    codes = [z3.ZeroExt(CODE_BITS - 8, z3.Extract(8 * i + 7, 8 * i, bits)) for i in range(size)]
    if order_name == "big":
        codes.reverse()
    return Str(number(size), tuple(codes), bytes)


def from_bytes(
    lifter: Operations, data: Value, order: Value | None = None, **keywords: Value
) -> Value:
    """``int.from_bytes(data, byteorder)``, unsigned."""
    order_name = "big" if order is None else constant_text(order)
    if (
        keywords
        or order_name not in ("big", "little")
        or not isinstance(data, Str)
        or data.kind is str
    ):
        raise lifter.refuse("a call of int.from_bytes other than of bytes in a known order")

    def whole(text: Str) -> Value:
        octets = [z3.Extract(7, 0, c) for c in text.codes]
        if order_name == "little":
            octets.reverse()
        if not octets:
            return number(0)
        return unsigned(z3.Concat(*octets) if len(octets) > 1 else octets[0])

    return lifter.of_fixed_length(data, whole)


def bytes_to_hex(lifter: Operations, data: Value) -> Value:
    """``bytes.hex(data)``, with nothing between the digits."""
    if not isinstance(data, Str) or data.kind is not bytes:
        raise lifter.refuse("a call of bytes.hex other than of bytes")

    def written(text: Str) -> Value:
        codes = [digit for octet in text.codes for digit in _digits(octet, 2)]
        return Str(number(len(codes)), tuple(codes))

    return lifter.of_fixed_length(data, written)


# The rest.


def new_int(lifter: Operations, cls: Value, value: Value) -> Value:
    made = cls.object if isinstance(cls, Const) else None
    if not isinstance(made, type) or made is bool or not computes_as(made, int):
        raise lifter.refuse("int.__new__ of a class that computes in its own way")
    if isinstance(cls, Const) and isinstance(value, Int | Bool):
        whole = as_int(value)
        return Int(whole.term, whole.low, whole.high, cls.object)
    raise lifter.refuse("int.__new__ of what is not an integer")


def new_tuple(lifter: Operations, cls: Value, items: Value) -> Value:
    made = cls.object if isinstance(cls, Const) else None
    if not isinstance(made, type) or not computes_as(made, tuple):
        raise lifter.refuse("tuple.__new__ of a class that computes in its own way")
    if isinstance(cls, Const) and isinstance(items, Tuple):
        return Tuple(items.items, cls.object)
    raise lifter.refuse("tuple.__new__ of what is not a tuple")


def index(lifter: Operations, value: Value) -> Value:
    if isinstance(value, Int | Bool):
        whole = as_int(value)
        return Int(whole.term, whole.low, whole.high)
    if isinstance(value, Str | Tuple | Opaque) or value == NONE:
        lifter.raise_when(TRUE, TypeError)
        return Undefined()
    raise lifter.refuse("operator.index of this value")


def length(lifter: Operations, value: Value) -> Value:
    if isinstance(value, Str):
        return value.length
    if isinstance(value, Tuple):
        return number(len(value.items))
    if value == NONE or isinstance(value, Int | Bool):
        lifter.raise_when(TRUE, TypeError)
        return Undefined()
    raise lifter.refuse("len of this value")


def is_instance(lifter: Operations, value: Value, classes: Value) -> Value:
    named = classes.items if isinstance(classes, Tuple) else (classes,)
    if not all(isinstance(c, Const) for c in named):
        raise lifter.refuse("isinstance with classes that are not known")
    wanted = tuple(c.object for c in named if isinstance(c, Const))
    if not all(isinstance(c, type) and _is_plainly_asked(type(c)) for c in wanted):
        raise lifter.refuse("isinstance with what is no class, or says itself what is of it")
    match value:
        case Int(cls=cls) | Tuple(cls=cls) | Opaque(cls=cls):
            return Bool(z3.BoolVal(issubclass(cls, wanted)))
        case Str(kind=kind):
            return Bool(z3.BoolVal(issubclass(kind, wanted)))
        case Bool():
            return Bool(z3.BoolVal(issubclass(bool, wanted)))
        case Match():
            return Bool(z3.BoolVal(issubclass(re.Match, wanted)))
        case Const(of):
            return Bool(z3.BoolVal(isinstance(of, wanted)))
    raise lifter.refuse("isinstance of this value")


def _is_plainly_asked(meta: type) -> bool:
    """Whether classes of this class say that those are of them that are of their subclasses."""
    names = ("__instancecheck__", "__subclasscheck__")
    return any(
        all(found_in(meta, name) is vars(known)[name] for name in names)
        for known in (type, ABCMeta)
    )


def smallest(lifter: Operations, left: Value, right: Value) -> Value:
    return _picked(lifter, "<=", left, right)


def largest(lifter: Operations, left: Value, right: Value) -> Value:
    return _picked(lifter, ">=", left, right)


def _picked(lifter: Operations, relation: str, left: Value, right: Value) -> Value:
    """What ``min`` or ``max`` picks: of equal numbers the first."""
    if isinstance(left, Linear | Int | Bool) and isinstance(right, Linear | Int | Bool):
        if isinstance(left, Linear) or isinstance(right, Linear):
            return linear.selected(lifter, relation, left, right)
        if isinstance(left, Int) and isinstance(right, Int) and left.cls is right.cls is int:
            return smaller(left, right) if relation == "<=" else larger(left, right)
    raise lifter.refuse("min or max of these values")


def to_bool(lifter: Operations, value: Value) -> Value:
    return Bool(lifter.truth(value))


def class_of(lifter: Operations, value: Value) -> Value:
    match value:
        case Int(cls=cls) | Tuple(cls=cls) | Opaque(cls=cls):
            return Const(cls)
        case Bool():
            return Const(bool)
        case Str(kind=kind):
            return Const(kind)
        case Match():
            return Const(re.Match)
        case Const(of):
            return Const(type(of))
    raise lifter.refuse("type of this value")


def any_of(lifter: Operations, value: Value) -> Value:
    if isinstance(value, Tuple):
        return Bool(either(*(lifter.truth(item) for item in value.items)))
    if isinstance(value, Str) and value.kind is bytes and value.bounded:
        return Bool(
            either(
                *(
                    both(compare(">", value.length, number(i)), c != code(0))
                    for i, c in enumerate(value.codes)
                )
            )
        )
    raise lifter.refuse("any of this value")


def starts_with(lifter: Operations, text: Value, prefix: Value) -> Value:
    if (
        isinstance(text, Str)
        and isinstance(prefix, Str)
        and text.kind is prefix.kind
        and prefix.length.constant is not None
        and len(prefix.codes) <= len(text.codes)
    ):
        enough = compare(">=", text.length, prefix.length)
        same = zip(text.codes, prefix.codes, strict=False)
        return Bool(both(enough, *(a == b for a, b in same)))
    raise lifter.refuse("startswith with a prefix that is not known")


MODELS: dict[Any, Model] = {
    int: to_int,
    bool: to_bool,
    len: length,
    any: any_of,
    min: smallest,
    max: largest,
    type: class_of,
    isinstance: is_instance,
    operator.index: index,
    int.__new__: new_int,
    tuple.__new__: new_tuple,
    int.to_bytes: to_bytes,
    int.from_bytes: from_bytes,
    bytes.hex: bytes_to_hex,
    str.startswith: starts_with,
    re.Match.groups: groups,
    re.Match.group: group,
    Grammar.matches: matches,
}


CALLABLES = (types.FunctionType, types.BuiltinMethodType, types.MethodDescriptorType)
"""CPython's own kinds of function, of which no class can be made."""


def model_of(target: Any) -> Model | None:
    """The model of a callable, if there is one.

    Nothing else than a function or a plain class is looked up: it could have the name of
    a builtin, be bound to a pattern, or equal whatever it is compared with.
    """
    kind = type(target)
    if kind is not type and not issubclass(kind, CALLABLES):
        return None
    if issubclass(kind, types.BuiltinMethodType) and type(target.__self__) is re.Pattern:
        method = PATTERN_METHODS.get(target.__name__)
        textual = isinstance(target.__self__.pattern, str)
        return method(target.__self__) if method and textual else None
    return MODELS.get(target)
