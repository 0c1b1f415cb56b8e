"""What operators, comparisons, slices and items do to values.

Nothing here looks at the syntax tree: these are operations of Python on values that are there.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import z3

from . import linear, models
from .paths import Paths
from .values import (
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
    as_int,
    both,
    compare,
    describe,
    either,
    integer,
    literal,
    merge,
    negation,
    number,
    string,
    unsigned,
)


class Operations(Paths):
    """Operations on values, on a path."""

    def truth(self, value: Value) -> z3.BoolRef:
        match value:
            case Bool(term):
                return term
            case Int():
                return compare("!=", value, number(0))
            case Linear(term):
                return term != 0
            case Str(length):
                return compare(">", length, number(0))
            case Tuple(items):
                return z3.BoolVal(bool(items))
            case Match():
                return TRUE
            case Opaque(term, empty):
                return term != empty
            case Const(of):
                return z3.BoolVal(bool(of))
            case Choice(alternatives):
                return either(*(both(guard, self.truth(v)) for guard, v in alternatives))
            case Undefined():
                return FALSE
        raise self.refuse(f"the truth of {describe(value)}")

    def compared(self, operator: ast.cmpop, left: Any, right: Any) -> z3.BoolRef:
        match operator:
            case ast.Is() | ast.IsNot():
                same = self.identical(left, right)
                return same if isinstance(operator, ast.Is) else negation(same)
            case ast.Eq():
                return self.equal(left, right)
            case ast.NotEq():
                return negation(self.equal(left, right))
            case ast.In():
                return self.contained(left, right)
            case ast.NotIn():
                return negation(self.contained(left, right))
        symbols = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
        relation = symbols.get(type(operator))
        if relation is not None and _some_linear(left, right):
            return linear.compare(self, relation, left, right)
        if relation is not None and isinstance(left, Int | Bool) and isinstance(right, Int | Bool):
            return compare(relation, as_int(left), as_int(right))
        if left == NONE or right == NONE:
            self.raise_when(TRUE, TypeError)
            return FALSE
        raise self.refuse(f"{describe(left)} {relation} {describe(right)}")

    def identical(self, left: Value, right: Value) -> z3.BoolRef:
        for value, other in ((left, right), (right, left)):
            if isinstance(value, Const):
                # No symbolic value is an object of which the code has a name.
                return z3.BoolVal(isinstance(other, Const) and other.object is value.object)
        if isinstance(left, Bool) and isinstance(right, Bool):
            return left.term == right.term
        raise self.refuse(f"{describe(left)} is {describe(right)}")

    def equal(self, left: Value, right: Value) -> z3.BoolRef:
        match left, right:
            case (Choice(), _) | (_, Choice()):
                return self.truth(
                    self.over(left, lambda a: self.over(right, lambda b: Bool(self.equal(a, b))))
                )
            case (Bool(a), Bool(b)):
                return a == b
            case (Int() | Bool(), Int() | Bool()):
                return compare("==", as_int(left), as_int(right))
            case (Int() | Bool() | Linear() as a, Int() | Bool() | Linear() as b):
                return linear.compare(self, "==", a, b)
            case (Str(), Str()):
                return self.same_text(left, right)
            case (Tuple(a), Tuple(b)):
                if len(a) != len(b):
                    return FALSE
                return both(*(self.alike(x, y) for x, y in zip(a, b, strict=True)))
            case (Opaque(a), Opaque(b)) if a.sort() == b.sort():
                return a == b
            case (Opaque(a, empty), Tuple(())) | (Tuple(()), Opaque(a, empty)):
                return a == empty
            case (Opaque(a, empty, cls), Const(of)) | (Const(of), Opaque(a, empty, cls)) if (
                isinstance(of, cls) and not of
            ):
                return a == empty
            case (Const(a), Const(b)):
                return z3.BoolVal(bool(a == b))
            case (Const(of), _) | (_, Const(of)) if not _compares_by_identity(of):
                raise self.refuse(f"{describe(left)} == {describe(right)}")
            case (Opaque(), Tuple()) | (Tuple(), Opaque()) | (Match(), Match()):
                raise self.refuse(f"{describe(left)} == {describe(right)}")
        comparable = Int | Linear | Bool | Str | Tuple | Match | Opaque | Const
        if isinstance(left, comparable) and isinstance(right, comparable):
            return FALSE
        raise self.refuse(f"{describe(left)} == {describe(right)}")

    def alike(self, left: Value, right: Value) -> z3.BoolRef:
        """Whether two items are one object or equal: a container asks no object whether it is."""

        def asked(a: Value, b: Value) -> Value:
            return Bool(TRUE if isinstance(a, Const) and a == b else self.equal(a, b))

        return self.truth(self.over(left, lambda a: self.over(right, lambda b: asked(a, b))))

    def same_text(self, left: Str, right: Str) -> z3.BoolRef:
        if left.kind is not right.kind:
            return FALSE
        shorter, longer = (left, right) if left.bounded else (right, left)
        longest = shorter.length.high
        if not shorter.bounded or len(longer.codes) < min(longest, longer.length.high):
            raise self.refuse("a comparison of texts that are both longer than the window")
        same = [compare("==", left.length, right.length)]
        for i, (a, b) in enumerate(zip(left.codes, right.codes, strict=False)):
            if i < longest:
                outside = compare("<=", shorter.length, number(i))
                same.append(either(outside, a == b))
        return both(*same)

    def contained(self, member: Value, container: Value) -> z3.BoolRef:
        if isinstance(container, Tuple):
            return either(*(self.alike(member, item) for item in container.items))
        if isinstance(container, Const) and isinstance(container.object, frozenset | set):
            return either(*(self.alike(member, literal(item)) for item in container.object))
        if isinstance(container, Str) and isinstance(member, Str) and member.kind is container.kind:
            length = container.length.constant
            size = self.fixed(member.length)
            if length is not None and size is not None:
                codes, searched = member.codes, container.codes
                return either(
                    *(
                        both(*(codes[i] == searched[start + i] for i in range(size)))
                        for start in range(length - size + 1)
                    )
                )
        raise self.refuse(f"{describe(member)} in {describe(container)}")

    def unary(self, operator: ast.unaryop, value: Value) -> Value:
        if isinstance(value, Int | Bool):
            return models.unary(operator, as_int(value))
        if isinstance(value, Linear):
            return linear.unary(self, operator, value)
        raise self.refuse(f"{type(operator).__name__} of {describe(value)}")

    def binary(self, operator: ast.operator, left: Value, right: Value) -> Value:
        return self.over(left, lambda a: self.over(right, lambda b: self.operated(operator, a, b)))

    def operated(self, operator: ast.operator, left: Value, right: Value) -> Value:
        if isinstance(left, Bool) and isinstance(right, Bool):
            if isinstance(operator, ast.BitAnd):
                return Bool(both(left.term, right.term))
            if isinstance(operator, ast.BitOr):
                return Bool(either(left.term, right.term))
            if isinstance(operator, ast.BitXor):
                return Bool(z3.Xor(left.term, right.term))
        if isinstance(left, Int | Bool) and isinstance(right, Int | Bool):
            return models.arithmetic(self, operator, as_int(left), as_int(right))
        if _some_linear(left, right):
            return linear.arithmetic(self, operator, left, right)  # type: ignore[arg-type]
        if isinstance(operator, ast.Add) and isinstance(left, Str) and isinstance(right, Str):
            return self.joined([left, right])
        if isinstance(operator, ast.Add) and isinstance(left, Tuple) and isinstance(right, Tuple):
            return Tuple(left.items + right.items)
        plain = Int | Bool | Tuple | Str
        formats = isinstance(left, Str) and isinstance(operator, ast.Mod)
        if not formats and (
            (left == NONE and (right == NONE or isinstance(right, plain)))
            or (right == NONE and isinstance(left, plain))
        ):
            self.raise_when(TRUE, TypeError)
            return Undefined()
        raise self.refuse(f"{describe(left)} {type(operator).__name__} {describe(right)}")

    def fixed(self, value: Int) -> int | None:
        """The number that a value must be on this path, if it can be only one."""
        if value.constant is not None:
            return value.constant
        if self.solver.check(self.path) != z3.sat:
            return None
        guess = self.solver.model().eval(value.term, model_completion=True).as_signed_long()
        return guess if self.certain(value.term == guess) else None

    def of_fixed_length(self, value: Str, use: Callable[[Str], Value]) -> Value:
        """Apply to a text whose length is known, if need be for each length it can have."""
        length = self.fixed(value.length)
        if length is not None:
            if length > len(value.codes):
                raise self.refuse(f"a look at {length} characters, behind the window")
            return use(Str(number(length), value.codes[:length], value.kind))
        if not value.bounded and not self.certain(
            compare("<=", value.length, number(len(value.codes)))
        ):
            raise self.refuse("a text of any length where one of known length is needed")
        lengths = range(max(0, value.length.low), min(value.length.high, len(value.codes)) + 1)
        cut = {n: Str(number(n), value.codes[:n], value.kind) for n in lengths}
        return self.fork(
            [(compare("==", value.length, number(n)), partial(use, s)) for n, s in cut.items()]
        )

    def known_position(self, value: Value) -> int:
        fixed = self.fixed(value) if isinstance(value, Int) else None
        if fixed is None:
            raise self.refuse("a position that is not a known number")
        return fixed

    def subscript(self, value: Value, index: Value) -> Value:
        if isinstance(value, Tuple) and isinstance(index, Int | Bool):
            return self.chosen(value.items, as_int(index))
        if isinstance(value, Const) and type(value.object) is dict:
            return self.looked_up(value.object, index)
        return self.item(value, self.known_position(index))

    def looked_up(self, mapping: dict[Any, Any], key: Value) -> Value:
        """The value of a key in a dictionary of texts or of classes that does not change."""
        if isinstance(key, Const) and type(key.object) is type and key.object in mapping:
            return literal(mapping[key.object])
        if not isinstance(key, Str) or not all(type(each) is str for each in mapping):
            raise self.refuse(f"the item {describe(key)} of a dictionary")
        guards = [(self.equal(key, literal(each)), literal(of)) for each, of in mapping.items()]
        self.raise_when(negation(either(*(guard for guard, _ in guards))), KeyError)
        return merge(guards)

    def chosen(self, items: Sequence[Value], where: Int) -> Value:
        """The item at a position that need not be known."""
        count = len(items)
        outside = either(compare("<", where, number(-count)), compare(">=", where, number(count)))
        self.raise_when(outside, IndexError)
        return merge(
            [
                (either(*(compare("==", where, number(n)) for n in (i, i - count))), item)
                for i, item in enumerate(items)
            ]
        )

    def slice(self, value: Value, lower: int | None = None, upper: int | None = None) -> Value:
        if isinstance(value, Tuple):
            return Tuple(value.items[lower:upper])
        if not isinstance(value, Str):
            raise self.refuse(f"a slice of {describe(value)}")
        start = lower or 0
        if start < 0 or (upper is not None and upper < 0):
            return self.of_fixed_length(
                value,
                lambda s: Str(number(len(s.codes[lower:upper])), s.codes[lower:upper], s.kind),
            )
        if upper is not None and self.certain(compare(">=", value.length, number(upper))):
            length = number(max(0, upper - start))
        else:
            end = value.length if upper is None else models.least(value.length, number(upper))
            length = models.difference_from_zero(end, start)
        codes = value.codes[start:upper]
        if length.constant is not None and length.constant > len(codes):
            raise self.refuse(f"a slice to character {upper}, behind the window")
        if length.constant is None and upper is not None and upper - start > len(codes):
            raise self.refuse(f"a slice to character {upper}, behind the window")
        return Str(length, codes, value.kind)

    def item(self, value: Value, where: int) -> Value:
        if isinstance(value, Match):
            return models.group(self, value, number(where))
        if value == NONE:
            self.raise_when(TRUE, TypeError)
            return Undefined()
        if not isinstance(value, Str):
            raise self.refuse(f"an item of {describe(value)}")
        if where < 0:
            return self.of_fixed_length(value, partial(self._item_from_end, where=where))
        self.raise_when(compare("<=", value.length, number(where)), IndexError)
        if z3.is_false(self.path) or not self.possible(TRUE):
            return Undefined()
        if where >= len(value.codes):
            raise self.refuse(f"a look at character {where}, behind the window")
        if value.kind is bytes:
            return integer(unsigned(value.codes[where]).term, 0, 255)
        return Str(number(1), (value.codes[where],))

    def _item_from_end(self, value: Str, where: int) -> Value:
        if where + len(value.codes) < 0:
            self.raise_when(TRUE, IndexError)
            return Undefined()
        return self.item(value, where + len(value.codes))

    def joined(self, parts: Sequence[Value]) -> Value:
        def append(first: Value, rest: Sequence[Value]) -> Value:
            if not rest:
                return first

            def with_next(a: Str, b: Any) -> Value:
                if not isinstance(b, Str) or b.kind is not a.kind:
                    raise self.refuse(f"a text together with {describe(b)}")
                both_texts = Str(number(len(a.codes) + len(b.codes)), a.codes + b.codes, a.kind)
                return append(both_texts, rest[1:])

            return self.over(
                first,
                lambda a: self.of_fixed_length(
                    a,
                    lambda x: self.over(
                        rest[0], lambda b: self.of_fixed_length(b, lambda y: with_next(x, y))
                    ),
                ),
            )

        return append(parts[0], parts[1:]) if parts else string("")


def _some_linear(left: Value, right: Value) -> bool:
    """Whether both are numbers, and one of them a linear one."""
    kinds = Int | Bool | Linear
    linear = isinstance(left, Linear) or isinstance(right, Linear)
    return linear and isinstance(left, kinds) and isinstance(right, kinds)


def _compares_by_identity(of: object) -> bool:
    return of is None or inspect.getattr_static(type(of), "__eq__") is object.__eq__
