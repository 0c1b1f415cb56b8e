"""An application of the SDK: says on standard output, as JSON, which spans it ended."""

import json

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState
from opentelemetry.util.types import Attributes


def attributes(values: Attributes) -> dict[str, object]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in (values or {}).items()}


def flags(of: int, remote: SpanContext | None) -> int:
    """The flags of OTLP: those of the trace, and whether `remote` is."""
    return of | 0x100 | (0x200 if remote is not None and remote.is_remote else 0)


class Ended(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[dict[str, object]] = []

    def on_end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        scope = span.instrumentation_scope
        assert context is not None
        assert scope is not None
        self.spans.append(
            {
                "traceId": f"{context.trace_id:032x}",
                "spanId": f"{context.span_id:016x}",
                "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
                "traceState": context.trace_state.to_header(),
                "flags": flags(context.trace_flags, span.parent),
                "name": span.name,
                "kind": span.kind.value + 1,
                "start": span.start_time,
                "end": span.end_time,
                "status": [span.status.status_code.value, span.status.description or ""],
                "attributes": attributes(span.attributes),
                "events": [
                    [event.name, event.timestamp, attributes(event.attributes)]
                    for event in span.events
                ],
                "links": [
                    [
                        f"{link.context.trace_id:032x}",
                        f"{link.context.span_id:016x}",
                        link.context.trace_state.to_header(),
                        flags(link.context.trace_flags, link.context),
                        attributes(link.attributes),
                    ]
                    for link in span.links
                ],
                "resource": attributes(span.resource.attributes),
                "scope": [scope.name, scope.version or "", attributes(scope.attributes)],
            }
        )


def main() -> None:
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    ended = Ended()
    provider.add_span_processor(ended)
    tracer = trace.get_tracer("e2e", "1.2", attributes={"scope.of": "e2e"})
    state = TraceState([("vendor", "value"), ("other", "0")])
    remote = SpanContext(0xA1, 0xB2, True, trace.TraceFlags(1), state)
    parent = trace.set_span_in_context(trace.NonRecordingSpan(remote))
    values: Attributes = {
        "text": "é",
        "yes": True,
        "whole": -(2**63),
        "real": 0.5,
        "list": ["a", "b"],
    }
    for kind in SpanKind:
        with tracer.start_as_current_span(
            f"span {kind.name}", parent, kind, values, [Link(remote, {"link": 1})]
        ) as span:
            span.add_event("event", {"numbers": [1, 2]})
            span.set_status(Status(StatusCode.ERROR, "why"))
            with tracer.start_as_current_span("child"):
                pass
    with tracer.start_as_current_span("root"):
        pass
    provider.shutdown()
    print(json.dumps(ended.spans))


if __name__ == "__main__":
    main()
