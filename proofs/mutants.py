"""First-order mutants: the shipped code with one small fault.

The operators are those of mutmut, and one more: a regular expression with a character of
its source left out, which is a bound, a member of a set or a comma less.

What reads and writes syntax here takes half a second to import, and is needed only where mutants
are made: so others import this module when they need it.
"""

from __future__ import annotations

import importlib
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import count, takewhile
from typing import Any, cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

from . import sources
from .claim import Constant, Subject
from .planting import Mutant


def mutants(subjects: Sequence[Subject]) -> Iterator[Mutant]:
    """All first-order mutants of the subjects, a subject at a time, in the order of the source."""
    for subject in subjects:
        if isinstance(subject, Constant):
            yield from _in_module(subject.module, subject.name, False)
        else:
            inner = sources.innermost(subject)
            yield from _in_module(inner.__module__, inner.__qualname__, True)


def every_mutant(module: str, name: str, is_function: bool | None) -> list[Mutant]:
    """All first-order mutants of a function or constant of a module, each text once."""
    found: dict[str, Mutant] = {}
    alike: Counter[tuple[str, str]] = Counter()
    for mutant in _in_module(module, name, is_function):
        if mutant.module.text not in found:
            alike[mutant.was, mutant.now] += 1
            found[mutant.module.text] = replace(mutant, number=alike[mutant.was, mutant.now])
    return list(found.values())


@lru_cache(maxsize=16)
def _parsed(text: str) -> tuple[cst.Module, Mapping[cst.CSTNode, Any]]:
    """The tree of a module, and where each node of it stands."""
    wrapper = MetadataWrapper(cst.parse_module(text))
    return wrapper.module, wrapper.resolve(PositionProvider)


def _in_module(module: str, name: str, is_function: bool | None) -> Iterator[Mutant]:
    importlib.import_module(module)
    return iter(_kept(sources.module(module), name, is_function))


class _Kept:
    """What an iterator gives, made once for all that iterate, and no sooner than one wants it."""

    def __init__(self, made: Iterator[Mutant]) -> None:
        self.made = made
        self.found: list[Mutant] = []

    def __iter__(self) -> Iterator[Mutant]:
        for position in count():
            if position == len(self.found):
                following = next(self.made, None)
                if following is None:
                    return
                self.found.append(following)
            yield self.found[position]


@lru_cache(maxsize=64)
def _kept(source: sources.Module, name: str, is_function: bool | None) -> _Kept:
    return _Kept(_made(source, name, is_function))


def _made(source: sources.Module, name: str, is_function: bool | None) -> Iterator[Mutant]:
    tree, positions = _parsed(source.text)
    if is_function is None:
        roots = _statements(tree)
    else:
        roots = _places(tree, name.split("."), is_function)
    for root in roots:
        in_signature = bool(is_function) and not isinstance(root, cst.BaseSuite)
        for node in _nodes(root):
            for kind, operator in OPERATORS:
                if not isinstance(node, kind):
                    continue
                for changed in operator(node):
                    text = _with(source.text, tree, positions[node], node, changed)
                    text = _of_as_many_lines(source.text, text)
                    module = sources.Module(source.name, source.path, text)
                    if not _compiles(module):
                        continue
                    yield Mutant(
                        module,
                        name,
                        is_function,
                        positions[node].start.line,
                        _shown(node),
                        _shown(changed),
                        in_signature,
                    )


def _with(
    text: str, tree: cst.Module, where: CodeRange, node: cst.CSTNode, changed: cst.CSTNode
) -> str:
    """The text of a module in which a node is another."""
    lines = text.splitlines(keepends=True)
    start, end = (
        sum(map(len, lines[: at.line - 1])) + at.column for at in (where.start, where.end)
    )
    if text[start:end] == tree.code_for_node(node):
        return text[:start] + tree.code_for_node(changed) + text[end:]
    # Its white space or parentheses stand elsewhere.
    return cast(cst.Module, tree.deep_replace(node, changed)).code


def _of_as_many_lines(before: str, after: str) -> str:
    """A changed text with blank lines behind the change, so that all else stands where it stood.

    Where a function stands is part of its code.
    """
    missing = before.count("\n") - after.count("\n")
    if missing <= 0:
        return after
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(before[::-1], after[::-1], strict=False))
    rest = sum(1 for _ in alike)
    at = after.index("\n", len(after) - rest)
    return after[:at] + "\n" * missing + after[at:]


def _expressions(call: cst.Call) -> Iterator[cst.Call]:
    """A call of ``re.compile`` with a character of the pattern left out, any one in turn."""
    if cst.Module([]).code_for_node(call.func) != "re.compile" or not call.args:
        return
    pattern = call.args[0].value
    parts: Sequence[cst.CSTNode] = (
        pattern.parts if isinstance(pattern, cst.FormattedString) else [pattern]
    )
    for part in parts:
        match part:
            case cst.FormattedStringText(value=text):
                inside = range(len(text))
            case cst.SimpleString(value=text):
                start = len(part.prefix) + len(part.quote)
                inside = range(start, len(text) - len(part.quote))
            case _:
                continue
        for at in inside:
            shorter = part.with_changes(value=text[:at] + text[at + 1 :])
            yield cast(cst.Call, call.deep_replace(part, shorter))


OPERATORS: Sequence[tuple[Any, Any]] = (*mutation_operators, (cst.Call, _expressions))


def _shown(node: cst.CSTNode) -> str:
    return " ".join(cst.Module([]).code_for_node(node).split())


def _compiles(module: sources.Module) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return module.codes is not None
    except SyntaxError:
        return False


def _places(node: Any, path: Sequence[str], is_function: bool) -> list[cst.CSTNode]:
    """The bodies of the function, or the values of the constant, with this path."""
    found: list[cst.CSTNode] = []
    body = node.body.body if isinstance(node, cst.ClassDef) else node.body
    for statement in body:
        if isinstance(statement, cst.ClassDef | cst.FunctionDef):
            if statement.name.value == path[0]:
                if len(path) > 1:
                    found += _places(statement, path[1:], is_function)
                elif is_function and isinstance(statement, cst.FunctionDef):
                    found.append(statement.body)
                    parameters = (*statement.params.params, *statement.params.kwonly_params)
                    found += [p.default for p in parameters if p.default is not None]
        elif isinstance(statement, cst.SimpleStatementLine) and len(path) == 1 and not is_function:
            for small in statement.body:
                targets = (
                    [t.target for t in small.targets]
                    if isinstance(small, cst.Assign)
                    else [small.target]
                    if isinstance(small, cst.AnnAssign)
                    else []
                )
                if any(isinstance(t, cst.Name) and t.value == path[0] for t in targets):
                    value = getattr(small, "value", None)
                    found += [value] if value is not None else []
    return found


def _statements(tree: cst.Module) -> list[cst.CSTNode]:
    """What a module does when it is imported, besides defining names and importing others."""
    definitions = cst.ClassDef | cst.FunctionDef
    found: list[cst.CSTNode] = []
    for statement in tree.body:
        if isinstance(statement, cst.SimpleStatementLine):
            found += [small for small in statement.body if not _defines(small)]
        elif not isinstance(statement, definitions):
            found.append(statement)
    return found


def _defines(statement: cst.BaseSmallStatement) -> bool:
    """Whether a statement gives a value to names, or imports."""
    match statement:
        case cst.Assign(targets=targets):
            return all(isinstance(target.target, cst.Name) for target in targets)
        case cst.AnnAssign(target=target):
            return isinstance(target, cst.Name)
    return isinstance(statement, cst.Import | cst.ImportFrom)


def _nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The nodes that decide something: no annotations, docstrings or messages of errors."""
    if isinstance(node, cst.Annotation | cst.Raise) or _is_of_types(node):
        return
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.BaseString):
        return
    yield node
    for child in node.children:
        yield from _nodes(child)


def _is_of_types(node: cst.CSTNode) -> bool:
    """Whether a node is read by type checkers alone."""
    match node:
        case cst.Call(func=cst.Name(value="TypeVar" | "ParamSpec" | "NewType")):
            return True
    return False
