"""A real Collector's file holds exactly the spans that a real application ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COLLECTOR = ROOT / "build" / "collector" / "collector"
APP = Path(__file__).with_name("app.py")
LOAD = Path(__file__).with_name("load.py")
DEADLINE_SECONDS = 30


class Collector:
    """A Collector as a process; its file is read once it has ended."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "spans.json"
        self.log = folder / "collector.log"
        with (
            socket.create_server(("127.0.0.1", 0)) as a,
            socket.create_server(("127.0.0.1", 0)) as b,
        ):
            self.ports = {"http/protobuf": a.getsockname()[1], "grpc": b.getsockname()[1]}
        configuration = {
            "receivers": {
                "otlp": {
                    "protocols": {
                        name: {"endpoint": f"127.0.0.1:{self.ports[protocol]}"}
                        for name, protocol in (("http", "http/protobuf"), ("grpc", "grpc"))
                    }
                }
            },
            "exporters": {"file": {"path": str(self.file)}},
            "service": {
                "telemetry": {"metrics": {"level": "none"}},
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            },
        }
        path = folder / "collector.json"
        path.write_text(json.dumps(configuration))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [COLLECTOR, "--config", str(path)], stdout=log, stderr=log
            )

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


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    running = Collector(tmp_path)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.process.kill()
        running.process.wait()


# The SDK's own exporter is the control: what it sends the harness must find too.
@pytest.mark.parametrize("exporter", ["verified_otlp", "otlp"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_file_holds_what_was_ended(
    collector: Collector, protocol: str, compression: str, exporter: str
) -> None:
    port = collector.ports[protocol]
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
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        }
        | ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"} if compression == "gzip" else {}),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )
    assert app.returncode == 0, app.stderr
    sent = json.loads(app.stdout)
    assert len(sent) == 11

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
    port = collector.ports[protocol]
    path = "/v1/traces" if protocol == "http/protobuf" else ""
    app = subprocess.run(
        [sys.executable, LOAD, protocol, f"http://127.0.0.1:{port}{path}"],
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
