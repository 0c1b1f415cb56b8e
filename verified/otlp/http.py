"""The sender of OTLP over HTTP, by urllib3 (OTLP, "OTLP/HTTP")."""

import gzip
import io
import os
import socket
import time
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from verified.otlp.answer import MAX_RESPONSE, PROTOBUF, Answer, HttpAnswer, NoAnswer
from verified.otlp.configuration import Settings
from verified.otlp.user_agent import USER_AGENT

_PIECE: Final = 65_536


class HttpSender:
    """Posts each request to the endpoint, on a connection that is kept.

    A redirection is not followed and nothing is tried again. From the moment at which there
    is a connection the timeout bounds all that happens on it together; each address of the
    endpoint may take the timeout to connect, and the time to look up its name is the system's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        parts = urlsplit(settings.endpoint)
        self._host, self._port = parts.hostname or "", parts.port
        self._is_plain = parts.scheme == "http"
        self._target = parts._replace(scheme="", netloc="").geturl()
        self._headers = {
            "user-agent": USER_AGENT,
            **dict(settings.headers),
            "content-type": PROTOBUF,
            "accept-encoding": "gzip",
        }
        if settings.gzip:
            self._headers["content-encoding"] = "gzip"
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._pool: urllib3.HTTPConnectionPool
        if self._is_plain:
            self._pool = urllib3.HTTPConnectionPool(self._host, self._port)
            self._pool.ConnectionCls = _Plain
            return
        self._pool = urllib3.HTTPSConnectionPool(
            self._host,
            self._port,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self._settings.certificate or None,
            cert_file=self._settings.client_certificate or None,
            key_file=self._settings.client_key or None,
        )
        self._pool.ConnectionCls = _Secure

    def send(self, request: bytes, timeout: float | None) -> Answer:
        """Return the answer to a request, or that there is none after so many seconds."""
        if self._process != os.getpid():
            # The connections are the parent's.
            self._open()
        try:
            body = gzip.compress(request, 6) if self._settings.gzip else request
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=body,
                headers=self._headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(total=timeout),
                preload_content=False,
                decode_content=False,
            )
        except (_NotConnected, NewConnectionError, ConnectTimeoutError) as error:
            return NoAnswer(False, f"there is no connection: {error}")
        except Exception as error:
            return NoAnswer(True, f"there is no answer: {error}")
        try:
            return _answer(response)
        except Exception as error:
            response.close()
            return NoAnswer(True, f"the answer ends early: {error}")

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()


def _answer(response: urllib3.BaseHTTPResponse) -> HttpAnswer:
    body = bytearray()
    while len(body) <= MAX_RESPONSE:
        piece = response.read(_PIECE)
        if not piece:
            break
        body += piece
    if len(body) > MAX_RESPONSE:
        # What is left of it would be taken for the next answer.
        response.close()
    else:
        response.release_conn()
    headers = response.headers
    return HttpAnswer(
        response.status,
        headers.get("content-type", ""),
        headers.get("content-encoding", ""),
        headers.get("retry-after", ""),
        bytes(body),
    )


class _NotConnected(Exception):
    """There is no connection yet, so nothing was sent."""


class _Plain(HTTPConnection):
    """A connection that counts the time from when it is used."""

    def connect(self) -> None:
        super().connect()
        _bound(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _begin(self)
        super().request(*args, **kwargs)


class _Secure(HTTPSConnection):
    """The same with TLS."""

    def connect(self) -> None:
        try:
            super().connect()
        except (NewConnectionError, ConnectTimeoutError):
            raise
        except (HTTPError, OSError) as error:
            raise _NotConnected(error) from error
        _bound(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _begin(self)
        super().request(*args, **kwargs)


def _bound(connection: Any) -> None:
    connection.sock = _Bounded(connection.sock)
    connection.sock.begin(connection.timeout)


def _begin(connection: Any) -> None:
    if connection.sock is not None:
        connection.sock.begin(connection.timeout)


class _Bounded:
    """A socket on which all operations together end by a deadline.

    The timeout of a socket is for each operation: an answer that comes by single octets
    would never run into it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline: float | None = None

    def begin(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def left(self) -> None:
        """Give the next operation the time that is left.

        :raises TimeoutError: if none is.
        """
        if self._deadline is None:
            self._sock.settimeout(None)
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        self._sock.settimeout(left)

    def sendall(self, data: Any) -> None:
        self.left()
        self._sock.sendall(data)

    def settimeout(self, timeout: float | None) -> None:
        """Do nothing: the deadline stands."""

    def makefile(self, mode: str, *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self, self._sock.makefile("rb", buffering=0)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Reader(io.RawIOBase):
    """What comes from a socket, by its deadline."""

    def __init__(self, bounded: _Bounded, file: Any) -> None:
        self._bounded = bounded
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._bounded.left()
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
