"""The export of requests at work: a sender, a clock and waits round ``attempt``.

What is to be done after an answer is decided by ``attempt.step`` alone. No lock is held
while a request is sent; a wait ends when the exporter is shut down.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol
from weakref import WeakSet

from verified.exporter.attempt import (
    DONE,
    WAITING,
    Abandoned,
    Elapsed,
    Limits,
    State,
    start,
    step,
    within,
)
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import monotonic_millis
from verified.otlp.answer import Answer, NoAnswer, Time, meaning

_logger = logging.getLogger(__name__)

_LOG_EVERY: Final = 60_000
"""How long a reason that is the same is not logged again, in milliseconds."""

_MOST_REASONS: Final = 100


class Sender(Protocol):
    """What requests are handed to."""

    def send(self, request: bytes, seconds: float | None, /) -> Answer:
        """Send a request once, within a time if there is one."""
        ...

    def close(self) -> None:
        """Send nothing any more, and end an attempt that is under way; from any thread."""


class Counters(NamedTuple):
    """What an exporter did: attempts, those that were not the first, and spans by their fate."""

    attempts: int = 0
    retries: int = 0
    exported: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0


class Exporter:
    """Exports requests one at a time, each until it is answered for good or its time is over.

    A request that comes while another is under way waits for it, within its own time.
    ``clock`` is in milliseconds and never runs backwards; ``draw`` draws the jitter, a number
    below another.

    :raises ValueError: if no exporter can have these limits.
    """

    def __init__(
        self,
        make_sender: Callable[[], Sender],
        limits: Limits,
        *,
        clock: Callable[[], int] = monotonic_millis,
        draw: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        if not limits.is_valid:
            raise ValueError(f"no exporter can have {limits}")
        self._make_sender = make_sender
        self._limits = limits
        self._clock = clock
        self._draw = draw
        self._counters = Counters()
        self._is_open = True
        self._begin()
        _exporters.add(self)

    def _begin(self) -> None:
        """Make what belongs to one process."""
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._sender = self._make_sender()
        self._logged: dict[str, int] = {}

    def export(self, request: bytes, spans: int, timeout_millis: int = 0) -> Returned:
        """Export a request with so many spans and return what became of it. Never raises.

        It is given up at the timeout of the exporter or at this one, whichever is first; 0 is no
        limit. After shutdown nothing is sent, and nothing by a signal handler amid an export.
        """
        limits = within(self._limits, timeout_millis)
        state = start(limits, self._clock())
        if not self._enter(limits, state):
            # What has not begun is a failure already.
            state = state._replace(attempts=0)
        else:
            try:
                state = self._run(limits, state, request)
            finally:
                self._leave()
        self._count(state, spans)
        return Returned(state.outcome, min(state.rejected, spans))

    def shutdown(self) -> None:
        """Send nothing any more; an export that is under way or waits is abandoned.

        Called again, it does nothing.
        """
        with self._changed:
            was_open, self._is_open = self._is_open, False
            sender = self._sender
            self._changed.notify_all()
        if was_open:
            sender.close()

    def force_flush(self, timeout_millis: float) -> bool:
        """Wait for the export that is under way; whether it ended in so many milliseconds.

        By a signal handler amid an export it is False at once.
        """
        with self._changed:
            if self._owner == threading.get_ident():
                return False
            return self._changed.wait_for(
                lambda: self._owner is None,
                min(max(timeout_millis, 0) / 1000, threading.TIMEOUT_MAX),
            )

    @property
    def is_open(self) -> bool:
        """Whether the exporter is not shut down."""
        return self._is_open

    @property
    def counters(self) -> Counters:
        """What was done up to now."""
        with self._changed:
            return self._counters

    def _enter(self, limits: Limits, state: State) -> bool:
        """Wait until no other export is under way; whether this one may begin."""
        with self._changed:
            if self._owner == threading.get_ident():
                return False
            while self._is_open and self._owner is not None:
                left = self._left(limits, state)
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)
            if self._is_open:
                self._owner = threading.get_ident()
            return self._is_open

    def _leave(self) -> None:
        with self._changed:
            self._owner = None
            self._changed.notify_all()

    def _run(self, limits: Limits, state: State, request: bytes) -> State:
        """What the machine makes of a request in the end."""
        while state.phase != DONE:
            if state.phase == WAITING:
                is_over = self._wait(state.until)
                event = Elapsed(self._clock()) if is_over else Abandoned()
                state, _ = step(limits, state, event)
                continue
            answer = self._send(request, self._left(limits, state))
            spread = state.backoff // 5
            moment = Time(
                self._clock(), time.time_ns() // 1_000_000, self._draw(spread + spread + 1)
            )
            answered = meaning(answer, moment)
            state, _ = step(limits, state, answered.event)
            if answered.reason:
                self._log(answered.reason, state)
        return state

    def _send(self, request: bytes, left: float | None) -> Answer:
        try:
            return self._sender.send(request, None if left is None else max(left, 0.001))
        except Exception as error:
            return NoAnswer(True, f"the sender raised {type(error).__name__}: {error}"[:300])

    def _wait(self, until: int) -> bool:
        """Wait until a time; False if the exporter is shut down before."""
        with self._changed:
            while self._is_open:
                left = until - self._clock()
                if left <= 0:
                    return True
                self._changed.wait(min(left / 1000, threading.TIMEOUT_MAX))
            return False

    def _left(self, limits: Limits, state: State) -> float | None:
        """The seconds that are left of the export; None if it has no limit."""
        if limits.timeout == 0:
            return None
        return min((state.deadline - self._clock()) / 1000, threading.TIMEOUT_MAX)

    def _count(self, state: State, spans: int) -> None:
        rejected = min(state.rejected, spans)
        success, failure = state.outcome == SUCCESS, state.outcome == FAILURE
        with self._changed:
            before = self._counters
            self._counters = Counters(
                before.attempts + state.attempts,
                before.retries + max(state.attempts - 1, 0),
                before.exported + (spans - rejected if success else 0),
                before.rejected + rejected,
                before.failed + (spans if failure else 0),
                before.unknown + (0 if success or failure else spans),
            )

    def count_failed(self, spans: int) -> None:
        """Count spans that could not be put into a request."""
        with self._changed:
            self._counters = self._counters._replace(failed=self._counters.failed + spans)

    def _log(self, reason: str, state: State) -> None:
        """Log a reason, unless it was not long ago. A handler that raises is not our concern."""
        now = self._clock()
        if now - self._logged.get(reason, now - _LOG_EVERY) < _LOG_EVERY:
            return
        if len(self._logged) >= _MOST_REASONS:
            self._logged.clear()
        self._logged[reason] = now
        with suppress(Exception):
            ends = "" if state.phase == WAITING else "; it is not tried again"
            level = logging.WARNING if state.outcome == SUCCESS or ends == "" else logging.ERROR
            _logger.log(level, "Export of spans: %s%s", reason, ends)


_exporters: WeakSet[Any] = WeakSet()


def _fork_all() -> None:
    for exporter in list(_exporters):
        exporter._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_all)
