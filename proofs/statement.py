"""What a claim says in code, as a digest: it changes when the claim does, by whatever helper."""

from __future__ import annotations

import ast
import hashlib
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

from . import dependence
from .claim import Claim
from .contracts import ContractClaim

WRITTEN_IN = ("calls", "claims", "frozen", "observed", "reading", "spans", "wire")
"""The modules of the evidence in which claims say what they say; others only check it."""

Place = tuple[str, str]
"""A definition: its module, and its name there."""


def statement(claim: Claim) -> str:
    """The SHA-256 of what a claim says, however wide its white space is.

    That is its definition with its decorators, and whatever of the modules that claims are
    written in is named there, and so on. A contract is its conditions, the private functions
    that they call, and what the function declares to raise. What the shipped code does is no
    part of it.
    """
    digest = hashlib.sha256()
    for text in _texts(claim):
        digest.update(" ".join(text.split()).encode() + b"\0")
    return digest.hexdigest()


def files(claim: Claim) -> set[Path]:
    """The files in which what it says is written."""
    if isinstance(claim, ContractClaim):
        return {Path(claim.where[0])}
    modules = {module for (module, _), _ in _definitions_of(claim)}
    return {Path(str(importlib.import_module(module).__file__)) for module in modules}


def _texts(claim: Claim) -> Iterator[str]:
    yield claim.id
    if isinstance(claim, ContractClaim):
        yield from (*claim.requires, claim.ensures, *claim.helpers)
        yield from (error.__name__ for error in claim.raises)
        return
    for (module, name), text in _definitions_of(claim):
        yield f"{module.removeprefix(__package__)}.{name}"
        yield text


def _definitions_of(claim: Claim) -> Iterator[tuple[Place, str]]:
    """The definition of a claim, and those that are reached from there by their names."""
    module, _, name = claim.id.rpartition(".")
    waiting = [(claim.module or f"{__package__}.claims.{module}", name)]
    found = dict.fromkeys(waiting)
    while waiting:
        at = waiting.pop(0)
        for text, named in _definitions(at[0]).get(at[1], ()):
            yield at, text
            new = [each for each in named if each not in found]
            found |= dict.fromkeys(new)
            waiting += new


@cache
def _definitions(name: str) -> dict[str, list[tuple[str, list[Place]]]]:
    """By name what a module defines: the text, and what of the evidence is named in it."""
    module = importlib.import_module(name)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines = text.splitlines()
    body = ast.parse(text).body
    imported = {
        alias.asname or alias.name: (
            resolve_name(f"{'.' * level}{path or ''}", package),
            alias.name,
        )
        for package in [module.__package__ or ""]
        for node in body
        if isinstance(node, ast.ImportFrom)
        for path, level in [(node.module, node.level)]
        if level
        for alias in node.names
    }
    definitions: dict[str, list[tuple[str, list[Place]]]] = {}
    for node in body:
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
            definitions.setdefault(each, []).append((source, sorted(_named(node, name, imported))))
    return definitions


def _named(node: ast.AST, module: str, imported: Mapping[str, Place]) -> set[Place]:
    """The definitions that a piece of the source of a module names."""
    found = set()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name):
                found.add(imported.get(name, (module, name)))
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in imported:
                found.add((".".join(imported[name]), attribute))
    return {(at, name) for at, name in found if _is_written_in(at)}


def _is_written_in(module: str) -> bool:
    inside, _, rest = module.partition(f"{__package__}.")
    return not inside and rest.split(".")[0] in WRITTEN_IN and module in dependence.names()
