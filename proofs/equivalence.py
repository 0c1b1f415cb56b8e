"""Whether a mutant of a function does what the function does, for all inputs, by the smt engine.

Both are lifted over the same symbols. They are equivalent if the solver finds no inputs on which
one returns where the other does not, raises what the other does not, or returns another value or
one of another class.
"""

from __future__ import annotations

import inspect
import re
import typing
from types import FunctionType
from typing import Any

import z3

from . import sources
from .lift import symbols
from .lift.lifter import Lifter
from .lift.paths import Refused
from .lift.values import (
    FALSE,
    TRUE,
    Bool,
    Choice,
    Const,
    Instance,
    Int,
    Linear,
    Opaque,
    Str,
    Tuple,
    Value,
    both,
    either,
    literal,
    negation,
)
from .planting import Mutant, applied

BRANCH = 0.5
"""How long the solver is asked about each branch, in seconds."""


class Lifted(typing.NamedTuple):
    """A function over symbols: when it returns, what, and what it raises when."""

    lifter: Lifter
    returns: z3.BoolRef
    value: Value


def proved(
    mutant: Mutant, function: FunctionType, owner: type | None, seconds: float
) -> str | None:
    """The bound up to which a mutant is equivalent, "" for none; None if that is not proved."""
    try:
        given = _symbols(function, owner)
        before = _lifted(function, owner, given)
        with applied(mutant):
            after = _lifted(function, owner, given)
        same = _same(before, after)
    except (Refused, sources.SourceMismatch, KeyError, TypeError, NameError):
        return None
    solver = z3.Solver()
    solver.set("timeout", max(1, int(1000 * seconds)))
    solver.add(*(symbol.known for symbol in given.values()), negation(same))
    if solver.check() != z3.unsat:
        return None
    return "; ".join(symbol.bound for symbol in given.values() if symbol.bound)


def _symbols(function: FunctionType, owner: type | None) -> dict[str, symbols.Symbol]:
    hints = typing.get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    annotations = {
        name: owner if owner is not None and name == "self" and at == 0 else hints[name]
        for at, name in enumerate(names)
        if not (at == 0 and name == "cls")
    }
    return symbols.inputs(annotations)


def _lifted(function: FunctionType, owner: type | None, given: dict[str, symbols.Symbol]) -> Lifted:
    lifter = Lifter(both(*(symbol.known for symbol in given.values())), BRANCH)
    values = {name: symbol.value for name, symbol in given.items()}
    first = next(iter(inspect.signature(function).parameters), None)
    if first == "cls":
        values = {"cls": literal(owner)} | values
    value = lifter.call(function, [], values)
    return Lifted(lifter, lifter.path, value)


def _same(before: Lifted, after: Lifted) -> z3.BoolRef:
    if before.lifter.drawn or after.lifter.drawn:
        raise Refused("random bits")
    kinds = {raised.type for lifted in (before, after) for raised in lifted.lifter.raised}
    conditions = [before.returns == after.returns]
    for kind in kinds:
        first, second = (
            either(*(r.guard for r in lifted.lifter.raised if r.type is kind))
            for lifted in (before, after)
        )
        conditions.append(first == second)
    lifter = after.lifter
    lifter.path = both(before.returns, after.returns)
    equal = _alike(lifter, before.value, after.value)
    conditions.append(z3.Implies(both(before.returns, after.returns), equal))
    return both(*conditions)


def _alike(lifter: Lifter, left: Value, right: Value) -> z3.BoolRef:
    """Whether two values are equal and of the same classes, in all of their parts."""

    def alike(a: Value, b: Value) -> z3.BoolRef:
        match a, b:
            case (Bool(), Bool()):
                return lifter.equal(a, b)
            case (Int(cls=cls), Int(cls=other)) if cls is other:
                return lifter.equal(a, b)
            case (Linear(), Linear() | Int(cls=_)) | (Int(cls=_), Linear()):
                if any(isinstance(v, Int) and v.cls is not int for v in (a, b)):
                    return FALSE
                return lifter.equal(a, b)
            case (Str(), Str()) if a.kind is b.kind:
                return lifter.equal(a, b)
            case (Tuple(items, cls), Tuple(others, other)) if cls is other:
                if len(items) != len(others):
                    return FALSE
                return both(*(_alike(lifter, x, y) for x, y in zip(items, others, strict=True)))
            case (Instance(), Instance()) if a.cls is b.cls:
                if a.attributes.keys() != b.attributes.keys():
                    return FALSE
                return both(*(_alike(lifter, v, b.attributes[n]) for n, v in a.attributes.items()))
            case (Const(x), Const(y)):
                same = x is y or (type(x) is type(y) and type(x) in (str, bytes) and x == y)
                if not same:
                    raise Refused("constants that may differ")
                return TRUE
            case (Opaque(), Opaque()) if a.cls is b.cls:
                return lifter.equal(a, b)
        return FALSE

    def each(a: Value) -> Value:
        return lifter.over(right, lambda b: Bool(alike(a, b)))

    if isinstance(left, Choice) or isinstance(right, Choice):
        return lifter.truth(lifter.over(left, each))
    return alike(left, right)


def subject_of(mutant: Mutant, module: Any) -> tuple[FunctionType, type | None] | None:
    """The function that a mutant is of, and the class in which it stands."""
    owner: Any = module
    *classes, name = mutant.name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    try:
        return sources.innermost(vars(owner)[name]), owner if classes else None
    except TypeError:
        return None


def same_value(value: Any, other: Any) -> bool:
    """Whether two constants are equal and of the same classes, in all of their parts.

    Regular expressions are if they compile to the same; other objects are not looked into.
    """
    if type(value) is not type(other):
        return False
    if isinstance(value, re.Pattern):
        if type(value.pattern) is not type(other.pattern) or value.groupindex != other.groupindex:
            return False
        return _compiled(value) == _compiled(other)
    if value is other:
        return True
    if type(value) in (tuple, list):
        return len(value) == len(other) and all(map(same_value, value, other))
    if type(value) is dict:
        return same_value(list(value.items()), list(other.items()))
    if type(value) is float:
        return repr(value) == repr(other)
    if type(value) is frozenset:
        kinds = [{(type(each), each) for each in either} for either in (value, other)]
        return kinds[0] == kinds[1]
    return type(value) in (int, str, bytes, bool) and bool(value == other)


def _compiled(pattern: re.Pattern[Any]) -> list[int]:
    """The program that a regular expression is, of which ``re`` gives away nothing in public."""
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, str) else pattern.flags
    parsed = re._parser.parse(pattern.pattern, flags)  # type: ignore[attr-defined]
    found: list[int] = re._compiler._code(parsed, flags)  # type: ignore[attr-defined]
    return found
