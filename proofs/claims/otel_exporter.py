"""Claims about the OTLP exporter for the SDK, with a sender that is told what to say."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from verified.exporter.attempt import Limits
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.otel import exporter as module
from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otlp.answer import HttpAnswer, NoAnswer
from verified.otlp.configuration import Settings

from ..claim import Constant, claim
from ..observed import Line, Measurements, environment, logged
from ..verdict import Verdict

LOGGER = "verified.otel.exporter"

SOON = 1.0
"""How many seconds a claim waits at most for what is to happen at once."""

GOOD = ReadableSpan("good", trace.SpanContext(1, 1, False))
BAD = ReadableSpan("without context")


class _Sender:
    """Gives the answer that it is told to, and remembers what it was asked to send."""

    def __init__(self, protocol: str, settings: Settings, answer: Any) -> None:
        self.protocol = protocol
        self.settings = settings
        self.answer = answer
        self.meanwhile: Callable[[], object] = lambda: None
        self.requests: list[tuple[bytes, float | None]] = []
        self.traced = False
        self.closed = 0

    def send(self, request: bytes, seconds: float | None) -> Any:
        self.requests.append((request, seconds))
        self.traced |= get_value(_SUPPRESS_INSTRUMENTATION_KEY) is not True
        self.meanwhile()
        return self.answer

    def close(self) -> None:
        self.closed += 1


@contextmanager
def _senders(answer: Any = None) -> Iterator[list[_Sender]]:
    """The senders that are made, in place of those over HTTP and gRPC."""
    made: list[_Sender] = []

    def maker(protocol: str) -> Callable[[Settings], _Sender]:
        def make(settings: Settings) -> _Sender:
            made.append(_Sender(protocol, settings, answer))
            return made[-1]

        return make

    modules: dict[str, Any] = {
        "verified.otlp.http": SimpleNamespace(HttpSender=maker("http")),
        "verified.otlp.grpc": SimpleNamespace(GrpcSender=maker("grpc")),
    }
    with patch.dict(sys.modules, modules):
        yield made


DEFAULT = Settings(
    protocol="http/protobuf",
    endpoint="http://localhost:4318/v1/traces",
    headers=(),
    timeout=10_000,
    gzip=False,
    certificate="",
    client_key="",
    client_certificate="",
    insecure=True,
)

Given = Literal[
    "nothing",
    "the environment",
    "protocol",
    "endpoint",
    "headers",
    "timeout",
    "compression",
    "certificate",
    "client key",
    "client certificate",
    "insecure",
    "nonsense",
]
GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "the environment": ({}, {"timeout": 7}),
    "protocol": ({"protocol": "grpc"}, {"protocol": "grpc", "endpoint": "localhost:4317"}),
    "endpoint": ({"endpoint": "http://one.example/a"}, {"endpoint": "http://one.example/a"}),
    "headers": ({"headers": {"A": "1", "b": "2"}}, {"headers": (("a", "1"), ("b", "2"))}),
    "timeout": ({"timeout_millis": 2.5}, {"timeout": 3}),
    "compression": ({"compression": "gzip"}, {"gzip": True}),
    "certificate": ({"certificate_file": "a"}, {"certificate": "a"}),
    "client key": ({"client_key_file": "a"}, {"client_key": "a"}),
    "client certificate": ({"client_certificate_file": "a"}, {"client_certificate": "a"}),
    "insecure": (
        {"protocol": "grpc", "endpoint": "one.example:1", "insecure": True},
        {"protocol": "grpc", "endpoint": "one.example:1"},
    ),
    "nonsense": ({"compression": "100%s"}, {}),
}
"""Arguments, and what of the settings is other than it is if nothing is given."""

WARNING = Line(LOGGER, "WARNING", "compression is not gzip or none; none is used")


@claim(
    "Each argument of the OTLP exporter is the setting of its name, what is not given comes from "
    "the environment, and what is not valid is warned of; the sender is that of the protocol, and "
    "has these settings, and the time and the backoff are those that were given",
    discharges=("OT-16", "CF-03"),
    subject=(
        VerifiedOTLPSpanExporter.__init__,
        module._sender,
        Constant(LOGGER, "_logger"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def arguments_are_settings(given: Given, has_backoff: bool) -> bool:
    arguments, changes = GIVEN[given]
    expected = DEFAULT._replace(**changes)
    if has_backoff:
        arguments = {**arguments, "first_backoff_millis": 6, "longest_backoff_millis": 9}
    variables = {"OTEL_EXPORTER_OTLP_TIMEOUT": "7"} if given == "the environment" else {}
    told = Measurements()
    with environment(variables), logged() as lines, _senders() as made:
        exporter = VerifiedOTLPSpanExporter(**arguments, meter_provider=told.provider)
    protocol = "grpc" if expected.protocol == "grpc" else "http"
    (instrument,) = told.instruments().values()
    components = {point.attributes["otel.component.type"] for point in instrument[-1]}
    first, longest = (6, 9) if has_backoff else (1000, 5000)
    return (
        exporter.settings == expected
        and [(sender.protocol, sender.settings) for sender in made] == [(protocol, expected)]
        and exporter._exporter._limits == Limits(expected.timeout, first, longest)
        and components == {f"otlp_{protocol}_span_exporter"}
        and lines == ([WARNING] if given == "nonsense" else [])
    )


Answered = Literal["taken", "one is rejected", "refused", "lost"]
ANSWERS: dict[str, Any] = {
    "taken": HttpAnswer(200),
    # A partial success that rejected one span.
    "one is rejected": HttpAnswer(200, "application/x-protobuf", body=b"\x0a\x02\x08\x01"),
    "refused": HttpAnswer(400),
    "lost": NoAnswer(True, "no answer"),
}
Few = Literal[0, 1, 2]


@claim(
    "The OTLP exporter sends the spans that have an encoding in one request, untraced and in the "
    "time that it is given, and nothing after shutdown; it returns, counts and tells a meter what "
    "became of each, those without encoding as rejected or failed with one line in the log",
    discharges=("BP-04", "BP-15", "BP-17"),
    subject=(
        VerifiedOTLPSpanExporter._export,
        VerifiedOTLPSpanExporter.returned,
        VerifiedOTLPSpanExporter.export,
        VerifiedOTLPSpanExporter._exported,
        VerifiedOTLPSpanExporter.__init__,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def each_span_is_accounted_for(answer: Answered, good: Few, bad: Few, is_open: bool) -> bool:
    told = Measurements()
    spans = [BAD] * bad + [GOOD] * good
    # A backoff that the time has no room for is not waited for.
    own = 1 if answer == "lost" else 20_000
    with environment({}), logged() as lines, _senders(ANSWERS[answer]) as made:
        exporter = VerifiedOTLPSpanExporter(timeout_millis=own, meter_provider=told.provider)
        if not is_open:
            exporter.shutdown()
        returned = exporter.returned(spans, 5_000)
        counters, values = exporter.counters, told.values()
        own_lines = [line for line in lines if line.logger == LOGGER]
        result = exporter.export(spans)
    (sender,) = made
    counts: dict[str, int] = {"": 0, "rejected": 0, "failed": bad, "unknown": 0}
    if not is_open or good == 0:
        expected = Returned(FAILURE if spans or not is_open else SUCCESS)
        counts["failed"] += good
    elif answer == "refused":
        expected = Returned(FAILURE)
        counts["failed"] += good
    elif answer == "lost":
        expected = Returned(UNKNOWN)
        counts["unknown"] = good
    else:
        rejected = answer == "one is rejected"
        expected = Returned(SUCCESS, rejected + bad)
        counts |= {"": good - rejected, "rejected": int(rejected)}
    line = f"{bad} spans have no encoding and are not exported"
    is_sent = is_open and good > 0
    return (
        returned == expected
        and (counters.exported, counters.rejected, counters.failed, counters.unknown)
        == tuple(counts.values())
        and values
        == {"otel.sdk.exporter.span.exported": {k: n for k, n in counts.items() if n or not k}}
        and own_lines == [Line(LOGGER, "ERROR", line)] * (is_open and bad > 0)
        and (result is SpanExportResult.SUCCESS) == (expected.outcome == SUCCESS)
        and isinstance(result, SpanExportResult)
        and len(sender.requests) == 2 * is_sent
        and all(request.count(b"good") == good for request, _ in sender.requests)
        and all(seconds is not None and seconds <= 5 for _, seconds in sender.requests[:1])
        and (own == 1 or all(seconds is None or seconds > 5 for _, seconds in sender.requests[1:]))
        and not sender.traced
    )


class _Broken(list[ReadableSpan]):
    """Spans of which nobody can say how many they are."""

    def __len__(self) -> int:
        raise RuntimeError


@claim(
    "Whatever raises in the OTLP exporter, what became of the spans is unknown, a line in the log "
    "says so, and nothing is raised",
    discharges="BP-13",
    subject=(VerifiedOTLPSpanExporter.returned, VerifiedOTLPSpanExporter.export),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def nothing_is_raised(is_open: bool) -> bool:
    with environment({}), logged() as lines, _senders(ANSWERS["taken"]):
        exporter = VerifiedOTLPSpanExporter()
        if not is_open:
            exporter.shutdown()
        returned = exporter.returned(_Broken([GOOD]))
        result = exporter.export(_Broken([GOOD]))
    return (
        returned == Returned(UNKNOWN)
        and result is SpanExportResult.FAILURE
        and lines == [Line(LOGGER, "ERROR", "The exporter failed", True)] * 2
        and get_value(_SUPPRESS_INSTRUMENTATION_KEY) is not True
    )


@claim(
    "A flush of the OTLP exporter waits for the export that is under way within its time, and says "
    "whether that ended; shutdown closes the sender, once",
    discharges=("BP-07", "BP-12"),
    subject=(VerifiedOTLPSpanExporter.force_flush, VerifiedOTLPSpanExporter.shutdown),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def a_flush_waits_for_the_export(is_busy: bool, times: Few) -> bool:
    flushed: list[bool | None] = []
    with environment({}), logged(), _senders(ANSWERS["taken"]) as made:
        exporter = VerifiedOTLPSpanExporter()
        (sender,) = made

        def flush(*millis: float) -> None:
            try:
                flushed.append(exporter.force_flush(*millis))
            except TypeError:
                flushed.append(None)

        def meanwhile() -> None:
            thread = threading.Thread(target=flush, args=(0,), daemon=True)
            thread.start()
            thread.join(SOON)

        sender.meanwhile = meanwhile
        if is_busy:
            exporter.export([GOOD])
        flush()
        for _ in range(times):
            exporter.shutdown()
    return flushed == [False] * is_busy + [True] and sender.closed == min(times, 1)
