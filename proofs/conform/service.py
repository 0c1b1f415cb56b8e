"""A service that speaks the protocol of the W3C validation suite, as a target.

It is sent a request with the headers in question, whose body asks it to call back; the headers
of its call are the answer to ``tracecontext.continue``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from .target import PATIENCE, About, Arguments, Refused


class ServiceTarget:
    """A service by its address.

    :raises Gone: if it cannot be reached, or does not call back.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._callback = _Callback()
        try:
            self._post([], PATIENCE)
        except BaseException:
            self.close()
            raise
        self.about = About(
            urlsplit(address).netloc, "", "", frozenset(["tracecontext.continue", "http"])
        )

    def ask(self, operation: str, arguments: Arguments, patience: float = PATIENCE) -> Any:
        if operation != "tracecontext.continue":
            raise Refused(f"a service has no {operation}")
        return {"headers": self._post(arguments["headers"], patience)}

    def script(self, operation: str, arguments: Arguments) -> str:
        raise NotImplementedError

    def run(self, script: str, patience: float = PATIENCE) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self._callback.close()

    def _post(self, headers: list[list[str]], patience: float) -> list[list[str]]:
        raise NotImplementedError


class _Callback:
    def close(self) -> None:
        pass
