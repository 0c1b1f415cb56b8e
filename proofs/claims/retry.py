"""Claims about which answers are retried, and when."""

import calendar
import time
from typing import Literal

from verified.exporter import retry

from ..claim import Constant, claim
from ..domains import Moment, RetryAfter
from ..grammar import Grammar
from ..verdict import Verdict

SECONDS = Grammar("retry-after", "delay-seconds")
FIXDATE = Grammar("retry-after", "imf-fixdate")
RFC850 = Grammar("retry-after", "rfc850-date")
ASCTIME = Grammar("retry-after", "asctime-date")
RETRY_AFTER = Grammar("retry-after", "retry-after")


LONGEST = 2**40


@claim(
    "Of HTTP answers those of status 429, 502, 503 and 504 are retried, and no others",
    discharges=("OT-01", "OT-02"),
    subject=(retry.http_is_retryable, Constant("verified.exporter.retry", "HTTP_RETRYABLE")),
    required=Verdict.BOUNDED,
)
def four_statuses_are_retried(status: int) -> bool:
    return retry.http_is_retryable(status) == (status == 429 or 502 <= status <= 504)


@claim(
    "Of gRPC answers those of the table are retried, RESOURCE_EXHAUSTED only if the receiver says "
    "when",
    discharges="OT-13",
    subject=(retry.grpc_is_retryable, Constant("verified.exporter.retry", "GRPC_RETRYABLE")),
    required=Verdict.BOUNDED,
)
def the_table_of_grpc_is_kept(code: int, says_when: bool) -> bool:
    cancelled, deadline_exceeded, unavailable = code == 1, code == 4, code == 14
    aborted, out_of_range, data_loss = code == 10, code == 11, code == 15
    always = cancelled or deadline_exceeded or aborted or out_of_range or unavailable or data_loss
    return retry.grpc_is_retryable(code, says_when) == (always or (code == 8 and says_when))


@claim(
    "The regular expression of seconds is the grammar of delay-seconds, for text of any length",
    discharges="OT-03",
    subject=Constant("verified.exporter.retry", "_SECONDS"),
    engines=("language", "fuzz"),
)
def seconds_expression_is_the_grammar(text: str) -> bool:
    return (retry._SECONDS.fullmatch(text) is not None) == SECONDS.matches(text)


@claim(
    "The regular expression of the preferred format of a date is the grammar",
    discharges="OT-03",
    subject=Constant("verified.exporter.retry", "_FIXDATE"),
    engines=("language", "fuzz"),
)
def fixdate_expression_is_the_grammar(text: str) -> bool:
    return (retry._FIXDATE.fullmatch(text) is not None) == FIXDATE.matches(text)


@claim(
    "The regular expression of the obsolete format of RFC 850 is the grammar",
    discharges="OT-03",
    subject=Constant("verified.exporter.retry", "_RFC850"),
    engines=("language", "fuzz"),
)
def rfc850_expression_is_the_grammar(text: str) -> bool:
    return (retry._RFC850.fullmatch(text) is not None) == RFC850.matches(text)


@claim(
    "The regular expression of the obsolete format of asctime is the grammar",
    discharges="OT-03",
    subject=Constant("verified.exporter.retry", "_ASCTIME"),
    engines=("language", "fuzz"),
)
def asctime_expression_is_the_grammar(text: str) -> bool:
    return (retry._ASCTIME.fullmatch(text) is not None) == ASCTIME.matches(text)


@claim(
    "A delay is asked for only by a Retry-After of the grammar",
    discharges="OT-03",
    subject=retry.delay,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def nothing_else_asks_for_a_delay(text: RetryAfter, now: Moment) -> bool:
    return retry.delay(text, now) == -1 or RETRY_AFTER.matches(text.strip(" \t"))


@claim(
    "Seconds are waited for as many as are asked for, and until a date in each of the three "
    "formats, up to 2**40 milliseconds; not at all if it is over",
    discharges="OT-03",
    subject=(retry.delay, retry._date, retry._nearest),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def delays_are_what_is_asked_for(now: Moment, then: Moment) -> bool:
    date = time.gmtime(then // 1000)
    wait = min(max(calendar.timegm(date) * 1000 - now, 0), LONGEST)
    formats = ["%a, %d %b %Y %H:%M:%S GMT", "%a %b {} %H:%M:%S %Y".format(f"{date.tm_mday:2}")]
    if abs(then - now) < 49 * 365 * 86_400_000:
        formats.append("%A, %d-%b-%y %H:%M:%S GMT")
    asked = [retry.delay(time.strftime(text, date), now) for text in formats]
    seconds = retry.delay(f" {then // 1000}", now)
    return (
        all(each == wait and type(each) is int for each in asked)
        and seconds == min(then // 1000 * 1000, LONGEST)
        and type(seconds) is int
    )


@claim(
    "Seconds may have any number of digits, zeros before them say nothing, and space and tab "
    "around them, but nothing else, are no part of them",
    discharges="OT-03",
    subject=retry.delay,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def seconds_of_any_length(
    zeros: Literal[0, 1, 5000],
    digits: Literal[0, 1, 9, 12, 13, 5000],
    around: Literal["", " ", "\t", "\n", "\r", "\x0b", "\xa0", "X", "+"],
) -> bool:
    number = "0" * zeros + "7" * digits
    found = retry.delay(around + number + around, 0)
    if not number or around not in ("", " ", "\t"):
        return found == -1
    return found == {0: 0, 1: 7000, 9: 777_777_777_000}.get(digits, LONGEST)


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@claim(
    "Each of the twelve months is read by its name, in each of the three formats, and a second 60, "
    "which is a leap second, as the second before it",
    discharges="OT-03",
    subject=(retry._date, Constant("verified.exporter.retry", "_MONTHS")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_month_is_read(
    month: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], second: Literal[0, 58, 59, 60]
) -> bool:
    name = MONTHS[month - 1]
    then = calendar.timegm((2016, month, 28, 23, 59, min(second, 59))) * 1000
    return all(
        retry.delay(text, then - 5000) == 5000
        for text in (
            f"Wed, 28 {name} 2016 23:59:{second:02} GMT",
            f"Wednesday, 28-{name}-16 23:59:{second:02} GMT",
            f"Wed {name} 28 23:59:{second:02} 2016",
        )
    )


@claim(
    "A year of two digits is the one with these digits of the 49 years before this year, this one "
    "and the 50 years after it, for each day that this year has",
    discharges="OT-03",
    subject=(retry._nearest, retry._date),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def years_of_two_digits_are_near(
    this: Literal[1970, 1999, 2000, 2016, 2049, 2050, 2051, 2070, 2099],
    more: Literal[-49, -1, 0, 1, 49, 50],
) -> bool:
    now, year = calendar.timegm((this, 1, 1, 0, 0, 0)) * 1000, this + more
    day, month = (29, 2) if calendar.isleap(year) else (1, 3)
    wait = calendar.timegm((year, month, day, 0, 0, 0)) * 1000 - now
    text = f"Monday, {day:02}-{MONTHS[month - 1]}-{year % 100:02} 00:00:00 GMT"
    return retry.delay(text, now) == min(max(wait, 0), LONGEST)
