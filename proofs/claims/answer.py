"""Claims about what the answers of a receiver mean."""

import gzip
import zlib
from functools import cache
from typing import Literal

from verified.exporter import retry
from verified.exporter.attempt import Abandoned, Accepted, Deferred, Event, Lost, Refused
from verified.otlp import answer, response
from verified.otlp.answer import (
    Answer,
    GrpcAnswer,
    HttpAnswer,
    NoAnswer,
    NotSent,
    Time,
    TooLarge,
)
from verified.otlp.configuration import Settings
from verified.otlp.http import HttpSender

from .. import wire
from ..claim import Constant, claim
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


Said = Literal[
    "nothing",
    "nothing over gRPC",
    "nothing in brotli",
    "nothing, from a proxy",
    "a page",
    "another type",
    "a space that is none",
    "no message",
    "no message over gRPC",
    "rejected",
    "rejected, in gzip",
    "rejected, as it is",
    "a warning",
    "a long warning",
    "brotli",
    "another coding",
    "no gzip",
    "zlib for gzip",
    "too large",
    "too large to read",
    "later",
    "later, in brotli",
    "never",
    "later over gRPC",
    "at once over gRPC",
    "never over gRPC",
    "no answer",
    "not sent",
]

SPACE = "\xa0"
NO_RESPONSE = "the answer of success is no ExportTraceServiceResponse"
NO_PROTOBUF = "the answer 200 is not of type application/x-protobuf"
NO_CODING = "the answer 200 is not in its Content-Encoding"


@cache
def said() -> dict[str, tuple[Answer, Event, str]]:
    """What receivers say, with what it is to the export and what is to be logged."""
    some = partial_success(3, "a\nb")
    rejects = "the receiver rejects 3 spans: a\ufffdb"
    body = partial_success(0, "x" * 199 + "yz")
    return {
        "nothing": (HttpAnswer(200), Accepted(0), ""),
        "nothing over gRPC": (GrpcAnswer(0), Accepted(0), ""),
        "nothing in brotli": (HttpAnswer(200, PROTOBUF, "br"), Accepted(0), ""),
        "nothing, from a proxy": (HttpAnswer(204, "text/html"), Accepted(0), ""),
        "a page": (HttpAnswer(200, "text/html", body=b"<html>"), Accepted(0), NO_PROTOBUF),
        "another type": (HttpAnswer(200, f"X{PROTOBUF}", body=some), Accepted(0), NO_PROTOBUF),
        "a space that is none": (
            HttpAnswer(200, PROTOBUF + SPACE, body=some),
            Accepted(0),
            NO_PROTOBUF,
        ),
        "no message": (HttpAnswer(200, PROTOBUF, body=b"\xff"), Accepted(0), NO_RESPONSE),
        "no message over gRPC": (GrpcAnswer(0, body=b"\xff"), Accepted(0), NO_RESPONSE),
        "rejected": (
            HttpAnswer(200, " Application/X-Protobuf\t;a=b", body=some),
            Accepted(3),
            rejects,
        ),
        "rejected, in gzip": (
            HttpAnswer(200, PROTOBUF, " X-GZIP\t", "", gzip.compress(some)),
            Accepted(3),
            rejects,
        ),
        "rejected, as it is": (
            HttpAnswer(200, PROTOBUF, "identity", "", some),
            Accepted(3),
            rejects,
        ),
        "a warning": (
            GrpcAnswer(0, body=partial_success(-1, "slow \x1b\u2028!")),
            Accepted(0),
            "the receiver warns: slow \ufffd\ufffd!",
        ),
        "a long warning": (
            HttpAnswer(299, PROTOBUF, body=body),
            Accepted(0),
            "the receiver warns: " + "x" * 199 + "y",
        ),
        "brotli": (HttpAnswer(200, PROTOBUF, "br", "", some), Accepted(0), NO_CODING),
        "another coding": (
            HttpAnswer(200, PROTOBUF, "gzip" + SPACE, "", gzip.compress(some)),
            Accepted(0),
            NO_CODING,
        ),
        "no gzip": (HttpAnswer(200, PROTOBUF, "gzip", "", some), Accepted(0), NO_CODING),
        "zlib for gzip": (
            HttpAnswer(200, PROTOBUF, "gzip", "", zlib.compress(some)),
            Accepted(0),
            NO_CODING,
        ),
        "too large": (
            HttpAnswer(200, body=bytes(MAX + 1)),
            Abandoned(),
            "the answer 200 is larger than 4194304 bytes",
        ),
        "too large to read": (
            TooLarge(),
            Abandoned(),
            "the answer is larger than 4194304 bytes",
        ),
        "later": (HttpAnswer(503), Deferred(7, -1, 5), "the receiver answers 503"),
        "later, in brotli": (
            HttpAnswer(429, "", "br", "2", b"?"),
            Deferred(7, 2000, 5),
            "the receiver answers 429",
        ),
        "never": (HttpAnswer(404), Refused(), "the receiver answers 404"),
        "later over gRPC": (
            GrpcAnswer(14, "a\nb"),
            Deferred(7, -1, 5),
            "the receiver answers with gRPC status 14: a\ufffdb",
        ),
        "at once over gRPC": (
            GrpcAnswer(8, "full", retry_info(0, 0)),
            Deferred(7, 0, 5),
            "the receiver answers with gRPC status 8: full",
        ),
        "never over gRPC": (
            GrpcAnswer(16, "who"),
            Refused(),
            "the receiver answers with gRPC status 16: who",
        ),
        "no answer": (NoAnswer(True, "reset"), Lost(7, True, 5), "reset"),
        "not sent": (NotSent("why"), Refused(), "why"),
    }


@claim(
    "What is logged of an answer says in one line what is wrong, with at most 200 characters of "
    "the receiver's, of which those that are not printable are replaced; of a plain success "
    "nothing is logged",
    discharges=("OT-07", "OT-08", "OT-09"),
    subject=(
        answer.meaning,
        answer._http,
        answer._grpc,
        answer._accepted,
        answer._response,
        answer._decompressed,
        answer._clean,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_wrong_is_said(what: Said) -> bool:
    given, event, reason = said()[what]
    return answer.meaning(given, NOW) == (event, reason)


@claim(
    "No answer and one that was perhaps received are told apart, and what an answer does not have "
    "is empty",
    subject=answer.meaning,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_not_there_is_empty(sent: bool) -> bool:
    return (
        answer.meaning(NoAnswer(sent, ""), NOW) == (Lost(7, sent, 5), "")
        and HttpAnswer(200) == (200, "", "", "", b"")
        and GrpcAnswer(0) == (0, "", b"", b"")
    )


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(2 * MAX), 1)


@claim(
    "Of a body that is larger when it is decompressed no more than a byte beyond 4 MiB is held",
    discharges="OT-09",
    subject=answer._decompressed,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def bombs_do_not_go_off(status: Literal[200, 503]) -> bool:
    held = answer._decompressed(HttpAnswer(status, PROTOBUF, "gzip", "", bomb()))
    return held is not None and len(held) == MAX + 1


@claim(
    "A request larger than 64 MiB is not sent; one that is not larger is",
    discharges="OT-10",
    subject=(HttpSender.send, Constant(answer.__name__, "MAX_REQUEST")),
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


def ten(last: int) -> bytes:
    return b"\xff" * 9 + bytes([last])


Octets = Literal[
    "nothing",
    "a number",
    "the largest number",
    "a number beyond 64 bits",
    "a number of eleven bytes",
    "a number that does not end",
    "a number that does not end behind a long tag",
    "a tag that does not end",
    "a tag of five bytes",
    "a tag of six bytes",
    "a size of five bytes",
    "a size of six bytes",
    "a size that does not end",
    "a text",
    "a text that ends early",
    "fixed numbers",
    "a fixed number that ends early",
    "the last field",
    "a field beyond it",
    "the field 0",
    "a group",
    "the end of another group",
    "a group that does not end",
    "the end of no group",
    "the wire type 6",
    "the wire type 7",
]

READ: dict[str, tuple[bytes, list[tuple[int, int, int | bytes]] | None]] = {
    "nothing": (b"", []),
    "a number": (b"\x08\x96\x01", [(1, 0, 150)]),
    "the largest number": (b"\x08" + ten(1), [(1, 0, (1 << 64) - 1)]),
    "a number beyond 64 bits": (b"\x08" + ten(0x7F), [(1, 0, (1 << 64) - 1)]),
    "a number of eleven bytes": (b"\x08" + ten(0x80) + b"\x00", None),
    "a number that does not end": (b"\x08\x80", None),
    "a number that does not end behind a long tag": (b"\x88\x09" + b"\x80" * 8, None),
    "a tag that does not end": (b"\x08\x01\x88", None),
    "a tag of five bytes": (b"\x88\x80\x80\x80\x00\x01", [(1, 0, 1)]),
    "a tag of six bytes": (b"\x88\x80\x80\x80\x80\x00\x01", None),
    "a size of five bytes": (b"\x0a\x81\x80\x80\x80\x00x", [(1, 2, b"x")]),
    "a size of six bytes": (b"\x0a\x81\x80\x80\x80\x80\x00x", None),
    "a size that does not end": (b"\x0a\x80", None),
    "a text": (b"\x12\x02ab\x12\x00", [(2, 2, b"ab"), (2, 2, b"")]),
    "a text that ends early": (b"\x08\x01\x12\x03ab", None),
    "fixed numbers": (b"\x0d\x01\x00\x00\x00\x11\x02" + bytes(7), [(1, 5, 1), (2, 1, 2)]),
    "a fixed number that ends early": (b"\x08\x01\x11" + bytes(7), None),
    "the last field": (b"\xf8\xff\xff\xff\x0f\x01", [((1 << 29) - 1, 0, 1)]),
    "a field beyond it": (b"\x80\x80\x80\x80\x10\x01", None),
    "the field 0": (b"\x00\x01", None),
    "a group": (b"\x0b\x08\x01\x13\x12\x01a\x14\x0c\x10\x02", [(2, 0, 2)]),
    "the end of another group": (b"\x0b\x14", None),
    "a group that does not end": (b"\x08\x01\x0b", None),
    "the end of no group": (b"\x0c", None),
    "the wire type 6": (b"\x0e", None),
    "the wire type 7": (b"\x0f", None),
}


@claim(
    "A message is read as the format says: tags and sizes of 32 bits, numbers of 64, groups left "
    "out; what ends early or has no such form is no message",
    subject=(response.fields, response._varint),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def octets_are_read_as_the_format_says(octets: Octets) -> bool:
    data, expected = READ[octets]
    return response.fields(data) == expected


Success = Literal[
    "nothing",
    "both",
    "twice",
    "in two messages",
    "of another type",
    "a fixed number",
    "other fields",
    "no text",
    "no message",
    "no message inside",
    "beside",
]

SUCCESSES: dict[str, tuple[bytes, tuple[int, str] | None]] = {
    "nothing": (b"", (0, "")),
    "both": (partial_success(2, "a"), (2, "a")),
    "twice": (message(1, b"\x08\x01\x08\x02\x12\x01a\x12\x01b"), (2, "b")),
    "in two messages": (partial_success(2) + partial_success(0, "a"), (2, "a")),
    "of another type": (message(1, b"\x0a\x01a\x10\x05"), (0, "")),
    "a fixed number": (message(1, b"\x08\x03\x09\x01" + bytes(7)), (3, "")),
    "other fields": (message(1, b"\x08\x03\x18\x07\x22\x01a\x22\x01\xff"), (3, "")),
    "no text": (message(1, b"\x12\x01\xff"), None),
    "no message": (b"\xff", None),
    "no message inside": (partial_success(2) + message(1, b"\xff"), None),
    "beside": (b"\x08\x05" + message(2, b"\x08\x01"), (0, "")),
}


@claim(
    "Of a field that comes twice the last counts, messages that come twice are merged, a field of "
    "another number or type is skipped, and what is malformed is no response",
    discharges="OT-07",
    subject=(response.partial_success, response._merged, response._signed),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def responses_are_read(what: Success) -> bool:
    data, expected = SUCCESSES[what]
    return response.partial_success(data) == expected


def status(*details: bytes) -> bytes:
    return b"\x08\x0e" + b"".join(message(3, detail) for detail in details)


def any_of(value: bytes, type_url: bytes = b"a/google.rpc.RetryInfo") -> bytes:
    return message(1, type_url) + message(2, value)


def after(seconds: int, nanos: int) -> bytes:
    """A RetryInfo in an Any."""
    number = varint(8) + varint(seconds % (1 << 64)) + varint(16) + varint(nanos % (1 << 64))
    return any_of(message(1, number))


Delay = Literal[
    "none",
    "a part of a millisecond",
    "a millisecond and a part",
    "a nanosecond less",
    "a millisecond less",
    "beyond 32 bits",
    "negative",
    "too long",
    "of no time",
    "without a value",
    "without a duration",
    "the first",
    "the first that can be read",
    "of another type",
    "without a slash",
    "with more fields",
    "with fields of another type",
    "with numbers of another type",
    "seconds alone",
    "in two messages",
    "no duration",
    "no text",
    "a number for a text",
    "no type",
    "no detail",
    "no status",
]

DELAYS: dict[str, tuple[bytes, int]] = {
    "none": (status(), -1),
    "a part of a millisecond": (status(after(2, 1)), 2001),
    "a millisecond and a part": (status(after(0, 1_000_001)), 2),
    "a nanosecond less": (status(after(1, -1)), 1000),
    "a millisecond less": (status(after(1, -1_000_000)), 999),
    "beyond 32 bits": (status(after(0, (1 << 32) + 1_000_000)), 1),
    "negative": (status(after(-1, 0)), 0),
    "too long": (status(after(1 << 60, 0)), 1 << 40),
    "of no time": (status(after(0, 0), after(5, 0)), 0),
    "without a value": (status(message(1, b"a/google.rpc.RetryInfo")), 0),
    "without a duration": (status(any_of(b"")), 0),
    "the first": (status(after(5, 0), after(6, 0)), 5000),
    "the first that can be read": (status(any_of(b"\xff"), after(5, 0), after(6, 0)), 5000),
    "of another type": (status(any_of(message(1, b"\x08\x05"), b"a/google.rpc.Help")), -1),
    "without a slash": (status(any_of(message(1, b"\x08\x05"), b"google.rpc.RetryInfo")), -1),
    "with more fields": (status(after(5, 0) + message(3, message(1, b"\x08\x06"))), 5000),
    "with fields of another type": (status(after(5, 0) + b"\x08\x01\x10\x01") + b"\x18\x01", 5000),
    "with numbers of another type": (
        status(any_of(message(1, b"\x08\x05\x0d\x01" + bytes(3) + b"\x12\x01a\x18\x09"))),
        5000,
    ),
    "seconds alone": (status(any_of(message(1, b"\x08\x05"))), 5000),
    "in two messages": (
        status(any_of(message(1, b"\x08\x05") + message(1, b"\x10\xc0\x84\x3d"))),
        5001,
    ),
    "no duration": (status(any_of(message(1, b"\xff"))), -1),
    "no text": (message(2, b"\xff") + status(after(5, 0)), -1),
    "a number for a text": (b"\x10\x05" + status(after(5, 0)), 5000),
    "no type": (status(any_of(b"", b"\xff/google.rpc.RetryInfo"), after(5, 0)), -1),
    "no detail": (status(after(5, 0), b"\xff"), -1),
    "no status": (b"\xff", -1),
}


@claim(
    "A delay is that of the first RetryInfo that can be read, rounded up to milliseconds, at most "
    "2**40 of them and never negative; a status that is malformed asks for none",
    discharges="OT-13",
    subject=(response.retry_delay, response._delay, response._merged, response._signed),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def delays_are_read(what: Delay) -> bool:
    data, expected = DELAYS[what]
    return response.retry_delay(data) == expected
