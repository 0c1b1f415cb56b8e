"""A service that speaks the protocol of the W3C validation suite, as a target.

It is sent a request with the headers in question, whose body asks it to call back; the headers
of its call are the answer to ``tracecontext.continue``.
"""

import http.client
import inspect
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

from .target import PATIENCE, About, Arguments, Gone, Refused, Unfit, run_python

_OPERATIONS = ("tracecontext.continue", "http.continue")


def ask_service(address: str, headers: list[list[str]], patience: float) -> dict[str, Any]:
    """Send a service a request with these headers; return those of the call that it makes."""
    calls: list[list[list[str]]] = []

    class Callback(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            calls.append([[name, value] for name, value in self.headers.items()])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    where = urlsplit(address)
    with HTTPServer(("127.0.0.1", 0), Callback) as server:
        server.timeout = patience
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        body = json.dumps([{"url": url, "arguments": []}]).encode()
        client = http.client.HTTPConnection(where.hostname or "", where.port, timeout=patience)
        client.putrequest("POST", where.path or "/")
        for name, value in headers:
            client.putheader(name, value.encode("latin-1"))
        client.putheader("Content-Type", "application/json")
        client.putheader("Content-Length", str(len(body)))
        client.endheaders(body)
        client.getresponse().read()
        client.close()
        thread.join()
    return {"headers": calls[0]}


class ServiceTarget:
    """A service by its address, ``http://host:port/path``.

    :raises Gone: if it cannot be reached, or does not call back.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.about = About(
            urlsplit(address).netloc, "", "a service over HTTP", frozenset(_OPERATIONS)
        )
        self.ask("tracecontext.continue", {"headers": []}, 5)

    def ask(self, operation: str, arguments: Arguments, patience: float = PATIENCE) -> Any:
        if operation not in _OPERATIONS:
            raise Refused(f"a service has no {operation}")
        headers = arguments["headers"]
        if not all(map(_can_be_sent, headers)):
            raise Unfit("no HTTP message has such a header")
        try:
            return ask_service(self.address, headers, patience)
        except (OSError, http.client.HTTPException) as error:
            raise Gone(f"the service did not answer: {error!r}") from None
        except IndexError:
            raise Gone("the service did not call back") from None

    def script(self, operation: str, arguments: Arguments) -> str:
        return "\n".join(
            [
                "import http.client",
                "import json",
                "import threading",
                "from http.server import BaseHTTPRequestHandler, HTTPServer",
                "from typing import Any",
                "from urllib.parse import urlsplit",
                "",
                inspect.getsource(ask_service),
                f"headers = {arguments['headers']!a}",
                f"print(json.dumps(ask_service({self.address!r}, headers, 20)))",
                "",
            ]
        )

    def run(self, script: str, patience: float = PATIENCE) -> Any:
        return run_python(script, patience)

    def close(self) -> None:
        """Leave the service alone, which somebody else started."""


def _can_be_sent(header: list[str]) -> bool:
    """Whether a header can be in a message as it is (RFC 9110, section 5.5)."""
    value = header[1]
    visible = all(c == "\t" or " " <= c <= "~" or "\x80" <= c <= "\xff" for c in value)
    return visible and value == value.strip(" \t")
