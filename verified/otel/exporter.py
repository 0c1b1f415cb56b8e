"""The OTLP exporter for opentelemetry-sdk, in place of its own (extra ``otlp``).

It is an entry point, so that an application chooses it by its environment::

    OTEL_TRACES_EXPORTER=verified_otlp
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from os import environ

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from verified.exporter.attempt import Limits
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.exporter.processor import TIMEOUT
from verified.otel.metrics import Counts, observe_exporter
from verified.otel.untraced import untraced
from verified.otlp import encode
from verified.otlp.configuration import GRPC, Arguments, Settings, settings
from verified.otlp.exporter import Counters, Exporter, Sender

_logger = logging.getLogger(__name__)

_BACKOFF = Limits()


class VerifiedOTLPSpanExporter(SpanExporter):
    """Sends spans over OTLP, in place of ``OTLPSpanExporter``.

    What is not given comes from the environment, OTEL_EXPORTER_OTLP_TRACES_* before
    OTEL_EXPORTER_OTLP_*: PROTOCOL, ENDPOINT, HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE,
    CLIENT_KEY, CLIENT_CERTIFICATE and INSECURE. ``endpoint`` is that of traces and used as
    it is. ``timeout_millis`` is for a batch, all attempts together, and 0 is no limit. What
    is not valid is warned of and not used. What becomes of spans is also told to the
    ``meter_provider``, if one is given.

    :raises ImportError: if the library for the protocol is not installed.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        protocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_millis: float | None = None,
        compression: str | None = None,
        certificate_file: str | None = None,
        client_key_file: str | None = None,
        client_certificate_file: str | None = None,
        insecure: bool | None = None,
        first_backoff_millis: int = _BACKOFF.first_backoff,
        longest_backoff_millis: int = _BACKOFF.longest_backoff,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        given = Arguments(
            protocol,
            endpoint,
            None if headers is None else tuple(headers.items()),
            timeout_millis,
            compression,
            certificate_file,
            client_key_file,
            client_certificate_file,
            insecure,
        )
        self._settings, warnings = settings(environ, given)
        for warning in warnings:
            _logger.warning(warning)
        make = _sender(self._settings)
        self._exporter = Exporter(
            lambda: make(self._settings),
            Limits(self._settings.timeout, first_backoff_millis, longest_backoff_millis),
        )
        if meter_provider is not None:
            kind = "grpc" if self._settings.protocol == GRPC else "http"
            observe_exporter(meter_provider, f"otlp_{kind}_span_exporter", self._exported)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans; SUCCESS if the receiver took the request. Never raises.

        After shutdown the result is FAILURE, and so it is if it is not known whether the
        receiver has the spans; ``returned`` tells these apart.
        """
        if self.returned(spans).outcome == SUCCESS:
            return SpanExportResult.SUCCESS
        return SpanExportResult.FAILURE

    def returned(self, spans: Sequence[ReadableSpan], timeout_millis: int = 0) -> Returned:
        """Export spans and return what became of them, as a processor counts them.

        The request is given up at the timeout of the exporter or at this one, whichever is
        first; 0 is no limit. Spans that have no encoding count with those that the receiver
        refused. Never raises.
        """
        try:
            return untraced(self._export, spans, timeout_millis)
        except Exception:
            _logger.exception("The exporter failed")
            return Returned(UNKNOWN)

    def _export(self, spans: Sequence[ReadableSpan], timeout_millis: int) -> Returned:
        if not self._exporter.is_open:
            self._exporter.count_failed(len(spans))
            return Returned(FAILURE)
        encoded = encode(spans)
        lost = len(encoded.lost)
        if lost:
            self._exporter.count_failed(lost)
            _logger.error("%d spans have no encoding and are not exported", lost)
        if not encoded.request:
            return Returned(FAILURE if spans else SUCCESS)
        outcome, rejected = self._exporter.export(
            encoded.request, len(spans) - lost, timeout_millis
        )
        return Returned(outcome, rejected + lost if outcome == SUCCESS else 0)

    def force_flush(self, timeout_millis: float = TIMEOUT) -> bool:
        """Wait for the export that is under way; whether it ended in time."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Export nothing any more; an export that is under way is abandoned."""
        self._exporter.shutdown()

    @property
    def settings(self) -> Settings:
        """What the exporter is configured with."""
        return self._settings

    @property
    def counters(self) -> Counters:
        """What was done up to now, in numbers of attempts and spans."""
        return self._exporter.counters

    def _exported(self) -> Counts:
        counters = self.counters
        return {
            "": counters.exported,
            "rejected": counters.rejected,
            "failed": counters.failed,
            "unknown": counters.unknown,
        }


def _sender(found: Settings) -> Callable[[Settings], Sender]:
    """What sends requests over the protocol."""
    if found.protocol == GRPC:
        from verified.otlp.grpc import GrpcSender

        return GrpcSender
    from verified.otlp.http import HttpSender

    return HttpSender
