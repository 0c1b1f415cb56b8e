"""Claims about what is said of a batch."""

from typing import Literal

from verified.exporter import outcome

from ..claim import Constant, claim
from ..verdict import Verdict


@claim(
    "What became of a batch is said by three numbers: 0 if the receiver took it, 1 if it does not "
    "have it, 2 if it may",
    subject=tuple(Constant(outcome.__name__, n) for n in ("SUCCESS", "FAILURE", "UNKNOWN")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def outcomes_are_three_numbers(
    name: Literal["SUCCESS", "FAILURE", "UNKNOWN"],
) -> bool:
    return bool(vars(outcome)[name] == {"SUCCESS": 0, "FAILURE": 1, "UNKNOWN": 2}[name])
