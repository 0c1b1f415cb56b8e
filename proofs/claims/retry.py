"""Claims about which answers are retried, and when."""

import calendar
import time

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
    "formats, up to LONGEST_DELAY; not at all if it is over",
    discharges="OT-03",
    subject=(retry.delay, retry._date, retry._nearest),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def delays_are_what_is_asked_for(now: Moment, then: Moment) -> bool:
    date = time.gmtime(then // 1000)
    wait = min(max(calendar.timegm(date) * 1000 - now, 0), retry.LONGEST_DELAY)
    formats = ["%a, %d %b %Y %H:%M:%S GMT", "%a %b {} %H:%M:%S %Y".format(f"{date.tm_mday:2}")]
    if abs(then - now) < 49 * 365 * 86_400_000:
        formats.append("%A, %d-%b-%y %H:%M:%S GMT")
    return all(
        retry.delay(time.strftime(text, date), now) == wait for text in formats
    ) and retry.delay(f" {then // 1000}", now) == min(then // 1000 * 1000, retry.LONGEST_DELAY)
