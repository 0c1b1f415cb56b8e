"""A receiver of OTLP over HTTP that answers by a script; it needs Python 3.7 alone.

The checker runs it, and it is part of the scripts that show a deviation without the checker.
What is done with a request is an *act*, in the words of JSON::

    {"status": 503, "headers": [["retry-after", "2"]], "body": "text", "repeat": 3, "after": 1}
    {"disconnect": true}
    {"drip": 6}

An answer has its body so many times, as Latin-1, and comes after so many seconds; the value
``{date+3}`` of a header is the date three seconds from then. A connection is closed without
an answer, or gets an answer an octet at a time for so many seconds. Acts have their turn in
the order of the requests; when there are none left, requests are accepted.
"""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

MOST_SHOWN = 100_000
"""The size of the largest body that is told of, in octets."""

ACCEPTED: dict[str, Any] = {"status": 200, "headers": [["content-type", "application/x-protobuf"]]}


class Receiver(socketserver.ThreadingMixIn, HTTPServer):
    """Listens on a free port of this machine, at once or after so many seconds.

    ``received`` has each request: method, target, headers by names in lower case, the size of
    the body, the body in hexadecimal digits unless it is large, how many seconds it came after
    the answer to the one before, and how many octets of the answer were taken.
    """

    daemon_threads = True

    def __init__(self, acts: list[dict[str, Any]], opens: float = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.acts = list(acts)
        self.received: list[dict[str, Any]] = []
        self.answered: float | None = None
        self.turn = threading.Lock()
        self.over = threading.Event()
        self.listening = threading.Event()
        # That of HTTPServer asks for the name of the host, which may take its time.
        socketserver.TCPServer.server_bind(self)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.run, args=(opens,), daemon=True).start()
        if opens == 0:
            self.listening.wait()

    def run(self, opens: float) -> None:
        if self.over.wait(opens):
            return
        self.server_activate()
        self.listening.set()
        while not self.over.is_set():
            try:
                self.process_request(*self.get_request())
            except OSError:
                return

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may leave whenever it likes."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        now = time.monotonic()
        body = self.read_body()
        with self.server.turn:
            act = self.server.acts.pop(0) if self.server.acts else ACCEPTED
            answered = self.server.answered
            shown = {
                "method": self.command,
                "target": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "size": len(body),
                "waited": None if answered is None else round(now - answered, 3),
            }
            if len(body) <= MOST_SHOWN:
                shown["body"] = body.hex()
            self.server.received.append(shown)
        self.server.over.wait(act.get("after", 0))
        self.server.answered = time.monotonic()
        if "drip" in act:
            self.drip(act["drip"])
        elif "disconnect" in act:
            self.close_connection = True
        else:
            shown["taken"] = self.answer(act)

    do_GET = do_POST  # noqa: N815
    do_PUT = do_POST  # noqa: N815

    def read_body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while True:
            size = int(self.rfile.readline().partition(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, act: dict[str, Any]) -> int:
        """Answer, and return how many octets of the body were taken."""
        piece = act.get("body", "").encode("latin-1")
        repeat = act.get("repeat", 1)
        for status in act.get("before", []):
            self.wfile.write(f"HTTP/1.1 {status} Wait\r\n\r\n".encode())
        self.send_response_only(act["status"], "Status")
        for name, value in act.get("headers", []):
            if value.startswith("{date+"):
                value = formatdate(time.time() + int(value[6:-1]), usegmt=True)
            self.send_header(name, value)
        if act["status"] not in (204, 304):
            self.send_header("content-length", str(len(piece) * repeat))
        self.end_headers()
        taken = 0
        try:
            for _ in range(repeat if piece else 0):
                self.wfile.write(piece)
                taken += len(piece)
        except OSError:
            self.close_connection = True
        return taken

    def drip(self, seconds: float) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.over.wait(0.1):
            self.wfile.write(b"\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed but the answer."""


def filled(value: Any, receivers: list[Any]) -> Any:
    """The same value with the addresses of receivers in place of ``receiver-0`` and so on."""
    text = json.dumps(value)
    for number in reversed(range(len(receivers))):
        text = text.replace(f"receiver-{number}", receivers[number].address)
    return json.loads(text)


def content(request: Mapping[str, Any]) -> bytes:
    """The body of a request that was received, without its Content-Encoding.

    :raises ValueError: if it is not told, or not in its encoding.
    """
    body = bytes.fromhex(request["body"])
    coding = dict(request["headers"]).get("content-encoding", "identity")
    if coding == "identity":
        return body
    if coding != "gzip":
        raise ValueError(f"the coding {coding}")
    try:
        return gzip.decompress(body)
    except (OSError, EOFError) as error:
        raise ValueError(str(error)) from None
