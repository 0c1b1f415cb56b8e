"""Claims about the trace flags (W3C Trace Context Level 2, "trace-flags")."""

from typing import Any

from verified import TraceFlags

from ..claim import Fault, claim
from ..contracts import fresh_import
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


@claim(
    "Flags that are made of nothing have no bit set",
    discharges="TP-13",
    subject=TraceFlags.__new__,
)
def no_flags_by_default() -> bool:
    return TraceFlags() == 0


@claim(
    "Trace flags are not made of what is not an integer",
    discharges="TP-17",
    subject=TraceFlags.__new__,
    required=Verdict.TESTED,
    engines=("fuzz",),
    fault=Fault("verified.trace_flags", "number = index(value)", "number = int(value)"),
)
def flags_are_made_of_integers(value: float | str | bytes | None) -> bool:
    imported: Any = fresh_import(contracts=False)["verified"]
    try:
        imported.TraceFlags(value)
    except TypeError:
        return True
    except ValueError:
        return False
    return False
