"""Sends encoded spans until they are answered for good (OTLP, "Failures").

``verified.exporter.attempt`` decides what an answer leads to, ``verified.otlp.answer`` what it
means. Here are the clock, the draw of the jitter, the wait and the sender.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from verified.exporter import attempt
from verified.exporter.attempt import DONE, SENDING, Abandoned, Elapsed, Event, Limits, State
from verified.exporter.batching import Returned
from verified.exporter.outcome import FAILURE, SUCCESS
from verified.exporter.processor import monotonic_millis
from verified.otlp.answer import MAX_REQUEST, Answer, Time, meaning

DEFAULTS: Final = Limits()

_logger = logging.getLogger(__name__)
# Seeding the generator of the application must not make all its processes wait alike.
_RANDOM: Final = random.SystemRandom()


class Sender(Protocol):
    """Carries one request to the receiver."""

    def send(self, request: bytes, timeout: float | None) -> Answer:
        """Return the answer, or that there is none after so many seconds. Never raises."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""
        raise NotImplementedError


class Counts(NamedTuple):
    """What became of the spans that were handed over, and in how many attempts.

    The receiver took ``exported`` and refused ``rejected`` in partial successes; ``failed``
    it has not, ``unknown`` it may have. The others are ``in_flight``.
    """

    exported: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    in_flight: int = 0
    attempts: int = 0


class Exporter:
    """Exports requests through a sender; one that shut down sends nothing more."""

    def __init__(
        self,
        sender: Sender,
        limits: Limits = DEFAULTS,
        clock: Callable[[], int] = monotonic_millis,
        draw: Callable[[int], int] = _RANDOM.randrange,
    ) -> None:
        if not limits.is_valid:
            raise ValueError(f"no exporter can be configured with {limits}")
        self._sender = sender
        self._limits = limits
        self._clock = clock
        self._draw = draw
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """What became of all spans, in numbers."""
        return self._counts

    def export(self, request: bytes, spans: int) -> Returned:
        """Return what became of a request with so many spans; an empty one is not sent.

        Takes no longer than the timeout of the limits. In a process that was forked it begins
        anew, as the locks of other threads stay behind.
        """
        if not request:
            return Returned(SUCCESS)
        if self._process != os.getpid():
            self._begin()
        self._count(in_flight=spans)
        returned, attempts = Returned(FAILURE), 0
        try:
            returned, attempts = self._exported(request, spans)
        finally:
            failed = returned.outcome == FAILURE
            done = returned.outcome == SUCCESS
            self._count(
                exported=(spans - returned.rejected) * done,
                rejected=returned.rejected * done,
                failed=spans * failed,
                unknown=spans * (not failed and not done),
                in_flight=-spans,
                attempts=attempts,
            )
        return returned

    def shutdown(self) -> None:
        """End the waiting for another attempt; nothing is sent any more but what is under way."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._sender.close()

    def _exported(self, request: bytes, spans: int) -> tuple[Returned, int]:
        if self._stopped.is_set():
            _logger.warning("The exporter is shut down; %d spans are not exported", spans)
            return Returned(FAILURE), 0
        if len(request) > MAX_REQUEST:
            _logger.warning(
                "A request of %d bytes with %d spans is not sent; %d bytes may be",
                *(len(request), spans, MAX_REQUEST),
            )
            return Returned(FAILURE), 0
        state, reason = attempt.start(self._limits, self._clock()), ""
        while state.phase != DONE:
            if state.phase == SENDING:
                event, reason = self._sent(request, state)
            else:
                event = self._waited(state)
            state, _ = attempt.step(self._limits, state, event)
        if state.outcome != SUCCESS:
            _logger.warning(
                "%d spans were not exported in %d attempts: %s", spans, state.attempts, reason
            )
        elif reason:
            _logger.warning("%d spans were exported, but %s", spans, reason)
        return Returned(state.outcome, min(state.rejected, spans)), state.attempts

    def _sent(self, request: bytes, state: State) -> tuple[Event, str]:
        """What becomes of one attempt, in what is left of the time."""
        left = None
        if self._limits.timeout > 0:
            left = max(state.deadline - self._clock(), 1) / 1000
        answer = self._sender.send(request, left)
        draw = self._draw(state.backoff // 5 * 2 + 1)
        return meaning(answer, Time(self._clock(), time.time_ns() // 1_000_000, draw))

    def _waited(self, state: State) -> Event:
        """The wait is over, or the exporter was shut down meanwhile."""
        wait = max(state.until - self._clock(), 0) / 1000
        if self._stopped.wait(min(wait, threading.TIMEOUT_MAX)):
            return Abandoned()
        return Elapsed(self._clock())

    def _count(self, **more: int) -> None:
        with self._lock:
            counts = self._counts._asdict()
            self._counts = Counts(**{name: counts[name] + more.get(name, 0) for name in counts})
