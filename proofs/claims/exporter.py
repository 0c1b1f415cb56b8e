"""Claims about the shell that exports requests: what it sends, waits, counts and logs.

The sender has a script, and the clock moves only where something is sent or waited for, so that
what is done, and when, is known exactly. Times are in milliseconds, what is waited in seconds.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

from verified.exporter.attempt import Limits
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN
from verified.otlp import exporter as sending
from verified.otlp.answer import Answer, GrpcAnswer, HttpAnswer, NoAnswer, NotSent
from verified.otlp.exporter import Exporter

from ..claim import Constant, claim
from ..verdict import Verdict

LIMITS = Limits(timeout=10_000, first_backoff=1_000, longest_backoff=5_000)
UNLIMITED = LIMITS._replace(timeout=0)
LONGEST = threading.TIMEOUT_MAX

MODULE = "verified.otlp.exporter"

Act = Answer | Exception | Callable[[], Answer]

OK = HttpAnswer(200)
BUSY = HttpAnswer(503)
BAD = HttpAnswer(400)
CUT = NoAnswer(True, "the connection broke")
NOBODY = NoAnswer(False, "nobody is there")


def partly(rejected: int) -> Answer:
    """An answer of success that rejects so many spans, at most 127."""
    return GrpcAnswer(0, body=bytes([10, 2, 8, rejected]))


class Stage:
    """An exporter with a sender that has a script, and a clock of its own.

    ``did`` is what was sent and waited for, each with its moment and the seconds given to it.
    What is to happen during a wait is in ``meanwhile``; otherwise a wait takes its time.
    """

    def __init__(self, *script: Act, limits: Limits = LIMITS) -> None:
        self.script = list(script)
        self.now = 0
        self.did: list[tuple[str, int, float | None]] = []
        self.requests: list[bytes] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.closed = 0
        self.exporter = Exporter(lambda: self, limits, clock=self.clock, draw=self.draw)
        self.exporter._changed = _Waits(self)

    def clock(self) -> int:
        return self.now

    def draw(self, below: int) -> int:
        """The middle of what may be drawn, by which a wait is the backoff exactly."""
        return below // 2

    def send(self, request: bytes, seconds: float | None) -> Answer:
        self.did.append(("send", self.now, seconds))
        self.requests.append(request)
        self.now += 100
        act = self.script.pop(0) if self.script else NotSent("nothing more was to be sent")
        if isinstance(act, Exception):
            raise act
        return act() if callable(act) else act

    def close(self) -> None:
        self.closed += 1

    def later(self, millis: int) -> None:
        self.now += millis


class _Waits(threading.Condition):
    """A condition on which waiting takes time of the stage, and none besides."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def wait(self, timeout: float | None = None) -> bool:
        return self._waited("wait", timeout)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        return predicate() or (self._waited("wait_for", timeout) and predicate())

    def _waited(self, kind: str, timeout: float | None) -> bool:
        stage = self._stage
        stage.did.append((kind, stage.now, timeout))
        if stage.meanwhile:
            happens = stage.meanwhile.pop(0)
            self.release()
            try:
                happens()
            finally:
                self.acquire()
        elif timeout is None or len(stage.did) > 50:
            raise RuntimeError("it waits for ever")
        else:
            stage.later(max(round(timeout * 1000), 1))
        return True


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelno, record.getMessage()))


@contextmanager
def _logs(handler: logging.Handler | None = None) -> Iterator[Any]:
    """What the exporter logs, which goes nowhere else."""
    handler = handler or _Kept()
    logger = logging.getLogger(MODULE)
    before = logger.propagate, logger.level, logging.root.manager.disable
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.propagate, logger.level, logging.root.manager.disable = before
        logger.setLevel(before[1])


class Course(NamedTuple):
    """How an export is to go: its answers, what is sent and waited for, and what is returned."""

    answers: Sequence[Act]
    did: Sequence[tuple[str, int, float | None]]
    returned: Returned
    limits: Limits = LIMITS
    within: int = 0


COURSES = {
    "accepted": Course([OK], [("send", 0, 10.0)], Returned(SUCCESS)),
    "refused": Course([BAD], [("send", 0, 10.0)], Returned(FAILURE)),
    "partly": Course([partly(2)], [("send", 0, 10.0)], Returned(SUCCESS, 2)),
    "more than all": Course([partly(9)], [("send", 0, 10.0)], Returned(SUCCESS, 3)),
    "in vain": Course(
        [BUSY, NOBODY, BUSY, BUSY],
        [
            ("send", 0, 10.0),
            ("wait", 100, 1.0),
            ("send", 1100, 8.9),
            ("wait", 1200, 2.0),
            ("send", 3200, 6.8),
            ("wait", 3300, 4.0),
            ("send", 7300, 2.7),
        ],
        Returned(FAILURE),
    ),
    "at last": Course(
        [BUSY, CUT, OK],
        [
            ("send", 0, 10.0),
            ("wait", 100, 1.0),
            ("send", 1100, 8.9),
            ("wait", 1200, 2.0),
            ("send", 3200, 6.8),
        ],
        Returned(SUCCESS),
    ),
    "without limit": Course(
        [BUSY, BUSY, OK],
        [
            ("send", 0, None),
            ("wait", 100, 1.0),
            ("send", 1100, None),
            ("wait", 1200, 2.0),
            ("send", 3200, None),
        ],
        Returned(SUCCESS),
        UNLIMITED,
    ),
    "told when": Course(
        [HttpAnswer(503, retry_after="2"), OK],
        [("send", 0, 10.0), ("wait", 100, 2.0), ("send", 2100, 7.9)],
        Returned(SUCCESS),
    ),
    "told by a date": Course(
        [HttpAnswer(503, retry_after="Tue, 14 Nov 2023 22:13:23 GMT"), OK],
        [("send", 0, 10.0), ("wait", 100, 2.5), ("send", 2600, 7.4)],
        Returned(SUCCESS),
    ),
    "lost": Course(
        [CUT, BAD], [("send", 0, 10.0), ("wait", 100, 1.0), ("send", 1100, 8.9)], Returned(UNKNOWN)
    ),
    "never sent": Course(
        [NOBODY, BAD],
        [("send", 0, 10.0), ("wait", 100, 1.0), ("send", 1100, 8.9)],
        Returned(FAILURE),
    ),
    "raised": Course(
        [OSError("broken"), BAD],
        [("send", 0, 10.0), ("wait", 100, 1.0), ("send", 1100, 8.9)],
        Returned(UNKNOWN),
    ),
    "given less time": Course([BUSY], [("send", 0, 0.5)], Returned(FAILURE), within=500),
    "given more time": Course([OK], [("send", 0, 10.0)], Returned(SUCCESS), within=20_000),
    "long": Course([OK], [("send", 0, LONGEST)], Returned(SUCCESS), Limits(10**20)),
}
"""Where a sending takes 100 ms, of three spans, at 22:13:20.5 on 2023-11-14."""

NOW = 1_700_000_000_500_999_999
"""That moment, in nanoseconds since 1970-01-01."""

RUN = (Exporter.export, Exporter._run, Exporter._send, Exporter._wait, Exporter._left)


@claim(
    "A request is sent, with what is left of its time, until it is answered for good or a wait "
    "would end after its time; between attempts the exporter waits as long as the receiver says, "
    "or for a backoff that doubles",
    discharges=("OT-03", "OT-04", "OT-05", "OT-16"),
    subject=RUN,
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def requests_are_sent_until_it_is_decided(
    course: Literal[
        "accepted",
        "refused",
        "partly",
        "more than all",
        "in vain",
        "at last",
        "without limit",
        "told when",
        "told by a date",
        "lost",
        "never sent",
        "raised",
        "given less time",
        "given more time",
        "long",
    ],
) -> bool:
    answers, did, returned, limits, within = COURSES[course]
    stage = Stage(*answers, limits=limits)
    with _logs(), patch.object(time, "time_ns", lambda: NOW):
        found = stage.exporter.export(b"request", 3, within)
    return (
        found == returned
        and stage.did == did
        and set(stage.requests) == {b"request"}
        and not stage.script
    )


FATES: dict[str, tuple[Sequence[Act], Sequence[int]]] = {
    # attempts, retries, exported, rejected, failed, unknown
    "accepted": ([OK], (1, 0, 3, 0, 0, 0)),
    "partly": ([partly(2)], (1, 0, 1, 2, 0, 0)),
    "more than all": ([partly(9)], (1, 0, 0, 3, 0, 0)),
    "refused": ([BAD], (1, 0, 0, 0, 3, 0)),
    "unknown": ([CUT, BAD], (2, 1, 0, 0, 0, 3)),
    "at last": ([BUSY, BUSY, OK], (3, 2, 3, 0, 0, 0)),
    "not encoded": ([], (0, 0, 0, 0, 3, 0)),
    "too late": ([], (0, 0, 0, 0, 3, 0)),
}
"""What becomes of three spans by these answers, and how it is counted."""

Fate = Literal[
    "accepted",
    "partly",
    "more than all",
    "refused",
    "unknown",
    "at last",
    "not encoded",
    "too late",
]


@claim(
    "Each span is counted once: as exported, rejected, failed or unknown; attempts are counted, "
    "and those that are not the first of a request as retries too",
    discharges=("OT-07", "OT-08"),
    subject=(Exporter._count, Exporter.count_failed, Exporter.export),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def spans_are_counted_by_their_fate(first: Fate, second: Fate) -> bool:
    stage = Stage()
    expected = [0] * 6
    with _logs():
        for fate in (first, second):
            answers, counts = FATES[fate]
            if first == "too late" or fate == "too late":
                # What comes after it is too late too.
                stage.exporter.shutdown()
                answers, counts = FATES["too late"]
            stage.script = list(answers)
            if fate == "not encoded":
                stage.exporter.count_failed(3)
            else:
                stage.exporter.export(b"request", 3)
            expected = [a + b for a, b in zip(expected, counts, strict=True)]
    counters = stage.exporter.counters
    return (
        sending.Counters() == (0,) * 6
        and [
            counters.attempts,
            counters.retries,
            counters.exported,
            counters.rejected,
            counters.failed,
            counters.unknown,
        ]
        == expected
    )


WARNING, ERROR = logging.WARNING, logging.ERROR

LINES: dict[str, tuple[Sequence[Act], Sequence[tuple[int, str]]]] = {
    "accepted": ([OK], []),
    "refused": (
        [BAD],
        [(ERROR, "Export of spans: the receiver answers 400; it is not tried again")],
    ),
    "at last": ([BUSY, OK], [(WARNING, "Export of spans: the receiver answers 503")]),
    "partly": (
        [partly(2)],
        [(WARNING, "Export of spans: the receiver rejects 2 spans: ; it is not tried again")],
    ),
    "lost": (
        [CUT, HttpAnswer(503, retry_after="60")],
        [
            (WARNING, "Export of spans: the connection broke"),
            (ERROR, "Export of spans: the receiver answers 503; it is not tried again"),
        ],
    ),
    "raised": (
        [OSError("x" * 300), OK],
        [(WARNING, "Export of spans: " + ("the sender raised OSError: " + "x" * 300)[:300])],
    ),
}


@claim(
    "Why a request was not simply accepted is logged once, as a warning if it is tried again or "
    "was a success, else as an error that says that it is not tried again",
    discharges="OT-08",
    subject=(Exporter._log, Exporter._run, Exporter._send, Constant(MODULE, "_logger")),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def reasons_are_logged(
    lines: Literal["accepted", "refused", "at last", "partly", "lost", "raised"],
) -> bool:
    answers, expected = LINES[lines]
    stage = Stage(*answers)
    with _logs() as kept:
        stage.exporter.export(b"request", 3)
    return bool(kept.lines == expected)


class _Failing(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError


@claim(
    "The same reason is logged again after 60 s and not before, unless a hundred others came "
    "since; a handler of logs that raises does not change what is returned",
    subject=(
        Exporter._log,
        Exporter._begin,
        Constant(MODULE, "_LOG_EVERY"),
        Constant(MODULE, "_MOST_REASONS"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def reasons_are_not_logged_too_often(
    case: Literal["in a minute", "after it", "ninety-nine others", "a hundred", "failing handler"],
) -> bool:
    stage = Stage()

    def refused(reason: str) -> Returned:
        stage.script = [NotSent(reason)]
        return stage.exporter.export(b"request", 1)

    if case == "failing handler":
        with _logs(_Failing()):
            return refused("no") == Returned(FAILURE)
    with _logs() as kept:
        first = stage.now
        refused("the same")
        others = {"ninety-nine others": 99, "a hundred": 100}.get(case, 0)
        for number in range(others):
            stage.now = first
            refused(str(number))
        stage.now = first + {"in a minute": 59_999, "after it": 60_000}.get(case, 0)
        refused("the same")
    again = case in ("after it", "a hundred")
    return len(kept.lines) == 1 + others + again


@claim(
    "Shutdown closes the sender once, ends a wait, and abandons the request, which is unknown if "
    "it may have been received; nothing is sent after it",
    subject=(Exporter.shutdown, Exporter._wait, Exporter._enter, Exporter._run, Exporter.is_open),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def nothing_is_sent_after_shutdown(
    amid: Literal["nothing", "a wait", "a long wait", "a sending"],
) -> bool:
    long = Limits(timeout=0, first_backoff=10**20, longest_backoff=10**20)
    stage = Stage(limits=long if amid == "a long wait" else UNLIMITED)
    exporter = stage.exporter

    def cut() -> Answer:
        exporter.shutdown()
        return CUT

    did: list[tuple[str, int, float | None]] = [("send", 0, None)]
    returned = Returned(FAILURE)
    if amid == "nothing":
        did = []
        exporter.shutdown()
    elif amid == "a wait":
        stage.script = [BUSY, OK]
        stage.meanwhile = [lambda: stage.later(999), exporter.shutdown]
        did += [("wait", 100, 1.0), ("wait", 1099, 0.001)]
    elif amid == "a long wait":
        stage.script = [BUSY, OK]
        stage.meanwhile = [exporter.shutdown]
        did += [("wait", 100, LONGEST)]
    else:
        stage.script = [cut, OK]
        returned = Returned(UNKNOWN)
    was_open = exporter.is_open
    with _logs():
        found = exporter.export(b"request", 3)
        exporter.shutdown()
        late = exporter.export(b"request", 3)
    return (
        (found, late) == (returned, Returned(FAILURE))
        and stage.did == did
        and stage.closed == 1
        and was_open == (amid != "nothing")
        and exporter.is_open is False
    )


class _Busy:
    """A stage on which another thread is sending a request, until it is told to end."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.stage = Stage(self._answer, OK, limits=limits)
        self._began, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._export, daemon=True)
        self.returned: Returned | None = None
        self._thread.start()
        self.is_well = self._began.wait(1)

    def _answer(self) -> Answer:
        self._began.set()
        self._may_end.wait(1)
        return OK

    def _export(self) -> None:
        self.returned = self.stage.exporter.export(b"other", 1)

    def end(self) -> None:
        self._may_end.set()
        self._thread.join(1)
        self.is_well = self.is_well and not self._thread.is_alive()


@claim(
    "Requests are sent one at a time: one that comes while another is under way waits for it "
    "within its own time, and fails if that is over or the exporter is shut down",
    subject=(Exporter._enter, Exporter._leave, Exporter.export, Exporter._left),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def one_request_at_a_time(
    case: Literal["ends", "has no limit", "out of time", "shut down"],
) -> bool:
    busy = _Busy(UNLIMITED if case == "has no limit" else LIMITS)
    stage = busy.stage

    def ends() -> None:
        stage.later(50)
        busy.end()

    first = ("send", 0, None if case == "has no limit" else 10.0)
    returned = Returned(FAILURE)
    if case in ("ends", "has no limit"):
        stage.meanwhile = [ends]
        unlimited = case == "has no limit"
        did = [
            ("wait", 100, None if unlimited else 10.0),
            ("send", 150, None if unlimited else 9.95),
        ]
        returned = Returned(SUCCESS)
    elif case == "out of time":
        stage.meanwhile = [lambda: stage.later(9999)]
        did = [("wait", 100, 10.0), ("wait", 10_099, 0.001)]
    else:
        stage.meanwhile = [stage.exporter.shutdown]
        did = [("wait", 100, 10.0)]
    with _logs():
        found = stage.exporter.export(b"request", 1)
        busy.end()
    return (
        busy.is_well
        and found == returned
        and busy.returned == Returned(SUCCESS)
        and stage.did == [first, *did]
        and stage.exporter.counters.attempts == (2 if returned.outcome == SUCCESS else 1)
    )


@claim(
    "Amid a sending, the same thread (a signal handler) can neither send nor flush, and does not "
    "wait for itself",
    subject=(Exporter._enter, Exporter.force_flush, Exporter.export),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def no_thread_waits_for_itself(call: Literal["export", "flush"]) -> bool:
    found: list[object] = []

    def answer() -> Answer:
        exporter = stage.exporter
        found.append(exporter.export(b"2", 1) if call == "export" else exporter.force_flush(1000))
        return OK

    stage = Stage(answer)
    returned = stage.exporter.export(b"1", 1)
    return (
        found == [Returned(FAILURE) if call == "export" else False]
        and stage.did == [("send", 0, 10.0)]
        and returned == Returned(SUCCESS)
        and stage.exporter.counters.failed == (call == "export")
    )


@claim(
    "A flush waits for the request that is under way as long as it is told, and says whether it "
    "ended in that time",
    subject=(Exporter.force_flush, Exporter._leave),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def flushing_waits_for_the_request(
    millis: Literal[2500, 0, -1, 1000000000000000], ends: bool
) -> bool:
    seconds = {2500: 2.5, 0: 0.0, -1: 0.0, 10**15: LONGEST}[millis]
    idle = Stage()
    busy = _Busy()
    if ends:
        busy.stage.meanwhile = [busy.end]
    with _logs():
        flushed = busy.stage.exporter.force_flush(millis)
        busy.end()
    return (
        busy.is_well
        and flushed == ends
        and busy.stage.did == [("send", 0, 10.0), ("wait_for", 100, seconds)]
        and idle.exporter.force_flush(millis)
        and idle.did == []
    )


@claim(
    "A process that is forked while a request is under way has a sender of its own and no request "
    "under way; the request of its parent is sent once, by its parent",
    subject=(sending._fork_all, Exporter._begin),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def a_forked_process_begins_anew(spans: Literal[1]) -> bool:
    answered: list[bytes] = []
    status: list[int] = []

    class Forking:
        def send(self, request: bytes, seconds: float | None) -> Answer:
            answered.append(request)
            if request == b"parent":
                # A fault of what runs after a fork is to be seen here, not printed.
                with patch.object(sys, "unraisablehook", lambda _: None):
                    child = os.fork()
                if child == 0:
                    good = False
                    try:
                        returned = exporter.export(b"child", spans)
                        good = (len(made), returned) == (2, Returned(SUCCESS))
                    finally:
                        os._exit(7 if good and answered == [b"parent", b"child"] else 1)
                status.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return OK

        def close(self) -> None: ...

    made: list[Forking] = []

    def make() -> Forking:
        made.append(Forking())
        return made[-1]

    exporter = Exporter(make, LIMITS)
    returned = exporter.export(b"parent", spans)
    return status == [7] and returned == Returned(SUCCESS) and answered == [b"parent"]
