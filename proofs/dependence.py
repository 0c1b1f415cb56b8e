"""What a verdict depends on, as a digest: if it is the same, a proof would say the same again.

It is taken by modules, and rather too large than too small. A claim depends on the whole of
each module that its own module imports, directly or not, or names in a string (what a package
only gives on is of the module that defines it); on the whole of the engines and the domains; on
each file of ``spec``; on every module that changes others when it is imported; on the versions of
Python and of all that is installed; on the environment variables that any of these read.

Engines and domains run nothing of the code but what the claim brings: the functions that it calls,
and the classes of its inputs. So what they import of it is not followed from there.

A module that is not run as its source says (it was patched, or is compiled from something
else) is beyond a digest of sources: then there is none, and nothing is remembered.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import marshal
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.metadata import distributions, version
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import z3

import verified

from . import sources
from .claim import Claim, Constant
from .domains import is_built_in
from .grammar import SPEC
from .memory import Memory

EVIDENCE = str(__package__)
CLAIMS = f"{EVIDENCE}.claims"
ASKING = f"{EVIDENCE}.conform."
STRATEGIES = "verified.strategies"
"""Evidence that is shipped for the tests of others too."""

VARIABLES = ("HYPOTHESIS", "LANG", "LC_", "OPENTELEMETRY", "OTEL", "PYTHON", "TZ", "VERIFIED", "Z3")
"""How the names of the environment variables begin that a verdict may depend on."""

KEPT_APART = ("claims.txt", "INVARIANTS.md")
"""What stands in ``spec`` and is made of claims and verdicts, so that no verdict depends on it."""

TOOLS = ("crosshair-tool", "cvc5", "hypothesis", "icontract", "mutmut")
"""The libraries besides Z3 that have a part in verdicts."""

CHANGES = ("setattr", "delattr", "globals", "exec", "eval")
"""Builtins that may change what a module has."""

REFLECTIVE: Mapping[str, Collection[str]] = {
    f"{EVIDENCE}.contracts": ("fresh_import",),
    f"{EVIDENCE}.patterns": (),
}
"""Modules that go through all of the code, and the names in them that do not."""


def digest(claim: Claim) -> str | None:
    """The digest of all that a verdict on this claim depends on but the options.

    None if what runs is not what the sources say, or the claim is about other code than this.
    """
    roots = frozenset(_roots(claim))
    if not roots <= set(_sources()):
        return None
    found = _digest(roots)
    return None if found is None else _sha256(claim.id, claim.sentence, repr(claim.required), found)


def digest_of(functions: Iterable[Callable[..., Any]]) -> str | None:
    """The digest of all that depends on what these functions do; None as for a claim."""
    return _digest(frozenset(sources.innermost(each).__module__ for each in functions))


def inputs() -> str | None:
    """The digest of all that the domains depend on which ``proofs.domains`` itself defines."""
    return _digest(frozenset())


def code() -> str:
    """The digest of all sources and data, and of what proves by them, wherever that is."""
    texts = [f"{name}\0{source.text}" for name, source in sorted(_sources().items())]
    tools = [z3.get_full_version(), *(version(tool) for tool in TOOLS)]
    return _sha256(*texts, json.dumps([_data(), platform.python_version(), tools]))


def _roots(claim: Claim) -> Iterator[str]:
    """The modules in which a claim, its subject and the domains of its inputs stand."""
    if not all(map(is_built_in, claim.parameters.values())):
        yield from _with_domains()
    for member in (claim.subject, (getattr(claim, "function", getattr(claim, "program", None)),)):
        for each in member:
            if isinstance(each, Constant):
                yield each.module
            elif each is not None:
                yield sources.innermost(each).__module__


@cache
def _with_domains() -> Sequence[str]:
    """The modules of claims that may give a domain to a type, with a machine or by themselves."""
    return [
        name
        for name, source in _sources().items()
        if name.startswith(f"{CLAIMS}.")
        and {member for _, member, _ in source.facts.imports} & {"DOMAINS", "Machine"}
    ]


@cache
def _digest(roots: frozenset[str]) -> str | None:
    if not _runs_as_written():
        return None
    names = _closure([*roots, *_everywhere()]) | _later()
    texts = [f"{name}\0{_sources()[name].text}" for name in sorted(names)]
    return _sha256(_surroundings(), *texts)


def _sha256(*parts: str) -> str:
    found = hashlib.sha256()
    for part in parts:
        octets = part.encode("utf-8", "surrogatepass")
        found.update(f"{len(octets)}:".encode() + octets)
    return found.hexdigest()


class Facts(NamedTuple):
    """What a module leads to, whether it sees all modules, and when it might change others."""

    imports: Sequence[tuple[str, str | None, str]]
    strings: Sequence[str]
    sees_all: bool
    reaches_out: bool
    reaches_out_at_import: bool


_memory: Memory | None = None


def remember_in(memory: Memory | None) -> None:
    """Let what is found out of sources be remembered there."""
    global _memory
    _memory = memory


class Source:
    """A module of the code or of the claims, as text, with the modules that it leads to."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.text = path.read_text(encoding="utf-8")
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def facts(self) -> Facts:
        """What is found out of it, which is remembered if there is a memory."""

        def find() -> bytes:
            found = Facts(
                self.imports,
                self.strings,
                self.sees_all,
                self.reaches_out,
                self.reaches_out_at_import,
            )
            return json.dumps(found).encode()

        return Facts(*json.loads(self._remembered("facts", find)))

    @cached_property
    def codes(self) -> Mapping[str, CodeType | None]:
        """The code of each function that it defines, which is remembered if there is a memory."""

        def find() -> bytes:
            source = sources.Module(self.name, "", self.text)
            return marshal.dumps({name: source.codes.get(name) for name in source.definitions})

        found: Mapping[str, CodeType | None] = marshal.loads(self._remembered("codes", find))
        return found

    def _remembered(self, kind: str, find: Callable[[], bytes]) -> bytes:
        """What is found out of it by this module, which depends on the flags of Python too."""
        if _memory is None:
            return find()
        how = _sources()[__name__].text, _sources()[sources.__name__].text
        key = "\0".join([sys.version, repr(sys.flags), *how, self.name, self.text])
        found = _memory.get(kind, key)
        if found is None:
            found = find()
            _memory.put(kind, key, found)
        return found

    @cached_property
    def imports(self) -> Sequence[tuple[str, str | None, str]]:
        """What it imports, wherever it says so: module, name in it, and as what."""
        found: list[tuple[str, str | None, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [
                    (alias.name, None, alias.asname or alias.name.partition(".")[0])
                    for alias in node.names
                ]
            elif isinstance(node, ast.ImportFrom):
                start = self.package.split(".")[: -(node.level - 1) or None] if node.level else []
                module = ".".join([*start, *([node.module] if node.module else [])])
                found += [(module, alias.name, alias.asname or alias.name) for alias in node.names]
        return found

    @cached_property
    def strings(self) -> Sequence[str]:
        """Strings in it that may be names of modules."""
        if _is_of_all(self.name):
            return []  # What the engines name they do not use but for a claim.
        strings = (node.value for node in self.nodes if isinstance(node, ast.Constant))
        return [text for text in strings if isinstance(text, str) and is_ours(text)]

    @cached_property
    def sees_all(self) -> bool:
        """Whether it uses what goes through all modules of the code."""
        return any(
            (name is None or name not in REFLECTIVE[module])
            if module in REFLECTIVE
            else f"{module}.{name}" in REFLECTIVE
            for module, name, _ in self.imports
        )

    @cached_property
    def reaches_out(self) -> bool:
        """Whether it might change what other modules have, when it is imported or later."""
        return any(map(self._is_a_change, self.nodes)) or self.reaches_out_at_import

    @cached_property
    def reaches_out_at_import(self) -> bool:
        """Whether it might change what other modules have when it is imported."""
        foreign = {as_ for module, _, as_ in self.imports if not is_ours(module)}
        for node in at_import(self.tree):
            if _is_set(node) or self._is_a_change(node):
                return True
            match node:
                case ast.Expr(ast.Call(function)) if _root(function) not in foreign:
                    return True
        return False

    @cached_property
    def _ours(self) -> Collection[str | None]:
        return {None, *(as_ for module, _, as_ in self.imports if is_ours(module))}

    def _is_a_change(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call) and _root(node.func) in CHANGES:
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("__dict__", "modules"):
            return True
        return _is_set(node) and _root(node) in self._ours


def _root(node: ast.AST) -> str | None:
    """The name from which attributes and items are taken; None if it is something else."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_set(node: ast.AST) -> bool:
    """Whether an attribute or an item is set or deleted here."""
    return isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What of a module, or of a statement of it, runs when it is imported."""
    yield node
    later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.Lambda) and not (later and isinstance(child, ast.stmt)):
            yield from at_import(child)


def is_ours(module: str) -> bool:
    """Whether a module is of the code or of the evidence."""
    root = module.partition(".")[0]
    return root in ("verified", EVIDENCE.partition(".")[0])


def _files(package: str, folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        yield ".".join([package, *(parts[:-1] if parts[-1] == "__init__" else parts)]), path


@cache
def _sources() -> Mapping[str, Source]:
    """The modules of the code and of the evidence, by name."""
    folders = {"verified": verified.__path__[0], EVIDENCE: os.path.dirname(__file__)}
    return {
        name: Source(name, path)
        for package, folder in folders.items()
        for name, path in _files(package, Path(folder))
    }


def names() -> Iterable[str]:
    """The modules of the code and of the evidence."""
    return _sources().keys()


def source(module: str) -> Source:
    """The source of a module of the code or of the evidence."""
    return _sources()[module]


@cache
def _everywhere() -> tuple[str, ...]:
    """The modules on which every verdict depends, with what they import.

    They are the engines, and those that might change others when they are imported. What asks
    others' implementations is not among them: nothing that proves imports it.
    """
    return tuple(
        name
        for name, source in _sources().items()
        if _is_of_all(name) or (source.facts.reaches_out_at_import and not name.startswith(ASKING))
    )


@cache
def _later() -> frozenset[str]:
    """The modules that might change others when a function of theirs runs.

    What such a function does with the help of others counts where these reach out themselves.
    """
    return frozenset(
        name
        for name, source in _sources().items()
        if source.facts.reaches_out and not name.startswith(ASKING)
    )


def _is_of_all(name: str) -> bool:
    """Whether a module is evidence that is no claim, and may have a part in every verdict."""
    if name == STRATEGIES:
        return True
    return name.startswith(f"{EVIDENCE}.") and not f"{name}.".startswith((f"{CLAIMS}.", ASKING))


def _closure(roots: Iterable[str]) -> set[str]:
    """The modules, those that they import, and so on, with the packages in which these are."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found or name not in _sources():
            continue
        found.add(name)
        waiting += _leads_to(name)
    return found | {package for name in found for package in _packages(name)}


@cache
def _leads_to(name: str) -> Collection[str]:
    """The modules that one imports, or otherwise depends on."""
    facts = _sources()[name].facts
    led = {module for at, member, _ in facts.imports for module in _defining(at, member)}
    if _is_of_all(name):
        led = set(filter(_is_of_all, led))
    led.update(facts.strings)
    if name.startswith(f"{CLAIMS}.") and facts.sees_all:
        led.update(each for each in _sources() if each.startswith("verified"))
    return led & _sources().keys()


def _defining(module: str, name: str | None) -> Iterator[str]:
    """The module that is meant by an import, or that defines what is imported."""
    if name is None or f"{module}.{name}" in _sources():
        yield module if name is None else f"{module}.{name}"
        return
    given_on = [
        (at, member)
        for at, member, as_ in (_sources()[module].facts.imports if module in _sources() else ())
        if as_ == name and _sources()[module].package == module
    ]
    for at, member in given_on:
        yield from _defining(at, member)
    if not given_on:
        yield module


def _packages(name: str) -> Iterator[str]:
    """The packages in which a module is, whose files run before it."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in _sources():
            yield name


@cache
def _surroundings() -> str:
    """All that is no source: data, versions, settings."""
    return json.dumps([_data(), versions(), settings(os.environ)])


def _data() -> Sequence[tuple[str, str]]:
    files = [p for p in sorted(SPEC.rglob("*")) if p.is_file() and p.name not in KEPT_APART]
    return [(str(p.relative_to(SPEC)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]


def versions() -> Sequence[object]:
    """Python, the machine, the solver that is loaded, and all that is installed."""
    # A record names what is installed, its version, and the digest of each file.
    installed = sorted(_sha256(d.read_text("RECORD") or f"{d.metadata}") for d in distributions())
    machine = (platform.system(), platform.machine(), platform.libc_ver())
    return [sys.version, sys.implementation.name, machine, z3.get_full_version(), installed]


def settings(environment: Mapping[str, str]) -> Sequence[object]:
    """The flags of Python, and the variables of the environment that may matter."""
    found = sorted(
        (n, v) for n, v in environment.items() if n.startswith(VARIABLES) and n != "VERIFIED_CACHE"
    )
    return [repr(sys.flags), found]


@cache
def _runs_as_written() -> bool:
    """Whether each function of the code that is loaded has the code of its source."""
    return all(
        runs_as_written(module)
        for name, module in list(sys.modules.items())
        if name in _sources() and not name.startswith(ASKING)
    )


def runs_as_written(module: ModuleType) -> bool:
    """Whether each function that the source of a module defines is there, as it is defined."""
    return all(
        getattr(_found(module, name), "__code__", None) == code
        for name, code in _sources()[module.__name__].codes.items()
    )


def _found(module: ModuleType, name: str) -> Any:
    """What has a qualified name in a module, without what decorates it."""
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    while not isinstance(found, FunctionType) or hasattr(found, "__wrapped__"):
        inner = (
            getattr(found, name, None)
            for name in ("__wrapped__", "__func__", "fget", "func", "callback")
        )
        found = next((each for each in inner if each is not None), None)
        if found is None:
            break
    return found
