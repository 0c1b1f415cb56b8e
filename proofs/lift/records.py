"""Named tuples: the classes that ``typing.NamedTuple`` makes, as ``collections`` makes them.

What such a class does is not in its source, so it is held against a class that is made
anew: a constructor or a ``_replace`` of another code is not the one that is modelled.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .. import sources
from .values import Tuple, Value, computes_as, literal

if TYPE_CHECKING:
    from .operations import Operations


def is_record(cls: type) -> bool:
    """Whether a class is a named tuple that is made and changed as all of them are."""
    fields = cls.__dict__.get("_fields")
    if cls.__bases__ != (tuple,) or type(cls) is not type or type(fields) is not tuple:
        return False
    if not computes_as(cls, tuple) or "__init__" in vars(cls):
        return False
    anew = _anew(fields)
    return anew is not None and all(
        _same(vars(cls).get(name), vars(anew)[name]) for name in ("__new__", "_make", "_replace")
    )


@lru_cache(maxsize=256)
def _anew(fields: tuple[str, ...]) -> type | None:
    """A named tuple of these fields; None if there can be none."""
    try:
        return namedtuple("anew", fields)
    except (TypeError, ValueError):
        return None


def _same(one: Any, other: Any) -> bool:
    """Whether two functions of a class do the same, up to what the class is."""
    if type(one) in (classmethod, staticmethod) and type(one) is type(other):
        return _same(one.__func__, other.__func__)
    if not (type(one) is type(other) is FunctionType):
        return False
    makes = one.__globals__.get("_tuple_new") is other.__globals__.get("_tuple_new")
    return makes and one.__code__ == other.__code__ and _closed(one) == _closed(other)


def _closed(function: FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]


def make(
    lifter: Operations, cls: type, arguments: Sequence[Value], keywords: dict[str, Value]
) -> Value:
    """A named tuple of these fields, those that are not given as they are by default."""
    signature = sources.signature(cls.__new__)  # type: ignore[arg-type]
    try:
        bound = signature.bind(cls, *arguments, **keywords)
    except TypeError as error:
        raise lifter.refuse(f"{cls.__name__}: {error}") from None
    given = dict(bound.arguments)
    bound.apply_defaults()
    fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    values = bound.arguments
    return Tuple(tuple(given[f] if f in given else literal(values[f]) for f in fields), cls)


def is_replace(cls: type, function: Any) -> bool:
    """Whether a function is the method of a named tuple that gives one with other values."""
    return is_record(cls) and function is vars(cls)["_replace"]


def replaced(
    lifter: Operations, record: Tuple, arguments: Sequence[Value], keywords: dict[str, Value]
) -> Value:
    """The named tuple with other values for some of its fields."""
    fields: tuple[str, ...] = record.cls._fields  # type: ignore[attr-defined]
    if arguments or not keywords.keys() <= set(fields):
        raise lifter.refuse(f"{record.cls.__name__} has not all fields that are replaced")
    pairs = zip(fields, record.items, strict=True)
    return Tuple(tuple(keywords.get(field, value) for field, value in pairs), record.cls)
