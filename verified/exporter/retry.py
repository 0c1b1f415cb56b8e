"""Which answers of a receiver are retried, and when (OTLP, "Failures" and "Throttling").

Retry-After is a number of seconds or a date in one of the three formats of HTTP (RFC 9110,
sections 10.2.3 and 5.6.7):

    delay-seconds   = 1*DIGIT
    imf-fixdate     = day-name "," SP day SP month SP year SP time-of-day SP "GMT"
    rfc850-date     = day-name-l "," SP day "-" month "-" 2DIGIT SP time-of-day SP "GMT"
    asctime-date    = day-name SP month SP ( 2DIGIT / ( SP DIGIT ) ) SP time-of-day SP year
"""

import re
from datetime import UTC, datetime, timedelta
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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY: Final = "(?P<day>[0-9]{2})"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_NAME: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_NAME: Final = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"

_SECONDS: Final = re.compile("[0-9]+")
_FIXDATE: Final = re.compile(f"{_NAME}, {_DAY} {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT")
_RFC850: Final = re.compile(f"{_LONG_NAME}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT")
_ASCTIME: Final = re.compile(f"{_NAME} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})")


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

    White space around the header is not part of it. ``now`` is the time in milliseconds
    since 1970-01-01, in UTC. A date that is over asks for no delay, which is 0; none asks for
    more than ``LONGEST_DELAY``. A second 60 is the second before it, and the name of the day is
    not looked at (RFC 9110, sections 5.6.7 and 10.2.3).
    """
    text = retry_after.strip(" \t")
    if _SECONDS.fullmatch(text) is not None:
        # Of longer numbers the first digits say enough, and int takes no more than 4300.
        return min(int(text.lstrip("0")[:13] or 0) * 1000, LONGEST_DELAY)
    moment = _date(text, now)
    return -1 if moment is None else min(max(moment - now, 0), LONGEST_DELAY)


def _date(text: str, now: int) -> int | None:
    """The time that an HTTP-date names, in milliseconds since 1970-01-01."""
    match = _FIXDATE.fullmatch(text) or _RFC850.fullmatch(text) or _ASCTIME.fullmatch(text)
    if match is None:
        return None
    try:
        # A second 60 is a leap second, which datetime does not know.
        date = datetime(
            int(match["year"]) + (2000 if match.re is _RFC850 else 0),
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            59 if match["second"] == "60" else int(match["second"]),
            tzinfo=UTC,
        )
        if match.re is _RFC850:
            date = _nearest(date, _EPOCH + timedelta(milliseconds=now))
    except (ValueError, OverflowError):
        return None
    return (date - _EPOCH) // timedelta(milliseconds=1)


def _nearest(date: datetime, now: datetime) -> datetime:
    """The date of a year of two digits: the latest that is not 50 years or more ahead."""
    century = (now.year + 50) // 100 * 100
    found = date.replace(year=century + date.year % 100)
    return found if found.year <= now.year + 50 else found.replace(year=found.year - 100)
