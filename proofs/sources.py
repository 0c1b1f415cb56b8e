"""The source of what runs.

A proof reads the source of a function and speaks of the function: so the two must be
the same thing. The source is compiled again and its code object compared with the one
that the running function has; a difference (a stale file, a patched function) is an
error, not a proof.
"""

import ast
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any


class SourceMismatch(Exception):
    """The function that runs is not the one that its source file describes."""


@dataclass(frozen=True)
class Module:
    """The text of a module, its definitions by qualified name, and their code."""

    name: str
    path: str
    text: str

    @cached_property
    def definitions(self) -> dict[str, ast.FunctionDef]:
        found: dict[str, ast.FunctionDef] = {}

        def visit(node: ast.AST, prefix: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.FunctionDef):
                    found[prefix + child.name] = child
                elif isinstance(child, ast.ClassDef):
                    visit(child, f"{prefix}{child.name}.")

        visit(self._tree, "")
        return found

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.text)

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """The text of a node, from its first character to its last."""
        last = (node.end_lineno or node.lineno) - 1
        lines = self._octets[node.lineno - 1 : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    @cached_property
    def _octets(self) -> list[bytes]:
        """Its lines, as the places of nodes count them: by octets, and by ends of lines alone."""
        return self.text.encode().splitlines(keepends=True)

    @cached_property
    def lines(self) -> dict[str, int]:
        """Where functions, methods and constants are defined, by qualified name."""
        return {name: line for name, line, _ in defined(self.text)}

    @cached_property
    def codes(self) -> dict[str, types.CodeType]:
        found: dict[str, types.CodeType] = {}

        def visit(code: types.CodeType) -> None:
            for constant in code.co_consts:
                if isinstance(constant, types.CodeType):
                    found[constant.co_qualname] = constant
                    visit(constant)

        visit(compile(self._tree, self.path, "exec", dont_inherit=True))
        return found


@cache
def _on_disk(name: str) -> Module:
    module = sys.modules[name]
    path = inspect.getsourcefile(module)
    if path is None:
        raise SourceMismatch(f"the module {name} has no source file")
    return Module(name, path, Path(path).read_text(encoding="utf-8"))


_instead: dict[str, Module] = {}


def module(name: str) -> Module:
    """The module of that name, or what stands in for it."""
    return _instead.get(name) or _on_disk(name)


def replacements() -> dict[str, Module]:
    """The modules for which another text stands at present."""
    return dict(_instead)


def stand_in(mutant: Module) -> None:
    """Let a changed text stand for a module as long as this process lives."""
    _instead[mutant.name] = mutant


@contextmanager
def replaced(mutant: Module) -> Iterator[None]:
    """Let a changed text stand for a module."""
    _instead[mutant.name] = mutant
    try:
        yield
    finally:
        del _instead[mutant.name]


def innermost(function: Any) -> types.FunctionType:
    """The function under contracts, properties and class methods, and under nothing else.

    A wrapper of another kind may do anything, so it stands for itself.
    """
    while True:
        if type(function) is property:
            function = function.fget
        elif type(function) is cached_property:
            function = function.func
        elif type(function) in (classmethod, staticmethod, types.MethodType):
            function = function.__func__
        elif hasattr(function, "__wrapped__") and hasattr(function, "__postconditions__"):
            function = function.__wrapped__
        else:
            break
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"{function!r} is not a Python function")
    return function


def with_callees(functions: Iterable[Callable[..., Any]]) -> list[types.FunctionType]:
    """The functions, and those of their modules that their bodies name, and so on.

    A dictionary of functions is a name for all of them. What only a contract names is not
    code that the function runs.
    """
    found: dict[types.FunctionType, None] = {}
    waiting: list[Any] = list(functions)
    while waiting:
        try:
            function = innermost(waiting.pop(0))
        except TypeError:
            continue
        if function in found:
            continue
        found[function] = None
        body = ast.Module(definition(function).body, [])
        for node in ast.walk(body):
            if isinstance(node, ast.Name):
                named = function.__globals__.get(node.id)
                reached = named.values() if isinstance(named, dict) else [named]
                waiting += [
                    f for f in reached if getattr(f, "__module__", "") == function.__module__
                ]
    return list(found)


def signature(function: types.FunctionType) -> inspect.Signature:
    """The parameters and defaults that a function has, whatever it says of itself."""
    silent = types.FunctionType(
        function.__code__, {}, None, function.__defaults__, function.__closure__
    )
    silent.__kwdefaults__ = function.__kwdefaults__
    return inspect.signature(silent)


def definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The definition of a function, which is certain to be what the function runs."""
    inner = innermost(function)
    source = module(inner.__module__)
    name = inner.__qualname__
    found = source.definitions.get(name)
    if found is None or source.codes.get(name) != inner.__code__:
        raise SourceMismatch(f"{inner.__module__}.{name} does not run what {source.path} says")
    return found


def defined(text: str, prefix: str = "") -> Iterator[tuple[str, int, bool]]:
    """What a source defines: qualified name, line, and whether it is a function.

    Functions, methods and constants, in the order of the source, each once.
    """
    seen = set()
    for name, line, is_function in _defined(ast.parse(text).body, prefix):
        if name not in seen:
            seen.add(name)
            yield name, line, is_function


def _defined(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, int, bool]]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name, node.lineno, True
            case ast.ClassDef(name=name):
                yield from _defined(node.body, f"{prefix}{name}.")
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield prefix + target.id, node.lineno, False
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield prefix + name, node.lineno, False


def place(subject: Any) -> tuple[str, int]:
    """File and line of a function, or of a constant that is named with its module."""
    if hasattr(subject, "module") and hasattr(subject, "name"):
        source = module(subject.module)
        return source.path, source.lines[subject.name]
    inner = innermost(subject)
    source = module(inner.__module__)
    return source.path, source.lines.get(inner.__qualname__, inner.__code__.co_firstlineno)
