"""Claims about the regular expressions of the shipped code, for every one that there is."""

from ..ambiguity import ways
from ..claim import Fault, claim
from ..patterns import PATTERNS, PatternName, pattern


@claim(
    "No regular expression of the shipped code matches a text in two ways, so that none tries more "
    "than each of its positions once for each character, whether a text matches or not",
    subject=PATTERNS,
    engines=("ambiguity", "fuzz"),
    fault=Fault(
        "verified.tracestate",
        r",(?:[ \t]*{_MEMBER.pattern}|)",
        r",[ \t]*(?:{_MEMBER.pattern}|)",
    ),
)
def none_is_ambiguous(name: PatternName, text: str) -> bool:
    return ways(pattern(name), text) <= 1
