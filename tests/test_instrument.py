"""What README.md says of OpenTelemetry, run as it stands there, and the API without an SDK."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

import verified

ROOT = Path(verified.__file__).parents[1]
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
HEADERS = {
    "traceparent": f"00-{TRACE}-{SPAN}-03",
    # A key that Level 1 does not know, and a property: opentelemetry-api sends neither on.
    "tracestate": "0b@@=1",
    "baggage": "a=1;p=2",
}

# A client and a server that know of OpenTelemetry's API and of headers, and of nothing else.
APP = """
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.request import Request, urlopen

from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter

tracer = trace.get_tracer("app")


class Headers(Getter):
    def get(self, carrier, key):
        return carrier.get_all(key)

    def keys(self, carrier):
        return carrier.keys()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        context = propagate.extract(self.headers, getter=Headers())
        with tracer.start_as_current_span("server", context) as span:
            sent = {}
            propagate.inject(sent, trace.set_span_in_context(span, context))
        self.send_response(200)
        self.end_headers()
        received = {name.lower(): value for name, value in self.headers.items()}
        self.wfile.write(json.dumps({"received": received, "sent": sent}).encode())

    def log_message(self, format, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
Thread(target=server.serve_forever, daemon=True).start()


def get(context):
    with tracer.start_as_current_span("client", context) as span:
        headers = {}
        propagate.inject(headers, trace.set_span_in_context(span, context))
        with urlopen(Request(f"http://127.0.0.1:{server.server_port}", headers=headers)) as found:
            return json.load(found)


print(
    json.dumps(
        {
            "propagators": [type(p).__name__ for p in propagate.get_global_textmap()._propagators],
            "ids": type(getattr(trace.get_tracer_provider(), "id_generator", None)).__name__,
            "continued": get(propagate.extract(HEADERS)),
            "started": get(propagate.extract({})),
        }
    )
)
"""


def run(
    command: list[str], directory: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the verified package, and of OTEL_ the variables given here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        command,
        cwd=directory,
        env=kept | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done


def example() -> str:
    """The command of README.md, with the lines that it goes on over."""
    (command,) = re.findall(
        r"(?:^    .*\\\n)*^    opentelemetry-instrument .*$", README, re.MULTILINE
    )
    return str(command)


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    """Needs the package to be installed, as entry points are its metadata."""
    (tmp_path / "app.py").write_text(f"HEADERS = {HEADERS!r}\n{APP}", encoding="utf-8")
    done = run(
        ["sh", "-c", example()],
        tmp_path,
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        # As README.md says where no exporter is installed.
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["propagators"] == ["VerifiedTraceContextPropagator", "VerifiedBaggagePropagator"]
    assert found["ids"] == "VerifiedIdGenerator"
    parents = [HEADERS["traceparent"]]
    for headers in (found["continued"]["received"], found["continued"]["sent"]):
        assert headers["traceparent"][:36] == parents[0][:36]
        assert headers["traceparent"][52:] == "-03"
        assert headers["traceparent"] not in parents
        parents.append(headers["traceparent"])
        assert headers["tracestate"] == HEADERS["tracestate"]
        assert headers["baggage"] == HEADERS["baggage"]
    received, sent = found["started"]["received"], found["started"]["sent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-03", received["traceparent"])
    assert received["traceparent"][:36] == sent["traceparent"][:36] != parents[0][:36]
    assert not {"tracestate", "baggage"} & {*received, *sent}


def test_what_the_readme_installs_is_what_is_needed() -> None:
    assert "pip install 'verified-otlp[otel]' 'opentelemetry-distro[otlp]'" in README
    ours, distro = requires("verified-otlp") or [], requires("opentelemetry-distro") or []
    assert any(re.fullmatch("opentelemetry-api[^;]*; extra == ['\"]otel['\"]", o) for o in ours)
    assert any(re.fullmatch("opentelemetry-sdk[^;]*", each) for each in distro)
    assert any(re.match("opentelemetry-exporter-otlp.*extra == ['\"]otlp['\"]", d) for d in distro)


# Run where opentelemetry-sdk cannot be imported.
WITHOUT_SDK = """
import sys
sys.modules["opentelemetry.sdk"] = None
import json
from opentelemetry import propagate, trace
from opentelemetry.context import Context
before = [type(each).__name__ for each in propagate.get_global_textmap()._propagators]
import verified.otel
after = [type(each).__name__ for each in propagate.get_global_textmap()._propagators]
traces = verified.otel.VerifiedTraceContextPropagator()
tracer = trace.get_tracer("app")

def passed_on(headers):
    context = traces.extract(headers)
    parent = trace.get_current_span(context).get_span_context()
    sent = {}
    with tracer.start_as_current_span("no operation", context) as span:
        assert not span.is_recording()
        assert span.get_span_context() == parent
        if parent.is_valid:
            assert span.get_span_context() is parent
        traces.inject(sent)
    return sent

chosen = {}
propagate.inject(chosen, propagate.extract(HEADERS))
print(
    json.dumps(
        {
            "before": before,
            "after": after,
            "sent": passed_on(HEADERS),
            "nothing": passed_on({}),
            "chosen": chosen,
        }
    )
)
"""


@pytest.mark.parametrize(
    ("chosen", "names", "headers"),
    [
        (
            None,
            ["TraceContextTextMapPropagator", "W3CBaggagePropagator"],
            {"traceparent": HEADERS["traceparent"], "baggage": "a=1%3Bp%3D2"},
        ),
        ("none", [], {}),
        ("verified_tracecontext", ["VerifiedTraceContextPropagator"], None),
        (
            "verified_tracecontext,verified_baggage",
            ["VerifiedTraceContextPropagator", "VerifiedBaggagePropagator"],
            HEADERS,
        ),
    ],
)
def test_without_an_sdk(
    tmp_path: Path, chosen: str | None, names: list[str], headers: dict[str, str] | None
) -> None:
    """The parent that was extracted is that of the span, and is sent on as it came (SC-08).

    The global propagators are those that were chosen, and importing ours chooses none (PR-08).
    """
    environment = {} if chosen is None else {"OTEL_PROPAGATORS": chosen}
    code = f"HEADERS = {HEADERS!r}\n{WITHOUT_SDK}"
    found = json.loads(run([sys.executable, "-c", code], tmp_path, **environment).stdout)
    trace_context = {name: HEADERS[name] for name in ("traceparent", "tracestate")}
    assert found["before"] == found["after"] == names
    assert found["sent"] == trace_context
    assert found["nothing"] == {}
    assert found["chosen"] == (trace_context if headers is None else headers)
