"""Which answers of a receiver are retried, and when (OTLP, "Failures" and "Throttling")."""

import re
from datetime import UTC, datetime
from typing import Final

from verified.contracts import ensure

HTTP_RETRYABLE: Final = frozenset({429, 502, 503, 504})
"""The statuses of HTTP answers that may be retried; no others."""

GRPC_RETRYABLE: Final = frozenset({1, 4, 10, 11, 14, 15})
"""The gRPC statuses that may be retried whatever comes with them.

CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS.
"""

RESOURCE_EXHAUSTED: Final = 8
"""The gRPC status that may be retried if the receiver says when, in a RetryInfo."""

LONGEST_DELAY: Final = 1 << 40
"""The longest delay that is told apart, in milliseconds: some 34 years."""

_SECONDS: Final = re.compile("[0-9]+")
_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTH: Final = f"({'|'.join(_MONTHS)})"
_TIME: Final = "([0-9]{2}):([0-9]{2}):([0-9]{2})"
_FIXDATE: Final = re.compile(f"{_DAY}, ([0-9]{{2}}) {_MONTH} ([0-9]{{4}}) {_TIME} GMT")


@ensure(lambda status, result: result == (status in (429, 502, 503, 504)))
def http_is_retryable(status: int) -> bool:
    """Whether an HTTP answer of this status may be retried."""
    return status in HTTP_RETRYABLE


@ensure(
    lambda code, says_when, result: (
        result == (code in (1, 4, 10, 11, 14, 15) or (code == 8 and says_when))
    )
)
def grpc_is_retryable(code: int, says_when: bool) -> bool:
    """Whether a gRPC answer of this status may be retried; ``says_when`` of a RetryInfo."""
    return code in GRPC_RETRYABLE or (code == RESOURCE_EXHAUSTED and says_when)


@ensure(lambda result: -1 <= result <= LONGEST_DELAY)
def delay(retry_after: str, now: int) -> int:
    """Return the milliseconds to wait that a Retry-After header asks for; -1 if it does not.

    The header is a number of seconds or an HTTP-date in the preferred format
    (RFC 9110, sections 10.2.3 and 5.6.7); ``now`` is the time in milliseconds since
    1970-01-01, in UTC. A date that is over asks for no delay.
    """
    text = retry_after.strip(" \t")
    if _SECONDS.fullmatch(text) is not None:
        digits = text.lstrip("0") or "0"
        return LONGEST_DELAY if len(digits) > 12 else min(int(digits) * 1000, LONGEST_DELAY)
    match = _FIXDATE.fullmatch(text)
    if match is None:
        return -1
    day, month, year, hour, minute, second = match.groups()
    # A second 60 is a leap second, which datetime does not know.
    seconds = 59 if second == "60" else int(second)
    numbers = int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute)
    try:
        date = datetime(*numbers, seconds, tzinfo=UTC)
    except ValueError:
        return -1
    return min(max(int(date.timestamp()) * 1000 - now, 0), LONGEST_DELAY)
