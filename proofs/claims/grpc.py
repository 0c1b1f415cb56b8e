"""Claims about requests over gRPC, with a scripted channel in the place of that of grpcio."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

import grpc

from verified import __version__
from verified.otlp import grpc as sending
from verified.otlp.answer import Answer, GrpcAnswer, NoAnswer, NotSent, TooLarge
from verified.otlp.configuration import Settings
from verified.otlp.grpc import GrpcSender

from ..claim import Constant, claim
from ..verdict import Verdict

MODULE = "verified.otlp.grpc"

INSECURE = Settings(
    protocol="grpc",
    endpoint="receiver.example:4317",
    headers=(("authorization", "Basic 12345"),),
    insecure=True,
)

CODES = {code.value[0]: code for code in grpc.StatusCode}

Metadata = Sequence[tuple[str, str | bytes]]


class Call:
    """A call that ends as it is told, with what grpcio says of it."""

    def __init__(
        self,
        ends: Callable[[], bytes],
        code: int = 0,
        details: str | None = None,
        initial: Metadata | None = None,
        trailing: Metadata | None = None,
    ) -> None:
        self.result = ends
        self.code = lambda: CODES[code]
        self.details = lambda: details
        self.initial_metadata = lambda: initial
        self.trailing_metadata = lambda: trailing
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class Sent(NamedTuple):
    """What a channel was given."""

    method: str
    request: bytes
    seconds: float | None
    metadata: Any


class Channel:
    """A channel whose calls are those of a script."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = list(calls)
        self.sent: list[Sent] = []
        self.made: list[tuple[str, Any, dict[str, object], Any]] = []
        self.closed = 0
        self.fails = False

    def insecure(self, target: str, options: Any = None, compression: Any = None) -> Any:
        if self.fails:
            raise OSError("x" * 300)
        self.made.append((target, None, dict(options), compression))
        return self

    def secure(
        self, target: str, credentials: Any, options: Any = None, compression: Any = None
    ) -> Any:
        self.made.append((target, credentials, dict(options), compression))
        return self

    def unary_unary(self, method: str) -> Any:
        channel = self

        class Export:
            def future(self, request: bytes, timeout: Any = None, metadata: Any = None) -> Call:
                channel.sent.append(Sent(method, request, timeout, metadata))
                return channel.calls.pop(0)

        return Export()

    def close(self) -> None:
        self.closed += 1


def _credentials(root: Any = None, key: Any = None, chain: Any = None) -> Any:
    return "credentials", root, key, chain


@contextmanager
def _channel(*calls: Call) -> Iterator[Channel]:
    """A channel that is what grpcio makes."""
    channel = Channel(calls)
    with (
        patch.object(grpc, "insecure_channel", channel.insecure),
        patch.object(grpc, "secure_channel", channel.secure),
        patch.object(grpc, "ssl_channel_credentials", _credentials),
    ):
        yield channel


def raising(error: Exception) -> Callable[[], bytes]:
    def ends() -> bytes:
        raise error

    return ends


SEND = GrpcSender.send


@claim(
    "A request goes to the Export method of the trace service as it is, with the headers that are "
    "set and the time that is given, over one channel for all; the answer is what came",
    subject=(SEND, GrpcSender.__init__, Constant(MODULE, "METHOD")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def requests_go_to_the_trace_service(headers: bool, seconds: Literal[None, 10]) -> bool:
    settings = INSECURE if headers else INSECURE._replace(headers=())
    sender = GrpcSender(settings)
    with _channel(Call(lambda: b"first"), Call(lambda: b"second")) as channel:
        answers = [sender.send(request, seconds) for request in (b"1", b"2")]
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    return (
        answers == [GrpcAnswer(0, "", b"", b"first"), GrpcAnswer(0, "", b"", b"second")]
        and [tuple(sent[:3]) for sent in channel.sent]
        == [(method, b"1", seconds), (method, b"2", seconds)]
        and all(tuple(sent.metadata or ()) == settings.headers for sent in channel.sent)
        and len(channel.made) == 1
    )


@claim(
    "The channel says who sends, compresses if that is set, tries nothing again by itself, takes "
    "no answer of more than 4 MiB and sends nothing of more than 64 MiB, and connects again after "
    "0.1 to 1 s",
    discharges=("OT-09", "OT-10", "OT-11", "OT-18"),
    subject=(sending._new_channel, SEND),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def channels_are_as_they_are_set(insecure: bool, gzip: bool) -> bool:
    sender = GrpcSender(INSECURE._replace(insecure=insecure, gzip=gzip))
    with _channel(Call(lambda: b"")) as channel:
        sender.send(b"", None)
    ((target, credentials, options, compression),) = channel.made
    return (
        target == "receiver.example:4317"
        and credentials == (None if insecure else ("credentials", None, None, None))
        and compression is (grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression)
        and options
        == {
            "grpc.primary_user_agent": f"verified-otlp-exporter-python/{__version__}",
            "grpc.enable_retries": 0,
            "grpc.max_receive_message_length": 4 * 1024 * 1024,
            "grpc.max_send_message_length": 64 * 1024 * 1024,
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.min_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 1000,
        }
    )


@claim(
    "The receiver is checked by the certificate that is set; the exporter shows its own only if "
    "it is set, with the key that is in its file if there is no other",
    subject=(sending._new_channel, sending._read),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def certificates_are_those_that_are_set(root: bool, own: bool, key: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder, _channel(Call(lambda: b"")) as channel:

        def file(name: str, is_set: bool) -> str:
            path = Path(folder, name)
            path.write_bytes(name.encode())
            return str(path) if is_set else ""

        settings = INSECURE._replace(
            insecure=False,
            certificate=file("root", root),
            client_certificate=file("own", own),
            client_key=file("key", key),
        )
        GrpcSender(settings).send(b"", None)
    ((_, credentials, _, _),) = channel.made
    own_key = (b"key" if key else b"own") if own else None
    expected = b"root" if root else None, own_key, b"own" if own else None
    return bool(credentials == ("credentials", *expected))


Text = Literal[
    None,
    "why",
    "failed to connect to all addresses",
    "Failed to connect to remote host: refused",
    "DNS resolution failed for receiver.example:4317",
    "Name resolution failure",
    "CLIENT: Received message larger than max (4194305 vs. 4194304)",
    "SERVER: Received message larger than max (4194305 vs. 4194304)",
    "Received message larger than max (4194305 vs. 100)",
]

TRAILING: dict[str, Metadata | None] = {
    "none": None,
    "empty": (),
    "first": (),
    "other": (("other-bin", b"other"), ("other", "text")),
    "status": (("grpc-status-details-bin", b"status"), ("other-bin", b"other"), ("x", "y")),
}


@claim(
    "A status is the answer of the receiver, with its message and google.rpc.Status, but for one "
    "that grpcio may have made itself: without metadata, CANCELLED, DEADLINE_EXCEEDED and "
    "UNAVAILABLE are no answer, and the request may have been received unless nobody was there; "
    "RESOURCE_EXHAUSTED may be of an answer larger than 4 MiB",
    discharges=("OT-05", "OT-09", "OT-13"),
    subject=(
        sending._refusal,
        sending._is_too_large,
        Constant(MODULE, "_OF_THE_LIBRARY"),
        Constant(MODULE, "_NOT_CONNECTED"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def statuses_are_answers_or_not(
    code: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    text: Text,
    metadata: Literal["none", "empty", "first", "other", "status"],
) -> bool:
    trailing = TRAILING[metadata]
    initial = (("x", "y"),) if metadata == "first" else trailing and ()
    call = Call(raising(grpc.RpcError()), code, text, initial, trailing)
    with _channel(call):
        answer = GrpcSender(INSECURE).send(b"request", 1.0)
    message = text or ""
    expected: Answer = GrpcAnswer(code, message, b"status" if metadata == "status" else b"")
    if code in (1, 4, 14) and metadata in ("none", "empty"):
        nobody = "connect" in message or "resolution" in message
        expected = NoAnswer(not nobody, f"no answer: {code}: {message}")
    elif code == 8 and not trailing and message.startswith("CLIENT") and "4194304" in message:
        expected = TooLarge()
    return answer == expected


@claim(
    "Whatever fails, nothing is raised: what was not sent is told from what may have been, and "
    "the reason is at most 300 characters long",
    subject=(SEND, sending._refusal),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def failures_are_answers(
    failure: Literal["no certificate", "no channel", "cancelled", "broken", "unavailable"],
) -> bool:
    settings = INSECURE
    call = Call(raising(ValueError("x" * 300)), 14, "x" * 300)
    expected: Answer = NoAnswer(True, ("no answer: ValueError: " + "x" * 300)[:300])
    if failure == "no certificate":
        settings = INSECURE._replace(insecure=False, certificate="/nowhere/at/all")
        missing = "[Errno 2] No such file or directory: '/nowhere/at/all'"
        expected = NotSent(f"the channel cannot be made: FileNotFoundError: {missing}")
    elif failure == "no channel":
        expected = NotSent(("the channel cannot be made: OSError: " + "x" * 300)[:300])
    elif failure == "cancelled":
        call.result = raising(grpc.FutureCancelledError())
        expected = NoAnswer(True, "the call was cancelled")
    elif failure == "unavailable":
        call.result = raising(grpc.RpcError())
        expected = NoAnswer(True, ("no answer: 14: " + "x" * 300)[:300])
    sender = GrpcSender(settings)
    with _channel(call) as channel:
        channel.fails = failure == "no channel"
        return sender.send(b"request", 1.0) == expected


@claim(
    "A request of 64 MiB is sent, and none that is larger",
    discharges="OT-10",
    subject=SEND,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def larger_requests_are_not_sent(more: Literal[-1, 0, 1]) -> bool:
    request = bytes(64 * 1024 * 1024 + more)
    with _channel(Call(lambda: b"")) as channel:
        answer = GrpcSender(INSECURE).send(request, None)
    if more > 0:
        return not channel.made and answer == NotSent("the request is larger than 67108864 bytes")
    return answer == GrpcAnswer(0) and channel.sent[0].request is request


@claim(
    "Closing cancels the call that is under way and closes the channel, if there are any; nothing "
    "is sent after it",
    subject=(GrpcSender.close, SEND, GrpcSender.__init__),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def nothing_is_sent_when_closed(amid: Literal["nothing", "a call", "no call"]) -> bool:
    sender = GrpcSender(INSECURE)

    def closing() -> bytes:
        if amid == "a call":
            sender.close()
            raise grpc.FutureCancelledError
        return b""

    call = Call(closing)
    cancelled = NoAnswer(True, "the call was cancelled")
    with _channel(call) as channel:
        if amid == "nothing":
            sender.close()
            good = not channel.made
        else:
            first = sender.send(b"request", None)
            good = first == (cancelled if amid == "a call" else GrpcAnswer(0))
            if amid == "no call":
                sender.close()
            good = good and channel.closed == 1 and call.cancelled == 1
        late = sender.send(b"late", None)
    return (
        good
        and late == NoAnswer(False, "the exporter is shut down")
        and len(channel.sent) == (amid != "nothing")
    )
