"""The lifter: the shipped source of a function, read as solver terms.

It walks the syntax tree as CPython would evaluate it, with one difference: where the
code branches on something that is not known, both branches are walked and their
results merged, each under its condition. What an expression may raise is kept beside
its value. One pass gives one term for everything that a function can do.

The subset is small and its edge is hard: a construct that is not modelled is refused
with the place where it stands, unless no input can reach it. A loop is accepted if
its body draws random bits, and reads nothing that an earlier round assigned; then one
round from an arbitrary state stands for every number of rounds, and what is shown
holds whenever the loop ends.

Here are the statements. What they stand on has a module each: ``expressions``, ``calls``,
``operations`` on values, and the ``paths`` on which all of it is walked.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Sequence
from functools import partial

import z3

from .expressions import Expressions
from .paths import Refused
from .values import (
    FALSE,
    NONE,
    TRUE,
    Bool,
    Const,
    Instance,
    Int,
    Tuple,
    Undefined,
    Value,
    both,
    describe,
    either,
    merge,
    negation,
)

MESSAGE_NODES = (
    *(ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.Name, ast.Attribute),
    *(ast.BinOp, ast.Add, ast.Mult, ast.Load),
)
"""What the message of an exception may be made of; it is not evaluated."""


class Lifter(Expressions):
    """Walks functions over symbolic inputs, of which ``known`` is what is assumed."""

    def block(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            if z3.is_false(self.path):
                return
            self.line = statement.lineno
            entered = self.path
            try:
                self.statement(statement)
            except Refused:
                if isinstance(statement, ast.If | ast.While | ast.Try):
                    self.path = entered
                if self.possible(TRUE):
                    raise
                self.path = FALSE

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value):
                self.evaluate(value)
            case ast.Return(value):
                result = NONE if value is None else self.evaluate(value)
                self.frame.returned.append((self.path, result))
                self.path = FALSE
            case ast.Assign(targets, value):
                result = self.evaluate(value)
                for target in targets:
                    self.assign(target, result)
            case ast.AnnAssign(target, _, value) if value is not None:
                self.assign(target, self.evaluate(value))
            case ast.AugAssign(ast.Name(name) as target, operator, value):
                left = self.evaluate(ast.copy_location(ast.Name(name, ast.Load()), target))
                self.assign(target, self.binary(operator, left, self.evaluate(value)))
            case ast.If(test, body, orelse):
                condition = self.truth(self.evaluate(test))
                self.branch([(condition, body), (negation(condition), orelse)])
            case ast.While(test, body, []):
                self.loop(test, body)
            case ast.Raise(ast.expr() as exception, None | ast.Constant(None)) if _cannot_fail(
                exception
            ):
                self.raise_when(TRUE, self.exception_type(exception))
            case ast.Assert(test, _):
                self.raise_when(negation(self.truth(self.evaluate(test))), AssertionError)
            case ast.Try(body, handlers, [], []):
                self.attempt(body, handlers)
            case _:
                raise self.refuse(f"the statement {type(node).__name__}")

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(name):
                self.frame.variables[name] = value
            case ast.Tuple(elements) if not any(isinstance(e, ast.Starred) for e in elements):
                count = len(elements)
                parts = [
                    self.over(value, partial(self.unpacked, position=i, count=count))
                    for i in range(count)
                ]
                for element, part in zip(elements, parts, strict=True):
                    self.assign(element, part)
            case ast.Attribute(ast.Name(name), attribute) if self._under_construction(name):
                instance = self.frame.variables[name]
                assert isinstance(instance, Instance)
                stands = inspect.getattr_static(instance.cls, attribute, None)
                plain = inspect.getattr_static(instance.cls, "__setattr__") is object.__setattr__
                slot = isinstance(stands, types.MemberDescriptorType)
                if not plain or not (slot or not hasattr(type(stands), "__set__")):
                    raise self.refuse(f"an assignment to {ast.unparse(target)}")
                instance.attributes[self._attribute_name(attribute)] = value
            case _:
                raise self.refuse(f"an assignment to {ast.unparse(target)}")

    def _under_construction(self, name: str) -> bool:
        """Whether a name is the object that ``__init__``, as it runs without a branch, makes."""
        instance = self.frame.variables.get(name)
        return isinstance(instance, Instance) and self._making == (id(instance), self.path)

    def unpacked(self, value: Value, position: int, count: int) -> Value:
        if isinstance(value, Tuple):
            if len(value.items) != count:
                self.raise_when(TRUE, ValueError)
                return Undefined()
            return value.items[position]
        if value == NONE or isinstance(value, Int | Bool):
            self.raise_when(TRUE, TypeError)
            return Undefined()
        raise self.refuse(f"unpacking {describe(value)}")

    def branch(self, branches: Sequence[tuple[z3.BoolRef, Sequence[ast.stmt]]]) -> None:
        before, variables = self.path, self.frame.variables
        ends: list[tuple[z3.BoolRef, z3.BoolRef, dict[str, Value]]] = []
        whole = True
        for condition, body in branches:
            if not self.possible(condition):
                continue
            self.path = entered = both(before, condition)
            self.frame.variables = dict(variables)
            self.block(body)
            unchanged = self.path is entered
            whole = whole and unchanged
            if not z3.is_false(self.path):
                ends.append(
                    (self.path, condition if unchanged else self.path, self.frame.variables)
                )
            self.path = before
        self.path = before if whole else either(*(path for path, _, _ in ends))
        names = {name for _, _, after in ends for name in after}
        self.frame.variables = {
            name: merge([(guard, after.get(name, Undefined())) for _, guard, after in ends])
            for name in names
        }

    def loop(self, test: ast.expr, body: Sequence[ast.stmt]) -> None:
        condition = self.truth(self.evaluate(test))
        skipped, variables = both(self.path, negation(condition)), self.frame.variables
        ends = [(skipped, variables)] if self.possible(negation(condition)) else []
        if self.possible(condition):
            self.path = both(self.path, condition)
            assigned = {
                name.id
                for statement in body
                for name in ast.walk(statement)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            forgotten: dict[str, Value] = dict.fromkeys(assigned, Undefined())
            self.frame.variables = {**variables, **forgotten}
            returned = len(self.frame.returned)
            self._loops += 1
            drawn = len(self.drawn)
            self.block(body)
            self._loops -= 1
            if len(self.drawn) == drawn:
                raise self.refuse("a loop that nothing random brings to an end")
            if len(self.frame.returned) != returned:
                raise self.refuse("a return inside a loop")
            again = self.truth(self.evaluate(test))
            ends.append((both(self.path, negation(again)), self.frame.variables))
        self._cuts += 1
        self.path = either(*(path for path, _ in ends))
        self.frame.variables = {
            name: merge([(path, after.get(name, Undefined())) for path, after in ends])
            for name in {name for _, after in ends for name in after}
        }

    def exception_type(self, node: ast.expr) -> type[BaseException]:
        # The message is not evaluated: it is for people, and decides nothing.
        named = node.func if isinstance(node, ast.Call) else node
        value = self.evaluate(named)
        found = value.object if isinstance(value, Const) else None
        if isinstance(found, type) and issubclass(found, BaseException) and _is_simple(found):
            return found
        raise self.refuse(f"raise {ast.unparse(node)}")

    def attempt(self, body: Sequence[ast.stmt], handlers: Sequence[ast.ExceptHandler]) -> None:
        start = len(self.raised)
        self.block(body)
        ends = [(self.path, self.frame.variables)] if not z3.is_false(self.path) else []
        caught, self.raised[start:] = self.raised[start:], []
        for raised in caught:
            self.path = raised.guard
            handler = next((h for h in handlers if self.catches(h, raised.type)), None)
            if handler is None:
                self.raised.append(raised)
                continue
            if handler.name is not None:
                raise self.refuse("a handler that names its exception")
            self.path, self.frame.variables = raised.guard, raised.variables
            self.block(handler.body)
            if not z3.is_false(self.path):
                ends.append((self.path, self.frame.variables))
        self.path = either(*(path for path, _ in ends))
        self.frame.variables = {
            name: merge([(path, after.get(name, Undefined())) for path, after in ends])
            for name in {name for _, after in ends for name in after}
        }

    def catches(self, handler: ast.ExceptHandler, exception: type[BaseException]) -> bool:
        if handler.type is None:
            return True
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        return any(issubclass(exception, self.exception_type(each)) for each in caught)


def _cannot_fail(raised: ast.expr) -> bool:
    """Whether the message of an exception is made in ways that raise nothing themselves."""
    arguments = raised.args if isinstance(raised, ast.Call) else []
    return all(isinstance(node, MESSAGE_NODES) for part in arguments for node in ast.walk(part))


def _is_simple(exception: type[BaseException]) -> bool:
    """Whether making the exception cannot itself fail, whatever it is given."""
    made = [inspect.getattr_static(exception, name) for name in ("__init__", "__new__")]
    own = any(isinstance(each, types.FunctionType | staticmethod) for each in made)
    return not own and not issubclass(exception, UnicodeError)
