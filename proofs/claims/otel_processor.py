"""Claims about the span processors for OpenTelemetry's SDK, with its spans and its meters."""

import math
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal
from unittest.mock import call, patch

from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_value
from opentelemetry.context import Context as ApiContext
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from verified.exporter.batching import Limits, Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.otel import processor as module
from verified.otel.processor import (
    Processed,
    VerifiedBatchSpanProcessor,
    VerifiedSimpleSpanProcessor,
    _Exporter,
    processed,
)
from verified.otel.untraced import untraced

from ..claim import Constant, Fault, claim
from ..domains import SpanProcessorEvents
from ..observed import Line, Measurements, again, environment, logged
from ..verdict import Verdict

LOGGER = "verified.otel.processor"

LONGEST = 2**40
"""34 years in milliseconds, which stand for any longer time."""

SOON = 1.0
"""How many seconds a claim waits at most for what is to happen at once."""

Answer = Literal["taken", "refused", "mute", "raises"]
ANSWERS: dict[str, Any] = {
    "taken": SpanExportResult.SUCCESS,
    "refused": SpanExportResult.FAILURE,
    "mute": None,
    "raises": ValueError,
}
"""What an exporter returns or raises."""


def _span(name: str, flags: int) -> ReadableSpan:
    return ReadableSpan(name, trace.SpanContext(1, 1, False, trace.TraceFlags(flags)))


SAMPLED = _span("sampled", 3)
UNSAMPLED = {
    "unsampled": _span("unsampled", 0),
    "random": _span("random", 2),
    "without context": ReadableSpan("without context"),
}


def _said(answer: Any) -> Any:
    if isinstance(answer, type):
        raise answer
    return answer


def _is_suppressed() -> bool:
    return get_value(_SUPPRESS_INSTRUMENTATION_KEY) is True


class _Scripted(SpanExporter):
    """Answers what it is told to; remembers its calls, and whether they were not traced."""

    def __init__(self, answer: Any = SpanExportResult.SUCCESS) -> None:
        self.answer = answer
        self.meanwhile: Callable[[], object] = lambda: None
        self.calls: list[tuple[str, Any, bool]] = []

    def _called(self, name: str, argument: Any) -> Any:
        self.calls.append((name, argument, _is_suppressed()))
        self.meanwhile()
        return _said(self.answer)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result: SpanExportResult = self._called("export", [span.name for span in spans])
        return result

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        result: bool = self._called("flush", timeout_millis)
        return result

    def shutdown(self) -> None:
        self._called("shutdown", None)


class _Telling(_Scripted):
    """Has ``returned`` beside its ``export``."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export(spans)

    def returned(self, spans: Sequence[ReadableSpan], timeout_millis: int) -> Returned:
        returned: Returned = self._called("returned", [timeout_millis, *(s.name for s in spans)])
        return returned


class _Changed(_Telling):
    """Has an ``export`` of its own, which ``returned`` does not know."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export(spans)


class _Bare:
    """Is an exporter by its attributes alone."""

    def __init__(self, answer: Any) -> None:
        exporter = _Scripted(answer)
        self.calls = exporter.calls
        self.export = exporter.export
        self.force_flush = exporter.force_flush
        self.shutdown = exporter.shutdown


EXPORTERS: dict[str, Callable[[Any], Any]] = {
    "plain": _Scripted,
    "telling": _Telling,
    "changed": _Changed,
    "bare": _Bare,
}


@claim(
    "What an exporter does is not traced: instrumentation is suppressed in it, and after it, also "
    "if it raises, all is as it was before; what it returns is returned",
    subject=untraced,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def exports_are_not_traced(raises: bool, again: bool) -> bool:
    seen: list[bool] = []

    def export(first: int, *, second: int) -> int:
        seen.append(_is_suppressed() and get_value("kept") == 1)
        if again:
            untraced(seen.append, True)
            seen.append(_is_suppressed())
        if raises:
            raise ValueError
        return first + second

    token = attach(ApiContext({"kept": 1}))
    returned = None
    try:
        with suppress(ValueError):
            returned = untraced(export, 1, second=2)
        is_restored = not _is_suppressed() and get_value("kept") == 1
    finally:
        detach(token)
    return is_restored and all(seen) and returned == (None if raises else 3)


@claim(
    "An exporter is asked by `returned`, with the time after which to give up, if the class that "
    "has its `export` has that too, and what it returns counts; else by `export`, of which what "
    "is neither success nor failure is unknown. What it raises is raised, nothing of it is traced",
    discharges=("BP-04", "BP-08"),
    subject=(
        _Exporter.__init__,
        _Exporter.export,
        _Exporter.force_flush,
        _Exporter.shutdown,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def exporters_are_asked(
    kind: Literal["plain", "telling", "changed", "bare"],
    answer: Answer,
    timeout: Literal[0, 7] | None,
) -> bool:
    is_telling = kind == "telling"
    told = Returned(FAILURE, 3)
    given = told if is_telling and answer == "refused" else ANSWERS[answer]
    exporter = EXPORTERS[kind](given)
    asked = _Exporter(exporter) if timeout is None else _Exporter(exporter, timeout)
    outcomes: list[object] = []
    calls: tuple[Callable[[], object], ...] = (
        lambda: asked.export((SAMPLED, SAMPLED)),
        lambda: asked.force_flush(5),
        asked.shutdown,
    )
    for each in calls:
        try:
            outcomes.append(each())
        except ValueError:
            outcomes.append(ValueError)
        if _is_suppressed():
            return False
    names = ["sampled", "sampled"]
    first = ("returned", [timeout or 0, *names], True) if is_telling else ("export", names, True)
    counted = {
        "taken": Returned(SUCCESS),
        "refused": Returned(FAILURE),
        "mute": Returned(UNKNOWN),
        "raises": ValueError,
    }
    return exporter.calls == [first, ("flush", 5, True), ("shutdown", None, True)] and outcomes == [
        given if is_telling else counted[answer],
        given,
        ValueError if answer == "raises" else None,
    ]


Variable = Literal[
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
]
VARIABLES: dict[str, tuple[int, int]] = {
    "OTEL_BSP_MAX_QUEUE_SIZE": (1, 2048),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": (1, 512),
    "OTEL_BSP_SCHEDULE_DELAY": (0, 5000),
    "OTEL_BSP_EXPORT_TIMEOUT": (0, 30_000),
}
"""The least that each may be, and what it is if nothing is said, by the standard."""

Text = Literal["", " \t", "0", "1", "2", " 600 ", "-1", "1.5", "1e3", "x", "٣", "9", "too long"]
TOO_LONG = "9" * 5000
"""A number of more digits than Python reads."""


@claim(
    "A variable of a batching processor that is a number in its range is used, one that is empty "
    "is not set, and any other is warned of once; a batch is no larger than the queue",
    discharges=("BP-03", "CF-01", "CF-03", "CF-06"),
    subject=(
        module._number,
        VerifiedBatchSpanProcessor.__init__,
        Constant(LOGGER, "_EXPORT_TIMEOUT"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def the_environment_configures(variable: Variable, text: Text) -> bool:
    value = TOO_LONG if text == "too long" else text
    with environment({variable: value}), logged() as lines:
        made = VerifiedBatchSpanProcessor(_Scripted())
    least, default = VARIABLES[variable]
    number = value.strip()
    is_good = re.fullmatch("[0-9]{1,9}", number) is not None and int(number) >= least
    found = {name: default for name, (_, default) in VARIABLES.items()}
    found[variable] = int(number) if is_good else default
    queue, batch, delay, timeout = found.values()
    warning = f"{variable} is not an integer of at least {least}; {default} is used"
    return (
        made._processor.limits == Limits(queue, min(queue, batch), delay)
        and made.export_timeout_millis == timeout
        and lines == ([Line(LOGGER, "WARNING", warning)] if number and not is_good else [])
    )


Small = Literal[0, 1, 2, 3]


@claim(
    "What a batching processor is given in code is used, whatever the environment says, its times "
    "rounded up to milliseconds; what is out of range, no time at all or a batch that is larger "
    "than the queue is a ValueError. The exporter is told when to give up",
    discharges=("BP-03", "BP-04", "CF-02"),
    subject=(VerifiedBatchSpanProcessor.__init__, module._up),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def arguments_configure(queue: Small, batch: Small, delay: float, timeout: float) -> bool:
    exporter = _Telling()
    with environment(dict.fromkeys(VARIABLES, "x")), logged() as lines:
        try:
            made = VerifiedBatchSpanProcessor(exporter, queue, delay, batch, timeout)
        except ValueError:
            return not (1 <= batch <= queue and delay > 0 and timeout >= 0)
    made._processor._exporter.export([SAMPLED])
    given_up = math.ceil(min(timeout, LONGEST))
    return (
        1 <= batch <= queue
        and delay > 0
        and timeout >= 0
        and made._processor.limits == Limits(queue, batch, math.ceil(min(delay, LONGEST)))
        and made.export_timeout_millis == timeout
        and made.span_exporter is exporter
        and exporter.calls == [("returned", [given_up, "sampled"], True)]
        and lines == []
    )


def _join(thread: threading.Thread) -> bool:
    thread.join(SOON)
    return not thread.is_alive()


@claim(
    "A batching processor takes sampled spans alone, and tells a meter how many it handed to the "
    "exporter, how many it dropped for which reason, how many wait and for how many there is "
    "room; after shutdown it drops, and if the time for that is over, what still waits",
    discharges=("BP-03", "BP-06", "BP-09"),
    subject=(
        VerifiedBatchSpanProcessor.__init__,
        VerifiedBatchSpanProcessor.on_end,
        VerifiedBatchSpanProcessor.shutdown,
        processed,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def batches_are_told(in_time: bool) -> bool:
    exporter, told = _Scripted(), Measurements()
    made = VerifiedBatchSpanProcessor(exporter, 2, 60_000, 2, meter_provider=told.provider)
    entered = threading.Event()
    seen: list[Any] = []

    def meanwhile() -> None:
        if seen:
            return
        for _ in range(3):
            made.on_end(SAMPLED)
        seen.extend((told.values(), threading.current_thread()))
        if not in_time:
            # Of what calls it, the worker, it cannot wait for the end.
            made.shutdown(0)
        entered.set()

    exporter.meanwhile = meanwhile
    with logged() as lines:
        for span in (*UNSAMPLED.values(), SAMPLED, SAMPLED):
            made.on_end(span)
        if not entered.wait(SOON):
            return False
        made.shutdown()
        if not _join(seen[1]):
            return False
        made.on_end(SAMPLED)
    expected = {"": 4, "queue_full": 1, "already_shutdown": 1}
    if not in_time:
        expected = {"": 2, "queue_full": 1, "already_shutdown": 1, "shutdown_timeout": 2}
    warnings = {(line.logger, line.level, line.text.partition("State(")[0]) for line in lines}
    late = (LOGGER, "WARNING", "The span processor was not shut down in time: ")
    name = "otel.sdk.processor.span"
    return (
        seen[0]
        == {
            f"{name}.processed": {"": 2, "queue_full": 1},
            f"{name}.queue.size": {"": 2},
            f"{name}.queue.capacity": {"": 2},
        }
        and told.values()[f"{name}.processed"] == expected
        and told.values()[f"{name}.queue.size"] == {"": 0}
        and warnings == (set() if in_time else {late})
        and (in_time or str(made.state)[:20] in lines[0].text)
        and _components(told) == {"batching_span_processor"}
    )


def _components(told: Measurements) -> set[str]:
    """The types of the components that are measured."""
    instruments = told.instruments().values()
    return {p.attributes["otel.component.type"] for *_, points in instruments for p in points}


@claim(
    "Flushing a batching processor exports what ended before and has the exporter flush, in the "
    "time that is given, or else in 30 seconds; it is done unless the exporter says or raises "
    "otherwise",
    discharges=("BP-07", "BP-08"),
    subject=VerifiedBatchSpanProcessor.force_flush,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def batches_are_flushed(answer: Answer, millis: Literal[20_000] | None) -> bool:
    exporter = _Scripted()
    made = VerifiedBatchSpanProcessor(exporter)
    exporter.answer = {**ANSWERS, "refused": False}[answer]
    with logged():
        made.on_end(SAMPLED)
        flushed = made.force_flush(millis)
        made.shutdown()
    least, most = (20_000, 30_000) if millis is None else (0, 20_000)
    (export, flush, *_) = exporter.calls
    return (
        export == ("export", ["sampled"], True)
        and flush[0] == "flush"
        and least < flush[1] <= most
        and flushed == (answer in ("taken", "mute"))
    )


FLUSHES: dict[str, Any] = {
    "flush is done": True,
    "flush is not done": False,
    "flush is mute": None,
    "flush raises": ValueError,
}


@claim(
    "A simple processor exports each sampled span as it ends, with nothing traced, until shutdown, "
    "which is once; it counts what became of each, and of those that end while the exporter "
    "exports, tells a meter, logs what the exporter raises, and raises nothing",
    discharges=("BP-06", "BP-07", "BP-08", "BP-13"),
    subject=(
        VerifiedSimpleSpanProcessor.__init__,
        VerifiedSimpleSpanProcessor.on_end,
        VerifiedSimpleSpanProcessor._export,
        VerifiedSimpleSpanProcessor.force_flush,
        VerifiedSimpleSpanProcessor.shutdown,
        VerifiedSimpleSpanProcessor._counts,
        Constant(LOGGER, "_logger"),
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def spans_are_exported_as_they_end(events: SpanProcessorEvents) -> bool:
    exporter, told = _Scripted(), Measurements()
    made = VerifiedSimpleSpanProcessor(exporter, meter_provider=told.provider)
    calls: list[tuple[str, Any, bool]] = []
    wrongs: list[str] = []
    counts: Counter[str] = Counter()
    is_open = True
    flushed: list[tuple[bool, bool]] = []
    with logged() as lines, patch.object(module, "monotonic_millis", lambda: 5):
        for event in events:
            does, _, how = event.partition(" ")
            exporter.answer = ANSWERS.get(how or does)
            if event in UNSAMPLED:
                made.on_end(UNSAMPLED[event])
            elif does == "flush":
                exporter.answer = FLUSHES[event]
                is_done = event in ("flush is done", "flush is mute")
                flushed.append((made.force_flush(), is_done or not is_open))
                calls += [("flush", 30_000, True)] * is_open
                wrongs += ["flushed"] * (is_open and event == "flush raises")
            elif does == "shutdown":
                made.shutdown()
                calls += [("shutdown", None, True)] * is_open
                wrongs += ["was shut down"] * (is_open and how == "raises")
                is_open = False
            else:
                if does == "nests":
                    exporter.answer = SpanExportResult.SUCCESS
                    exporter.meanwhile = lambda: made.on_end(SAMPLED)
                made.on_end(SAMPLED)
                exporter.meanwhile = lambda: None
                calls += [("export", ["sampled"], True)] * is_open
                wrongs += ["exported a span"] * (is_open and does == "raises")
                counts["nested"] += is_open and does == "nests"
                is_taken = does in ("taken", "nests")
                counts["exported" if is_taken else "failed"] += is_open
                counts["late"] += not is_open
    counted = {"": counts["exported"] + counts["failed"]}
    counted |= {"already_shutdown": counts["late"], "nested": counts["nested"]}
    return (
        exporter.calls == calls
        and all(found == expected for found, expected in flushed)
        and made.processed == Processed(**counts)
        and made.span_exporter is exporter
        and lines
        == [
            Line(LOGGER, "ERROR", f"The exporter raised while it {wrong}", True) for wrong in wrongs
        ]
        and told.values()
        == {"otel.sdk.processor.span.processed": {k: v for k, v in counted.items() if v or not k}}
        and _components(told) == {"simple_span_processor"}
    )


@claim(
    "After a fork a simple processor exports, also if another thread was exporting, whose lock "
    "nobody would release; if the exporter itself forked, its export goes on in both processes",
    discharges="BP-13",
    subject=(VerifiedSimpleSpanProcessor._forked, module._fork_all),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def forks_leave_no_lock(is_exporting: bool, by_itself: bool) -> bool:
    exporter = _Scripted(SpanExportResult.SUCCESS)
    made = VerifiedSimpleSpanProcessor(exporter)
    seen: list[Processed] = []

    def fork() -> None:
        # What the process does that is forked, in a thread that may have to wait.
        module._fork_all()
        exporter.meanwhile = lambda: None
        made.on_end(SAMPLED)
        seen.append(made.processed)

    def meanwhile() -> None:
        if by_itself:
            fork()
            return
        thread = threading.Thread(target=fork, daemon=True)
        thread.start()
        _join(thread)

    if is_exporting:
        exporter.meanwhile = meanwhile
        made.on_end(SAMPLED)
    else:
        fork()
    is_nested = is_exporting and by_itself
    return seen == [Processed(nested=1) if is_nested else Processed(exported=1)]


@claim(
    "The interpreter is told to have simple processors go on in a child of a fork",
    subject=module._fork_all,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
    fault=Fault(LOGGER, "after_in_child=_fork_all", "after_in_parent=_fork_all"),
)
def forks_are_told_of() -> bool:
    with patch.object(os, "register_at_fork") as at_fork:
        made = again(LOGGER)
    return at_fork.mock_calls == [call(after_in_child=vars(made)["_fork_all"])]


@claim(
    "A simple processor raises nothing, also if what logs a fault of the exporter raises",
    discharges="BP-13",
    subject=module._report,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def logging_may_raise(call: Literal["export", "flush", "shutdown"]) -> bool:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    made = VerifiedSimpleSpanProcessor(_Scripted(ValueError))
    calls: dict[str, Callable[[], object]] = {
        "export": lambda: made.on_end(SAMPLED),
        "flush": made.force_flush,
        "shutdown": made.shutdown,
    }
    with patch.object(module._logger, "exception", fail):
        try:
            calls[call]()
        except Exception:
            return False
    return made.processed == Processed(failed=call == "export")


class _Lock:
    """A lock that is free or not, and remembers for how many seconds it was waited for."""

    def __init__(self, is_free: bool) -> None:
        self.is_free = is_free
        self.held = 0
        self.waits: list[float] = []

    def acquire(self, timeout: float) -> bool:
        self.waits.append(timeout)
        self.held += self.is_free
        return self.is_free

    def release(self) -> None:
        self.held -= 1


@claim(
    "Flush and shutdown of a simple processor wait for the export that is under way no longer "
    "than their time; what is left of that is the exporter's for a flush, which is not begun if "
    "there is none; shutdown shuts the exporter down in any case",
    discharges=("BP-07", "BP-09"),
    subject=(
        VerifiedSimpleSpanProcessor.force_flush,
        VerifiedSimpleSpanProcessor.shutdown,
        module._down,
    ),
    required=Verdict.TESTED,
    engines=("fuzz",),
)
def simple_processors_wait_for_their_time(
    timeout: float, waited: Literal[0, 1, 7], is_free: bool
) -> bool:
    exporter = _Scripted()
    made = VerifiedSimpleSpanProcessor(exporter)
    lock: Any = _Lock(is_free)
    made._lock = lock
    times = iter((100, 100 + waited))
    with patch.object(module, "monotonic_millis", lambda: next(times)):
        flushed = made.force_flush(timeout)
    made.shutdown(timeout)
    millis = 0 if math.isnan(timeout) else math.floor(min(max(timeout, 0), LONGEST))
    left = millis - waited
    flushes = is_free and left > 0
    return (
        flushed == flushes
        and exporter.calls == [("flush", left, True)] * flushes + [("shutdown", None, True)]
        and lock.waits == [millis / 1000] * 2
        and lock.held == 0
    )


@claim(
    "A simple processor has one export at a time: meanwhile another thread cannot flush without "
    "waiting, nor can the exporter itself, and a shutdown that does not wait lets no more begin",
    discharges=("BP-01", "BP-06", "BP-12"),
    subject=(
        VerifiedSimpleSpanProcessor.on_end,
        VerifiedSimpleSpanProcessor._export,
        VerifiedSimpleSpanProcessor.force_flush,
        VerifiedSimpleSpanProcessor.shutdown,
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive", "fuzz"),
)
def one_export_at_a_time(shuts_down: bool, by_itself: bool) -> bool:
    exporter = _Scripted()
    made = VerifiedSimpleSpanProcessor(exporter)
    flushed: list[bool] = []
    is_over: list[bool] = []

    def ask() -> None:
        flushed.append(made.force_flush(1000 if by_itself else 0))
        if shuts_down:
            exporter.meanwhile = lambda: None
            made.shutdown(0)

    def meanwhile() -> None:
        if by_itself:
            ask()
            return
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        is_over.append(_join(thread))

    exporter.meanwhile = meanwhile
    made.on_end(SAMPLED)
    exporter.meanwhile = lambda: None
    # Whoever comes later finds the lock free.
    last = threading.Thread(target=made.on_end, args=(SAMPLED,), daemon=True)
    last.start()
    is_over.append(_join(last))
    expected = Processed(exported=1, late=1) if shuts_down else Processed(exported=2)
    return all(is_over) and flushed == [False] and made.processed == expected
