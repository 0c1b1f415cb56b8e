"""A service for the validation suite of W3C Trace Context.

``python -m tests.w3c_service --port 5000`` serves until it is interrupted. A POST whose
body is a JSON list of ``{"url", "arguments"}`` makes the service POST each ``arguments``
to its ``url``, within a server span that continues the trace of the request and a client
span for each request that it makes, both of opentelemetry-sdk and propagated by the
verified propagators. The answer comes after all of them.
"""

import argparse
import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import TracerProvider

from verified.otel import (
    HeadersGetter,
    VerifiedBaggagePropagator,
    VerifiedTraceContextPropagator,
)
from verified.otel.id_generator import VerifiedIdGenerator

TIMEOUT = 5.0
"""How long another service may take to answer, in seconds."""

tracer = TracerProvider(id_generator=VerifiedIdGenerator()).get_tracer(__name__)
propagator = CompositePropagator([VerifiedTraceContextPropagator(), VerifiedBaggagePropagator()])
getter = HeadersGetter()


def post(url: str, arguments: Any) -> None:
    """Send the arguments to the service at this address."""
    headers = {"Content-Type": "application/json"}
    with tracer.start_as_current_span("POST"):
        propagator.inject(headers)
        with urlopen(Request(url, json.dumps(arguments).encode(), headers), timeout=TIMEOUT):
            pass


class Handler(BaseHTTPRequestHandler):
    """Does what the body of a request asks for."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        context = propagator.extract(self.headers, getter=getter)
        with tracer.start_as_current_span("request", context):
            try:
                for action in json.loads(body or "null") or ():
                    post(action["url"], action.get("arguments", []))
            except (ValueError, TypeError, KeyError, AttributeError):
                self.answer(400)
            except OSError:
                self.answer(502)
            else:
                self.answer(200)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def server(port: int) -> ThreadingHTTPServer:
    """A server on this port of the local host; on any that is free if it is 0."""
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.w3c_service", description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    with server(parser.parse_args().port) as running:
        print(f"http://127.0.0.1:{running.server_port}/test", flush=True)
        with suppress(KeyboardInterrupt):
            running.serve_forever()


if __name__ == "__main__":
    main()
