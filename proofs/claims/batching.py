"""Claims about the batching processor, for every run of any length."""

from typing import Literal

from hypothesis import strategies as st

from verified.exporter import batching
from verified.exporter.batching import (
    CLOSED,
    CLOSING,
    RUNNING,
    Effects,
    Event,
    FlushAsked,
    Forked,
    Limits,
    Looked,
    Offered,
    Queue,
    Returned,
    ShutdownAsked,
    State,
)
from verified.exporter.outcome import FAILURE, SUCCESS

from ..claim import Constant, claim
from ..machine import Machine, always
from ..verdict import Verdict

LIMITS = st.builds(
    lambda batch, more, delay: Limits(batch + more, batch, delay),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([0, 1, 5, 20]),
)

BATCHING = Machine(
    "batching",
    batching.start,
    batching.step,
    batching.TRANSITIONS,
    Limits,
    State,
    LIMITS,
    ("Running", "Closing", "Closed"),
)


@always(
    BATCHING,
    "Every span that was accepted is exported, rejected by the receiver, failed, of unknown fate, "
    "discarded at shutdown, queued or in flight, and is one of these only",
    discharges="BP-03",
)
def conservation(after: State) -> bool:
    queue = after.queue
    return queue.accepted == (
        after.exported
        + after.rejected
        + after.failed
        + after.unknown
        + after.discarded
        + queue.queued
        + after.in_flight
    )


@always(BATCHING, "No number of spans is ever negative")
def numbers_are_natural(after: State) -> bool:
    queue = after.queue
    return (
        min(queue.queued, queue.accepted) >= 0
        and min(queue.full, queue.late) >= 0
        and min(after.in_flight, after.exported) >= 0
        and min(after.rejected, after.failed) >= 0
        and min(after.unknown, after.discarded) >= 0
    )


@always(
    BATCHING,
    "The queue never holds more than max_queue_size spans, and a batch never more than "
    "max_export_batch_size",
    discharges="BP-03",
)
def queue_and_batch_are_bounded(limits: Limits, after: State) -> bool:
    return (
        after.queue.queued <= limits.max_queue_size
        and after.in_flight <= limits.max_export_batch_size
    )


@always(
    BATCHING,
    "Each span that is offered is accepted, found no room or came too late, and is counted once; "
    "nothing else counts one",
    discharges=("BP-03", "BP-06"),
)
def every_offer_is_counted_once(before: State, event: Event, after: State) -> bool:
    old, new = before.queue, after.queue
    if isinstance(event, Forked):
        return (new.accepted, new.full, new.late) == (0, 0, 0)
    counted = (new.accepted - old.accepted) + (new.full - old.full) + (new.late - old.late)
    return counted == (max(event.spans, 0) if isinstance(event, Offered) else 0)


@always(
    BATCHING,
    "Spans are accepted if and only if the processor is running, and as far as there is room",
    discharges=("BP-03", "BP-06"),
)
def accepted_while_there_is_room(limits: Limits, before: State, event: Event, after: State) -> bool:
    if not isinstance(event, Offered):
        return after.queue.accepted == before.queue.accepted or isinstance(event, Forked)
    room = limits.max_queue_size - before.queue.queued if before.phase == RUNNING else 0
    return after.queue.accepted - before.queue.accepted == min(max(event.spans, 0), room)


@always(
    BATCHING,
    "A span that is not accepted is counted as late if it came after shutdown was asked for, and "
    "as one that found no room if it came before",
    discharges=("BP-03", "BP-06"),
)
def refused_for_one_reason(before: State, event: Event, after: State) -> bool:
    if isinstance(event, Forked):
        return True
    full = after.queue.full - before.queue.full
    late = after.queue.late - before.queue.late
    return (late if before.phase == RUNNING else full) == 0


@always(
    BATCHING,
    "What the exporter says of a batch, and nothing else, is what its spans are counted by: a "
    "success but for the spans that the receiver rejected, a failure, or neither",
)
def counted_by_what_became_of_them(before: State, event: Event, after: State) -> bool:
    if isinstance(event, Forked):
        return after.exported == after.rejected == after.failed == after.unknown == 0
    size = before.in_flight if isinstance(event, Returned) else 0
    succeeded = isinstance(event, Returned) and event.outcome == SUCCESS
    failed = isinstance(event, Returned) and event.outcome == FAILURE
    rejected = min(max(event.rejected, 0), size) if isinstance(event, Returned) and succeeded else 0
    return (
        after.rejected - before.rejected == rejected
        and after.exported - before.exported == (size - rejected if succeeded else 0)
        and after.failed - before.failed == (size if failed else 0)
        and after.unknown - before.unknown == (0 if succeeded or failed else size)
    )


@always(
    BATCHING,
    "A batch is handed over only when none is under way: there are never two exports at once",
    discharges="BP-01",
)
def one_export_at_a_time(before: State, after: State, effects: Effects) -> bool:
    if effects.export == 0:
        return after.in_flight in (0, before.in_flight)
    return before.in_flight == 0 and after.in_flight == effects.export


@always(
    BATCHING,
    "What is handed over or discarded is what leaves the queue, the oldest spans first",
    discharges="BP-08",
)
def effects_are_what_leaves_the_queue(
    before: State, event: Event, after: State, effects: Effects
) -> bool:
    if isinstance(event, Forked):
        return effects == Effects(discard=before.queue.queued)
    accepted = after.queue.accepted - before.queue.accepted
    left = before.queue.queued + accepted - after.queue.queued
    return left == effects.discard + effects.export


@always(
    BATCHING,
    "A batch is handed over if and only if somebody looks, none is under way, the processor is not "
    "closed or over its deadline, and a batch is full, the delay is over or a flush waits",
    discharges=("BP-02", "BP-05"),
)
def handed_over_when_due(limits: Limits, before: State, event: Event, effects: Effects) -> bool:
    if not isinstance(event, Looked):
        return effects.export == 0
    queued = before.queue.queued
    waits = before.queue.accepted - queued - before.in_flight < before.flush
    due = queued >= limits.max_export_batch_size or event.now >= before.due or waits
    expired = before.phase == CLOSING and event.now >= before.deadline
    free = before.in_flight == 0 and before.phase != CLOSED and not expired
    wanted = min(queued, limits.max_export_batch_size) if due and free else 0
    return effects.export == wanted


@always(
    BATCHING,
    "After shutdown nothing is accepted or handed over, and it is never left",
    discharges=("BP-06", "BP-17"),
)
def closed_is_the_end(before: State, after: State, effects: Effects) -> bool:
    return before.phase != CLOSED or (
        after.phase == CLOSED
        and effects.export == 0
        and not effects.close
        and not effects.wake
        and after.queue.queued == 0
        and not after.queue.is_open
    )


@always(
    BATCHING,
    "Asked to shut down, a running processor is closing, with the deadline that was asked for; "
    "asked again, it changes nothing; phases are never left backwards, but by a child",
    discharges="BP-06",
)
def shutdown_is_asked_once(before: State, event: Event, after: State) -> bool:
    if isinstance(event, ShutdownAsked):
        if before.phase != RUNNING:
            return after == before
        return after.phase == CLOSING and after.deadline == event.deadline
    return after.phase >= before.phase or isinstance(event, Forked)


@always(
    BATCHING,
    "The exporter is closed once, at the end of closing: when nothing is left, or the deadline is "
    "reached",
    discharges=("BP-05", "BP-06", "BP-09"),
)
def closed_once(before: State, event: Event, after: State, effects: Effects) -> bool:
    if not effects.close:
        return before.phase == CLOSED or after.phase != CLOSED or isinstance(event, Forked)
    return (
        before.phase == CLOSING
        and after.phase == CLOSED
        and isinstance(event, Looked)
        and (event.now >= before.deadline or before.queue.queued == before.in_flight == 0)
    )


@always(
    BATCHING,
    "A flush covers what was accepted before it and nothing that comes later; shutdown flushes all",
    discharges=("BP-05", "BP-08"),
)
def flush_covers_what_was_accepted(before: State, event: Event, after: State) -> bool:
    if isinstance(event, Forked):
        return after.flush == 0
    asked = (isinstance(event, FlushAsked) and before.phase != CLOSED) or (
        isinstance(event, ShutdownAsked) and before.phase == RUNNING
    )
    return after.flush == (before.queue.accepted if asked else before.flush)


@always(
    BATCHING,
    "A closing processor flushes all that it accepted",
    discharges="BP-05",
)
def closing_flushes_all(after: State) -> bool:
    return after.phase == RUNNING or after.flush == after.queue.accepted


@always(
    BATCHING,
    "Only at the deadline of shutdown are accepted spans discarded",
    discharges="BP-09",
)
def discarded_at_the_deadline_only(before: State, event: Event, after: State) -> bool:
    if isinstance(event, Forked):
        return after.discarded == 0
    expired = isinstance(event, Looked) and before.phase == CLOSING and event.now >= before.deadline
    return after.discarded - before.discarded == (before.queue.queued if expired else 0)


def _left(state: State) -> int:
    """How many steps are left for what the latest flush waits for: two for each span at most."""
    queue = state.queue
    waiting = max(state.flush - (queue.accepted - queue.queued - state.in_flight), 0)
    return waiting + waiting - (state.in_flight > 0)


@always(
    BATCHING,
    "While a flush waits, each look while no export is under way and each return brings it nearer, "
    "and nothing but another flush takes it back: it ends after finitely many of them",
    discharges=("BP-07", "BP-08"),
)
def flush_comes_nearer(before: State, event: Event, after: State) -> bool:
    if isinstance(event, (FlushAsked, ShutdownAsked, Forked)) or _left(before) <= 0:
        return True
    moves = (isinstance(event, Looked) and before.in_flight == 0 and before.phase != CLOSED) or (
        isinstance(event, Returned) and before.in_flight > 0
    )
    return _left(after) < _left(before) if moves else _left(after) <= _left(before)


@always(
    BATCHING,
    "A closing processor that is looked at, at its deadline or later, is closed, whatever is under "
    "way: shutdown ends by its deadline",
    discharges=("BP-07", "BP-09"),
)
def shutdown_ends_by_its_deadline(before: State, event: Event, after: State) -> bool:
    late = isinstance(event, Looked) and before.phase == CLOSING and event.now >= before.deadline
    return after.phase == CLOSED if late else True


@always(
    BATCHING,
    "Spans that are queued are handed over within schedule_delay of the last look at an idle "
    "processor: what is due never lies further ahead",
    discharges="BP-02",
)
def due_is_within_the_delay(limits: Limits, before: State, event: Event, after: State) -> bool:
    if isinstance(event, Forked):
        return True
    if not isinstance(event, Looked):
        return after.due == before.due
    return after.due in (before.due, event.now + limits.schedule_delay)


@always(
    BATCHING,
    "The delay begins anew when a batch is handed over, and at each look at a running processor "
    "that has nothing queued and none under way; else it goes on",
    discharges="BP-02",
)
def the_delay_begins_anew(
    limits: Limits, before: State, event: Event, after: State, effects: Effects
) -> bool:
    if not isinstance(event, Looked):
        return True
    idle = before.phase == RUNNING and before.queue.queued == before.in_flight == 0
    anew = effects.export > 0 or idle
    return after.due == (event.now + limits.schedule_delay if anew else before.due)


@always(
    BATCHING,
    "A child of a process that forked has counted nothing, and is closed if its parent was not "
    "running",
)
def a_child_starts_anew(limits: Limits, before: State, event: Event, after: State) -> bool:
    if not isinstance(event, Forked):
        return True
    fresh = batching.start(limits, event.now)
    if before.phase == RUNNING:
        return after == fresh
    closed = fresh._replace(queue=fresh.queue._replace(is_open=False), phase=CLOSED, due=0)
    return after == closed


@always(
    BATCHING,
    "What is not due at a look does not become due before its time without a wake: a worker that "
    "looks when it is woken, and at the time that it found, misses nothing",
    discharges=("BP-02", "BP-08"),
)
def no_wake_is_missed(
    limits: Limits, before: State, event: Event, after: State, effects: Effects
) -> bool:
    if isinstance(event, (Looked, Forked)) or effects.wake:
        return True
    look = Looked(before.due - 1)
    idle = batching.step(limits, before, look)[1] == batching.NOTHING
    return batching.step(limits, after, look)[1] == batching.NOTHING if idle else True


@always(
    BATCHING,
    "The queue is open while the processor is running, and then only; before shutdown is asked for "
    "there is no deadline",
    discharges="BP-06",
)
def open_while_it_runs(after: State) -> bool:
    running = after.phase == RUNNING
    return after.queue.is_open == running and (not running or after.deadline == 0)


@claim(
    "A processor that nobody configures has the limits of the standard; nothing is counted when it "
    "starts, and its phases are numbered in their order",
    discharges="BP-02",
    subject=(
        *(Constant(batching.__name__, f"Limits.{name}") for name in Limits._fields),
        Constant(batching.__name__, "State.deadline"),
        Constant(batching.__name__, "CLOSED"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def defaults_of_a_processor(now: Literal[-1, 0, 7]) -> bool:
    begun = batching.start(Limits(), now)
    return (
        tuple(Limits()) == (2048, 512, 5000)
        and tuple(begun) == ((True, 0, 0, 0, 0), 0, 0, 0, 0, 0, 0, 0, 0, now + 5000, 0)
        and (RUNNING, CLOSING, CLOSED) == (0, 1, 2)
    )


@claim(
    "Of a batch that was taken as many spans count as rejected as the receiver says, at most "
    "all of them; the others count as exported",
    discharges="BP-03",
    subject=batching.TRANSITIONS[Returned],
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def rejected_spans_are_counted(spans: Literal[1, 2, 3], rejected: Literal[-1, 0, 1, 2, 3]) -> bool:
    limits = Limits(4, 4, 0)
    state = batching.start(limits, 0)
    for event in (Offered(spans), Looked(0), Returned(SUCCESS, rejected)):
        state, _ = batching.step(limits, state, event)
    counted = {-1: 0}.get(rejected, min(rejected, spans))
    return (state.exported, state.rejected) == (spans - counted, counted)


@claim(
    "Spans that are offered at once are counted as if they had been offered one after another",
    discharges="BP-03",
    engines=("smt", "fuzz"),
    subject=batching.offer,
)
def offers_add_up(limits: Limits, queue: Queue, first: int, second: int) -> bool:
    first, second = max(first, 0), max(second, 0)
    one_by_one = batching.offer(limits, batching.offer(limits, queue, first), second)
    return one_by_one == batching.offer(limits, queue, first + second)


@always(
    BATCHING,
    "As many spans as the machine says can be answered before it is asked are accepted, and "
    "nothing is to be done",
    subject=batching.quiet,
)
def quiet_offers_need_no_step(limits: Limits, after: State) -> bool:
    spans = batching.quiet(limits, after.queue)
    offered, effects = batching.step(limits, after, Offered(spans))
    accepted = offered.queue.accepted - after.queue.accepted
    return 0 <= spans == accepted and effects == batching.NOTHING


@always(
    BATCHING,
    "No more spans could be answered beforehand: one more finds no room or is to be told of",
    subject=batching.quiet,
)
def as_many_as_can_be_are_quiet(limits: Limits, after: State) -> bool:
    spans = batching.quiet(limits, after.queue) + 1
    offered, effects = batching.step(limits, after, Offered(spans))
    return effects.wake or offered.queue.accepted - after.queue.accepted < spans
