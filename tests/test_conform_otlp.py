"""Faults that are planted, one each, into what exports, is configured and propagates.

Each is to be found under the requirement that it breaks, and what has none is left in peace.
All are asked at the same time, as most of that is waiting.
"""

import base64
import gzip
import http.client
import json
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import pytest

from proofs import wire
from proofs.conform import program, run, setting
from proofs.conform.check import Verdict
from proofs.conform.checks import every_check
from proofs.conform.checks.otlp import grpc_exports
from proofs.conform.receiver import Receiver, content
from proofs.conform.target import About, Arguments, PackageTarget, ProcessTarget, Raised
from verified.otlp.grpc import METHOD

_random = secrets.SystemRandom()

OWN = ("OT-", "CF-", "PR-", "ID-04", "ID-05", "TP-06")
MIB = 1 << 20


def field(number: int, value: bytes | int) -> bytes:
    """A field of a message: a length and octets, or a number of 32 bits."""
    if isinstance(value, int):
        return _varint(number << 3 | 5) + value.to_bytes(4, "little")
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    octets = b""
    while number > 0x7F:
        octets += bytes([number & 0x7F | 0x80])
        number >>= 7
    return octets + bytes([number])


class Exporter:
    """OTLP over HTTP as the standard wants it; a fault is a subclass that differs in one thing."""

    retryable = frozenset({429, 502, 503, 504})
    content_type = "application/x-protobuf"
    user_agent = "planted-otlp-exporter-python/1.0"
    first_backoff = 0.3
    most_read = 4 * MIB
    most_sent = 64 * MIB

    def __init__(
        self,
        url: str,
        timeout: float = 10,
        compression: str = "none",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.parts = urlsplit(url)
        self.timeout = timeout
        self.compression = compression
        self.headers = {
            "Content-Type": self.content_type,
            "User-Agent": self.user_agent,
            **(headers or {}),
        }
        self.deadline = 0.0

    def export(self, spans: Sequence[Mapping[str, Any]]) -> bool:
        body = self.encoded(spans)
        if not self.is_sent(spans) or len(body) > self.most_sent:
            return False
        self.deadline = time.monotonic() + self.timeout
        for attempt in range(20):
            answer = self.send(body)
            wait = self.wait(answer, attempt)
            if wait is None:
                return answer is not None and self.is_success(*answer)
            if time.monotonic() + wait >= self.deadline:
                return False
            time.sleep(wait)
        return False

    def is_sent(self, spans: Sequence[Any]) -> bool:
        return bool(spans)

    def is_success(self, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        return 200 <= status < 300 and len(body) <= self.most_read

    def wait(self, answer: tuple[int, Any, bytes] | None, attempt: int) -> float | None:
        """How long to wait before the next attempt; None if there is none."""
        if answer is None:
            return self.backoff(attempt)
        status, headers, body = answer
        if status not in self.retryable or len(body) > self.most_read:
            return None
        after = self.retry_after(headers.get("Retry-After", ""))
        return self.backoff(attempt) if after is None else after

    def backoff(self, attempt: int) -> float:
        return self.first_backoff * (1 << attempt) * _random.uniform(0.8, 1.2)

    def retry_after(self, value: str) -> float | None:
        if value.isdecimal():
            return float(value)
        with suppress(ValueError):
            return max(parsedate_to_datetime(value).timestamp() - time.time(), 0)
        return None

    def send(self, body: bytes) -> tuple[int, Any, bytes] | None:
        headers = dict(self.headers)
        if self.compression == "gzip":
            headers.update(self.coding())
            body = gzip.compress(body, 1)
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=self.left())
        try:
            connection.request("POST", self.parts.path or "/", body, headers)
            socket = connection.sock
            response = connection.getresponse()
            read = bytearray()
            while len(read) <= self.most_read:
                socket.settimeout(self.left())
                piece = response.read1(65_536)
                if not piece:
                    break
                read += piece
            return response.status, response.headers, bytes(read)
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def coding(self) -> dict[str, str]:
        return {"Content-Encoding": "gzip"}

    def left(self) -> float:
        return max(self.deadline - time.monotonic(), 0.001)

    def encoded(self, spans: Sequence[Mapping[str, Any]]) -> bytes:
        return field(1, field(2, b"".join(field(2, self.span(span)) for span in spans)))

    def span(self, span: Mapping[str, Any]) -> bytes:
        context, parent = span["context"], span.get("parent")
        message = field(1, self.id(context["trace_id"])) + field(2, self.id(context["span_id"]))
        if parent is not None:
            message += field(4, self.id(parent["span_id"]))
        message += field(5, span["name"].encode())
        if "size" in span:
            message += field(9, field(1, b"k") + field(2, field(1, b"x" * span["size"])))
        for link in span.get("links", ()):
            ids = field(1, self.id(link["trace_id"])) + field(2, self.id(link["span_id"]))
            message += field(13, ids + field(6, self.flags(link["flags"], link["is_remote"])))
        is_remote = parent is not None and parent["is_remote"]
        return message + field(16, self.flags(context["flags"], is_remote))

    def id(self, digits: str) -> bytes:
        return bytes.fromhex(digits)

    def flags(self, trace_flags: int, is_remote: bool) -> int:
        return trace_flags | (0x300 if is_remote else 0x100)


class JsonExporter(Exporter):
    """The same in JSON."""

    content_type = "application/json"
    kind: int | str = 1
    trace_id = "traceId"

    def encoded(self, spans: Sequence[Mapping[str, Any]]) -> bytes:
        rows = [self.row(span) for span in spans]
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": rows}]}]}).encode()

    def row(self, span: Mapping[str, Any]) -> dict[str, Any]:
        context = span["context"]
        links = [
            {self.trace_id: self.text(link["trace_id"]), "spanId": self.text(link["span_id"])}
            for link in span.get("links", ())
        ]
        ids = {
            self.trace_id: self.text(context["trace_id"]),
            "spanId": self.text(context["span_id"]),
        }
        return {**ids, "name": span["name"], "kind": self.kind, "links": links}

    def text(self, digits: str) -> str:
        return digits


class GrpcExporter(Exporter):
    """The same over gRPC."""

    retryable = frozenset({1, 4, 10, 11, 14, 15})

    def send(self, body: bytes) -> tuple[int, Any, bytes] | None:
        with grpc.insecure_channel(self.parts.netloc) as channel:
            try:
                call: Any = channel.unary_unary(METHOD)
                call(body, timeout=self.left())
            except grpc.RpcError as error:
                metadata: Any = error.trailing_metadata()
                trailers = dict(metadata or ())
                return error.code().value[0], trailers, b""
        return 0, {}, b""

    def is_success(self, status: int, headers: Mapping[str, str], body: bytes) -> bool:
        return status == 0

    def wait(self, answer: tuple[int, Any, bytes] | None, attempt: int) -> float | None:
        assert answer is not None
        status, trailers, _ = answer
        delay = self.retry_delay(trailers)
        if status in self.retryable or (status == 8 and delay is not None):
            return self.backoff(attempt) if delay is None else delay
        return None

    def retry_delay(self, trailers: Mapping[str, Any]) -> float | None:
        # The checker sends whole seconds, in the last octet.
        details = trailers.get("grpc-status-details-bin", b"")
        return float(details[-1]) if b"RetryInfo" in details else None


class Implementation:
    """All that is asked for, as the standard wants it; a fault differs in one operation."""

    http: type[Exporter] = Exporter
    json: type[Exporter] = JsonExporter
    grpc: type[Exporter] = GrpcExporter

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.logged: list[str] = []

    def variable(self, name: str) -> str:
        return self.environment.get(name, "")

    # Exports.

    def otlp_http_export(self, **arguments: Any) -> Any:
        return self.exports(self.http, **arguments)

    def otlp_json_export(self, **arguments: Any) -> Any:
        return self.exports(self.json, **arguments)

    def otlp_grpc_export(self, **arguments: Any) -> Any:
        return self.exports(self.grpc, **arguments)

    def exports(
        self,
        make: type[Exporter],
        endpoints: list[str],
        batches: list[list[dict[str, Any]]],
        timeout: int = 10_000,
        compression: str = "none",
    ) -> Any:
        spans = [[{**span, "context": _context(span)} for span in batch] for batch in batches]

        def export(endpoint: str) -> list[dict[str, Any]]:
            exporter = make(endpoint, timeout / 1000, compression)
            return [_result(exporter, batch) for batch in spans]

        with ThreadPoolExecutor(len(endpoints)) as pool:
            results = list(pool.map(export, endpoints))
        return {"exports": results, "spans": [[s["context"] for s in batch] for batch in spans]}

    def otlp_http_configured(self) -> Any:
        signal = self.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        url = signal or self.base_url(self.variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
        names = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
        text = next(filter(None, map(self.variable, names)), "")
        headers = [pair.partition("=") for pair in text.split(",") if pair]
        made = {name.strip(): self.header(value.strip()) for name, _, value in headers}
        return self.configured(self.http(url, self.timeout(), "none", made))

    def otlp_grpc_configured(self) -> Any:
        return self.configured(
            self.grpc(self.variable("OTEL_EXPORTER_OTLP_ENDPOINT"), self.timeout())
        )

    def configured(self, exporter: Exporter) -> Any:
        span = {"name": "s", "context": _context({})}
        return {**_result(exporter, [span]), "logged": self.logged}

    def base_url(self, base: str) -> str:
        return base.rstrip("/") + "/v1/traces"

    def header(self, value: str) -> str:
        return unquote(value)

    def timeout(self) -> float:
        millis = self.number("OTEL_EXPORTER_OTLP_TIMEOUT", 0, 10_000)
        return millis / 1000 if millis else 1e6

    def number(self, name: str, least: int, default: int) -> int:
        text = self.variable(name)
        if not text:
            return default
        if text.isdecimal() and int(text) >= least:
            return int(text)
        self.logged.append(f"{name} is not used")
        return default

    def processor_configured(self, count: int) -> Any:
        size = self.number("OTEL_BSP_MAX_QUEUE_SIZE", 1, 2048)
        self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, 512)
        self.number("OTEL_BSP_SCHEDULE_DELAY", 0, 5000)
        return {"exported": min(count, size), "logged": self.logged}

    def limits_configured(self) -> Any:
        most = self.number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 0, 128)
        return {"attributes": min(1, most), "logged": self.logged}

    def sampler_configured(self, count: int) -> Any:
        if self.variable("OTEL_TRACES_SAMPLER"):
            self.ratio(self.variable("OTEL_TRACES_SAMPLER_ARG"))
        return {"sampled": count, "logged": self.logged}

    def ratio(self, text: str) -> None:
        if not re.fullmatch("0(\\.[0-9]*)?|1(\\.0*)?", text):
            self.logged.append("the ratio is not used")

    def propagators_configured(self, span: Mapping[str, Any]) -> Any:
        text = self.variable("OTEL_PROPAGATORS") or "tracecontext,baggage"
        headers = []
        for name in self.unique(text.lower().split(",")):
            if name == "tracecontext":
                headers.append(["traceparent", "00"])
            elif name == "baggage":
                headers.append(["baggage", "key=value"])
            elif name != "none":
                self.unknown(name)
        return {"headers": headers, "logged": self.logged}

    def unique(self, names: list[str]) -> list[str]:
        return list(dict.fromkeys(names))

    def unknown(self, name: str) -> None:
        self.logged.append(f"{name} is not known")

    # Propagators.

    def propagators_composite(self, names: list[str]) -> Any:
        return {"injected": names, "extracted": names}

    def getter_get(self, headers: list[list[str]], name: str) -> Any:
        values = [value for key, value in headers if key == name]
        return {"value": values[0] if values else None, "values": values}

    def getter_keys(self, headers: list[list[str]]) -> Any:
        return {"keys": [name for name, _ in headers]}

    def setter_set(self, headers: list[list[str]]) -> Any:
        return {"headers": headers}

    def tracecontext_receive(self, headers: list[list[str]]) -> Any:
        held = {name.lower(): value for name, value in headers}
        _, trace_id, span_id, _ = held["traceparent"].split("-")
        return {"span": _span(trace_id, span_id)}

    def baggage_inject(self, entries: list[list[str]]) -> Any:
        return {"headers": [["baggage", f"a={len(entries)}"]]}

    def b3_extract(self, headers: list[list[str]]) -> Any:
        held = {name.lower(): value for name, value in headers}
        parts, state = self.b3_parts(held)
        if len(parts) < 2 or not self.b3_are_ids(*parts[:2]):
            return {"span": None}
        return {"span": _span(parts[0].rjust(32, "0"), parts[1], self.b3_sampled(state))}

    def b3_parts(self, held: Mapping[str, str]) -> tuple[list[str], str]:
        if "b3" in held:
            parts = held["b3"].split("-")
            return parts, "".join(parts[2:3])
        ids = [held.get("x-b3-traceid", ""), held.get("x-b3-spanid", "")]
        return ids, "d" if held.get("x-b3-flags") == "1" else held.get("x-b3-sampled", "")

    def b3_are_ids(self, trace_id: str, span_id: str) -> bool:
        are_hex = re.fullmatch("([0-9a-f]{16}){1,2}-[0-9a-f]{16}", f"{trace_id}-{span_id}")
        return are_hex is not None and trace_id.strip("0") != "" and span_id.strip("0") != ""

    def b3_sampled(self, state: str) -> int:
        return int(state in ("1", "d"))

    def b3_inject(self, span: Mapping[str, Any], form: str) -> Any:
        return self.b3_sent([span["trace_id"], span["span_id"], str(span["flags"])], form)

    def b3_relay(self, headers: list[list[str]], form: str) -> Any:
        parts, state = self.b3_parts(dict(headers))
        return self.b3_sent([*parts[:2], state], form)

    def b3_sent(self, parts: list[str], form: str) -> Any:
        if form == "single":
            return {"headers": [["b3", "-".join(parts)]]}
        state = ["x-b3-flags", "1"] if parts[2] == "d" else ["x-b3-sampled", parts[2]]
        return {"headers": [["x-b3-traceid", parts[0]], ["x-b3-spanid", parts[1]], state]}

    def b3_fields(self, form: str) -> Any:
        fields = ["x-b3-traceid", "x-b3-spanid", "x-b3-sampled"]
        return {"fields": ["b3"] if form == "single" else fields}


def _context(span: Mapping[str, Any]) -> dict[str, Any]:
    trace_id = (
        span["parent"]["trace_id"] if "parent" in span else f"{_random.getrandbits(127):032x}"
    )
    return _span(trace_id, f"{_random.getrandbits(63) + 1:016x}", 1)


def _span(trace_id: str, span_id: str, flags: int = 1) -> dict[str, Any]:
    return {"trace_id": trace_id, "span_id": span_id, "flags": flags}


def _result(exporter: Exporter, spans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    began = time.monotonic()
    result = "success" if exporter.export(spans) else "failure"
    return {"result": result, "seconds": time.monotonic() - began}


class Planted:
    """An implementation as a target; what repeats a case is the case itself."""

    def __init__(
        self, made: type[Implementation], environment: Mapping[str, str] | None = None
    ) -> None:
        self.made = made
        self.environment = environment or {}
        names = [name for name in dir(made) if name.startswith(_GROUPS)]
        offers = frozenset(name.replace("_", ".") for name in names)
        self.about = About(made.__name__, "1", "", offers - {"baggage.apply"})

    def ask(self, operation: str, arguments: Arguments, patience: float = 20) -> Any:
        try:
            asked = getattr(self.made(self.environment), operation.replace(".", "_"))
            return asked(**arguments)
        except Exception as error:
            return Raised(type(error).__name__, str(error))

    def within(self, environment: Mapping[str, str]) -> "Planted":
        return Planted(self.made, environment)

    def script(self, operation: str, arguments: Arguments) -> str:
        return json.dumps([operation, arguments])

    def run(self, script: str, patience: float = 20) -> Any:
        operation, arguments = json.loads(script)
        return setting.ask(self, operation, arguments, patience)

    def close(self) -> None:
        pass


_GROUPS = (
    *("otlp_", "processor_", "limits_", "sampler_", "propagators_", "getter_", "setter_"),
    *("tracecontext_", "baggage_", "b3_extract", "b3_inject", "b3_relay", "b3_fields"),
)


def raises(*_: Any, **__: Any) -> Any:
    raise ValueError("by the fault")


def exporting(**changes: Any) -> type[Implementation]:
    """An implementation whose exporter over HTTP differs."""
    return type("Faulty", (Implementation,), {"http": type("Http", (Exporter,), changes)})


def in_json(**changes: Any) -> type[Implementation]:
    return type("Faulty", (Implementation,), {"json": type("Json", (JsonExporter,), changes)})


def over_grpc(**changes: Any) -> type[Implementation]:
    return type("Faulty", (Implementation,), {"grpc": type("Grpc", (GrpcExporter,), changes)})


def differing(**changes: Any) -> type[Implementation]:
    return type("Faulty", (Implementation,), changes)


class Keeping(Exporter):
    """Sends what was refused with the next batch."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept: list[Any] = []

    def export(self, spans: Sequence[Mapping[str, Any]]) -> bool:
        self.kept += spans
        exported = super().export(list(self.kept))
        if exported:
            self.kept.clear()
        return exported


class Anew(Exporter):
    """Has its timeout for each attempt."""

    def wait(self, answer: tuple[int, Any, bytes] | None, attempt: int) -> float | None:
        wait = super().wait(answer, attempt)
        self.deadline = time.monotonic() + self.timeout + (wait or 0)
        return wait


def read_seconds(self: Implementation) -> float:
    return self.number("OTEL_EXPORTER_OTLP_TIMEOUT", 0, 10) or 1e6


def retries_partial(self: Exporter, answer: Any, attempt: int) -> float | None:
    if answer is not None and answer[0] == 200 and answer[2]:
        return 0.0 if attempt == 0 else None
    return Exporter.wait(self, answer, attempt)


def gives_up(self: Exporter, answer: Any, attempt: int) -> float | None:
    return None if answer is None else Exporter.wait(self, answer, attempt)


def exhausted_is_retried(self: Exporter, answer: Any, attempt: int) -> float | None:
    again = answer[0] == 8 and attempt == 0
    return 0.0 if again else GrpcExporter.wait(self, answer, attempt)  # type: ignore[arg-type]


def as_it_is(self: Any, value: Any) -> Any:
    return value


def multi_first(self: Implementation, held: Mapping[str, str]) -> tuple[list[str], str]:
    others = {name: value for name, value in held.items() if name != "b3"}
    return Implementation.b3_parts(self, others if "x-b3-traceid" in held else held)


def with_parent(self: Implementation, headers: Any, form: str) -> Any:
    sent = Implementation.b3_relay(self, headers, form)
    return {"headers": [*sent["headers"], ["x-b3-parentspanid", "1" * 16]]}


def without_debug(self: Implementation, parts: list[str], form: str) -> Any:
    return Implementation.b3_sent(self, [*parts[:2], parts[2].replace("d", "1")], form)


FAULTS: dict[str, tuple[str, type[Implementation]]] = {
    "429 is not retried": ("OT-01", exporting(retryable=frozenset({502, 503, 504}))),
    "500 is retried": ("OT-02", exporting(retryable=Exporter.retryable | {500})),
    "an unregistered status is retried": (
        "OT-02",
        exporting(retryable=Exporter.retryable | set(range(520, 600))),
    ),
    "Retry-After is not read": ("OT-03", exporting(retry_after=lambda self, value: None)),
    "a date is not read": (
        "OT-03",
        exporting(retry_after=lambda self, value: float(value) if value.isdecimal() else None),
    ),
    "waits do not grow": (
        "OT-04",
        exporting(backoff=lambda self, attempt: _random.uniform(0.2, 0.4)),
    ),
    "no retry without an answer": ("OT-05", exporting(wait=gives_up)),
    "a redirection is a success": (
        "OT-06",
        exporting(is_success=lambda self, status, headers, body: status < 400),
    ),
    "a partial success is retried": ("OT-07", exporting(wait=retries_partial)),
    "refused spans are sent again": ("OT-08", differing(http=Keeping)),
    "answers have no limit": ("OT-09", exporting(most_read=100 * MIB)),
    "requests have no limit": ("OT-10", exporting(most_sent=100 * MIB)),
    "another content type": ("OT-11", exporting(content_type="application/protobuf")),
    "gzip is not told": ("OT-11", exporting(coding=lambda self: {})),
    "an empty envelope": ("OT-12", exporting(is_sent=lambda self, spans: True)),
    "UNAVAILABLE is not retried": (
        "OT-13",
        over_grpc(retryable=GrpcExporter.retryable - {14}),
    ),
    "INTERNAL is retried": ("OT-13", over_grpc(retryable=GrpcExporter.retryable | {13})),
    "RESOURCE_EXHAUSTED is retried": ("OT-13", over_grpc(wait=exhausted_is_retried)),
    "RetryInfo is not read": ("OT-13", over_grpc(retry_delay=lambda self, trailers: None)),
    "base64 for ids": (
        "OT-14",
        in_json(text=lambda self, digits: base64.b64encode(bytes.fromhex(digits)).decode()),
    ),
    "the name of a kind": ("OT-14", in_json(kind="SPAN_KIND_INTERNAL")),
    "a name with underscores": ("OT-14", in_json(trace_id="trace_id")),
    "JSON by another content type": ("OT-14", in_json(content_type="text/json")),
    "another path": ("OT-15", differing(base_url=lambda self, base: f"{base}/v1/trace")),
    "two slashes": ("OT-15", differing(base_url=lambda self, base: f"{base}/v1/traces")),
    "a timeout for each attempt": ("OT-16", differing(http=Anew)),
    "an attempt that nothing ends": ("OT-16", exporting(left=lambda self: 60.0)),
    "headers stay encoded": ("OT-17", differing(header=as_it_is)),
    "the user agent of a library": ("OT-18", exporting(user_agent="python-requests/2.32")),
    "no user agent": ("OT-18", exporting(user_agent="")),
    "ids as digits": ("ID-04", exporting(id=lambda self, digits: digits.encode())),
    "ids that are cut": ("ID-04", exporting(id=lambda self, digits: bytes.fromhex(digits)[-8:])),
    "no trace flags": (
        "ID-05",
        exporting(flags=lambda self, trace_flags, is_remote: 0x300 if is_remote else 0x100),
    ),
    "remote without known": (
        "ID-05",
        exporting(flags=lambda self, trace_flags, is_remote: trace_flags | is_remote << 9),
    ),
    "seconds for milliseconds": ("CF-01", differing(timeout=read_seconds)),
    "a negative timeout is taken": (
        "CF-01",
        differing(timeout=lambda self: int(self.variable("OTEL_EXPORTER_OTLP_TIMEOUT")) / 1000),
    ),
    "nothing is warned of": (
        "CF-01",
        differing(logged=property(lambda self: [], lambda self, value: None)),
    ),
    "0 is no time at all": (
        "CF-02",
        differing(timeout=lambda self: self.number("OTEL_EXPORTER_OTLP_TIMEOUT", 0, 10_000) / 1000),
    ),
    "a number that is none is raised": (
        "CF-03",
        differing(number=lambda self, name, least, default: int(self.variable(name) or default)),
    ),
    "the ratio is raised": ("CF-04", differing(ratio=lambda self, text: float(text or 1) and None)),
    "the ratio is not logged": ("CF-04", differing(ratio=lambda self, text: None)),
    "propagators come twice": ("CF-05", differing(unique=as_it_is)),
    "an unknown propagator is raised": ("CF-05", differing(unknown=raises)),
    "an empty number is raised": (
        "CF-06",
        differing(
            number=lambda self, name, least, default: int(self.environment.get(name, default))
        ),
    ),
    "empty propagators are none": (
        "CF-06",
        differing(
            propagators_configured=lambda self, span: (
                Implementation.propagators_configured(self, span)
                if self.environment.get("OTEL_PROPAGATORS", "none")
                else raises()
            )
        ),
    ),
    "headers in their own case alone": (
        "TP-06",
        differing(
            tracecontext_receive=lambda self, headers: (
                Implementation.tracecontext_receive(self, headers)
                if headers[0][0].istitle()
                else {"span": None}
            )
        ),
    ),
    "baggage beyond ASCII": (
        "PR-02",
        differing(
            baggage_inject=lambda self, entries: {"headers": [["baggage", f"a={entries[0][1]}"]]}
        ),
    ),
    "the last value": (
        "PR-03",
        differing(getter_get=lambda self, headers, name: {"value": dict(headers).get(name)}),
    ),
    "values in another order": (
        "PR-04",
        differing(
            getter_get=lambda self, headers, name: {
                "value": None,
                "values": sorted(value for key, value in headers if key == name),
            }
        ),
    ),
    "names are missing": (
        "PR-05",
        differing(getter_keys=lambda self, headers: {"keys": [n for n, _ in headers[:1]]}),
    ),
    "names in lower case": (
        "PR-05",
        differing(
            setter_set=lambda self, headers: {"headers": [[n.lower(), v] for n, v in headers]}
        ),
    ),
    "the other way round": (
        "PR-06",
        differing(
            propagators_composite=lambda self, names: {
                "injected": names,
                "extracted": names[::-1],
            }
        ),
    ),
    "another default": (
        "PR-08",
        differing(
            propagators_configured=lambda self, span: {"headers": [["b3", "0"]], "logged": []}
        ),
    ),
    "several headers win": ("PR-09", differing(b3_parts=multi_first)),
    "debug is not sampled": ("PR-09", differing(b3_sampled=lambda self, state: int(state == "1"))),
    "debug is not sent on": ("PR-09", differing(b3_sent=without_debug)),
    "the parent is sent": ("PR-09", differing(b3_relay=with_parent)),
    "fields of the other form": (
        "PR-09",
        differing(b3_fields=lambda self, form: {"fields": ["b3"]}),
    ),
    "ids of zeros": ("PR-01", differing(b3_are_ids=lambda self, a, b: len(a + b) == 48)),
}

# The waits of threads at the same time differ on a busy machine: asked by itself.
EVEN = exporting(first_backoff=1.0, backoff=lambda self, attempt: 1.0 * 2**attempt)


def checked(made: type[Implementation], *prefixes: str) -> list[run.Result]:
    checks = [each for each in every_check() if each.name.startswith(prefixes)]
    return list(run.run(Planted(made), run.Options(cases=30), checks))


def found(results: list[run.Result]) -> dict[str, Verdict]:
    quiet = (Verdict.OK, Verdict.NOT_OFFERED)
    return {r.check.name: r.verdict for r in results if r.verdict not in quiet}


def planted(name: str) -> tuple[dict[str, Verdict], set[str]]:
    """What is found of a fault, by its name, and the requirements of which there were cases."""
    prefixes, made = (
        (OWN, Implementation) if name == RIGHT else ((FAULTS[name][0],), FAULTS[name][1])
    )
    results = checked(made, *prefixes)
    return found(results), {result.check.requirement.id for result in results if result.cases}


RIGHT = ""
"""The name of no fault."""

Running = Mapping[str, Future[tuple[dict[str, Verdict], set[str]]]]


# In processes, as Hypothesis reads sources, which threads cannot do at the same time.
@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with ProcessPoolExecutor(8, get_context("spawn")) as pool:
        yield {name: pool.submit(planted, name) for name in (RIGHT, *FAULTS)}


def test_what_is_right_is_left_in_peace(running: Running) -> None:
    verdicts, checked = running[RIGHT].result()
    assert verdicts == {}
    assert checked >= {id for id, _ in FAULTS.values()}


def test_even_waits() -> None:
    results = checked(EVEN, "OT-04 the jitter")
    assert found(results) == {"OT-04 the jitter of the backoff": Verdict.DEVIATES}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, running: Running) -> None:
    verdicts, _ = running[fault].result()
    assert set(verdicts.values()) & {Verdict.DEVIATES, Verdict.ADVISORY}
    assert Verdict.ERROR not in verdicts.values()


# A package, as it is asked and as its scripts ask it again: what is sent for no spans, what
# comes of variables, and one with which it cannot be imported.
OF_PACKAGE = {
    "OT-12 no spans": Verdict.ADVISORY,
    "CF-02 a timeout of 0": Verdict.ADVISORY,
    "CF-03 a limit of attributes that is out of range, or no number": Verdict.ADVISORY,
    "CF-05 propagators that are named twice": Verdict.DEVIATES,
}


@pytest.mark.parametrize("is_known", [True, False])
def test_scripts_show_what_was_seen(is_known: bool, tmp_path: Path) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text(program.agent("opentelemetry"))
    command = [sys.executable, str(agent)]
    target = PackageTarget("opentelemetry", sys.executable) if is_known else ProcessTarget(command)
    checks = [each for each in every_check() if each.name in OF_PACKAGE]
    try:
        results = list(run.run(target, run.Options(), checks))
    finally:
        target.close()
    assert found(results) == OF_PACKAGE


def test_a_script_receives_over_grpc() -> None:
    arguments = grpc_exports([[{"code": 3}]])
    with closing(PackageTarget("opentelemetry", sys.executable)) as target:
        answer = target.run(target.script("otlp.grpc.export", arguments))
    assert answer["exports"][0][0]["result"] == "failure"
    assert [len(requests) for requests in answer["received"]] == [1]


def test_a_body_in_chunks_is_received() -> None:
    pieces = [b"ab", b"", b"c" * 70_000]
    with closing(Receiver([])) as receiver:
        connection = http.client.HTTPConnection(receiver.address)
        connection.request("POST", "/x", iter(pieces), encode_chunked=True)
        assert connection.getresponse().status == 200
        connection.close()
    assert content(receiver.received[0]) == b"".join(pieces)


def test_messages_that_are_not_canonical_are_read_if_they_may_be() -> None:
    backwards = field(2, b"b") + field(1, b"a")
    assert wire.read(backwards, canonical=False) == {1: [b"a"], 2: [b"b"]}
    with pytest.raises(ValueError, match="the field 1"):
        wire.read(backwards)
    with pytest.raises(ValueError, match="the varint"):
        wire.read(b"\x08\x81\x00")
    assert wire.read(b"\x08\x81\x00", canonical=False) == {1: [1]}
