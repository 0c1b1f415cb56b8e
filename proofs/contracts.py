"""The contracts of the shipped functions, as claims.

They are found in the source: every ``ensure`` over a public function of ``verified``
is one claim, that whatever arguments the function is given, if it meets what the
function requires, the function raises nothing but what its docstring says that it
``:raises``, and the condition holds for what it returns.

Parameters of a type that has no domain keep their default.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import os
import re
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec, PathFinder
from pkgutil import walk_packages
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NewType

from hypothesis import strategies as st

import verified
from verified import TraceFlags, contracts

from . import sources
from .claim import Claim, Subject
from .domains import DOMAINS, Domain, domain
from .verdict import Verdict

if TYPE_CHECKING:
    import z3

    from .lift.lifter import Lifter
    from .lift.values import Value


SHELL = {
    "verified.propagation",
    "verified.exporter.processor",
    "verified.otlp.deadline",
    "verified.otlp.exporter",
}
"""Modules that carry what others decide to objects that are anybody's: carriers, sockets."""

UNLIFTED = {
    "verified.tracestate",
    "verified.baggage",
    "verified.propagation",
    "verified.exporter.retry",
    "verified.otlp.answer",
    "verified.otlp.configuration",
    "verified.otlp.protobuf",
    "verified.otlp.response",
    "verified.otlp.trace",
}
"""Modules whose functions take texts apart at places that are not known, or any objects.

The lifter refuses that; their contracts are fuzzed, unless they are of numbers alone, and
what can be proved of their regular expressions is in claims of its own.
"""

CROSSHAIR_TYPES = {str, bool, TraceFlags}


class ContractClaim(Claim):
    """One postcondition of one function, of one class if it is a method.

    What other claims have as attributes is worked out here; mypy knows no attribute that
    is only read, and takes a property for less.
    """

    discharges = ()

    def __init__(
        self, module: ModuleType, owner: type | None, member: Any, name: str, number: int
    ) -> None:
        self.owner = owner
        self.member = member
        self.function = sources.innermost(member)
        self.number = number
        self.name = _public_name(module, owner, name)
        self.id = f"contract.{self.name}.{number}"
        self.subject: tuple[Subject, ...] = tuple(sources.with_callees([self.function]))

    @property
    def required(self) -> Verdict:  # type: ignore[override]
        return Verdict.TESTED if self._is_unlifted else Verdict.BOUNDED

    @property
    def _is_unlifted(self) -> bool:
        numbers = set(self.parameters.values()) <= {int, bool}
        return self.function.__module__ in UNLIFTED and not numbers

    def _decorators(self, named: str) -> list[ast.expr]:
        found = sources.definition(self.function).decorator_list
        # The decorator that stands lowest is applied, and counted, first.
        return [
            d.args[0]
            for d in reversed(found)
            if isinstance(d, ast.Call) and isinstance(d.func, ast.Name) and d.func.id == named
        ]

    @property
    def condition(self) -> ast.Lambda:
        node = self._decorators("ensure")[self.number - 1]
        assert isinstance(node, ast.Lambda)
        return node

    @property
    def ensures(self) -> str:
        """The condition, as it is written."""
        return self._written(self.condition)

    @property
    def requires(self) -> tuple[str, ...]:
        """What the arguments must meet, as it is written."""
        return tuple(map(self._written, self._decorators("require")))

    @property
    def helpers(self) -> tuple[str, ...]:
        """The source of the private functions that the conditions call."""
        module = sources.module(self.function.__module__)
        names = {
            node.id
            for condition in (self.condition, *self._decorators("require"))
            for node in ast.walk(condition)
            if isinstance(node, ast.Name) and node.id.startswith("_")
        }
        found = (module.definitions[name] for name in sorted(names & module.definitions.keys()))
        return tuple(module.segment(node) for node in found)

    def _written(self, node: ast.expr) -> str:
        body = node.body if isinstance(node, ast.Lambda) else node
        segment = sources.module(self.function.__module__).segment(body)
        return " ".join(segment.split())

    @property
    def sentence(self) -> str:  # type: ignore[override]
        return f"{self.name} ensures {self.ensures}"

    @cached_property
    def raises(self) -> tuple[type[BaseException], ...]:
        """The exceptions that the docstring of the function declares."""
        names = re.findall(r":raises (\w+):", self.function.__doc__ or "")
        return tuple(getattr(builtins, name) for name in names)

    @cached_property
    def engines(self) -> tuple[str, ...]:  # type: ignore[override]
        # CrossHair is asked where it can answer. A symbolic class it would pass to
        # int.__new__, and a symbolic int to methods of int: Python refuses both.
        # Inputs of other types it makes concrete, and a source of random bits that
        # gives zero for ever it follows for ever.
        if self._is_unlifted:
            return ("fuzz",)
        suits = set(self.parameters.values()) <= CROSSHAIR_TYPES and self.bound_to is None
        return ("smt", "symbolic", "fuzz") if suits else ("smt", "fuzz")

    @cached_property
    def bound_to(self) -> Any:
        """What the first parameter is, if it is not an input: the class, or nothing."""
        first = next(iter(inspect.signature(self.function).parameters), None)
        return self.owner if self.owner is not None and first == "cls" else None

    @cached_property
    def parameters(self) -> Mapping[str, Any]:  # type: ignore[override]
        hints = typing.get_type_hints(self.function)
        found = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name == "cls" and self.bound_to is not None:
                continue
            annotation = self.owner if name == "self" else hints[name]
            if parameter.default is parameter.empty or domain(annotation) is not None:
                found[name] = annotation
        return found

    def _run(self, node: ast.Lambda, values: Mapping[str, Any]) -> bool:
        condition = eval(_compiled(node), self.function.__globals__)
        return bool(condition(*(values[a.arg] for a in node.args.args)))

    def _with_defaults(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        # As they are now: a mutant may have others.
        defaults = self.function.__defaults__ or ()
        code = self.function.__code__
        last = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
        values = dict(zip(last, defaults, strict=True)) | (self.function.__kwdefaults__ or {})
        if self.bound_to is not None:
            values["cls"] = self.bound_to
        return values | dict(inputs)

    @property
    def is_choosy(self) -> bool:  # type: ignore[override]
        return bool(self._decorators("require"))

    def admits(self, inputs: Mapping[str, Any]) -> bool:
        values = self._with_defaults(inputs)
        nodes = self._decorators("require")
        return all(self._run(node, values) for node in nodes if isinstance(node, ast.Lambda))

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        values = self._with_defaults(inputs)
        try:
            result = self.function(**values)
        except self.raises:
            return True
        return self._run(self.condition, values | {"result": result})

    def lift(self, lifter: Lifter, inputs: Mapping[str, Value]) -> z3.BoolRef:
        from .lift.values import both, literal

        values = {n: literal(d) for n, d in self._with_defaults({}).items()} | dict(inputs)

        def condition(node: ast.expr, given: Mapping[str, Value]) -> z3.BoolRef:
            assert isinstance(node, ast.Lambda)
            named = {a.arg: given[a.arg] for a in node.args.args}
            return lifter.truth(lifter.expression(node.body, self.function, named))

        for node in self._decorators("require"):
            lifter.path = both(lifter.path, condition(node, values))
        start = len(lifter.raised)
        result = lifter.call(self.function, [], values)
        lifter.raised[start:] = [
            r for r in lifter.raised[start:] if not issubclass(r.type, self.raises)
        ]
        return condition(self.condition, values | {"result": result})

    @property
    def where(self) -> tuple[str, int]:
        return self.function.__code__.co_filename, self.condition.lineno


@lru_cache(maxsize=1024)
def _compiled(condition: ast.Lambda) -> CodeType:
    expression = ast.fix_missing_locations(ast.Expression(condition))
    return compile(expression, "<contract>", "eval")


def modules() -> list[ModuleType]:
    """The modules of the shipped code that need nothing else.

    Those are all but the adapters, the senders, the strategies and the evidence that a
    wheel carries inside.
    """
    senders = ("verified.otlp.grpc", "verified.otlp.http")
    found = [verified]
    for info in walk_packages(verified.__path__, "verified."):
        folder = info.name.split(".")[1]
        if folder not in ("proofs", "__main__", "otel", "strategies") and info.name not in senders:
            found.append(importlib.import_module(info.name))
    return found


def public_functions() -> Iterator[tuple[ModuleType, type | None, str, Any]]:
    """Every public function and method of the shipped code: module, class, name, member.

    A class or function is public if its name has no leading underscore, or if it is
    the constructor. What a public class inherits from a private one is its own.
    """
    for module in modules():
        for name, member in vars(module).items():
            if name.startswith("_") or module is contracts:
                continue
            if getattr(member, "__module__", None) != module.__name__:
                continue
            if isinstance(member, type):
                yield from _methods(module, member)
            elif callable(member) and _is_python(member):
                yield module, None, name, member


def _methods(module: ModuleType, cls: type) -> Iterator[tuple[ModuleType, type, str, Any]]:
    if getattr(cls, "_is_protocol", False):
        return  # What a protocol declares is for others to do.
    seen = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("verified"):
            continue
        for name, member in vars(base).items():
            if name in seen or (name.startswith("_") and name != "__new__"):
                continue
            seen.add(name)
            if _is_python(member) and sources.innermost(member).__module__ == base.__module__:
                yield module, cls, name, member


def _is_python(member: Any) -> bool:
    try:
        inner = sources.innermost(member)
    except TypeError:
        return False
    return inner.__module__.startswith("verified")


@lru_cache(maxsize=1)
def every_contract() -> tuple[ContractClaim, ...]:
    found = []
    for module, owner, name, member in public_functions():
        first = ContractClaim(module, owner, member, name, 1)
        count = len(first._decorators("ensure"))
        found += [ContractClaim(module, owner, member, name, n + 1) for n in range(count)]
    return tuple(found)


PublicName = NewType("PublicName", str)
"""A public function of the shipped code, as ``module.function`` or ``module.Class.method``."""


def _public_name(module: ModuleType, owner: type | None, name: str) -> str:
    path = [*module.__name__.split(".")[1:], *([owner.__name__] if owner else []), name]
    return ".".join(path)


def _find(modules: Mapping[str, ModuleType], name: PublicName) -> Any:
    """The member with a public name, in these modules, as it stands there."""
    module, *path = name.split(".")
    found: Any = modules[f"verified.{module}"]
    for part in path:
        found = inspect.getattr_static(found, part)
    return found.__func__ if isinstance(found, classmethod | staticmethod) else found


def is_plain(modules: Mapping[str, ModuleType], name: PublicName) -> bool:
    """Whether a public name is a function with the code of its source, and nothing round it."""
    found = _find(modules, name)
    if isinstance(found, property):
        found = found.fget
    if type(found) is not FunctionType or hasattr(found, "__wrapped__"):
        return False
    return sources.module(found.__module__).codes.get(found.__qualname__) == found.__code__


def is_guarded(modules: Mapping[str, ModuleType], name: PublicName) -> bool:
    """Whether icontract checks at least one condition of a public name."""
    found = _find(modules, name)
    if isinstance(found, property):
        found = found.fget
    return bool(getattr(found, "__preconditions__", ()) or getattr(found, "__postconditions__", ()))


def fresh_import(contracts: bool, cached: bool = True) -> Mapping[str, ModuleType]:
    """Import the shipped code once more, with contracts on or off, beside what is running.

    Returns all modules that this imported, by name. Where a mutant stands for a module,
    the mutant is imported. What was imported so before is returned again, unless
    ``cached`` is false.
    """
    load = _fresh_import if cached else _fresh_import.__wrapped__
    return load(contracts, tuple(sources.replacements().values()))


@lru_cache(maxsize=8)
def _fresh_import(contracts: bool, instead: tuple[sources.Module, ...]) -> Mapping[str, ModuleType]:
    def again(name: str) -> bool:
        root, _, rest = name.partition(".")
        return root == "icontract" or (root == "verified" and rest.split(".")[0] != "proofs")

    names = [module.__name__ for module in modules()]
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if again(name)}
    before = os.environ.get("VERIFIED_CONTRACTS")
    finder = Instead(instead)
    sys.meta_path.insert(0, finder)
    os.environ.pop("VERIFIED_CONTRACTS", None)
    if contracts:
        os.environ["VERIFIED_CONTRACTS"] = "1"
    try:
        for name in names:
            importlib.import_module(name)
        return {name: module for name, module in sys.modules.items() if again(name)}
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if again(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        os.environ.pop("VERIFIED_CONTRACTS", None)
        if before is not None:
            os.environ["VERIFIED_CONTRACTS"] = before


class Instead(MetaPathFinder):
    """Imports these texts instead of what is on disk."""

    def __init__(self, modules: Iterable[sources.Module]) -> None:
        self.modules = {module.name: module for module in modules}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.modules:
            return None
        found = PathFinder.find_spec(name, path)
        if found is not None:
            found.loader = _Text(self.modules[name])
        return found


class _Text(SourceLoader):
    """Loads a module of another text than its file has."""

    def __init__(self, module: sources.Module) -> None:
        self.module = module

    def get_filename(self, name: str) -> str:
        return self.module.path

    def get_data(self, path: str) -> bytes:
        return self.module.text.encode()


PUBLIC_NAMES = tuple(
    PublicName(_public_name(module, owner, name))
    for module, owner, name, _ in public_functions()
    if module.__name__ not in SHELL
)

DOMAINS[PublicName] = Domain(st.sampled_from(PUBLIC_NAMES), PUBLIC_NAMES)
