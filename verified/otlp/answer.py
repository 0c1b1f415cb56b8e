"""What an answer of a receiver means for the export (OTLP, "OTLP/HTTP Response", "Failures")."""

import zlib
from typing import Final, NamedTuple

from verified.contracts import ensure
from verified.exporter.attempt import Abandoned, Accepted, Deferred, Event, Lost, Refused
from verified.exporter.retry import delay, grpc_is_retryable, http_is_retryable
from verified.otlp.response import partial_success, retry_delay

MAX_RESPONSE: Final = 4 * 1024 * 1024
"""How many bytes of the body of an answer are read, before and after it is decompressed."""

MAX_REQUEST: Final = 64 * 1024 * 1024
"""The size of the largest request that is sent, before it is compressed, in bytes."""

PROTOBUF: Final = "application/x-protobuf"


class HttpAnswer(NamedTuple):
    """An answer that came over HTTP.

    The headers are empty where they are not there. Of a body that is larger than
    ``MAX_RESPONSE`` there is more than that many bytes, and not necessarily all of it.
    """

    status: int
    content_type: str = ""
    content_encoding: str = ""
    retry_after: str = ""
    body: bytes = b""


class GrpcAnswer(NamedTuple):
    """An answer that came over gRPC: a status, its ``google.rpc.Status``, and the response.

    The body is a response if the code is 0.
    """

    code: int
    message: str = ""
    status_details: bytes = b""
    body: bytes = b""


class NoAnswer(NamedTuple):
    """No answer came; ``sent`` says that the request may have been received."""

    sent: bool
    reason: str


class TooLarge(NamedTuple):
    """An answer came whose body is larger than ``MAX_RESPONSE``, and nothing of it was read."""


class NotSent(NamedTuple):
    """The request was not sent, and would not be if it were tried again."""

    reason: str


Answer = HttpAnswer | GrpcAnswer | TooLarge | NoAnswer | NotSent


class Time(NamedTuple):
    """What the shell adds to an answer.

    The time in milliseconds from the beginning that the export has, the time in
    milliseconds since 1970-01-01 in UTC, and a draw for the jitter.
    """

    now: int
    unix: int
    draw: int


class Meaning(NamedTuple):
    """What an answer is to the export, and what is to be logged; nothing if that is empty."""

    event: Event
    reason: str = ""


@ensure(lambda answer, result: isinstance(result.event, Lost) == isinstance(answer, NoAnswer))
def meaning(answer: Answer, time: Time) -> Meaning:
    """Return what an answer means (OTLP, "OTLP/HTTP Response", "OTLP/gRPC Response").

    Raises nothing, whatever the receiver says. Of a text of the receiver at most 200 characters
    are to be logged, on one line.
    """
    if isinstance(answer, HttpAnswer):
        return _http(answer, time)
    if isinstance(answer, GrpcAnswer):
        return _grpc(answer, time)
    if isinstance(answer, NoAnswer):
        return Meaning(Lost(time.now, answer.sent, time.draw), answer.reason)
    if isinstance(answer, TooLarge):
        # Receivers send a body with a success; how many spans it rejects is not known.
        return Meaning(Abandoned(), f"the answer is larger than {MAX_RESPONSE} bytes")
    return Meaning(Refused(), answer.reason)


def _http(answer: HttpAnswer, time: Time) -> Meaning:
    """What an HTTP answer means.

    A status from 200 to 299 says that the request was received, understood and accepted
    (RFC 9110, section 15.3), so it is not sent again, whatever the body is. If the body is
    too large to say whether spans were rejected, the fate of the batch is unknown.

    A redirection is not followed: the request is a POST with the application's data and
    credentials, and another place may be of somebody else (RFC 9110, section 15.4, asks for
    care with methods that are not safe). It is not retried either, as only the statuses of
    the table are.
    """
    status = answer.status
    body = _decompressed(answer)
    if 200 <= status <= 299:
        if body is None:
            return Meaning(Accepted(), f"the answer {status} is not in its Content-Encoding")
        if len(body) > MAX_RESPONSE:
            return Meaning(Abandoned(), f"the answer {status} is larger than {MAX_RESPONSE} bytes")
        return _accepted(status, answer.content_type, body)
    if http_is_retryable(status) and (body is None or len(body) <= MAX_RESPONSE):
        wait = delay(answer.retry_after, time.unix)
        return Meaning(Deferred(time.now, wait, time.draw), f"the receiver answers {status}")
    return Meaning(Refused(), f"the receiver answers {status}")


def _accepted(status: int, content_type: str, body: bytes) -> Meaning:
    """What a body says of a batch that was accepted."""
    if body == b"":
        return Meaning(Accepted())
    if content_type.partition(";")[0].strip(" \t").lower() != PROTOBUF:
        return Meaning(Accepted(), f"the answer {status} is not of type {PROTOBUF}")
    return _response(body)


def _response(body: bytes) -> Meaning:
    response = partial_success(body)
    if response is None:
        return Meaning(Accepted(), "the answer of success is no ExportTraceServiceResponse")
    rejected = max(response.rejected_spans, 0)
    if rejected > 0:
        return Meaning(
            Accepted(rejected),
            f"the receiver rejects {rejected} spans: {_clean(response.error_message)}",
        )
    if response.error_message:
        return Meaning(Accepted(), f"the receiver warns: {_clean(response.error_message)}")
    return Meaning(Accepted())


def _grpc(answer: GrpcAnswer, time: Time) -> Meaning:
    """What a gRPC answer means."""
    if answer.code == 0:
        return _response(answer.body)
    wait = retry_delay(answer.status_details)
    reason = f"the receiver answers with gRPC status {answer.code}: {_clean(answer.message)}"
    if grpc_is_retryable(answer.code, wait >= 0):
        return Meaning(Deferred(time.now, wait, time.draw), reason)
    return Meaning(Refused(), reason)


def _decompressed(answer: HttpAnswer) -> bytes | None:
    """The body, decompressed up to just beyond ``MAX_RESPONSE``; None if it cannot be."""
    encoding = answer.content_encoding.strip(" \t").lower()
    if encoding in ("", "identity") or answer.body == b"":
        return answer.body
    if encoding not in ("gzip", "x-gzip"):
        return None
    try:
        return zlib.decompressobj(wbits=31).decompress(answer.body, MAX_RESPONSE + 1)
    except zlib.error:
        return None


def _clean(text: str) -> str:
    """A text of the receiver as it may stand in a line of a log."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:200])
