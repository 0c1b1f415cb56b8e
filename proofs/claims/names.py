"""Claims about the names that the packages offer, and about the version."""

import re
from types import FunctionType, ModuleType
from typing import Literal

import verified
from verified import otel, otlp

from ..claim import Constant, claim
from ..verdict import Verdict

PACKAGES: dict[str, ModuleType] = {
    "verified": verified,
    "verified.otel": otel,
    "verified.otlp": otlp,
}

VERSION = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:(?:a|b|rc)\d+)?(?:\.dev\d+)?")


@claim(
    "Every name that a package offers with `__all__` is there, public and offered once, and each "
    "class and function that it has under a public name is offered",
    subject=tuple(Constant(name, "__all__") for name in PACKAGES),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_offered_is_there(
    package: Literal["verified", "verified.otel", "verified.otlp"],
) -> bool:
    held = {name: value for name, value in vars(PACKAGES[package]).items() if name[0] != "_"}
    offered = PACKAGES[package].__all__
    named = {name for name, value in held.items() if isinstance(value, type | FunctionType)}
    return len({*offered}) == len(offered) and named <= {*offered} <= held.keys()


@claim(
    "The version is three numbers, with what comes before a release behind them if it is none, as "
    'packaging tools read it (Python Packaging User Guide, "Version specifiers")',
    subject=Constant("verified", "__version__"),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def the_version_can_be_compared() -> bool:
    return VERSION.fullmatch(verified.__version__) is not None
