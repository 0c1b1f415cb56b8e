"""Claims about the switch for the contracts, for every public function there is."""

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
