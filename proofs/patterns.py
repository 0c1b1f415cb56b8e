"""The regular expressions of the shipped code, all of them, found where they stand."""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import NewType

from hypothesis import strategies as st

from . import sources
from .claim import Constant
from .contracts import fresh_import, modules
from .domains import DOMAINS, Domain

PatternName = NewType("PatternName", str)
"""A regular expression of the shipped code, as ``module.NAME`` or ``module.Class.NAME``."""


class OutOfSight(Exception):
    """The code matches by a regular expression that is no constant of a module or class."""


def patterns(modules: Iterable[ModuleType]) -> Mapping[PatternName, re.Pattern[str]]:
    """The compiled patterns of these modules and of the classes in them, by name.

    :raises OutOfSight: if a module uses ``re`` for anything but to compile these.
    """
    found: dict[PatternName, re.Pattern[str]] = {}
    for module in modules:
        classes = [
            (f"{name}.", vars(member))
            for name, member in vars(module).items()
            if isinstance(member, type) and member.__module__ == module.__name__
        ]
        here = {
            PatternName(f"{module.__name__.partition('.')[2]}.{prefix}{name}"): member
            for prefix, members in (("", vars(module)), *classes)
            for name, member in members.items()
            if isinstance(member, re.Pattern)
        }
        if len(here) != _compiled(sources.module(module.__name__).text):
            raise OutOfSight(f"{module.__name__} has more patterns or fewer than {sorted(here)}")
        found |= here
    return found


@lru_cache(maxsize=256)
def _compiled(text: str) -> int:
    """How many patterns a module compiles; it may use ``re`` for that and in annotations only."""
    if not re.search(r"\bre\b", text):
        return 0
    count = 0
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ImportFrom(module="re"):
                raise OutOfSight(ast.unparse(node))
            case ast.Import(names=names) if any(n.name == "re" and n.asname for n in names):
                raise OutOfSight(ast.unparse(node))
            case ast.Attribute(ast.Name("re"), "compile"):
                count += 1
            case ast.Attribute(ast.Name("re"), name) if name not in ("Pattern", "Match"):
                raise OutOfSight(ast.unparse(node))
    return count


def pattern(name: PatternName) -> re.Pattern[str]:
    """The pattern of that name in the shipped code, imported anew so that mutants show."""
    module, _, path = name.partition(".")
    found = fresh_import(contracts=False)[f"verified.{module}"]
    for part in path.split("."):
        found = vars(found)[part]
    assert isinstance(found, re.Pattern)
    return found


PATTERN_NAMES = tuple(patterns(modules()))

PATTERNS = tuple(
    Constant(module.__name__, f"verified.{name}".removeprefix(f"{module.__name__}."))
    for module in modules()
    for name in patterns([module])
)

DOMAINS[PatternName] = Domain(st.sampled_from(PATTERN_NAMES), PATTERN_NAMES)
