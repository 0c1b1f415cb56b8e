"""Receivers of OTLP on real sockets that answer as they are told."""

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from verified.otlp.grpc import METHOD


class Reply(NamedTuple):
    """An answer over HTTP; ``length`` is the Content-Length that it claims, if another."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    length: int | None = None


class Reset(NamedTuple):
    """The connection is reset when so many octets of the request were read; of all, if None."""

    after: int | None


class Silence(NamedTuple):
    """The request is read and never answered."""


class Drip(NamedTuple):
    """An answer of which an octet comes now and then, without end."""


Act = Reply | Reset | Silence | Drip
OK = Reply(200, (("content-type", "application/x-protobuf"),))


class Received(NamedTuple):
    """A request that came whole, what was done with it, and on which connection it came."""

    headers: dict[str, str]
    spans: tuple[str, ...]
    act: Act
    target: str
    connection: int

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.act, Reply) and 200 <= self.act.status < 300


class HttpReceiver:
    """Does one act of the script for each request, and accepts when there are none left."""

    def __init__(
        self, script: Sequence[Act] = (), tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.script = list(script)
        self.received: list[Received] = []
        self._tls = tls
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/v1/traces"

    def close(self) -> None:
        self._over.set()
        # Shut down, so that accept and recv come back.
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while self._one(connection):
                pass
        except OSError:
            pass
        finally:
            connection.close()

    def _one(self, connection: socket.socket) -> bool:
        """Serve one request; whether another may come."""
        act = self.script[0] if self.script else OK
        if isinstance(act, Reset) and act.after is not None:
            if not connection.recv(max(act.after, 1)):
                return False
            del self.script[0]
            return _reset(connection)
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65_536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rows = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (r.partition(":") for r in rows)
        }
        while len(body) < int(headers["content-length"]):
            piece = connection.recv(65_536)
            if not piece:
                return False
            body += piece
        if self.script:
            del self.script[0]
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.received.append(
            Received(headers, names(content), act, first.split(" ")[1], connection.getpeername()[1])
        )
        return self._answer(connection, act)

    def _answer(self, connection: socket.socket, act: Act) -> bool:
        match act:
            case Reply(status, fields, body, length):
                size = len(body) if length is None else length
                lines = [f"HTTP/1.1 {status} Reason", f"content-length: {size}"]
                lines += [f"{name}: {value}" for name, value in fields]
                connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
                return length is None
            case Reset():
                return _reset(connection)
            case Drip():
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                while not self._over.wait(0.01):
                    connection.sendall(b"x")
            case Silence():
                self._over.wait()
        return False


def _reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def names(request: bytes) -> tuple[str, ...]:
    """The names of the spans of a request, as protobuf reads it."""
    read = ExportTraceServiceRequest.FromString(request)
    scopes = [scope for each in read.resource_spans for scope in each.scope_spans]
    return tuple(span.name for scope in scopes for span in scope.spans)


def partial_success(rejected: int, message: str = "") -> bytes:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = message
    return response.SerializeToString()


@contextmanager
def http_receiver(*script: Act, tls: ssl.SSLContext | None = None) -> Iterator[HttpReceiver]:
    receiver = HttpReceiver(script, tls)
    try:
        yield receiver
    finally:
        receiver.close()


Answering = Callable[[bytes, grpc.ServicerContext], bytes]


@contextmanager
def grpc_receiver(
    answering: Answering, credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    """A receiver over gRPC; yields its endpoint."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if details.method == METHOD:
                return grpc.unary_unary_rpc_method_handler(answering)
            return None

    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Handler(),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"http{'s' if credentials else ''}://127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
