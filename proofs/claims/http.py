"""Claims about requests over HTTP: what is sent, what comes back, and what is never waited for."""

import os
import socket
import ssl
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from verified.otlp import http
from verified.otlp.answer import HttpAnswer, NoAnswer, NotSent
from verified.otlp.configuration import Settings
from verified.otlp.deadline import Deadline
from verified.otlp.http import HttpSender

from ..claim import claim
from ..domains import Excess, HeaderPairs, UrlPath
from ..verdict import Verdict

MAX = 4 * 1024 * 1024
ENDPOINT = "http://one.example:4318/v1/traces"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class _Connection(socket.socket):
    """The sender's end of a connection to a receiver that is in memory."""

    receiver: "_Receiver"
    answer = b""
    request = b""
    waits = False

    def send(self, data: Any, flags: int = 0) -> int:
        return self.receiver.came(self, bytes(data))

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if not self.answer:
            return self.receiver.nothing_left(self)
        came, self.answer = self.answer[: len(buffer)], self.answer[len(buffer) :]
        buffer[: len(came)] = came
        self.receiver.read += len(came)
        return len(came)


class _Receiver(Deadline):
    """The deadline of a sender, whose connections lead to a receiver that answers by a script.

    Each part of it is for one request: the octets of the answer, or a function of the connection
    that is called for the first octet of the request if it is in ``EARLY``, else when an answer
    is waited for.
    """

    def __init__(self, script: list[Any], timeout: float | None = None) -> None:
        super().__init__()
        self.script = script
        self.timeout = timeout
        self.is_in_time = True
        self.requests: list[bytes] = []
        self.targets: list[tuple[str, int]] = []
        self.options: list[Any] = []
        self.others: list[socket.socket] = []
        self.read = 0

    def connect(self, host: str, port: int, options: Any) -> socket.socket:
        self.targets.append((host, port))
        self.options.append(list(options))
        if self.script and self.script[0] is refuse:
            self.script.pop(0)(None)
        one, other = socket.socketpair()
        made = _Connection(fileno=one.detach())
        made.receiver = self
        # Nobody there speaks TLS.
        made.settimeout(0.1)
        self.others.append(other)
        return made

    def came(self, connection: _Connection, data: bytes) -> int:
        self._check(connection)
        if self.script[0] in EARLY:
            self.script.pop(0)(connection)
        connection.request += data
        head, _, body = connection.request.partition(b"\r\n\r\n")
        length = fields(head).get("content-length")
        if length is not None and len(body) == int(length):
            self.requests.append(connection.request)
            connection.request = b""
            connection.waits = callable(self.script[0])
            if not connection.waits:
                connection.answer = self.script.pop(0)
        return len(data)

    def nothing_left(self, connection: _Connection) -> int:
        """The answer has come so far; what follows is nothing, or what the script says."""
        self._check(connection)
        if connection.waits:
            connection.waits = False
            self.script.pop(0)(connection)
        return 0

    def _check(self, connection: _Connection) -> None:
        timeout = connection.gettimeout()
        if self.timeout is None or timeout is None:
            self.is_in_time &= timeout is self.timeout
        else:
            self.is_in_time &= 0 < timeout <= self.timeout


def fields(head: bytes) -> dict[str, str]:
    """The fields of a message by name in lower case; of each there is to be one."""
    pairs = [line.partition(":") for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value.strip() for name, _, value in pairs}


@contextmanager
def sending(settings: Settings, *script: Any, timeout: float | None = None) -> Iterator[Any]:
    """A sender and the receiver that it talks to."""
    sender = HttpSender(settings)
    receiver = sender._attempt.deadline = _Receiver([*script], timeout)
    try:
        yield sender, receiver
    finally:
        if sender._pool is not None:
            sender._pool.close()
        for each in receiver.others:
            each.close()


def refuse(_: object) -> None:
    raise ConnectionRefusedError("x" * 400)


def reset_early(_: object) -> None:
    raise ConnectionResetError


def reset_late(_: object) -> None:
    raise ConnectionResetError


def be_silent(_: object) -> None:
    raise TimeoutError


def hang_up(_: object) -> None:
    pass


def break_down(_: object) -> None:
    raise ValueError


EARLY = (reset_early,)


@claim(
    "A request is one POST to the path and query of the endpoint, with the headers that are given "
    "and those of OTLP alone, and with the octets that were to be sent, compressed or not; the "
    "same request is always the same octets",
    discharges=("OT-11", "OT-18"),
    subject=(HttpSender.__init__, HttpSender.send),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def requests_are_sent_as_configured(
    path: UrlPath, query: Literal["", "?a=b&c"], given: HeaderPairs, body: bytes, gzip: bool
) -> bool:
    target = (path or "/") + query
    headers = tuple((name.lower(), value) for name, value in given)
    settings = Settings(endpoint=f"http://one.example{target}", headers=headers, gzip=gzip)
    with sending(settings, OK, OK) as (sender, receiver):
        answers = [sender.send(body, None) for _ in range(2)]
        if answers != [HttpAnswer(200)] * 2 or len(receiver.requests) != 2:
            return False
        head, _, sent = receiver.requests[0].partition(b"\r\n\r\n")
        expected = {
            "host": "one.example",
            "user-agent": http.USER_AGENT,
            "accept-encoding": "identity",
            "content-type": "application/x-protobuf",
            "content-length": str(len(sent)),
            **({"content-encoding": "gzip"} if gzip else {}),
            **dict(headers),
        }
        return (
            head.decode().partition("\r\n")[0] == f"POST {target} HTTP/1.1"
            and head.count(b"\r\n") == len(expected)
            and fields(head) == expected
            and b"\r\naccept-encoding: identity\r\n" in head
            and (zlib.decompress(sent, wbits=31) if gzip else sent) == body
            and receiver.requests[0] == receiver.requests[1]
            and receiver.is_in_time
        )


def framed(head: str, body: bytes, framing: str) -> bytes:
    """An answer whose end is known by its length, by its last chunk, or by the connection's."""
    match framing:
        case "length":
            head += f"content-length: {len(body)}\r\n"
        case "chunked":
            head += "transfer-encoding: chunked\r\n"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        case "short":
            head += f"content-length: {len(body) + 1}\r\n"
    return f"{head}\r\n".encode() + body


@claim(
    "An answer is handed on as it came: its status, the three headers, empty if they are not "
    "there, and its body as it was sent; a redirection is not followed; the connection is used "
    "again while the receiver leaves it open",
    discharges=("OT-06", "OT-08"),
    subject=(HttpSender.send, http._answer),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def answers_are_handed_on_as_they_came(
    status: Literal[200, 202, 299, 301, 303, 307, 400, 429, 503, 599],
    framing: Literal["length", "chunked", "close"],
    typed: bool,
    coded: bool,
    timed: bool,
    body: bytes,
) -> bool:
    head = f"HTTP/1.1 {status} Reason\r\nlocation: http://two.example/\r\n"
    content_type = "application/x-protobuf" if typed else ""
    encoding = "gzip" if coded else ""
    retry_after = "0" if timed else ""
    head += f"Content-Type: {content_type}\r\n" if typed else ""
    head += f"Content-Encoding: {encoding}\r\n" if coded else ""
    head += f"Retry-After: {retry_after}\r\n" if timed else ""
    answer = framed(head, body, framing)
    with sending(Settings(endpoint=ENDPOINT), answer, OK, OK, timeout=60.0) as (sender, receiver):
        found = sender.send(b"request", 60.0)
        again = sender.send(b"request", 60.0)
        connections = len(receiver.targets)
        receiver.others[-1].close()
        anew = sender.send(b"request", 60.0)
        return (
            found == HttpAnswer(status, content_type, encoding, retry_after, body)
            and again == anew == HttpAnswer(200)
            and connections == 1 + (framing == "close")
            and receiver.targets == [("one.example", 4318)] * (connections + 1)
            and len(receiver.requests) == 3
            and receiver.is_in_time
        )


@claim(
    "Of the body of an answer no more is read than 4 MiB and one byte, and then the connection is "
    "not used again; an answer that is shorter than it says is none",
    discharges="OT-09",
    subject=http._answer,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def no_more_is_read_than_may_be(
    excess: Excess, framing: Literal["length", "chunked", "close", "short"]
) -> bool:
    answer = framed("HTTP/1.1 200 OK\r\n", bytes(MAX + excess), framing)
    with sending(Settings(endpoint=ENDPOINT), answer, OK) as (sender, receiver):
        found = sender.send(b"request", None)
        read = receiver.read
        again = sender.send(b"request", None)
        if again != HttpAnswer(200) or read > MAX + (1 << 14):
            return False
        if framing == "short" and excess <= 0:
            return isinstance(found, NoAnswer) and found.sent
        is_used_again = excess <= 0 and framing in ("length", "chunked")
        return (
            found == HttpAnswer(200, body=bytes(min(MAX + excess, MAX + 1)))
            and (not is_used_again or len(receiver.targets) == 1)
            and (excess <= 1 or len(receiver.targets) == 2)
        )


Failure = Literal[
    "refused", "reset early", "reset late", "silent", "closed", "broken", "garbage", "short", "late"
]
SCRIPTS: dict[str, list[Any]] = {
    "refused": [refuse],
    "reset early": [reset_early],
    "reset late": [reset_late],
    "silent": [be_silent],
    "closed": [hang_up],
    "broken": [break_down],
    "garbage": [b"garbage\r\n\r\n"],
    "short": [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"],
    "late": [],
}


@claim(
    "Whatever happens to a request, sending it raises nothing: no answer is one that says whether "
    "all of the request was given to the connection, and why in at most 300 characters; the next "
    "request is sent as if nothing had been",
    discharges="OT-05",
    subject=(HttpSender.send, http._Attempt.start, http._Timed.request, http._said),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def what_is_lost_is_said(first: Failure, second: Failure) -> bool:
    script = [*SCRIPTS[first], *SCRIPTS[second], OK]
    with sending(Settings(endpoint=ENDPOINT), *script) as (sender, receiver):
        for failure in (first, second):
            before = len(receiver.requests)
            found = sender.send(b"request", 0.0 if failure == "late" else None)
            is_sent = failure not in ("refused", "reset early", "late")
            if type(found) is not NoAnswer or found.sent is not is_sent:
                return False
            if len(receiver.requests) != before + is_sent:
                return False
            kind, _, text = found.reason.removeprefix("no answer: ").partition(": ")
            if failure == "refused" and len(f"{kind}: {text}") != 300:
                return False
            expected = {
                "late": "TimeoutError",
                "broken": "ValueError",
                "silent": "ReadTimeoutError",
            }
            if not found.reason.startswith("no answer: ") or (not text and failure != "broken"):
                return False
            if failure in expected and kind != expected[failure]:
                return False
        return sender.send(b"request", None) == HttpAnswer(200) and not receiver.script


@claim(
    "After a sender is closed it connects to nobody and sends nothing, and the connection that it "
    "waits for is shut down at once",
    subject=(HttpSender.close, HttpSender.send, http._Timed.connect),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def closed_senders_send_nothing(when: Literal["before", "between", "while it waits"]) -> bool:
    seen: list[bytes] = []

    def close(_: object) -> None:
        sender.close()
        with suppress(BlockingIOError):
            receiver.others[0].setblocking(False)
            seen.append(receiver.others[0].recv(1))

    script = [close] if when == "while it waits" else [OK]
    with sending(Settings(endpoint=ENDPOINT), *script) as (sender, receiver):
        if when == "before":
            sender.close()
        found = sender.send(b"request", None)
        sender.close()
        last = sender.send(b"request", None)
        connections = len(receiver.targets)
    if type(last) is not NoAnswer or last.sent or connections != (when != "before"):
        return False
    if when == "between":
        return bool(found == HttpAnswer(200))
    return type(found) is NoAnswer and found.sent == bool(seen) and seen in ([], [b""])


TARGETS = {
    "http://one.example/": ("one.example", 80, "one.example"),
    "http://ONE.example:4318/": ("one.example", 4318, "one.example:4318"),
    "http://127.0.0.1:80/": ("127.0.0.1", 80, "127.0.0.1"),
    "http://[::1]:4318/": ("::1", 4318, "[::1]:4318"),
    "http://[fe80::1%25eth0]:4318/": ("fe80::1%eth0", 4318, "[fe80::1]:4318"),
    "http:///": ("", 80, ""),
    "https://one.example/": ("one.example", 443, ""),
    "https://[::1]:4317/": ("::1", 4317, ""),
}


@claim(
    "The host and port of the endpoint are connected to, of IPv6 too; requests are sent without "
    "delay, and say to which host; without a host nothing is sent",
    subject=(HttpSender._new_pool, http._Timed._new_conn),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def endpoints_are_connected_to(
    endpoint: Literal[
        "http://one.example/",
        "http://ONE.example:4318/",
        "http://127.0.0.1:80/",
        "http://[::1]:4318/",
        "http://[fe80::1%25eth0]:4318/",
        "http:///",
        "https://one.example/",
        "https://[::1]:4317/",
    ],
) -> bool:
    host, port, named = TARGETS[endpoint]
    with sending(Settings(endpoint=endpoint), OK if named else refuse) as (sender, receiver):
        found = sender.send(b"request", None)
        if not host:
            return type(found) is NotSent and not receiver.targets
        if receiver.targets != [(host, port)]:
            return False
        if (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) not in receiver.options[0]:
            return False
        if not named:
            return type(found) is NoAnswer and not found.sent
        return fields(receiver.requests[0].partition(b"\r\n\r\n")[0])["host"] == named


# Each is its own authority, for these claims alone; they are valid until the year 9999.
RECEIVER = """\
-----BEGIN CERTIFICATE-----
MIIBvDCCAWGgAwIBAgIUcedykDVFpdT/yW3/H2kNlJ1EuM4wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQcmVjZWl2ZXIuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA85
OTk5MTIzMTIzNTk1OVowGzEZMBcGA1UEAwwQcmVjZWl2ZXIuZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABJ2LjMI5Exg8+wGGGULrmvIWt7d7dPz08RrF
3YdLriQdkMLVUJbNzqhK58FW2X1FlvGlW2wj0IBRGz9bo4Htv2KjgYAwfjAPBgNV
HRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQUvw+PmjKQyZU9
WMn6uYm0AgNZFtIwHwYDVR0jBBgwFoAUvw+PmjKQyZU9WMn6uYm0AgNZFtIwGwYD
VR0RBBQwEoIQcmVjZWl2ZXIuZXhhbXBsZTAKBggqhkjOPQQDAgNJADBGAiEAgI8O
RQsmLxd1yoEb4+9/+e8ARi7Fj5NLXcXeCl4Teq0CIQCD+oWZ/4Th+1CnXsgH86jL
+GDNgAd30KPdfCCk38Zyqg==
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoUoOOphyBUHjIVXu
8KSbGcnDE10b7dz1gjB9pxjp+O6hRANCAASdi4zCORMYPPsBhhlC65ryFre3e3T8
9PEaxd2HS64kHZDC1VCWzc6oSufBVtl9RZbxpVtsI9CAURs/W6OB7b9i
-----END PRIVATE KEY-----
"""
STRANGER = """\
-----BEGIN CERTIFICATE-----
MIIBvDCCAWGgAwIBAgIUfp9mG6zR4daeX/PF/nGe7f4Y1N4wCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQc3RyYW5nZXIuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA85
OTk5MTIzMTIzNTk1OVowGzEZMBcGA1UEAwwQc3RyYW5nZXIuZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABA7ydh/TacdkEK86nS/21San9PDPw3yFmnc5
ppNxZ+47nCIC7JsJogEHxcNBtAx7B4tOdf57xRzZd3f120IMqW2jgYAwfjAPBgNV
HRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIChDAdBgNVHQ4EFgQUnu7v/BpS+sNF
FFAZMPl9KM7QHfEwHwYDVR0jBBgwFoAUnu7v/BpS+sNFFFAZMPl9KM7QHfEwGwYD
VR0RBBQwEoIQc3RyYW5nZXIuZXhhbXBsZTAKBggqhkjOPQQDAgNJADBGAiEAkv0Y
VQQXaQA9yoG3xjRUoY5qNawH32CGmJ3ywXKX4PgCIQCh68S1oX4mh+7KMTTnmRgy
u1cbrvzHAcbQkANDHLkWcg==
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglFhJIutX07vuB+VK
0aQAX/ivo7KqdsMuw/vzmuzwZBahRANCAAQO8nYf02nHZBCvOp0v9tUmp/Twz8N8
hZp3OaaTcWfuO5wiAuybCaIBB8XDQbQMeweLTnX+e8Uc2Xd39dtCDKlt
-----END PRIVATE KEY-----
"""


class _TlsReceiver(Deadline):
    """The deadline of a sender, whose connections lead to a receiver that accepts all over TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.context = context
        self.received: list[bytes] = []
        self.threads: list[threading.Thread] = []

    def connect(self, host: str, port: int, options: Any) -> socket.socket:
        one, other = socket.socketpair()
        for each in (one, other):
            # Neither waits for the other for ever.
            each.settimeout(5)
        self.threads.append(threading.Thread(target=self._serve, args=(other,)))
        self.threads[-1].start()
        return one

    def _serve(self, connection: socket.socket) -> None:
        wrap = self.context.wrap_socket
        with connection, suppress(OSError), wrap(connection, server_side=True) as over:
            data, missing = b"", 1
            while missing > 0:
                piece = over.recv(1 << 16)
                if not piece:
                    return
                data += piece
                head, end, body = data.partition(b"\r\n\r\n")
                missing = int(fields(head).get("content-length", "0")) - len(body) if end else 1
            self.received.append(data)
            over.sendall(OK)


@claim(
    "Over TLS a request is sent to a receiver whose certificate is trusted, by the file that is "
    "given or else by the system's, and is for the host of the endpoint, and to no other; with the "
    "certificate of the client and its key, in one file or two, if they are given; if one of these "
    "cannot be used nothing is sent, nor is what is larger than 64 MiB, and that is said",
    discharges="OT-10",
    subject=(HttpSender._new_pool, http._Timed.connect, HttpSender.send),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def certificates_are_checked(
    scenario: Literal[
        "trusted",
        "trusted by the system",
        "a stranger",
        "another host",
        "a client",
        "a client with a key",
        "no client",
        "no file",
        "too large",
    ],
) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder, name)) for name in ("one", "two", "three", "four", "none")}
        certificate, _, key = STRANGER.partition("-----BEGIN PRIVATE")
        for name, text in (
            ("one", RECEIVER),
            ("two", STRANGER),
            ("three", certificate),
            ("four", f"-----BEGIN PRIVATE{key}"),
        ):
            Path(files[name]).write_text(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files["one"])
        if "client" in scenario:
            context.load_verify_locations(files["two"])
            context.verify_mode = ssl.CERT_REQUIRED
        host = "two.example" if scenario == "another host" else "receiver.example"
        trust = {"trusted by the system": "", "a stranger": files["two"], "no file": files["none"]}
        client = {"a client": "two", "a client with a key": "three"}.get(scenario)
        settings = Settings(
            endpoint=f"https://{host}/",
            certificate=trust.get(scenario, files["one"]),
            client_certificate=files[client] if client else "",
            client_key=files["four"] if scenario == "a client with a key" else "",
        )
        sender = HttpSender(settings)
        receiver = sender._attempt.deadline = _TlsReceiver(context)
        request = b"request"
        if scenario == "too large":
            request = bytes(64 * 1024 * 1024 + 1)
        try:
            with mock.patch.dict(os.environ, SSL_CERT_FILE=files["one"]):
                found = sender.send(request, 5.0)
        finally:
            receiver.end()
            if sender._pool is not None:
                sender._pool.close()
            for thread in receiver.threads:
                thread.join()
    is_received = bool(receiver.received) and receiver.received[0].endswith(b"\r\n\r\nrequest")
    match scenario:
        case "a stranger" | "another host":
            return type(found) is NoAnswer and not found.sent and not is_received
        case "no client":
            return type(found) is NoAnswer and not is_received
        case "no file":
            said = "the endpoint, the certificates or the key cannot be used: FileNotFoundError: "
            return type(found) is NotSent and found.reason.startswith(said) and not is_received
        case "too large":
            return found == NotSent("the request is larger than 67108864 bytes") and not is_received
    return found == HttpAnswer(200) and is_received
