"""Requests over HTTP (OTLP, "OTLP/HTTP"), by urllib3 (extra ``otlp``)."""

import socket
import zlib
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse
from urllib3.util import create_urllib3_context

from verified import __version__
from verified.otlp.answer import (
    MAX_REQUEST,
    MAX_RESPONSE,
    PROTOBUF,
    Answer,
    HttpAnswer,
    NoAnswer,
    NotSent,
)
from verified.otlp.configuration import Settings
from verified.otlp.deadline import Deadline, TimedSocket

USER_AGENT: Final = f"verified-otlp-exporter-python/{__version__}"
"""The exporter, its language and its version ("User Agent")."""


class _Attempt:
    """What a connection is told of the attempt that uses it, and says of it."""

    sent: bool

    def __init__(self) -> None:
        self.deadline = Deadline()

    def start(self, seconds: float | None) -> None:
        self.sent = False
        self.deadline.start(seconds)


class _Timed(HTTPConnection):
    """A connection on which all is done before the deadline of the attempt."""

    def __init__(self, *, attempt: _Attempt, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._attempt = attempt

    def _new_conn(self) -> socket.socket:
        options = self.socket_options or ()
        return self._attempt.deadline.connect(self._dns_host, self.port, options)

    def connect(self) -> None:
        super().connect()
        deadline = self._attempt.deadline
        deadline.watch(self.sock)
        self.sock = TimedSocket(self.sock, deadline)

    def request(self, *arguments: Any, **keywords: Any) -> None:
        # Before all of it was given to the connection nobody has all of it.
        super().request(*arguments, **keywords)
        self._attempt.sent = True


class _TimedTLS(_Timed, HTTPSConnection):
    """The same over TLS."""


# urllib3 declares this attribute by protocols that its own connections do not meet.
class _TimedPool(urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _Timed


class _TimedTLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _TimedTLS


class HttpSender:
    """Sends requests to one URL, over one connection that is kept open.

    Redirections are not followed and nothing is tried again. Of an answer no more is read
    than ``MAX_RESPONSE`` and one byte. A connection over TLS checks the certificate and the
    name of the receiver; a receiver that fails is one that cannot be connected to, and so
    tried again later, as it may be given another certificate meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attempt = _Attempt()
        self._pool: urllib3.HTTPConnectionPool | None = None
        parts = urlsplit(settings.endpoint)
        self._path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self._headers = {
            "user-agent": USER_AGENT,
            **dict(settings.headers),
            "accept-encoding": "identity",
            "content-type": PROTOBUF,
        }
        if settings.gzip:
            self._headers["content-encoding"] = "gzip"

    def send(self, request: bytes, seconds: float | None) -> Answer:
        """Send a request and return the answer, within so many seconds if they are given.

        Never raises: what is larger than ``MAX_REQUEST``, or cannot be sent with these settings,
        is ``NotSent``; what is not answered is ``NoAnswer``. One thread may send at a time.
        """
        if len(request) > MAX_REQUEST:
            return NotSent(f"the request is larger than {MAX_REQUEST} bytes")
        attempt = self._attempt
        attempt.start(seconds)
        try:
            if self._pool is None:
                self._pool = self._new_pool()
        except Exception as error:
            return NotSent(
                f"the endpoint, the certificates or the key cannot be used: {_said(error)}"
            )
        try:
            body = zlib.compress(request, wbits=31) if self._settings.gzip else request
            attempt.deadline.left()
            response = self._pool.urlopen(
                "POST",
                self._path,
                body,
                self._headers,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            return _answer(response)
        except Exception as error:
            return NoAnswer(attempt.sent, f"no answer: {_said(error)}")

    def close(self) -> None:
        """Send nothing any more; an attempt that is under way ends without an answer.

        Any thread may call it, and more than once.
        """
        self._attempt.deadline.end()

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        settings = self._settings
        parts = urlsplit(settings.endpoint)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        if parts.scheme == "http":
            return _TimedPool(host, parts.port, attempt=self._attempt)
        context = create_urllib3_context()
        if settings.certificate:
            context.load_verify_locations(settings.certificate)
        else:
            context.load_default_certs()
        if settings.client_certificate:
            context.load_cert_chain(settings.client_certificate, settings.client_key or None)
        return _TimedTLSPool(host, parts.port, ssl_context=context, attempt=self._attempt)


def _answer(response: BaseHTTPResponse) -> HttpAnswer:
    """The answer, read as far as it may be. What is not read to its end is not used again."""
    try:
        body = response.read(MAX_RESPONSE + 1)
        if len(body) <= MAX_RESPONSE:
            # That something is missing shows when there is nothing more.
            response.read()
        get = response.headers.get
        return HttpAnswer(
            response.status,
            get("content-type", ""),
            get("content-encoding", ""),
            get("retry-after", ""),
            body,
        )
    finally:
        response.close()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
