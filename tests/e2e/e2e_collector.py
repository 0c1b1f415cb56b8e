"""A real Collector's file holds exactly the spans that a real application ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "build" / "collector" / "collector"
APP = Path(__file__).with_name("app.py")
LOAD = Path(__file__).with_name("load.py")
STEPS = Path(__file__).with_name("steps.py")
PATHS = {"http/protobuf": "/v1/traces", "grpc": ""}
DEADLINE_SECONDS = 30


class Collector:
    """A Collector as a process; its file is read once it has ended.

    If it has an authority it speaks TLS alone, and to those whom the same authority has given a
    certificate.
    """

    def __init__(self, folder: Path, authority: trustme.CA | None = None) -> None:
        self.file = folder / "spans.json"
        self.log = folder / "collector.log"
        with (
            socket.create_server(("127.0.0.1", 0)) as a,
            socket.create_server(("127.0.0.1", 0)) as b,
        ):
            self.ports = {"http/protobuf": a.getsockname()[1], "grpc": b.getsockname()[1]}
        self.scheme = "http" if authority is None else "https"
        tls = {} if authority is None else {"tls": server_files(folder, authority)}
        configuration = {
            "receivers": {
                "otlp": {
                    "protocols": {
                        name: {"endpoint": f"127.0.0.1:{self.ports[protocol]}", **tls}
                        for name, protocol in (("http", "http/protobuf"), ("grpc", "grpc"))
                    }
                }
            },
            "exporters": {"file": {"path": str(self.file), "append": True}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        }
        self.configuration = folder / "collector.json"
        self.configuration.write_text(json.dumps(configuration))
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [COLLECTOR, "--config", str(self.configuration)], stdout=log, stderr=log
            )

    def endpoint(self, protocol: str, path: str = "") -> str:
        return f"{self.scheme}://127.0.0.1:{self.ports[protocol]}{path}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        for port in self.ports.values():
            while True:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.02)

    def stop(self) -> list[dict[str, Any]]:
        """What the file holds after a clean end, as the application writes it."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_SECONDS) == 0, self.log.read_text()
        return [span for line in self.file.read_text().splitlines() for span in spans(line)]


def pem(path: Path, *blobs: trustme.Blob) -> str:
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return str(path)


def server_files(folder: Path, authority: trustme.CA) -> dict[str, str]:
    certificate = authority.issue_cert("127.0.0.1")
    return {
        "cert_file": pem(folder / "server.pem", *certificate.cert_chain_pems),
        "key_file": pem(folder / "server.key", certificate.private_key_pem),
        "client_ca_file": pem(folder / "ca.pem", authority.cert_pem),
    }


def client_environment(folder: Path, authority: trustme.CA) -> dict[str, str]:
    certificate = authority.issue_cert("client@example.org")
    prefix = "OTEL_EXPORTER_OTLP_"
    return {
        prefix + "CERTIFICATE": pem(folder / "ca.pem", authority.cert_pem),
        prefix + "CLIENT_KEY": pem(folder / "client.key", certificate.private_key_pem),
        prefix + "CLIENT_CERTIFICATE": pem(folder / "client.pem", *certificate.cert_chain_pems),
    }


def value(any_value: dict[str, Any]) -> object:
    ((kind, inner),) = any_value.items()
    if kind == "arrayValue":
        return [value(each) for each in inner.get("values", [])]
    return int(inner) if kind == "intValue" else inner


def attributes(message: dict[str, Any]) -> dict[str, object]:
    return {each["key"]: value(each["value"]) for each in message.get("attributes", [])}


def spans(line: str) -> Iterator[dict[str, Any]]:
    for of_resource in json.loads(line)["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            scope = of_scope["scope"]
            for span in of_scope["spans"]:
                status = span.get("status", {})
                yield {
                    "traceId": span["traceId"],
                    "spanId": span["spanId"],
                    "parentSpanId": span.get("parentSpanId", ""),
                    "traceState": span.get("traceState", ""),
                    "flags": span.get("flags", 0),
                    "name": span["name"],
                    "kind": span["kind"],
                    "start": int(span["startTimeUnixNano"]),
                    "end": int(span["endTimeUnixNano"]),
                    "status": [status.get("code", 0), status.get("message", "")],
                    "attributes": attributes(span),
                    "events": [
                        [event["name"], int(event["timeUnixNano"]), attributes(event)]
                        for event in span.get("events", [])
                    ],
                    "links": [
                        [
                            link["traceId"],
                            link["spanId"],
                            link.get("traceState", ""),
                            link.get("flags", 0),
                            attributes(link),
                        ]
                        for link in span.get("links", [])
                    ],
                    "resource": attributes(of_resource["resource"]),
                    "scope": [scope["name"], scope.get("version", ""), attributes(scope)],
                }


@contextmanager
def running(folder: Path, authority: trustme.CA | None = None) -> Iterator[Collector]:
    collector = Collector(folder, authority)
    try:
        collector.wait_until_ready()
        yield collector
    finally:
        collector.process.kill()
        collector.process.wait()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with running(tmp_path) as collector:
        yield collector


def run_app(
    collector: Collector, protocol: str, exporter: str, environment: dict[str, str]
) -> list[dict[str, Any]]:
    """What an application says it ended that is configured by its environment alone."""
    app = subprocess.run(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, APP],
        env={
            "PATH": os.environ["PATH"],
            "OTEL_PROPAGATORS": "verified_tracecontext,verified_baggage",
            "OTEL_PYTHON_ID_GENERATOR": "verified",
            "OTEL_TRACES_EXPORTER": exporter,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "e2e",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint(protocol),
        }
        | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert app.returncode == 0, app.stderr
    sent: list[dict[str, Any]] = json.loads(app.stdout)
    assert len(sent) == 11
    return sent


# The SDK's own exporter is the control: what it sends the harness must find too.
@pytest.mark.parametrize("exporter", ["verified_otlp", "otlp"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_file_holds_what_was_ended(
    collector: Collector, protocol: str, compression: str, exporter: str
) -> None:
    gzip = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"} if compression == "gzip" else {}
    sent = run_app(collector, protocol, exporter, gzip)

    def by_id(span: dict[str, Any]) -> str:
        return str(span["spanId"])

    if exporter == "otlp":
        # The SDK's own exporter leaves out the flags of the trace (bits 0 to 7) and the
        # trace state of a link.
        for span in sent:
            span["flags"] &= 0x300
            for link in span["links"]:
                link[2] = ""
                link[3] &= 0x300
    received = sorted(collector.stop(), key=by_id)
    sent.sort(key=by_id)
    assert [span["spanId"] for span in received] == [span["spanId"] for span in sent]
    for theirs, ours in zip(received, sent, strict=True):
        for field in ours:
            assert theirs[field] == ours[field], field


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_every_span_of_threads_and_of_a_fork_is_in_the_file_once(
    collector: Collector, protocol: str
) -> None:
    app = subprocess.run(
        [sys.executable, LOAD, protocol, collector.endpoint(protocol, PATHS[protocol])],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert app.returncode == 0, app.stderr
    exported = [json.loads(line) for line in app.stdout.splitlines()]
    received = [span["spanId"] for span in collector.stop()]
    assert len(received) == len(set(received)) == sum(each["exported"] for each in exported)
    for each in exported:
        assert each["accepted"] == each["exported"] + each["discarded"]
        assert each["accepted"] + each["full"] == each["ended"]


@pytest.mark.parametrize("exporter", ["verified_otlp", "otlp"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_spans_come_over_tls_from_those_who_have_a_certificate(
    tmp_path: Path, protocol: str, exporter: str
) -> None:
    authority = trustme.CA()
    certificates = client_environment(tmp_path, authority)
    # Without a certificate of its own, and with one that the Collector does not know.
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    trust = {"OTEL_EXPORTER_OTLP_CERTIFICATE": certificates["OTEL_EXPORTER_OTLP_CERTIFICATE"]}
    quick = {"OTEL_EXPORTER_OTLP_TIMEOUT": "500" if exporter == "verified_otlp" else "1"}
    with running(tmp_path, authority) as collector:
        run_app(collector, protocol, exporter, {**trust, **quick})
        other = client_environment(stranger, trustme.CA())
        run_app(collector, protocol, exporter, {**other, **trust, **quick})
        sent = run_app(collector, protocol, exporter, certificates)
        received = collector.stop()
    assert sorted(span["spanId"] for span in received) == sorted(span["spanId"] for span in sent)


class Steps:
    """An application that ends spans while a test looks on."""

    def __init__(self, collector: Collector, protocol: str, pause: float) -> None:
        endpoint = collector.endpoint(protocol, PATHS[protocol])
        self.process = subprocess.Popen(
            [sys.executable, STEPS, protocol, endpoint, str(pause)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # What waits for the application ends with it.
        self.timer = threading.Timer(DEADLINE_SECONDS, self.process.kill)
        self.timer.start()

    def wait_for(self, count: str, number: int) -> None:
        """Wait until a count of the application has come to this number."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = f"{count} {number}\n"
        self.process.stdin.write(asked)
        self.process.stdin.flush()
        assert self.process.stdout.readline() == asked

    def end(self) -> tuple[dict[str, int], list[str]]:
        """What became of the spans, and their ids, once the application has ended."""
        out, errors = self.process.communicate()
        self.timer.cancel()
        assert self.process.returncode == 0, errors
        said = json.loads(out)
        return said["counts"], said["ids"]


def check(counts: dict[str, int], ended: list[str], received: list[str]) -> None:
    """Each span that was accepted is accounted for, and the file holds what was exported."""
    over = sum(counts[name] for name in ("exported", "rejected", "failed", "unknown", "discarded"))
    assert counts["queued"] == counts["in_flight"] == 0
    assert counts["accepted"] == over > 0
    assert counts["exported"] <= len(received) <= counts["exported"] + counts["unknown"]
    assert len(received) == len(set(received))
    assert set(received) <= set(ended)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_ends_while_the_collector_restarts_arrives_once(
    collector: Collector, protocol: str
) -> None:
    app = Steps(collector, protocol, 0.002)
    app.wait_for("exported", 20)
    collector.stop()
    # Many more than come in the delay between two exports.
    app.wait_for("queued", 300)
    collector.start()
    collector.wait_until_ready()
    app.wait_for("exported", 400)
    counts, ended = app.end()
    received = [span["spanId"] for span in collector.stop()]
    check(counts, ended, received)
    assert counts["retries"] > 0
    assert counts["full"] == counts["failed"] == counts["rejected"] == counts["discarded"] == 0
    assert len(ended) == counts["accepted"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_a_terminated_application_says_was_exported_is_in_the_file(
    collector: Collector, protocol: str
) -> None:
    app = Steps(collector, protocol, 0)
    app.wait_for("exported", 1000)
    app.process.send_signal(signal.SIGTERM)
    counts, ended = app.end()
    received = [span["spanId"] for span in collector.stop()]
    check(counts, ended, received)
    assert counts["unknown"] == counts["failed"] == counts["discarded"] == 0
    assert counts["exported"] >= 1000
