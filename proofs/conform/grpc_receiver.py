"""A receiver of OTLP over gRPC that answers by a script; it needs grpcio.

An act is ``{"code": 14, "details": "…", "after": 1}``: the status, a ``google.rpc.Status`` in
hexadecimal digits that comes with it, if there is one, and the seconds before the answer.
"""

from __future__ import annotations

import threading
import time
from concurrent import futures
from typing import Any

import grpc


class GrpcReceiver:
    """Listens on a free port of this machine; ``received`` is like that over HTTP."""

    def __init__(self, acts: list[dict[str, Any]]) -> None:
        self.acts = list(acts)
        self.received: list[dict[str, Any]] = []
        self.answered: float | None = None
        self.over = threading.Event()
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        method: Any = grpc.unary_unary_rpc_method_handler(self.answer)
        service = "opentelemetry.proto.collector.trace.v1.TraceService"
        handler = grpc.method_handlers_generic_handler(service, {"Export": method})
        self.server.add_generic_rpc_handlers((handler,))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def answer(self, request: bytes, context: Any) -> bytes:
        now = time.monotonic()
        shown = {
            "headers": [[name, str(value)] for name, value in context.invocation_metadata()],
            "size": len(request),
            "waited": None if self.answered is None else round(now - self.answered, 3),
            "body": request.hex() if len(request) <= 100_000 else None,
        }
        self.received.append(shown)
        act: dict[str, Any] = self.acts.pop(0) if self.acts else {"code": 0}
        self.over.wait(act.get("after", 0))
        self.answered = time.monotonic()
        if act["code"] != 0:
            if "details" in act:
                details = bytes.fromhex(act["details"])
                context.set_trailing_metadata((("grpc-status-details-bin", details),))
            codes = {each.value[0]: each for each in grpc.StatusCode}
            context.abort(codes[act["code"]], "by the script")
        return bytes.fromhex(act.get("body", ""))

    def close(self) -> None:
        self.over.set()
        self.server.stop(0).wait()
