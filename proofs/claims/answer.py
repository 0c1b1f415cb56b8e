"""Claims about what the answers of a receiver mean."""

import gzip

from verified.exporter import retry
from verified.exporter.attempt import Abandoned, Accepted, Deferred, Refused
from verified.otlp import answer, response
from verified.otlp.answer import GrpcAnswer, HttpAnswer, NotSent, Time, TooLarge
from verified.otlp.configuration import Settings
from verified.otlp.http import HttpSender

from .. import wire
from ..claim import claim
from ..domains import Excess, GrpcCode, HttpStatus, Int64, Moment, ResponseBytes, RetryAfter
from ..verdict import Verdict

NOW = Time(7, 1_700_000_000_000, 5)
MAX = 4 * 1024 * 1024
PROTOBUF = "application/x-protobuf"


def varint(number: int) -> bytes:
    """The varint of a number of 64 bits, as long as it need be."""
    octets = []
    while True:
        number, low = number >> 7, number & 0x7F
        octets.append(low | (0x80 if number else 0))
        if not number:
            return bytes(octets)


def message(field: int, content: bytes) -> bytes:
    return varint(8 * field + 2) + varint(len(content)) + content


def partial_success(rejected: int, text: str = "") -> bytes:
    content = varint(8) + varint(rejected % (1 << 64)) if rejected else b""
    return message(1, content + (message(2, text.encode()) if text else b""))


def retry_info(seconds: int, nanos: int) -> bytes:
    """A Status with a RetryInfo among its details."""
    duration = varint(8) + varint(seconds % (1 << 64)) + varint(16) + varint(nanos % (1 << 64))
    detail = message(1, b"type.googleapis.com/google.rpc.RetryInfo")
    other = message(3, message(1, b"type.googleapis.com/google.rpc.Help") + message(2, b"\x08\x01"))
    return varint(8) + varint(8) + other + message(3, detail + message(2, message(1, duration)))


@claim(
    "Of HTTP answers those from 200 to 299 are success, those of status 429, 502, 503 and 504 are "
    "tried again, and all others, redirections too, are not",
    discharges=("OT-01", "OT-02", "OT-06", "OT-08"),
    subject=answer._http,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_status_has_its_meaning(status: HttpStatus) -> bool:
    event = answer.meaning(HttpAnswer(status), NOW).event
    if 200 <= status < 300:
        return event == Accepted(0)
    if status in (429, 502, 503, 504):
        return event == Deferred(7, -1, 5)
    return event == Refused()


@claim(
    "Of gRPC answers OK is success, those of the table are tried again, RESOURCE_EXHAUSTED only "
    "with a RetryInfo, and all others are not; a RetryInfo says when",
    discharges=("OT-08", "OT-13"),
    subject=(answer._grpc, response.retry_delay),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def every_code_has_its_meaning(code: GrpcCode) -> bool:
    plain = answer.meaning(GrpcAnswer(code, "why"), NOW).event
    timed = answer.meaning(GrpcAnswer(code, "why", retry_info(2, 1)), NOW).event
    if code == 0:
        return plain == timed == Accepted(0)
    if code in (1, 4, 10, 11, 14, 15):
        return plain == Deferred(7, -1, 5) and timed == Deferred(7, 2001, 5)
    if code == 8:
        return plain == Refused() and timed == Deferred(7, 2001, 5)
    return plain == timed == Refused()


@claim(
    "Retry-After says when a request is tried again, if it is",
    discharges="OT-03",
    subject=answer._http,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def retry_after_says_when(text: RetryAfter, now: Moment) -> bool:
    time = Time(1, now, 2)
    event = answer.meaning(HttpAnswer(503, retry_after=text), time).event
    final = answer.meaning(HttpAnswer(400, retry_after=text), time).event
    return event == Deferred(1, retry.delay(text, now), 2) and final == Refused()


@claim(
    "Whatever spans a partial success rejects, the request is a success and not tried again; as "
    "many as it rejects are counted, a negative number as none",
    discharges="OT-07",
    subject=(answer._response, answer._accepted, response.partial_success),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def partial_successes_are_counted(rejected: Int64, text: str) -> bool:
    body = partial_success(rejected, text.encode("utf-8", "replace").decode())
    http = answer.meaning(HttpAnswer(200, PROTOBUF, body=body), NOW)
    coded = answer.meaning(HttpAnswer(202, PROTOBUF + ";a=b", "gzip", "", gzip.compress(body)), NOW)
    grpc = answer.meaning(GrpcAnswer(0, body=body), NOW)
    return (
        http.event == coded.event == grpc.event == Accepted(max(rejected, 0))
        and (str(rejected) in http.reason or rejected <= 0)
        and bool(http.reason) == (rejected > 0 or text != "")
    )


@claim(
    "An answer whose body is larger than 4 MiB, before it is decompressed or after, is not tried "
    "again, whatever its status; one that is not larger is read",
    discharges="OT-09",
    subject=(answer._http, answer._decompressed, answer.meaning),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def large_answers_are_final(excess: Excess) -> bool:
    body = bytes(MAX + excess)
    for status in (200, 400, 503):
        for encoding, sent in (("", body), ("gzip", gzip.compress(body, 1))):
            event = answer.meaning(HttpAnswer(status, PROTOBUF, encoding, "", sent), NOW).event
            if status == 503 and isinstance(event, Deferred) != (excess <= 0):
                return False
            if status == 200 and isinstance(event, Accepted) != (excess <= 0):
                return False
            if status == 400 and event != Refused():
                return False
    return answer.meaning(TooLarge(), NOW).event == Abandoned()


@claim(
    "A request larger than 64 MiB is not sent; one that is not larger is",
    discharges="OT-10",
    subject=HttpSender.send,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def large_requests_are_not_sent(excess: Excess) -> bool:
    # Nobody listens at this port, so what is sent is not answered.
    sender = HttpSender(Settings(endpoint="http://127.0.0.1:1/v1/traces"))
    found = sender.send(bytes(64 * 1024 * 1024 + excess), 5.0)
    return isinstance(found, NotSent) == (excess > 0)


@claim(
    "The fields of a message are those that an independent reader finds, and what it refuses is no "
    "message, but for groups, fields out of order and varints that are longer than need be",
    subject=response.fields,
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def messages_are_read_alike(data: ResponseBytes) -> bool:
    read = response.fields(data)
    found = None if read is None else [(field, value) for field, _, value in read]
    try:
        expected = wire.read(data)
    except ValueError:
        return found is None or _again(found) != data or not _in_order(found)
    return found == [(field, value) for field in sorted(expected) for value in expected[field]]


def _in_order(found: list[tuple[int, int | bytes]]) -> bool:
    return [field for field, _ in found] == sorted(field for field, _ in found)


def _again(found: list[tuple[int, int | bytes]]) -> bytes:
    """The message of these fields, if its numbers are varints."""
    return b"".join(
        message(field, value) if isinstance(value, bytes) else varint(8 * field) + varint(value)
        for field, value in found
    )
