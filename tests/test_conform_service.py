"""``verified conform http://…``: services that speak the protocol of the W3C validation suite."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import pytest

from proofs.conform.check import Verdict
from proofs.conform.checks import every_check
from proofs.conform.run import Options, run
from proofs.conform.service import ServiceTarget
from proofs.conform.target import Gone
from tests import w3c_service

SENDABLE = ("TP-01", "TP-02", "TP-05", "TP-06", "TP-22", "TS-13")


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/test"
        finally:
            server.shutdown()
            thread.join()


class PassesOn(w3c_service.Handler):
    """A service that sends on what it got, whatever it is."""

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = ("traceparent", "tracestate")
        headers = {name: value for name, value in self.headers.items() if name in names}
        for action in body:
            with urlopen(Request(action["url"], b"[]", headers), timeout=5):
                pass
        self.answer(200)


class Silent(w3c_service.Handler):
    """A service that calls nobody."""

    def do_POST(self) -> None:  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)


def verdicts(address: str) -> dict[str, set[Verdict]]:
    checks = [each for each in every_check() if each.requirement.id in SENDABLE]
    found: dict[str, set[Verdict]] = {}
    for result in run(ServiceTarget(address), Options(cases=15), checks):
        if result.verdict is not Verdict.NOT_OFFERED:
            found.setdefault(result.check.requirement.id, set()).add(result.verdict)
    return found


def test_a_service_with_the_verified_parts_is_left_in_peace() -> None:
    with serving(w3c_service.Handler) as address:
        assert verdicts(address) == {id: {Verdict.OK} for id in SENDABLE}


def test_a_service_that_passes_on_what_it_got_is_found_out() -> None:
    with serving(PassesOn) as address:
        found = verdicts(address)
    assert Verdict.DEVIATES in found["TP-02"]
    assert Verdict.DEVIATES in found["TP-05"]
    assert found["TP-22"] == {Verdict.DEVIATES}
    assert found["TS-13"] == {Verdict.OK}


def test_a_service_that_calls_nobody_cannot_be_checked() -> None:
    with serving(Silent) as address, pytest.raises(Gone, match="did not call back"):
        ServiceTarget(address)


def test_a_service_that_is_not_there_cannot_be_checked() -> None:
    with pytest.raises(Gone, match="did not answer"):
        ServiceTarget("http://127.0.0.1:9/test")
