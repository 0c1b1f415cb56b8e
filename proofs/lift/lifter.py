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
"""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import sys
import types
from collections import _tuplegetter  # type: ignore[attr-defined]
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import z3

from .. import sources
from . import models
from .values import (
    FALSE,
    NONE,
    TRUE,
    Bool,
    Choice,
    Closure,
    Const,
    Draws,
    Instance,
    Int,
    Match,
    Method,
    Opaque,
    Str,
    Tuple,
    Undefined,
    Value,
    as_int,
    both,
    compare,
    either,
    integer,
    literal,
    merge,
    negation,
    number,
    string,
    unsigned,
)

NO_PLAIN_CALL = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

DECORATORS = {"ensure", "require", "claim", "property", "classmethod", "staticmethod"}
"""Decorators, by name, under which a function still does what its own source says."""


MESSAGE_NODES = (
    *(ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.Name, ast.Attribute),
    *(ast.BinOp, ast.Add, ast.Mult, ast.Load),
)
"""What the message of an exception may be made of; it is not evaluated."""


class Refused(Exception):
    """The code has a construct that is not modelled; says which and where."""


@dataclass
class Raised:
    """That an exception of this type leaves an expression, and when."""

    guard: z3.BoolRef
    type: type[BaseException]
    variables: dict[str, Value]


@dataclass
class Drawn:
    """One call of a source of random bits."""

    guard: z3.BoolRef
    term: z3.BitVecRef
    in_loop: bool


@dataclass
class Frame:
    """A function as it is being walked."""

    globals: dict[str, Any]
    path: str
    variables: dict[str, Value]
    locals: frozenset[str] = frozenset()
    ended: bool = False
    returned: list[tuple[z3.BoolRef, Value]] = field(default_factory=list)


class Lifter:
    """Walks functions over symbolic inputs, of which ``known`` is what is assumed."""

    def __init__(self, known: z3.BoolRef = TRUE, timeout: float = 3.0) -> None:
        self.solver = z3.Solver()
        # A branch of which the solver cannot say in time that nothing reaches it is walked.
        self.solver.set("timeout", max(1, int(1000 * timeout)))
        self.solver.add(known)
        self.path: z3.BoolRef = TRUE
        self.raised: list[Raised] = []
        self.drawn: list[Drawn] = []
        self.frame = Frame({}, "", {})
        self.line = 0
        self._cuts = 0
        self._possible: dict[int, tuple[z3.BoolRef, bool]] = {}
        self._depth = 0
        self._loops = 0
        self._making: tuple[int, z3.BoolRef] | None = None

    # What can be known of the path.

    def possible(self, condition: z3.BoolRef) -> bool:
        """Whether some input reaches this point and meets the condition."""
        asked = both(self.path, condition)
        if z3.is_true(asked) or z3.is_false(asked):
            return bool(z3.is_true(asked))
        known = self._possible.get(asked.get_id())
        if known is None:
            known = asked, bool(self.solver.check(asked) != z3.unsat)
            self._possible[asked.get_id()] = known
        return bool(known[1])

    def certain(self, condition: z3.BoolRef) -> bool:
        """Whether every input that reaches this point meets the condition."""
        return not self.possible(negation(condition))

    def refuse(self, construct: str) -> Refused:
        return Refused(f"{self.frame.path}:{self.line}: {construct}")

    def fork(self, cases: Sequence[tuple[z3.BoolRef, Callable[[], Value]]]) -> Value:
        """Evaluate each case under its condition; exactly one of them holds."""
        before, whole = self.path, True
        results: list[tuple[z3.BoolRef, Value]] = []
        after: list[z3.BoolRef] = []
        for condition, evaluate in cases:
            if not self.possible(condition):
                continue
            self.path = entered = both(before, condition)
            try:
                value = evaluate()
            except Refused:
                # Whether this case is reached; the others are walked in any case.
                if self.possible(TRUE):
                    raise
                self.path, value = FALSE, Undefined()
            unchanged = self.path is entered
            whole = whole and unchanged
            results.append((condition if unchanged else self.path, value))
            after.append(self.path)
            self.path = before
        self.path = before if whole else either(*after)
        return merge(results)

    def over(self, value: Value, use: Callable[[Any], Value]) -> Value:
        """Apply to each alternative of a value."""
        if isinstance(value, Choice):
            return self.fork([(guard, partial(use, v)) for guard, v in value.alternatives])
        return use(value)

    def raise_when(self, condition: z3.BoolRef, exception: type[BaseException]) -> None:
        """Let this exception leave here on the inputs that meet the condition."""
        if self.possible(condition):
            guard = both(self.path, condition)
            self.raised.append(Raised(guard, exception, dict(self.frame.variables)))
            self.path = both(self.path, negation(condition))
            self._cuts += 1

    # Functions.

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
            bound = inspect.signature(function).bind(*arguments, **keywords)
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

    # Statements.

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

    def _attribute_name(self, name: str) -> str:
        if name.startswith("__") and not name.endswith("__"):
            raise self.refuse(f"the private name {name}")
        return name

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

    # Expressions.

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
            getter = inspect.getattr_static(value.cls, name)
            if type(getter) is _tuplegetter:
                where = getter.__reduce__()[1][0]
                if where < len(value.items):
                    item: Value = value.items[where]
                    return item
        if (
            isinstance(value, Instance)
            and name in value.attributes
            and isinstance(
                inspect.getattr_static(value.cls, name, None),
                types.MemberDescriptorType | types.NoneType,
            )
        ):
            return value.attributes[self._attribute_name(name)]
        if isinstance(value, Int | Tuple | Instance | Str | Match):
            cls = class_of(value)
            found = inspect.getattr_static(cls, name, None)
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

    def truth(self, value: Value) -> z3.BoolRef:
        match value:
            case Bool(term):
                return term
            case Int():
                return compare("!=", value, number(0))
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
            case (Str(), Str()):
                return self.same_text(left, right)
            case (Tuple(a), Tuple(b)):
                if len(a) != len(b):
                    return FALSE
                return both(*(self.equal(x, y) for x, y in zip(a, b, strict=True)))
            case (Opaque(a), Opaque(b)) if a.sort() == b.sort():
                return a == b
            case (Opaque(a, empty), Tuple(())) | (Tuple(()), Opaque(a, empty)):
                return a == empty
            case (Const(a), Const(b)):
                return z3.BoolVal(bool(a == b))
            case (Const(of), _) | (_, Const(of)) if not _compares_by_identity(of):
                raise self.refuse(f"{describe(left)} == {describe(right)}")
            case (Opaque(), Tuple()) | (Tuple(), Opaque()) | (Match(), Match()):
                raise self.refuse(f"{describe(left)} == {describe(right)}")
        comparable = Int | Bool | Str | Tuple | Match | Opaque | Const
        if isinstance(left, comparable) and isinstance(right, comparable):
            return FALSE
        raise self.refuse(f"{describe(left)} == {describe(right)}")

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
            return either(*(self.equal(member, item) for item in container.items))
        if isinstance(container, Const) and isinstance(container.object, frozenset | set):
            return either(*(self.equal(member, literal(item)) for item in container.object))
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

    # Texts.

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

    def position(self, node: ast.expr) -> int:
        return self.known_position(self.evaluate(node))

    def known_position(self, value: Value) -> int:
        fixed = self.fixed(value) if isinstance(value, Int) else None
        if fixed is None:
            raise self.refuse("a position that is not a known number")
        return fixed

    def subscript(self, value: Value, index: Value) -> Value:
        if isinstance(value, Tuple) and isinstance(index, Int | Bool):
            return self.chosen(value.items, as_int(index))
        return self.item(value, self.known_position(index))

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

    # Calls.

    def liftable(self, function: Any) -> bool:
        """Whether a callable is Python code that is there to be walked."""
        try:
            inner = sources.innermost(function)
        except TypeError:
            return False
        return inner.__module__.partition(".")[0] not in sys.stdlib_module_names

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

    def apply(self, callee: Value, arguments: Sequence[Value], keywords: dict[str, Value]) -> Value:
        if isinstance(callee, Method):
            receiver, target = callee.receiver, callee.function
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


def _cannot_fail(raised: ast.expr) -> bool:
    """Whether the message of an exception is made in ways that raise nothing themselves."""
    arguments = raised.args if isinstance(raised, ast.Call) else []
    return all(isinstance(node, MESSAGE_NODES) for part in arguments for node in ast.walk(part))


def _is_simple(exception: type[BaseException]) -> bool:
    """Whether making the exception cannot itself fail, whatever it is given."""
    made = [inspect.getattr_static(exception, name) for name in ("__init__", "__new__")]
    own = any(isinstance(each, types.FunctionType | staticmethod) for each in made)
    return not own and not issubclass(exception, UnicodeError)


def class_of(value: Int | Tuple | Instance | Str | Match) -> type:
    """The class of which a value has its methods."""
    match value:
        case Str(kind=kind):
            return kind
        case Match():
            return re.Match
    return value.cls


def _compares_by_identity(of: object) -> bool:
    return of is None or inspect.getattr_static(type(of), "__eq__") is object.__eq__


def describe(value: Value) -> str:
    """What a value is, for a person."""
    match value:
        case Int(cls=cls) | Tuple(cls=cls) | Instance(cls=cls) | Opaque(cls=cls):
            return f"a {cls.__name__}"
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
