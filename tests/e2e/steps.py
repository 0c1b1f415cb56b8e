"""An application that ends spans without pause until it is told to stop or is terminated.

It is given the protocol, the endpoint and the seconds between two spans. When a count has come to
what a line of standard input asks for, as "exported 100", it repeats the line; it stops at the
end of the input. At its own end it says, as JSON, what became of its spans.
"""

import atexit
import json
import os
import signal
import sys
import threading

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from verified.otel.exporter import VerifiedOTLPSpanExporter
from verified.otel.processor import VerifiedBatchSpanProcessor


class Ended(SpanProcessor):
    def __init__(self) -> None:
        self.ids: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        assert span.context is not None
        self.ids.append(f"{span.context.span_id:016x}")


def say(text: str) -> None:
    os.write(1, (text + "\n").encode())


def main() -> None:
    protocol, endpoint, pause = sys.argv[1:]
    exporter = VerifiedOTLPSpanExporter(
        endpoint,
        protocol=protocol,
        timeout_millis=25_000,
        first_backoff_millis=50,
        longest_backoff_millis=200,
    )
    processor = VerifiedBatchSpanProcessor(
        exporter, max_queue_size=10_000, schedule_delay_millis=50, export_timeout_millis=0
    )
    ended = Ended()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ended)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("steps")
    stopped = threading.Event()

    def counts() -> dict[str, int]:
        state = processor.state
        found = {**exporter.counters._asdict(), **state._asdict(), **state.queue._asdict()}
        del found["queue"]
        return found

    def finish() -> None:
        provider.shutdown()
        say(json.dumps({"counts": counts(), "ids": ended.ids}))

    def answer() -> None:
        for line in sys.stdin:
            name, number = line.split()
            while counts()[name] < int(number):
                stopped.wait(0.005)
            say(line.strip())
        stopped.set()

    atexit.register(finish)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=answer, daemon=True).start()
    while not stopped.wait(float(pause)):
        tracer.start_span("span").end()


if __name__ == "__main__":
    main()
