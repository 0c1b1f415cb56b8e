"""What a claim says in code, as a digest: it changes when the claim does, by whatever helper."""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from .claim import Claim
from .contracts import ContractClaim

WRITTEN_IN = ("claims", "frozen", "reading", "spans", "wire")
"""The modules of the evidence in which claims say what they say; others only check it."""

Place = tuple[str, str]
"""A definition: its module, and its name there."""


def statement(claim: Claim) -> str:
    """The SHA-256 of what a claim says, however it is laid out.

    That is its definition with its decorators, and whatever of the modules that claims are
    written in is named there, and so on. A contract is its conditions, the private functions
    that they call, and what the function declares to raise. What the shipped code does is no
    part of it.
    """
    digest = hashlib.sha256()
    for text in _texts(claim):
        digest.update(" ".join(text.split()).encode() + b"\0")
    return digest.hexdigest()


def _texts(claim: Claim) -> Iterator[str]:
    yield claim.id
    if isinstance(claim, ContractClaim):
        yield from (*claim.requires, claim.ensures, *claim.helpers)
        yield from (error.__name__ for error in claim.raises)
        return
    name = claim.id.rpartition(".")[2]
    waiting = [(f"{__package__}.claims.{claim.id.split('.')[0]}", name)]
    found = dict.fromkeys(waiting)
    while waiting:
        module, name = waiting.pop(0)
        for text, named in _definitions(module).get(name, ()):
            yield f"{module.removeprefix(__package__)}.{name}"
            yield text
            new = [each for each in named if each not in found]
            found |= dict.fromkeys(new)
            waiting += new


@cache
def _definitions(name: str) -> dict[str, list[tuple[str, list[Place]]]]:
    """By name what a module defines: the text, and what of the evidence is named in it."""
    module = importlib.import_module(name)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines = text.splitlines()
    definitions: dict[str, list[tuple[str, list[Place]]]] = {}
    for node in ast.parse(text).body:
        match node:
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                names = [defined]
            case ast.Assign(targets=targets):
                names = [t.id for t in targets if isinstance(t, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=defined)):
                names = [defined]
            case _:
                continue
        decorators = getattr(node, "decorator_list", [])
        start = min([node.lineno, *(d.lineno for d in decorators)])
        source = "\n".join(lines[start - 1 : node.end_lineno])
        for each in names:
            definitions.setdefault(each, []).append((source, sorted(_named(node, module))))
    return definitions


def _named(node: ast.AST, module: ModuleType) -> set[Place]:
    """The definitions that a piece of source names."""
    found = set()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name):
                value = vars(module).get(name)
                at = getattr(value, "__module__", None) or module.__name__
                qualified = getattr(value, "__qualname__", None)
                found.add((module.__name__, name) if qualified is None else (at, qualified))
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                inside = vars(module).get(name)
                if isinstance(inside, ModuleType):
                    found.add((inside.__name__, attribute))
    return {(at, name) for at, name in found if _is_written_in(at)}


def _is_written_in(module: str) -> bool:
    inside, _, rest = module.partition(f"{__package__}.")
    return not inside and rest.split(".")[0] in WRITTEN_IN and module in sys.modules
