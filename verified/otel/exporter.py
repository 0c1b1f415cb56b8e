"""The OTLP exporter for opentelemetry-sdk, in place of its own."""

import logging
from collections.abc import Mapping, Sequence
from os import environ

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from verified import otlp
from verified.exporter.attempt import Limits
from verified.exporter.batching import Returned
from verified.exporter.outcome import SUCCESS, UNKNOWN
from verified.otel.metrics import Counts, observe_exporter
from verified.otel.processor import CountingSpanExporter, untraced
from verified.otlp import exporter
from verified.otlp.configuration import GRPC, Arguments, Settings, settings

_logger = logging.getLogger(__name__)


class VerifiedOTLPSpanExporter(CountingSpanExporter):
    """Sends spans to an OTLP receiver over HTTP or gRPC, in place of ``OTLPSpanExporter``.

    ``protocol`` is ``http/protobuf`` or ``grpc``, ``compression`` ``none`` or ``gzip``; the
    timeout bounds all attempts for a batch together, in milliseconds, and is no limit if it
    is 0. What is not given comes from the environment: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    _PROTOCOL, _HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE, _CLIENT_KEY,
    _CLIENT_CERTIFICATE and _INSECURE, then the same without TRACES. What is not valid is
    warned of and not used. HTTP needs urllib3, gRPC needs grpcio.

    :raises ImportError: if the library for the protocol is not installed.
    :raises OSError: if a file for TLS cannot be read.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_millis: float | None = None,
        compression: str | None = None,
        certificate: str | None = None,
        client_key: str | None = None,
        client_certificate: str | None = None,
        insecure: bool | None = None,
        meter_provider: MeterProvider | None = None,
        first_backoff_millis: int = 1_000,
        longest_backoff_millis: int = 5_000,
    ) -> None:
        arguments = Arguments(
            protocol,
            endpoint,
            None if headers is None else tuple(headers.items()),
            timeout_millis,
            compression,
            certificate,
            client_key,
            client_certificate,
            insecure,
        )
        self.settings, warnings = settings(environ, arguments)
        for warning in warnings:
            _logger.warning("%s", warning)
        limits = Limits(self.settings.timeout, first_backoff_millis, longest_backoff_millis)
        self._exporter = exporter.Exporter(_sender(self.settings, limits), limits)
        if meter_provider is not None:
            kind = "grpc" if self.settings.protocol == GRPC else "http"
            observe_exporter(
                meter_provider,
                f"otlp_{kind}_span_exporter",
                self._exported,
                lambda: self.counts.in_flight,
            )

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, and wait for what becomes of them. Never raises."""
        is_success = self.export_counted(spans).outcome == SUCCESS
        return SpanExportResult.SUCCESS if is_success else SpanExportResult.FAILURE

    def export_counted(self, spans: Sequence[ReadableSpan]) -> Returned:
        """Send spans, and return what became of them: also how many were refused, or unknown.

        A span that cannot be written is refused.
        """
        try:
            with untraced():
                encoded = otlp.encode(spans)
                lost = len(encoded.lost)
                returned = self._exporter.export(encoded.request, len(spans) - lost)
        except Exception:
            _logger.exception("The exporter raised while it exported %d spans", len(spans))
            return Returned(UNKNOWN)
        if lost:
            _logger.warning("%d spans cannot be written and are lost", lost)
        return returned._replace(rejected=returned.rejected + lost)

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Return True: nothing is kept back."""
        return True

    def shutdown(self) -> None:
        """Give up what waits for another attempt, and send nothing more."""
        self._exporter.shutdown()

    @property
    def counts(self) -> exporter.Counts:
        """What became of all spans, in numbers."""
        return self._exporter.counts

    def _exported(self) -> Counts:
        counts = self.counts
        return {
            "": counts.exported,
            "rejected": counts.rejected,
            "failed": counts.failed,
            "unknown": counts.unknown,
        }


def _sender(found: Settings, limits: Limits) -> exporter.Sender:
    # Only the library that is used is needed.
    if found.protocol == GRPC:
        from verified.otlp.grpc import GrpcSender

        return GrpcSender(found, limits)
    from verified.otlp.http import HttpSender

    return HttpSender(found)
