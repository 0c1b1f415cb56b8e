"""An application whose threads end thousands of spans, then forks; says what became of them."""

import json
import os
import sys
import threading

from opentelemetry.sdk.trace import Tracer, TracerProvider

from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor

THREADS, SPANS = 4, 2_000


def end_spans(tracer: Tracer) -> None:
    for number in range(SPANS):
        tracer.start_span(f"span {number}").end()


def report(processor: VerifiedBatchSpanProcessor, ended: int) -> None:
    state = processor.state
    fields = ("exported", "discarded")
    counts = {name: getattr(state, name) for name in fields} | {
        "accepted": state.queue.accepted,
        "full": state.queue.full,
        "ended": ended,
    }
    # One write, so that the lines of two processes do not mix.
    os.write(1, (json.dumps(counts) + "\n").encode())


def main() -> None:
    protocol, endpoint = sys.argv[1:]
    processor = VerifiedBatchSpanProcessor(VerifiedOTLPSpanExporter(endpoint, protocol=protocol))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("load")
    assert isinstance(tracer, Tracer)
    threads = [threading.Thread(target=end_spans, args=(tracer,)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # gRPC forbids a fork while a channel is used, and so does what is under test not ask for it.
    if protocol == "http/protobuf":
        child = os.fork()
        end_spans(tracer)
        processor.shutdown()
        report(processor, SPANS if child == 0 else (THREADS + 1) * SPANS)
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        return
    processor.shutdown()
    report(processor, THREADS * SPANS)


if __name__ == "__main__":
    main()
