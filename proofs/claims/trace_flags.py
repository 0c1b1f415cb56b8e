"""Claims about the trace flags (W3C Trace Context Level 2, "trace-flags")."""

from verified import TraceFlags

from ..claim import claim
from ..verdict import Verdict


@claim(
    "The sampled flag is the lowest bit of the flags and the random flag the next, "
    "whatever the other bits are",
    discharges=("TP-17", "TP-13"),
    subject=(TraceFlags.sampled, TraceFlags.random),
    engines=("smt", "exhaustive"),
)
def flags_are_bits(flags: TraceFlags) -> bool:
    return flags.sampled == (flags % 2 == 1) and flags.random == (flags % 4 >= 2)


@claim(
    "Trace flags are made of exactly the numbers from 0 to 255; any other raises ValueError",
    discharges="TP-17",
    subject=TraceFlags.__new__,
    required=Verdict.BOUNDED,
)
def flags_are_eight_bits(number: int) -> bool:
    try:
        made = TraceFlags(number)
    except ValueError:
        return number < 0 or number > 255
    return 0 <= number <= 255 and made == number
