"""What an expression is, in the function that is being walked."""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections import _tuplegetter  # type: ignore[attr-defined]
from collections.abc import Sequence
from functools import partial

from . import models
from .calls import Calls
from .values import (
    FALSE,
    TRUE,
    Bool,
    Choice,
    Closure,
    Const,
    Instance,
    Int,
    Match,
    Method,
    Str,
    Tuple,
    Undefined,
    Value,
    describe,
    found_in,
    literal,
    negation,
    string,
)


class Expressions(Calls):
    """Expressions, evaluated from their syntax trees."""

    def evaluate(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value):
                return literal(value)
            case ast.Name(name):
                return self.name(name)
            case ast.Tuple(elements):
                return Tuple(tuple(self.evaluate(element) for element in elements))
            case ast.Attribute(value, name):
                return self.over(self.evaluate(value), lambda v: self.attribute(v, name))
            case ast.UnaryOp(ast.Not(), operand):
                return Bool(negation(self.truth(self.evaluate(operand))))
            case ast.UnaryOp(unary, operand):
                return self.over(self.evaluate(operand), partial(self.unary, unary))
            case ast.BinOp(left, operator, right):
                return self.binary(operator, self.evaluate(left), self.evaluate(right))
            case ast.BoolOp(operator, operands):
                return self.boolean(isinstance(operator, ast.And), operands)
            case ast.Compare(left, operators, comparators):
                return self.comparison(self.evaluate(left), operators, comparators)
            case ast.IfExp(test, body, orelse):
                condition = self.truth(self.evaluate(test))
                return self.fork(
                    [
                        (condition, lambda: self.evaluate(body)),
                        (negation(condition), lambda: self.evaluate(orelse)),
                    ]
                )
            case ast.Subscript(value, ast.Slice(lower, upper, None)):
                sliced = self.evaluate(value)
                bounds = [None if b is None else self.position(b) for b in (lower, upper)]
                return self.over(sliced, lambda v: self.slice(v, *bounds))
            case ast.Subscript(value, index):
                container, where = self.evaluate(value), self.evaluate(index)
                return self.over(
                    container, lambda v: self.over(where, lambda i: self.subscript(v, i))
                )
            case ast.JoinedStr(values):
                return self.joined([self.formatted(part) for part in values])
            case ast.Lambda():
                return Closure(node, self.frame)
            case ast.Call(function, arguments, keywords):
                return self.called(function, arguments, keywords)
        raise self.refuse(f"the expression {ast.unparse(node)}")

    def name(self, name: str) -> Value:
        if name in self.frame.variables:
            value = self.frame.variables[name]
            cases = value.alternatives if isinstance(value, Choice) else ((TRUE, value),)
            for guard, alternative in cases:
                if isinstance(alternative, Undefined) and self.possible(guard):
                    raise self.refuse(f"the variable {name}, which may have no value here")
            return value
        if name in self.frame.locals:
            raise self.refuse(f"the variable {name}, which may have no value here")
        if name in self.frame.globals:
            return literal(self.frame.globals[name])
        if hasattr(builtins, name):
            return literal(getattr(builtins, name))
        raise self.refuse(f"the unknown name {name}")

    def attribute(self, value: Value, name: str) -> Value:
        if isinstance(value, Const):
            if value.object is None:
                self.raise_when(TRUE, AttributeError)
                return Undefined()
            name = self._attribute_name(name)
            if not hasattr(value.object, name):
                raise self.refuse(f"the attribute {name} of {describe(value)}")
            found = getattr(value.object, name)
            if isinstance(found, types.MethodType) and self.liftable(found.__func__):
                return Method(literal(found.__self__), found.__func__)
            return literal(found)
        if isinstance(value, Tuple) and name in getattr(value.cls, "_fields", ()):
            getter = found_in(value.cls, name)
            if type(getter) is _tuplegetter:
                where = getter.__reduce__()[1][0]
                if where < len(value.items):
                    item: Value = value.items[where]
                    return item
        if (
            isinstance(value, Instance)
            and name in value.attributes
            and isinstance(found_in(value.cls, name), types.MemberDescriptorType | types.NoneType)
        ):
            return value.attributes[self._attribute_name(name)]
        if isinstance(value, Int | Tuple | Instance | Str | Match):
            cls = _class_of(value)
            found = found_in(cls, name)
            if type(found) is property:
                return self.call(found, [value], {})
            if type(found) is classmethod:
                return Method(Const(cls), found)
            if type(found) is staticmethod:
                return literal(found.__func__)
            if isinstance(found, types.FunctionType | types.MethodDescriptorType):
                return Method(value, found)
            if found is not None and not hasattr(type(found), "__get__"):
                return literal(found)
        raise self.refuse(f"the attribute {name} of {describe(value)}")

    def _attribute_name(self, name: str) -> str:
        if name.startswith("__") and not name.endswith("__"):
            raise self.refuse(f"the private name {name}")
        return name

    def boolean(self, conjunction: bool, operands: Sequence[ast.expr]) -> Value:
        first = self.evaluate(operands[0])
        if len(operands) == 1:
            return first
        truth = self.truth(first)
        go_on = truth if conjunction else negation(truth)
        return self.fork(
            [
                (negation(go_on), lambda: first),
                (go_on, lambda: self.boolean(conjunction, operands[1:])),
            ]
        )

    def comparison(
        self, left: Value, operators: Sequence[ast.cmpop], comparators: Sequence[ast.expr]
    ) -> Value:
        right = self.evaluate(comparators[0])
        holds = self.over(
            left, lambda a: self.over(right, lambda b: Bool(self.compared(operators[0], a, b)))
        )
        if len(operators) == 1:
            return holds
        truth = self.truth(holds)
        return self.fork(
            [
                (negation(truth), lambda: Bool(FALSE)),
                (truth, lambda: self.comparison(right, operators[1:], comparators[1:])),
            ]
        )

    def position(self, node: ast.expr) -> int:
        return self.known_position(self.evaluate(node))

    def formatted(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value):
                return literal(value)
            case ast.FormattedValue(value, -1, None):
                result = self.evaluate(value)
                if isinstance(result, Int) and result.constant is not None and result.cls is int:
                    return string(str(result.constant))
                if isinstance(result, Str) and result.kind is str:
                    return result
            case ast.FormattedValue(value, -1, ast.JoinedStr(parts)):
                spec = self.joined([self.formatted(part) for part in parts])
                text = models.constant_text(spec)
                if text is not None:
                    return self.over(
                        self.evaluate(value), lambda v: models.format_number(self, v, text)
                    )
        raise self.refuse(f"the formatting {ast.unparse(node)}")

    def called(
        self, function: ast.expr, arguments: Sequence[ast.expr], keywords: Sequence[ast.keyword]
    ) -> Value:
        callee = self.evaluate(function)
        if any(isinstance(a, ast.Starred) for a in arguments) or any(
            k.arg is None for k in keywords
        ):
            raise self.refuse("a call with * or **")
        positional = [self.evaluate(argument) for argument in arguments]
        named = {str(k.arg): self.evaluate(k.value) for k in keywords}
        return self.over(callee, lambda c: self.apply(c, positional, named))


def _class_of(value: Int | Tuple | Instance | Str | Match) -> type:
    """The class of which a value has its methods."""
    match value:
        case Str(kind=kind):
            return kind
        case Match():
            return re.Match
    return value.cls
