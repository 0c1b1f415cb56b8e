"""The batching span processor as a machine (OpenTelemetry SDK, "Batching processor").

What happens is an event, what is to be done an effect, and ``step`` is all that decides:
a function of the state and the event, with no clock, no thread and no queue. The spans are
with the shell that runs the machine; the machine has their numbers. Time comes in with
the events, in milliseconds from any beginning, and never runs backwards.

    Running --- Closed ---> Closing --- empty, or the deadline ---> Closed

A running processor accepts spans while there is room, and hands a batch to the exporter
when one is full, when the delay is over, or when a flush waits for it. A closing one
accepts nothing and hands over what is left, until its deadline. A closed one only waits
for the export that is still under way, if there is one.

Spans leave the queue in the order in which they were accepted, so which spans a flush
waits for is said by one number: how many had been accepted when it was asked for.

Every span that was offered is counted once: see ``State``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from verified.contracts import ensure, require
from verified.exporter.outcome import FAILURE, SUCCESS


class Limits(NamedTuple):
    """What a processor is configured with; ``schedule_delay`` is in milliseconds.

    A batch has at least one span and fits into the queue.
    """

    max_queue_size: int = 2048
    max_export_batch_size: int = 512
    schedule_delay: int = 5000

    @property
    @ensure(lambda self, result: result == (1 <= self[1] <= self[0] and self[2] >= 0))
    def is_valid(self) -> bool:
        """Whether a processor can be configured so."""
        return 0 < self.max_export_batch_size <= self.max_queue_size and self.schedule_delay >= 0


RUNNING: Final = 0
CLOSING: Final = 1
CLOSED: Final = 2
"""The phases of a processor, which are never left backwards."""


class Queue(NamedTuple):
    """What spans that end change, and nothing else.

    ``queued`` spans wait; ``accepted`` were ever taken in; ``full`` found no room and
    ``late`` came after shutdown.
    """

    is_open: bool = True
    queued: int = 0
    accepted: int = 0
    full: int = 0
    late: int = 0


class State(NamedTuple):
    """The state of a processor.

    Of the spans that the queue accepted, ``exported`` were taken by the receiver,
    ``rejected`` refused by it in a partial success, ``failed`` not exported, ``unknown``
    exported or not; ``discarded`` were left at the deadline of shutdown. The others are
    ``queued`` or ``in_flight``.

    ``flush`` is the number of accepted spans that are to be exported without delay,
    ``due`` the time at which the others are, ``deadline`` that of shutdown.
    """

    queue: Queue = Queue()
    phase: int = RUNNING
    in_flight: int = 0
    exported: int = 0
    rejected: int = 0
    failed: int = 0
    unknown: int = 0
    discarded: int = 0
    flush: int = 0
    due: int = 0
    deadline: int = 0


class Effects(NamedTuple):
    """What the shell is to do, in this order.

    Forget the ``discard`` oldest spans of the queue; hand the ``export`` oldest to the
    exporter; ``close`` the exporter; ``wake`` the worker, which then says ``Looked``.
    """

    discard: int = 0
    export: int = 0
    close: bool = False
    wake: bool = False


NOTHING: Final = Effects()


class Offered(NamedTuple):
    """Spans ended and are offered to the queue, one after another."""

    spans: int = 1


class Looked(NamedTuple):
    """Somebody looks whether something is to be done at this time."""

    now: int


class Returned(NamedTuple):
    """The exporter returned; of a batch that it exported the receiver refused ``rejected``."""

    outcome: int
    rejected: int = 0


class FlushAsked(NamedTuple):
    """All that was accepted before is to be exported now ("ForceFlush")."""


class ShutdownAsked(NamedTuple):
    """No more spans come; the rest is to be exported until the deadline ("Shutdown")."""

    deadline: int


class Forked(NamedTuple):
    """This is the child of a process that was forked; its queue is the parent's to export."""

    now: int


Event = Offered | Looked | Returned | FlushAsked | ShutdownAsked | Forked


@ensure(lambda state, result: result + state.queue.queued + state.in_flight == state.queue.accepted)
def settled(state: State) -> int:
    """Return how many accepted spans are neither queued nor in flight: the oldest ones."""
    return state.queue.accepted - state.queue.queued - state.in_flight


@ensure(lambda queue, result: (result.accepted > queue.accepted) <= queue.is_open)
@ensure(lambda limits, queue, result: result.queued <= max(queue.queued, limits.max_queue_size))
@ensure(
    lambda queue, spans, result: (
        result.accepted + result.full + result.late
        == queue.accepted + queue.full + queue.late + max(spans, 0)
        and result.accepted - result.queued == queue.accepted - queue.queued
    )
)
def offer(limits: Limits, queue: Queue, spans: int) -> Queue:
    """Return the queue after spans were offered; the first of them are accepted, if any are."""
    spans = max(spans, 0)
    if not queue.is_open:
        return queue._replace(late=queue.late + spans)
    accepted = min(spans, max(limits.max_queue_size - queue.queued, 0))
    return queue._replace(
        queued=queue.queued + accepted,
        accepted=queue.accepted + accepted,
        full=queue.full + spans - accepted,
    )


@ensure(
    lambda limits, queue, result: offer(limits, queue, result).accepted == queue.accepted + result
)
@require(lambda limits: limits.is_valid)
def quiet(limits: Limits, queue: Queue) -> int:
    """Return how many spans are accepted before one is refused or the worker is to be told.

    Whoever offers them can be answered beforehand; this is why a span that ends need not
    wait for a step of the machine.
    """
    if not queue.is_open:
        return 0
    full = limits.max_export_batch_size
    return max((full - 1 if queue.queued < full else limits.max_queue_size) - queue.queued, 0)


@ensure(lambda limits, now, result: result == State(due=now + limits.schedule_delay))
def start(limits: Limits, now: int) -> State:
    """Return the state of a processor that starts now."""
    return State(due=now + limits.schedule_delay)


def _offered(limits: Limits, state: State, event: Offered) -> tuple[State, Effects]:
    """Spans are accepted while there is room. The worker is told of a batch that is full."""
    queue = offer(limits, state.queue, event.spans)
    full = state.queue.queued < limits.max_export_batch_size <= queue.queued
    return state._replace(queue=queue), Effects(wake=full)


def _looked(limits: Limits, state: State, event: Looked) -> tuple[State, Effects]:
    """The oldest spans are handed over if they are due and no export is under way."""
    queue = state.queue
    if state.phase == CLOSING and event.now >= state.deadline:
        left = queue._replace(queued=0)
        closed = state._replace(queue=left, phase=CLOSED, discarded=state.discarded + queue.queued)
        return closed, Effects(discard=queue.queued, close=True)
    if state.in_flight > 0 or state.phase == CLOSED:
        return state, NOTHING
    if queue.queued == 0:
        if state.phase == CLOSING:
            return state._replace(phase=CLOSED), Effects(close=True)
        return state._replace(due=event.now + limits.schedule_delay), NOTHING
    if (
        queue.queued >= limits.max_export_batch_size
        or settled(state) < state.flush
        or event.now >= state.due
    ):
        size = min(queue.queued, limits.max_export_batch_size)
        handed = state._replace(
            queue=queue._replace(queued=queue.queued - size),
            in_flight=size,
            due=event.now + limits.schedule_delay,
        )
        return handed, Effects(export=size)
    return state, NOTHING


def _returned(limits: Limits, state: State, event: Returned) -> tuple[State, Effects]:
    """The spans of the batch are counted by what became of them."""
    size = state.in_flight
    idle = state._replace(in_flight=0)
    if event.outcome == SUCCESS:
        rejected = min(max(event.rejected, 0), size)
        counted = idle._replace(
            exported=state.exported + size - rejected, rejected=state.rejected + rejected
        )
    elif event.outcome == FAILURE:
        counted = idle._replace(failed=state.failed + size)
    else:
        counted = idle._replace(unknown=state.unknown + size)
    return counted, Effects(wake=state.phase != CLOSED)


def _flush_asked(limits: Limits, state: State, event: FlushAsked) -> tuple[State, Effects]:
    """What was accepted so far is to be settled; what comes later is not waited for."""
    if state.phase == CLOSED:
        return state, NOTHING
    return state._replace(flush=state.queue.accepted), Effects(wake=True)


def _shutdown_asked(limits: Limits, state: State, event: ShutdownAsked) -> tuple[State, Effects]:
    """The queue is closed and flushed. Asked again, nothing changes."""
    if state.phase != RUNNING:
        return state, NOTHING
    closing = state._replace(
        queue=state.queue._replace(is_open=False),
        phase=CLOSING,
        flush=state.queue.accepted,
        deadline=event.deadline,
    )
    return closing, Effects(wake=True)


def _forked(limits: Limits, state: State, event: Forked) -> tuple[State, Effects]:
    """The child starts anew: with nothing queued and nothing counted, closed if it was."""
    if state.phase == RUNNING:
        return start(limits, event.now), Effects(discard=state.queue.queued)
    closed = State(queue=Queue(is_open=False), phase=CLOSED)
    return closed, Effects(discard=state.queue.queued)


def _counted(state: State) -> int:
    """How many accepted spans the state knows the fate of."""
    over = state.exported + state.rejected + state.failed + state.unknown + state.discarded
    return over + state.queue.queued + state.in_flight


TRANSITIONS: Mapping[type, Callable[[Limits, State, Any], tuple[State, Effects]]] = {
    Offered: _offered,
    Looked: _looked,
    Returned: _returned,
    FlushAsked: _flush_asked,
    ShutdownAsked: _shutdown_asked,
    Forked: _forked,
}
"""What each event does. There are no others."""


@ensure(lambda result: _counted(result[0]) == result[0].queue.accepted)
@require(
    lambda limits, state: (
        limits.is_valid and state.in_flight >= 0 and _counted(state) == state.queue.accepted
    )
)
def step(limits: Limits, state: State, event: Event) -> tuple[State, Effects]:
    """Return the state after an event, and what is to be done; always and of any state.

    If all accepted spans were counted before, they are after it.
    """
    return TRANSITIONS[type(event)](limits, state, event)
