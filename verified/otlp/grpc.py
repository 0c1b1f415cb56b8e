"""The sender of OTLP over gRPC, by grpcio (OTLP, "OTLP/gRPC")."""

import os
from pathlib import Path
from typing import Any, Final

import grpc

from verified.exporter.attempt import Limits
from verified.otlp.answer import MAX_REQUEST, MAX_RESPONSE, Answer, GrpcAnswer, NoAnswer
from verified.otlp.configuration import Settings
from verified.otlp.exporter import DEFAULTS
from verified.otlp.user_agent import USER_AGENT

METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_OWN_CODES: Final = (1, 4, 14)
"""CANCELLED, DEADLINE_EXCEEDED and UNAVAILABLE, which grpcio also gives itself."""


class GrpcSender:
    """Calls the service with each request; nothing is tried again by grpcio itself.

    :raises OSError: if a file of the settings cannot be read.
    """

    def __init__(self, settings: Settings, limits: Limits = DEFAULTS) -> None:
        self._settings = settings
        self._options = [
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", MAX_RESPONSE),
            ("grpc.max_send_message_length", MAX_REQUEST),
            ("grpc.initial_reconnect_backoff_ms", limits.first_backoff),
            ("grpc.min_reconnect_backoff_ms", limits.first_backoff),
            ("grpc.max_reconnect_backoff_ms", limits.longest_backoff),
            ("grpc.primary_user_agent", USER_AGENT),
        ]
        self._credentials = None
        if not settings.insecure:
            self._credentials = grpc.ssl_channel_credentials(
                *map(
                    _read, (settings.certificate, settings.client_key, settings.client_certificate)
                )
            )
        self._compression = (
            grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
        )
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        target = self._settings.endpoint
        if self._credentials is None:
            self._channel = grpc.insecure_channel(target, options=self._options)
        else:
            self._channel = grpc.secure_channel(target, self._credentials, options=self._options)
        self._export: Any = self._channel.unary_unary(METHOD)

    def send(self, request: bytes, timeout: float | None) -> Answer:
        """Return the answer to a request, or that there is none after so many seconds."""
        if self._process != os.getpid():
            # The channel is the parent's.
            self._open()
        try:
            body = self._export(
                request,
                timeout=timeout,
                metadata=self._settings.headers,
                compression=self._compression,
            )
        except grpc.RpcError as error:
            return _failed(error)
        except ValueError as error:
            return NoAnswer(False, f"the channel is closed: {error}")
        return GrpcAnswer(0, body=body)

    def close(self) -> None:
        """Close the channel; a call that is under way is cancelled."""
        self._channel.close()


def _failed(error: Any) -> Answer:
    """What the receiver answered, or that nobody did.

    A status that came with metadata is the receiver's. One without may be grpcio's own, for a
    connection that was lost, and the request may have been received.
    """
    code = error.code().value[0]
    message = error.details() or ""
    trailing = dict(error.trailing_metadata() or ())
    details = trailing.get("grpc-status-details-bin", b"")
    if code in _OWN_CODES and not trailing and not error.initial_metadata():
        connected = not message.startswith("failed to connect to all addresses")
        return NoAnswer(connected, f"there is no answer: {message}")
    return GrpcAnswer(code, message, details if isinstance(details, bytes) else b"")


def _read(name: str) -> bytes | None:
    return Path(name).read_bytes() if name else None
