"""What a call does: the source of the function is walked, or the function has a model."""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Sequence
from typing import Any

import z3

from .. import sources
from . import models, records
from .operations import Operations
from .paths import Drawn, Frame, Refused
from .values import (
    NONE,
    TRUE,
    Closure,
    Const,
    Draws,
    Instance,
    Int,
    Method,
    Tuple,
    Undefined,
    Value,
    describe,
    either,
    literal,
    merge,
    unsigned,
)

NO_PLAIN_CALL = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

DECORATORS = {"ensure", "require", "claim", "always", "property", "classmethod", "staticmethod"}
"""Decorators, by name, under which a function still does what its own source says."""


class Calls(Operations):
    """Calls of functions, classes and lambdas, as they are walked or modelled."""

    def __init__(self, known: z3.BoolRef = TRUE, timeout: float = 3.0) -> None:
        super().__init__(known, timeout)
        self.drawn: list[Drawn] = []
        self._depth = 0
        self._loops = 0
        self._making: tuple[int, z3.BoolRef] | None = None

    def evaluate(self, node: ast.expr) -> Value:
        """The value of an expression in the function that is being walked."""
        raise NotImplementedError

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Walk statements of the function that is being walked."""
        raise NotImplementedError

    def call(self, function: Any, arguments: Sequence[Value], keywords: dict[str, Value]) -> Value:
        """Call a Python function whose source is to be lifted."""
        inner = sources.innermost(function)
        node = sources.definition(inner)
        if inner.__code__.co_flags & NO_PLAIN_CALL:
            path = sources.module(inner.__module__).path
            raise Refused(f"{path}:{node.lineno}: a generator or coroutine")
        for decorator in node.decorator_list:
            named = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not isinstance(named, ast.Name) or named.id not in DECORATORS:
                raise self.refuse(f"{inner.__qualname__} is decorated")
        variables = self._bind(inner, node, arguments, keywords)
        names = frozenset(inner.__code__.co_varnames + inner.__code__.co_cellvars)
        frame = Frame(inner.__globals__, sources.module(inner.__module__).path, variables, names)
        if inner.__closure__:
            for name, cell in zip(inner.__code__.co_freevars, inner.__closure__, strict=True):
                frame.variables.setdefault(name, literal(cell.cell_contents))
        if self._depth > 40:
            raise self.refuse(f"recursion through {inner.__qualname__}")
        outer, line, before, cuts = self.frame, self.line, self.path, self._cuts
        self.frame, self._depth = frame, self._depth + 1
        start = len(self.raised)
        try:
            self.block(node.body)
            if not z3.is_false(self.path):
                frame.returned.append((self.path, NONE))
        finally:
            self.frame, self.line, self._depth = outer, line, self._depth - 1
        frame.ended = True
        self._raised_from_call(start)
        ended = [guard for guard, _ in frame.returned]
        self.path = before if self._cuts == cuts else either(*ended)
        return merge(frame.returned)

    def _raised_from_call(self, start: int) -> None:
        """Let what a call raised leave this frame, in which nothing has changed since."""
        for raised in self.raised[start:]:
            raised.variables = dict(self.frame.variables)

    def _bind(
        self,
        function: types.FunctionType,
        node: ast.FunctionDef,
        arguments: Sequence[Value],
        keywords: dict[str, Value],
    ) -> dict[str, Value]:
        if node.args.vararg or node.args.kwarg:
            raise self.refuse(f"{function.__qualname__} takes *arguments or **keywords")
        try:
            bound = sources.signature(function).bind(*arguments, **keywords)
        except TypeError as error:
            raise self.refuse(f"{function.__qualname__}: {error}") from None
        given = dict(bound.arguments)
        bound.apply_defaults()
        return {
            name: value if name in given else literal(value)
            for name, value in bound.arguments.items()
        }

    def expression(self, node: ast.expr, function: Any, variables: dict[str, Value]) -> Value:
        """Evaluate an expression that stands where a function is defined, as its contracts do."""
        inner = sources.innermost(function)
        outer = self.frame
        self.frame = Frame(inner.__globals__, sources.module(inner.__module__).path, variables)
        try:
            return self.evaluate(node)
        finally:
            self.frame = outer

    def liftable(self, function: Any) -> bool:
        """Whether a callable is Python code that is there to be walked."""
        try:
            inner = sources.innermost(function)
        except TypeError:
            return False
        name = inner.__module__
        return name in sys.modules and name.partition(".")[0] not in sys.stdlib_module_names

    def apply(self, callee: Value, arguments: Sequence[Value], keywords: dict[str, Value]) -> Value:
        if isinstance(callee, Method):
            receiver, target = callee.receiver, callee.function
            if isinstance(receiver, Tuple) and records.is_replace(receiver.cls, target):
                return records.replaced(self, receiver, arguments, keywords)
            if models.model_of(target) is None and self.liftable(target):
                return self.call(target, [receiver, *arguments], keywords)
            return self.modelled(target, [receiver, *arguments], keywords)
        if isinstance(callee, Draws):
            return self.draw(callee, arguments)
        if isinstance(callee, Closure):
            if keywords:
                raise self.refuse("a call of a lambda with other than its arguments")
            return self.enter(callee, arguments)
        if callee == NONE:
            self.raise_when(TRUE, TypeError)
            return Undefined()
        if not isinstance(callee, Const):
            raise self.refuse(f"a call of {describe(callee)}")
        target = callee.object
        if isinstance(target, type):
            if type(target) is not type and models.model_of(target) is None:
                raise self.refuse(f"making a {target.__name__}, whose class has a class of its own")
            if target not in models.MODELS and self.liftable(getattr(target, "__init__", None)):
                return self.construct(target, arguments, keywords)
            if records.is_record(target):
                return records.make(self, target, arguments, keywords)
            made = inspect.getattr_static(target, "__new__", None)
            if made is not None and self.liftable(made):
                return self.call(made, [callee, *arguments], keywords)
            return self.modelled(target, arguments, keywords)
        if isinstance(target, types.FunctionType) and self.liftable(target):
            return self.call(target, arguments, keywords)
        return self.modelled(target, arguments, keywords)

    def construct(self, cls: type, arguments: Sequence[Value], keywords: dict[str, Value]) -> Value:
        if inspect.getattr_static(cls, "__new__") is not vars(object)["__new__"] or (
            type(cls) is not type
            or inspect.getattr_static(cls, "__getattribute__") is not object.__getattribute__
        ):
            raise self.refuse(f"making a {cls.__name__}")
        instance = Instance(cls, {})
        outer, self._making = self._making, (id(instance), self.path)
        self.call(cls.__init__, [instance, *arguments], keywords)  # type: ignore[misc]
        self._making = outer
        return instance

    def modelled(
        self, target: Any, arguments: Sequence[Value], keywords: dict[str, Value]
    ) -> Value:
        model = models.model_of(target)
        if model is None:
            raise self.refuse(f"a call of {getattr(target, '__qualname__', target)}")

        def use(chosen: list[Value], rest: Sequence[Value]) -> Value:
            if rest:
                return self.over(rest[0], lambda v: use([*chosen, v], rest[1:]))
            names = list(keywords)
            count = len(arguments)
            named = dict(zip(names, chosen[count:], strict=True))
            try:
                inspect.signature(model).bind(self, *chosen[:count], **named)
            except TypeError as error:
                raise self.refuse(f"a call of {describe(Const(target))}: {error}") from None
            if named and model is not models.to_bytes:
                raise self.refuse(f"a call of {describe(Const(target))} with keywords")
            return model(self, *chosen[:count], **named)

        return use([], [*arguments, *keywords.values()])

    def enter(self, closure: Closure, arguments: Sequence[Value]) -> Value:
        names = [a.arg for a in closure.node.args.args]
        taken = closure.node.args
        others = taken.posonlyargs or taken.vararg or taken.kwonlyargs or taken.kwarg
        if len(names) != len(arguments) or taken.defaults or others:
            raise self.refuse("a call of a lambda with other than its arguments")
        made: Frame = closure.frame
        if made.ended:
            raise self.refuse("a call of a lambda after the function that made it has ended")
        variables = made.variables | dict(zip(names, arguments, strict=True))
        outer, start = self.frame, len(self.raised)
        self.frame = Frame(made.globals, made.path, variables, made.locals | set(names))
        try:
            return self.evaluate(closure.node.body)
        finally:
            self.frame.ended = True
            self.frame = outer
            self._raised_from_call(start)

    def draw(self, source: Draws, arguments: Sequence[Value]) -> Value:
        bits = arguments[0] if len(arguments) == 1 else None
        count = self.fixed(bits) if isinstance(bits, Int) else None
        if count is None or count <= 0:
            raise self.refuse("a draw of a number of bits that is not known")
        term = z3.BitVec(f"{source.name}!{len(self.drawn)}", count)
        self.drawn.append(Drawn(self.path, term, self._loops > 0))
        return unsigned(term)
