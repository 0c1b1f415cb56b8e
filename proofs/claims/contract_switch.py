"""Claims about the switch for the contracts, for every public function there is."""

import sys
from typing import Any, Literal
from unittest.mock import patch

from verified.contracts import _leave, ensure, require

from ..claim import Constant, claim
from ..contracts import PublicName, fresh_import, is_guarded, is_plain
from ..verdict import Verdict

SWITCH = Constant("verified.contracts", "CONTRACTS_ENABLED")


@claim(
    "With contracts off, a public name is the very function that its source defines, undecorated, "
    "and icontract is not imported: contracts that are off cost nothing",
    subject=(SWITCH, ensure, require, _leave),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def off_is_the_function_itself(name: PublicName) -> bool:
    imported = fresh_import(contracts=False)
    return "icontract" not in imported and is_plain(imported, name)


@claim(
    "With contracts on, every public function is guarded by at least one condition",
    subject=(SWITCH, ensure),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def on_every_function_is_guarded(name: PublicName) -> bool:
    imported = fresh_import(contracts=True)
    return "icontract" in imported and is_guarded(imported, name)


def _is_positive(number: int) -> bool:
    return number > 0


def _is_small(result: int) -> bool:
    return result < 2


@claim(
    "With contracts on, a call that breaks a condition raises, before it or after it; with "
    "contracts off, and where none is broken, it returns what it would without",
    subject=(SWITCH, ensure, require),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def conditions_are_looked_at_if_on(enabled: bool, number: Literal[0, 1, 2]) -> bool:
    imported = fresh_import(contracts=enabled)
    contracts: Any = imported["verified.contracts"]
    asked: list[int] = []

    def given(number: int) -> int:
        asked.append(number)
        return number

    # The switch imports icontract where it is used, which others may be in the middle of using.
    checker = {name: module for name, module in imported.items() if "icontract" in name}
    with patch.dict(sys.modules, checker):
        guarded = contracts.require(_is_positive)(contracts.ensure(_is_small)(given))
    try:
        returned = guarded(number)
    except AssertionError:
        return enabled and asked == {0: [], 2: [2]}.get(number)
    holds = returned == number and asked == [number]
    return holds and (guarded is given if not enabled else number == 1)
