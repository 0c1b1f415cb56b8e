"""A mutant in the place of the code: while it is there, it is what runs and what is read.

It is put in place by giving the running function the code of the changed source (or a constant
its changed value), so that every caller, every alias and every contract sees it, and lifting
reads it too.
"""

from __future__ import annotations

import ast
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from . import sources
from .claim import Fault


@dataclass(frozen=True)
class Mutant:
    """A changed module, and the name in it that the change concerns."""

    module: sources.Module
    name: str
    is_function: bool | None
    """True for a function, False for a constant, None for what shows only when imported anew."""
    line: int
    was: str
    now: str
    in_signature: bool = False
    """Whether it is a default of a parameter that is changed."""
    number: int = 1
    """Which it is of those that change the same to the same there, from 1."""

    def __str__(self) -> str:
        return f"{self.module.name}:{self.line}: {self.was} -> {self.now}"

    @property
    def id(self) -> str:
        """What it is called as long as nothing changes there: lines are no part of it."""
        again = f" [{self.number}]" if self.number > 1 else ""
        return f"{self.module.name}:{self.name}: {self.was} -> {self.now}{again}"


class Stillborn(Exception):
    """A mutant of a constant that cannot even be evaluated."""


class TooSlow(BaseException):
    """A mutant ran into its limit; most often it loops for ever."""


def planted(fault: Fault) -> Mutant:
    """The mutant that a fault describes; it shows where the module is imported anew."""
    source = sources.module(fault.module)
    before, found, after = source.text.partition(fault.was)
    if not found:
        raise ValueError(f"{fault.module} does not contain {fault.was!r}")
    changed = sources.Module(source.name, source.path, before + fault.now + after)
    line = before.count("\n") + 1
    was, now = (" ".join(text.split()) for text in (fault.was, fault.now))
    return Mutant(changed, "", None, line, was, now or "(nothing)")


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Let the real code be the mutant; what its threads raise or log is not printed."""
    before = threading.excepthook, logging.lastResort
    threading.excepthook = lambda _: None
    logging.lastResort = logging.NullHandler()
    try:
        with _applied(mutant):
            yield
    finally:
        threading.excepthook, logging.lastResort = before


@contextmanager
def _applied(mutant: Mutant) -> Iterator[None]:
    if mutant.is_function is None:
        with sources.replaced(mutant.module):
            yield
        return
    module = sys.modules[mutant.module.name]
    owner: Any = module
    *classes, name = mutant.name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    with sources.replaced(mutant.module):
        if mutant.is_function:
            function = sources.innermost(vars(owner)[name])
            before = function.__code__, function.__defaults__, function.__kwdefaults__
            defaults = _defaults(mutant, module) if mutant.in_signature else before[1:]
            function.__code__ = mutant.module.codes[mutant.name]
            function.__defaults__, function.__kwdefaults__ = defaults
            try:
                yield
            finally:
                function.__code__, function.__defaults__, function.__kwdefaults__ = before
        else:
            changed = {name: _constant(mutant, module)}
            if owner is module:
                changed |= _dependents(mutant, module, changed)
            values = {each: vars(owner)[each] for each in changed}
            for each, value in changed.items():
                setattr(owner, each, value)
            try:
                yield
            finally:
                for each, value in values.items():
                    setattr(owner, each, value)


def _defaults(mutant: Mutant, module: Any) -> tuple[Any, Any]:
    """The defaults that the changed source gives to the parameters of the function."""
    arguments = mutant.module.definitions[mutant.name].args

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "<mutant>", "eval"), dict(vars(module)))

    try:
        named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        keywords = {a.arg: value(d) for a, d in named if d is not None}
        return tuple(map(value, arguments.defaults)) or None, keywords or None
    except Exception as error:
        raise Stillborn(str(mutant)) from error


def _constant(mutant: Mutant, module: Any) -> Any:
    """The value that the changed source gives to the constant."""
    (value,) = constants(ast.parse(mutant.module.text), mutant.name.split("."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(compile(ast.Expression(value), "<mutant>", "eval"), dict(vars(module)))
    except Exception as error:
        raise Stillborn(str(mutant)) from error


def constants(node: ast.Module | ast.ClassDef, path: Sequence[str]) -> list[ast.expr]:
    """The expressions whose values the constant with this path gets."""
    found: list[ast.expr] = []
    for statement in node.body:
        match statement:
            case ast.ClassDef(name=name) if name == path[0] and path[1:]:
                found += constants(statement, path[1:])
            case ast.Assign(targets=targets, value=value):
                if any(isinstance(t, ast.Name) and [t.id] == list(path) for t in targets):
                    found.append(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                if [name] == list(path):
                    found.append(value)
    return found


def _dependents(mutant: Mutant, module: Any, changed: dict[str, Any]) -> dict[str, Any]:
    """The constants of the module that are made of changed ones, as they then are."""
    names = {**vars(module), **changed}
    found: dict[str, Any] = {}
    for node in ast.parse(mutant.module.text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        if len(targets) != 1 or not isinstance(targets[0], ast.Name) or value is None:
            continue
        used = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        if used & (changed.keys() | found.keys()):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    made = eval(compile(ast.Expression(value), "<mutant>", "eval"), dict(names))
            except Exception as error:
                raise Stillborn(str(mutant)) from error
            found[targets[0].id] = names[targets[0].id] = made
    return found


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TooSlow`` in this thread after so long; without effect outside the main thread.

    The time is that of the processor, which is the same whatever else the machine does. What
    waits takes none, and may wait for ten times as long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TooSlow

    limits = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, 10 * seconds),
    )
    before = [signal.signal(number, stop) for number, _, _ in limits]
    # Again and again: Python discards what is raised while it finalizes an object.
    for _, timer, limit in limits:
        signal.setitimer(timer, limit, 0.05)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(limits, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
