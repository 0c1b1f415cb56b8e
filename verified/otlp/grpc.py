"""Requests over gRPC (OTLP, "OTLP/gRPC"), by grpcio (extra ``otlp-grpc``)."""

import threading
from pathlib import Path
from typing import Any, Final

import grpc

from verified import __version__
from verified.exporter.retry import RESOURCE_EXHAUSTED
from verified.otlp.answer import (
    MAX_REQUEST,
    MAX_RESPONSE,
    Answer,
    GrpcAnswer,
    NoAnswer,
    NotSent,
    TooLarge,
)
from verified.otlp.configuration import Settings

METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

# CANCELLED, DEADLINE_EXCEEDED and UNAVAILABLE: what grpcio itself makes of a call that a
# connection or the time cuts off. Receivers send them too.
_OF_THE_LIBRARY: Final = frozenset({1, 4, 14})

_NOT_CONNECTED: Final = ("failed to connect to", "dns resolution failed", "name resolution")


# What grpcio says, under RESOURCE_EXHAUSTED, of an answer that is larger than it may be. A server
# that itself finds a request too large may have the same limit; newer ones say who they are.
_TOO_LARGE: Final = f"vs. {MAX_RESPONSE})"
_BY_SERVER: Final = "SERVER:"


class GrpcSender:
    """Sends requests to one target over one channel, which tries nothing again by itself.

    A status without metadata that the library may have made itself, of a connection that
    broke or of a time that was over, is no answer: the request may have been received. Of an
    answer that is larger than ``MAX_RESPONSE`` nothing is read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._call: Any = None
        self._is_open = True

    def send(self, request: bytes, seconds: float | None) -> Answer:
        """Send a request and return the answer, within so many seconds if not None.

        Never raises.
        """
        if len(request) > MAX_REQUEST:
            return NotSent(f"the request is larger than {MAX_REQUEST} bytes")
        try:
            with self._lock:
                if not self._is_open:
                    return NoAnswer(False, "the exporter is shut down")
                if self._channel is None:
                    self._channel = _new_channel(self._settings)
                # Without functions that write and read, what is sent and received is bytes.
                export: grpc.UnaryUnaryMultiCallable[bytes, bytes]
                export = self._channel.unary_unary(METHOD)
                self._call = export.future(
                    request, timeout=seconds, metadata=self._settings.headers
                )
        except Exception as error:
            return NotSent(f"the channel cannot be made: {type(error).__name__}: {error}"[:300])
        call = self._call
        try:
            body = call.result()
        except grpc.RpcError:
            return _refusal(call)
        except grpc.FutureCancelledError:
            return NoAnswer(True, "the call was cancelled")
        except Exception as error:
            return NoAnswer(True, f"no answer: {type(error).__name__}: {error}"[:300])
        return GrpcAnswer(0, body=body)

    def close(self) -> None:
        """Send nothing any more; a call that is under way is cancelled."""
        with self._lock:
            self._is_open = False
            call, channel = self._call, self._channel
        if call is not None:
            call.cancel()
        if channel is not None:
            channel.close()


def _refusal(call: Any) -> Answer:
    """What a call says that did not succeed."""
    code = int(call.code().value[0])
    message = str(call.details() or "")
    trailing = call.trailing_metadata() or ()
    if code in _OF_THE_LIBRARY and not trailing and not call.initial_metadata():
        connected = not message.lower().startswith(_NOT_CONNECTED)
        return NoAnswer(connected, f"no answer: {code}: {message}"[:300])
    if code == RESOURCE_EXHAUSTED and not trailing and _is_too_large(message):
        return TooLarge()
    details = b""
    for key, value in trailing:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            details = value
    return GrpcAnswer(code, message, details)


def _is_too_large(message: str) -> bool:
    """Whether grpcio says that an answer is larger than it may be."""
    return _TOO_LARGE in message and _BY_SERVER not in message


def _new_channel(settings: Settings) -> grpc.Channel:
    """A channel, which connects when it is first used.

    :raises OSError: if a certificate or the key cannot be read.
    """
    options = (
        ("grpc.enable_retries", 0),
        ("grpc.primary_user_agent", f"verified-otlp-exporter-python/{__version__}"),
        ("grpc.max_receive_message_length", MAX_RESPONSE),
        ("grpc.max_send_message_length", MAX_REQUEST),
        # Our own waits are those that the standard asks for.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
    )
    compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
    if settings.insecure:
        return grpc.insecure_channel(settings.endpoint, options, compression)
    credentials = grpc.ssl_channel_credentials(
        _read(settings.certificate),
        _read(settings.client_key or settings.client_certificate)
        if settings.client_certificate
        else None,
        _read(settings.client_certificate),
    )
    return grpc.secure_channel(settings.endpoint, credentials, options, compression)


def _read(name: str) -> bytes | None:
    return Path(name).read_bytes() if name else None
