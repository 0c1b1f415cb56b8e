"""Claims: what is said of the code, in a form that every engine can take.

A claim is a function over typed arguments that returns whether it holds for them,
with the sentence that it stands for, the requirements that it discharges and the
least verdict that it accepts. What the shipped functions ensure by contract is a
claim too (``proofs.contracts``).
"""

from __future__ import annotations

import importlib
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from .domains import fresh
from .verdict import Verdict

if TYPE_CHECKING:
    import z3

    from .lift.lifter import Lifter
    from .lift.values import Value


@dataclass(frozen=True)
class Constant:
    """A name in a module, or in a class of it, as the subject of a claim."""

    module: str
    name: str


Subject = Callable[..., Any] | Constant


@dataclass(frozen=True)
class Fault:
    """A fault in a declaration, for claims of which no mutation operator knows the subject.

    Where ``was`` stands in the source of the module, ``now`` is put. The claim is to
    look at the module as ``proofs.contracts.fresh_import`` gives it.
    """

    module: str
    was: str
    now: str


FALSE = "returned False"


class Claim:
    """A sentence about the code that can be checked.

    ``parameters`` are the inputs over which it speaks, by name and type. ``subject`` is
    the code of which it speaks: each claim must be refuted by some mutant of it.

    Each kind of claim says itself what raises ``NotImplementedError`` here, but that those
    about machines are not lifted one by one.
    """

    id: str
    sentence: str
    discharges: tuple[str, ...]
    required: Verdict
    engines: tuple[str, ...]
    subject: tuple[Subject, ...]
    parameters: Mapping[str, Any]
    fault: Fault | None = None
    module: str = ""

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        """Run the real code on these inputs; raises what the code raises."""
        raise NotImplementedError

    def lift(self, lifter: Lifter, inputs: Mapping[str, Value]) -> z3.BoolRef:
        """The term that says that the claim holds, where the code returns."""
        raise NotImplementedError

    is_choosy = False
    """Whether there are inputs of its types of which it does not speak."""

    def admits(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the claim speaks of these inputs."""
        return True

    def fails_on(self, inputs: Mapping[str, Any]) -> str | None:
        """Why the claim does not hold on these inputs, on the real code; None if it does."""
        try:
            if not self.admits(fresh(inputs)):
                return None
            return None if self.holds(fresh(inputs)) else FALSE
        except Exception as error:
            return f"raised {type(error).__name__}: {error}"[:500]

    def listing(self, inputs: Mapping[str, Any]) -> str | None:
        """What happens on these inputs, step by step, if the claim can tell."""
        return None

    @property
    def where(self) -> tuple[str, int]:
        """File and line of the claim."""
        raise NotImplementedError


class FunctionClaim(Claim):
    """A claim that is written as a function."""

    def __init__(
        self,
        function: Callable[..., bool],
        sentence: str,
        discharges: str | Sequence[str],
        required: Verdict,
        engines: Sequence[str],
        subject: Sequence[Subject],
        fault: Fault | None,
    ) -> None:
        self.function = function
        self.module = function.__module__
        self.id = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.sentence = sentence
        self.discharges = (discharges,) if isinstance(discharges, str) else tuple(discharges)
        self.required = required
        self.engines = tuple(engines)
        self.subject = tuple(subject)
        self.fault = fault

    # To mypy a property is less than the attribute, which nobody sets.
    @cached_property
    def parameters(self) -> Mapping[str, Any]:  # type: ignore[override]
        hints = typing.get_type_hints(self.function)
        return {name: hints[name] for name in inspect.signature(self.function).parameters}

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        return bool(self.function(**inputs))

    def lift(self, lifter: Lifter, inputs: Mapping[str, Value]) -> z3.BoolRef:
        return lifter.truth(lifter.call(self.function, [], dict(inputs)))

    @property
    def where(self) -> tuple[str, int]:
        code = self.function.__code__
        return code.co_filename, code.co_firstlineno


_registry: dict[str, Claim] = {}

MODULES = "VERIFIED_CLAIMS"
"""The variable that names the modules whose claims are meant, if they are not those of here."""

ENGINES = (
    "smt",
    "induction",
    "language",
    "ambiguity",
    "symbolic",
    "exhaustive",
    "schedules",
    "fuzz",
)


def claim(
    sentence: str,
    *,
    discharges: str | Sequence[str] = (),
    subject: Subject | Sequence[Subject],
    required: Verdict = Verdict.PROVED,
    engines: Sequence[str] = ("smt", "fuzz"),
    fault: Fault | None = None,
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """Declare a function to be a claim; the function itself is left as it is."""

    def register(function: Callable[..., bool]) -> Callable[..., bool]:
        subjects = subject if isinstance(subject, Sequence) else (subject,)
        enter(FunctionClaim(function, sentence, discharges, required, engines, subjects, fault))
        return function

    return register


def enter(claim: Claim) -> None:
    """Enter a claim into the list of all.

    :raises ValueError: if it names no subject or an engine that does not exist, or if there
        is another claim with its id.
    """
    unknown = set(claim.engines) - set(ENGINES)
    if unknown or not claim.engines or not claim.subject:
        raise ValueError(f"the claim {claim.id} names no subject or unknown engines {unknown}")
    if claim.id in _registry and _registry[claim.id].where != claim.where:
        raise ValueError(f"there are two claims with the id {claim.id}")
    _registry[claim.id] = claim


def every_claim() -> list[Claim]:
    """All claims: those of ``proofs.claims``, then those of the contracts, each by id.

    If the variable VERIFIED_CLAIMS names modules, separated by commas, those of these modules
    instead. It is a variable so that it reaches the processes that prove.
    """
    others = os.environ.get(MODULES)
    if others is not None:
        for name in others.split(","):
            importlib.import_module(name)
        return sorted(
            (c for c in _registry.values() if c.module in others.split(",")), key=lambda c: c.id
        )
    from . import claims, contracts

    for module in iter_modules(claims.__path__):
        importlib.import_module(f"{claims.__name__}.{module.name}")
    found: list[Claim] = sorted(_registry.values(), key=lambda c: c.id)
    return [*found, *contracts.every_contract()]


def claim_of(id: str) -> Claim:
    """The claim with this id.

    :raises KeyError: if there is none.
    """
    for each in every_claim():
        if each.id == id:
            return each
    raise KeyError(f"there is no claim {id!r}")
