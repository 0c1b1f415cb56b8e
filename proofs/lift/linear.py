"""Integers of any size of which only what is linear is asked: the numbers of a machine.

Bit-vectors say all that Python's integers can do, up to a bound. A machine runs for ever, so
its counters have none; what it does with them are sums, comparisons and multiplication and
division by known numbers, which a solver decides for integers without a bound.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import z3

from .values import Bool, Int, Linear, Value, of_known

if TYPE_CHECKING:
    from .operations import Operations


def term_of(lifter: Operations, value: Int | Bool | Linear) -> z3.ArithRef:
    """The integer that a value is."""
    match value:
        case Linear(term):
            return term
        case Bool(term):
            return z3.If(term, z3.IntVal(1), z3.IntVal(0))
    linear = of_known(value)
    if linear is None:
        raise lifter.refuse("a linear integer together with one that is not")
    return linear


def compare(
    lifter: Operations, relation: str, left: Int | Bool | Linear, right: Int | Bool | Linear
) -> z3.BoolRef:
    a, b = term_of(lifter, left), term_of(lifter, right)
    relations = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}
    return relations[relation]


def unary(lifter: Operations, operator: ast.unaryop, value: Linear) -> Value:
    match operator:
        case ast.USub():
            return Linear(-value.term)
        case ast.UAdd():
            return value
    raise lifter.refuse(f"{type(operator).__name__} of a linear integer")


def arithmetic(
    lifter: Operations,
    operator: ast.operator,
    left: Int | Bool | Linear,
    right: Int | Bool | Linear,
) -> Value:
    a, b = term_of(lifter, left), term_of(lifter, right)
    match operator:
        case ast.Add():
            return Linear(a + b)
        case ast.Sub():
            return Linear(a - b)
        case ast.Mult() if z3.is_int_value(a) or z3.is_int_value(b):
            return Linear(a * b)
        # Z3 divides as Python does where the divisor is positive: the remainder is not negative.
        case ast.FloorDiv() if z3.is_int_value(b) and b.as_long() > 0:
            return Linear(a / b)
        case ast.Mod() if z3.is_int_value(b) and b.as_long() > 0:
            return Linear(a % b)
    raise lifter.refuse(f"{type(operator).__name__} of linear integers")


def selected(
    lifter: Operations, relation: str, left: Int | Bool | Linear, right: Int | Bool | Linear
) -> Value:
    """``left`` where the relation holds, else ``right``."""
    condition = compare(lifter, relation, left, right)
    return Linear(z3.If(condition, term_of(lifter, left), term_of(lifter, right)))
