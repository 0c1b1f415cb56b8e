"""The export of one batch as a machine (OTLP, "Failures", and the retries of OTLP exporters).

A batch is sent until it is answered for good or its time is over: ``start`` gives the
first state, ``step`` what an event makes of it. All times are in milliseconds from any
beginning and never run backwards; jitter comes in as a draw.

    Sending --- answered, not retryable or in vain ---> Done
    Sending --- retryable, or connection lost ---> Waiting --- backoff elapsed ---> Sending

All attempts and the waiting between them happen before one deadline. A wait that would
reach it is not begun.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from verified.contracts import ensure, require
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN

SENDING: Final = 0
WAITING: Final = 1
DONE: Final = 2
"""The phases of an export."""


class Limits(NamedTuple):
    """What an exporter is configured with, in milliseconds.

    ``timeout`` bounds the export of a batch, all attempts together; 0 is no limit. The
    backoff doubles from the first to the longest; it is at least 5.
    """

    timeout: int = 10_000
    first_backoff: int = 1_000
    longest_backoff: int = 5_000

    @property
    @ensure(lambda self, result: result == (self[0] >= 0 and 5 <= self[1] <= self[2]))
    def is_valid(self) -> bool:
        """Whether an exporter can be configured so."""
        return self.timeout >= 0 and 5 <= self.first_backoff <= self.longest_backoff


class State(NamedTuple):
    """The state of an export.

    ``attempts`` were begun, and the answers of ``lost`` of them were lost after the request
    may have been received: these the receiver may have had, each once. Waiting lasts
    ``until``, and the next wait is about ``backoff``. When the export is done, ``outcome``
    says how, and ``rejected`` how many spans a partial success refused.
    """

    phase: int
    deadline: int
    backoff: int
    attempts: int = 1
    lost: int = 0
    until: int = 0
    outcome: int = FAILURE
    rejected: int = 0


class Effects(NamedTuple):
    """What the shell is to do: ``send`` the batch, or ``wait`` so many milliseconds, or nothing."""

    send: bool = False
    wait: int = 0


NOTHING: Final = Effects()


class Accepted(NamedTuple):
    """The receiver took the batch, but for ``rejected`` spans of a partial success."""

    rejected: int = 0


class Refused(NamedTuple):
    """The receiver answered what must not be retried."""


class Deferred(NamedTuple):
    """The receiver answered what may be retried, after ``delay`` if it is not negative."""

    now: int
    delay: int
    draw: int


class Lost(NamedTuple):
    """There is no answer: it did not come in time or the connection broke.

    ``sent`` says that the request may have been received.
    """

    now: int
    sent: bool
    draw: int


class Elapsed(NamedTuple):
    """Somebody looks whether the wait is over."""

    now: int


class Abandoned(NamedTuple):
    """The exporter is shut down; the batch is not sent again."""


Event = Accepted | Refused | Deferred | Lost | Elapsed | Abandoned


@ensure(lambda limits, millis, result: result.timeout in (limits.timeout, millis))
@ensure(lambda limits, result: limits.timeout == 0 or 0 < result.timeout <= limits.timeout)
@ensure(lambda millis, result: millis == 0 or 0 < result.timeout <= millis)
@require(lambda limits, millis: limits.is_valid and millis >= 0)
def within(limits: Limits, millis: int) -> Limits:
    """Return the limits of an export that is to take no longer than this either; 0 is no limit."""
    if millis == 0 or 0 < limits.timeout <= millis:
        return limits
    return limits._replace(timeout=millis)


@ensure(lambda result: result.phase == SENDING and result.attempts == 1 and result.lost == 0)
@ensure(lambda limits, now, result: result.deadline - limits.timeout == now)
def start(limits: Limits, now: int) -> State:
    """Return the state of an export that begins now, its batch being sent."""
    return State(SENDING, now + limits.timeout, limits.first_backoff)


def _jittered(backoff: int, draw: int) -> int:
    """Return a wait of the backoff, give or take a fifth of it, as the draw wants it.

    Draws from 0 to two fifths of the backoff are equally far from each other; a draw
    beyond counts as the nearest of them.
    """
    spread = backoff // 5
    return backoff - spread + min(max(draw, 0), spread + spread)


def _done(state: State, outcome: int, rejected: int = 0) -> tuple[State, Effects]:
    if outcome == FAILURE and state.lost > 0:
        outcome = UNKNOWN
    return state._replace(phase=DONE, outcome=outcome, rejected=rejected), NOTHING


def _again(limits: Limits, state: State, now: int, wait: int) -> tuple[State, Effects]:
    """Wait and send once more, if there is time."""
    if limits.timeout > 0 and now + wait >= state.deadline:
        return _done(state, FAILURE)
    longer = min(state.backoff + state.backoff, limits.longest_backoff)
    waiting = state._replace(phase=WAITING, until=now + wait, backoff=longer)
    return waiting, Effects(wait=wait)


def _accepted(limits: Limits, state: State, event: Accepted) -> tuple[State, Effects]:
    """A partial success is a success and is not retried."""
    if state.phase != SENDING:
        return state, NOTHING
    return _done(state, SUCCESS, max(event.rejected, 0))


def _refused(limits: Limits, state: State, event: Refused) -> tuple[State, Effects]:
    """The receiver will never take the batch."""
    return (state, NOTHING) if state.phase != SENDING else _done(state, FAILURE)


def _deferred(limits: Limits, state: State, event: Deferred) -> tuple[State, Effects]:
    """The receiver knows best how long to wait; if it does not say, backoff does."""
    if state.phase != SENDING:
        return state, NOTHING
    wait = event.delay if event.delay >= 0 else _jittered(state.backoff, event.draw)
    return _again(limits, state, event.now, wait)


def _lost(limits: Limits, state: State, event: Lost) -> tuple[State, Effects]:
    """Sent again, the batch may arrive twice; not sent again, not at all."""
    if state.phase != SENDING:
        return state, NOTHING
    counted = state._replace(lost=state.lost + event.sent)
    return _again(limits, counted, event.now, _jittered(state.backoff, event.draw))


def _elapsed(limits: Limits, state: State, event: Elapsed) -> tuple[State, Effects]:
    """The next attempt begins when the wait is over, and not before."""
    if state.phase != WAITING or event.now < state.until:
        return state, NOTHING
    if limits.timeout > 0 and event.now >= state.deadline:
        return _done(state, FAILURE)
    return state._replace(phase=SENDING, attempts=state.attempts + 1), Effects(send=True)


def _abandoned(limits: Limits, state: State, event: Abandoned) -> tuple[State, Effects]:
    """A request that is under way may yet be received."""
    if state.phase == DONE:
        return state, NOTHING
    return _done(state._replace(lost=state.lost + (state.phase == SENDING)), FAILURE)


TRANSITIONS: Mapping[type, Callable[[Limits, State, Any], tuple[State, Effects]]] = {
    Accepted: _accepted,
    Refused: _refused,
    Deferred: _deferred,
    Lost: _lost,
    Elapsed: _elapsed,
    Abandoned: _abandoned,
}
"""What each event does. There are no others."""


@ensure(lambda state, result: result[0].phase >= state.phase or result[0].phase == SENDING)
@ensure(lambda state, result: 0 <= result[0].attempts - state.attempts <= result[1].send)
@require(lambda limits, state: limits.is_valid and SENDING <= state.phase <= DONE)
def step(limits: Limits, state: State, event: Event) -> tuple[State, Effects]:
    """Return the state after an event, and what is to be done."""
    return TRANSITIONS[type(event)](limits, state, event)
