"""The inputs that Hypothesis draws for a claim, drawn once for all that is done with them.

What is drawn depends on the types of the inputs and on what the claim admits, not on their
names and not on mutants. Drawing takes longer than all that is done with what is drawn, so
inputs are remembered, as what they are made of: no constructor of the code that is under
proof has a part in reading them. What is remembered is inputs alone; whether a claim holds on
them is found out in each run.

Inputs are drawn in parts, so that what asks for more of them begins with those that others
asked for.
"""

from __future__ import annotations

import io
import pickle
import typing
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase

from .claim import Claim
from .domains import domain, fresh, is_built_in
from .engines import Options
from .memory import Memory

PARTS = (100, 500, 2000)
"""Where the parts end in which inputs are drawn."""

KIND = "inputs"


@dataclass(frozen=True)
class Place:
    """Where inputs are remembered, and digests of what they depend on.

    ``built_in`` is for types of which ``proofs.domains`` has the domain, ``claim`` for others.
    """

    memory: Memory
    built_in: str
    claim: str


_place: Place | None = None


@contextmanager
def remembered(place: Place | None) -> Iterator[None]:
    """Let inputs be remembered there."""
    global _place
    before, _place = _place, place
    try:
        yield
    finally:
        _place = before


def sample(claim: Claim, options: Options) -> Iterator[dict[str, Any]]:
    """As many inputs from the domains that the claim admits as fuzzing may draw.

    :raises KeyError: if the type of an input has no domain.
    """
    types = tuple(claim.parameters.values())
    choosy = claim if claim.is_choosy else None
    start = 0
    for end in (*(part for part in PARTS if part < options.examples), options.examples):
        drawn = _part(types, choosy, start, end, options.seed)
        for values in drawn:
            yield dict(zip(claim.parameters, values, strict=True))
        if len(drawn) < end - start:
            return  # There are no more.
        start = end


@lru_cache(maxsize=256)
def _part(
    types: tuple[Any, ...], choosy: Claim | None, start: int, end: int, number: int
) -> tuple[tuple[Any, ...], ...]:
    key = None if _place is None else _key(_place, types, choosy, start, end, number)
    if _place is not None and key is not None:
        stored = _place.memory.get(KIND, key)
        found = None if stored is None else read(stored)
        if found is not None:
            return found
    drawn = _draw(types, choosy, end - start, number if start == 0 else f"{number} {start}")
    if _place is not None and key is not None:
        written = write(drawn)
        if written is not None:
            _place.memory.put(KIND, key, written)
    return drawn


def _key(
    place: Place, types: tuple[Any, ...], choosy: Claim | None, start: int, end: int, number: int
) -> str:
    if choosy is None and all(map(is_built_in, types)):
        source = place.built_in
    else:
        # Of which machine or record, the claim says, whose digest this is.
        source = place.claim
    return "\0".join(
        [source, *map(_name, types), choosy.id if choosy else "", f"{start} {end} {number}"]
    )


def _name(annotation: Any) -> str:
    """A name for a type, the same in each process."""
    name = getattr(annotation, "__qualname__", None) or getattr(annotation, "name", None)
    parts = typing.get_args(annotation)
    if parts:
        origin = typing.get_origin(annotation)
        return f"{origin!r}[{', '.join(map(_name, parts))}]"
    if name is None or isinstance(annotation, str | int):
        return repr(annotation)
    return f"{getattr(annotation, '__module__', '')}.{name}"


def _draw(
    types: tuple[Any, ...], choosy: Claim | None, count: int, source: object
) -> tuple[tuple[Any, ...], ...]:
    """So many inputs of these types, all of which a choosy claim admits."""
    found: list[tuple[Any, ...]] = []

    @seed(source)
    @limits(count, Phase.generate)
    @given(strategy(types))
    def draw(values: tuple[Any, ...]) -> None:
        assume(
            choosy is None
            or choosy.admits(fresh(dict(zip(choosy.parameters, values, strict=True))))
        )
        found.append(values)

    draw()
    return tuple(found)


def strategy(types: Sequence[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """The strategy for inputs of these types.

    :raises KeyError: if a type has no domain.
    """
    strategies = []
    for annotation in types:
        known = domain(annotation)
        if known is None:
            raise KeyError(f"inputs of the type {annotation} have no domain")
        strategies.append(known.strategy)
    return st.tuples(*strategies)


def limits(examples: int, *phases: Phase, database: ExampleDatabase | None = None) -> settings:
    """What Hypothesis is to do, and no more."""
    return settings(
        max_examples=examples,
        phases=phases,
        database=database,
        deadline=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


class _Writer(pickle.Pickler):
    """Writes objects of the shipped code as what they are made of."""

    def reducer_override(self, obj: Any) -> Any:
        cls = type(obj)
        if isinstance(obj, type) or not cls.__module__.startswith("verified."):
            return NotImplemented
        for plain in (int, str, tuple):
            if issubclass(cls, plain):
                return _of_plain, (
                    plain,
                    cls,
                    plain(obj) if plain is not int else int.__index__(obj),
                )
        return _of_fields, (cls, _fields(obj))


def _fields(value: Any) -> dict[str, Any]:
    names = [name for cls in type(value).__mro__ for name in cls.__dict__.get("__slots__", ())]
    return {
        **{n: object.__getattribute__(value, n) for n in names if hasattr(value, n)},
        **getattr(value, "__dict__", {}),
    }


def _of_plain(plain: Any, cls: type, value: Any) -> Any:
    return plain.__new__(cls, value)


def _of_fields(cls: type, fields: dict[str, Any]) -> Any:
    made: Any = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def write(drawn: tuple[tuple[Any, ...], ...]) -> bytes | None:
    """Inputs as octets; None if there are some that cannot be written."""
    buffer = io.BytesIO()
    try:
        _Writer(buffer, pickle.HIGHEST_PROTOCOL).dump(drawn)
    except Exception:
        # An input may raise whatever is asked of it.
        return None
    return zlib.compress(buffer.getvalue(), 1)


def read(written: bytes) -> tuple[tuple[Any, ...], ...] | None:
    """The inputs that were written; None if they cannot be read."""
    try:
        found: tuple[tuple[Any, ...], ...] = pickle.loads(zlib.decompress(written))
    except Exception:
        return None
    return found
