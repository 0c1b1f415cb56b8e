"""Claims about the export of a batch, for every run of any length."""

from typing import Literal

from hypothesis import strategies as st

from verified.exporter import attempt
from verified.exporter.attempt import (
    DONE,
    SENDING,
    WAITING,
    Abandoned,
    Accepted,
    Deferred,
    Effects,
    Elapsed,
    Event,
    Limits,
    Lost,
    Refused,
    State,
)
from verified.exporter.outcome import FAILURE, SUCCESS, UNKNOWN

from ..claim import Constant, claim
from ..machine import Machine, always
from ..verdict import Verdict

LIMITS = st.builds(
    lambda timeout, first, more: Limits(timeout, first, first + more),
    st.sampled_from([0, 1, 10, 50]),
    st.integers(5, 12),
    st.integers(0, 30),
)

ATTEMPT = Machine(
    "attempt",
    attempt.start,
    attempt.step,
    attempt.TRANSITIONS,
    Limits,
    State,
    LIMITS,
    ("Sending", "Waiting", "Done"),
)


@always(
    ATTEMPT,
    "A batch is sent again only after a wait that is over, and only if it was deferred or its "
    "answer was lost; attempts are counted",
    discharges=("OT-02", "OT-05"),
)
def sent_again_after_a_wait(before: State, event: Event, after: State, effects: Effects) -> bool:
    if not effects.send:
        return after.attempts == before.attempts
    return (
        isinstance(event, Elapsed)
        and before.phase == WAITING
        and event.now >= before.until
        and after.phase == SENDING
        and after.attempts == before.attempts + 1
    )


@always(
    ATTEMPT,
    "An answer that must not be retried and a success, a partial one too, end the export at once",
    discharges=("OT-02", "OT-07", "OT-08"),
)
def final_answers_are_final(before: State, event: Event, after: State) -> bool:
    if before.phase != SENDING or not isinstance(event, (Accepted, Refused)):
        return True
    return after.phase == DONE and (after.outcome == SUCCESS) == isinstance(event, Accepted)


@always(
    ATTEMPT,
    "What a partial success refused is kept, and is never negative",
    discharges="OT-07",
)
def rejected_spans_are_kept(before: State, event: Event, after: State) -> bool:
    if isinstance(event, Accepted) and before.phase == SENDING:
        return after.rejected == max(event.rejected, 0)
    return after.rejected == before.rejected >= 0


@always(
    ATTEMPT,
    "An export that is done stays as it is, and nothing is sent or waited for any more",
    discharges="OT-08",
)
def done_is_the_end(before: State, after: State, effects: Effects) -> bool:
    if before.phase != DONE:
        return True
    return after == before and not effects.send and effects.wait == 0


@always(
    ATTEMPT,
    "No attempt and no wait reaches past the deadline of the batch, if it has one, and nothing "
    "puts that off",
    discharges=("OT-16", "BP-15"),
)
def all_attempts_are_inside_the_timeout(
    limits: Limits, before: State, event: Event, after: State, effects: Effects
) -> bool:
    if limits.timeout == 0 or after.deadline != before.deadline:
        return limits.timeout == 0
    if isinstance(event, Elapsed) and effects.send:
        return event.now < after.deadline
    return after.phase != WAITING or after.until < after.deadline


@always(
    ATTEMPT,
    "A wait lasts what the receiver asked for, or else a backoff, give or take a fifth of it, that "
    "doubles up to the longest",
    discharges=("OT-03", "OT-04", "OT-05"),
)
def waits_are_what_they_should_be(
    limits: Limits, before: State, event: Event, after: State, effects: Effects
) -> bool:
    if not isinstance(event, (Deferred, Lost)) or after.phase != WAITING or before.phase != SENDING:
        return effects.wait == 0 and after.backoff == before.backoff
    longer = after.backoff == min(2 * before.backoff, limits.longest_backoff)
    if isinstance(event, Deferred) and event.delay >= 0:
        return longer and effects.wait == event.delay
    wait = 5 * effects.wait
    return longer and 4 * before.backoff <= wait <= 6 * before.backoff + 4


@always(
    ATTEMPT,
    "An export that may be retried is given up only if its wait would reach the deadline, or if "
    "that is reached when the wait is over; without a timeout it never is",
    discharges=("OT-01", "OT-16"),
)
def retried_while_there_is_time(
    limits: Limits, before: State, event: Event, after: State, effects: Effects
) -> bool:
    if isinstance(event, Elapsed):
        over = before.phase == WAITING and event.now >= before.until
        in_time = limits.timeout == 0 or event.now < before.deadline
        return effects.send == (over and in_time)
    if not isinstance(event, (Deferred, Lost)) or before.phase != SENDING:
        return True
    wait = attempt._jittered(before.backoff, event.draw)
    if isinstance(event, Deferred) and event.delay >= 0:
        wait = event.delay
    in_time = limits.timeout == 0 or event.now + wait < before.deadline
    return (after.phase == WAITING) == in_time


@always(
    ATTEMPT,
    "The backoff is between the first and the longest",
    discharges="OT-04",
)
def backoff_is_in_its_interval(limits: Limits, after: State) -> bool:
    return limits.first_backoff <= after.backoff <= limits.longest_backoff


@always(
    ATTEMPT,
    "The effects say what the shell does: it waits until the end of the wait, and when it neither "
    "sends nor waits, it was doing so or the export is done",
)
def effects_are_what_the_state_says(
    before: State, event: Event, after: State, effects: Effects
) -> bool:
    if effects.send:
        return after.phase == SENDING and effects.wait == 0
    if isinstance(event, (Deferred, Lost)) and before.phase == SENDING:
        return after.phase != WAITING or after.until == event.now + effects.wait
    return after.phase == before.phase or after.phase == DONE


@always(
    ATTEMPT,
    "A batch that failed after an answer was lost is of unknown fate; if none was lost, the "
    "receiver has it once if it was accepted, and not at all if it failed",
    discharges="OT-08",
)
def unknown_if_an_answer_was_lost(after: State) -> bool:
    if after.phase != DONE or after.outcome == SUCCESS:
        return after.lost >= 0
    return after.outcome == (UNKNOWN if after.lost > 0 else FAILURE)


@always(
    ATTEMPT,
    "Lost answers are those of requests that may have been received, one at most for each attempt",
)
def lost_answers_are_counted(before: State, event: Event, after: State) -> bool:
    lost = (isinstance(event, Lost) and event.sent) or isinstance(event, Abandoned)
    counted = 1 if lost and before.phase == SENDING else 0
    return after.lost - before.lost == counted and after.lost <= after.attempts


@always(
    ATTEMPT,
    "An export that is abandoned is done, whatever it was doing, and is no success",
    discharges=("BP-15", "BP-17"),
)
def abandoned_is_done(before: State, event: Event, after: State) -> bool:
    if not isinstance(event, Abandoned) or before.phase == DONE:
        return True
    return after.phase == DONE and after.outcome != SUCCESS


@always(
    ATTEMPT,
    "An export with a timeout ends: every attempt that ends, ends it or begins a wait, and every "
    "wait ends before the deadline",
    discharges=("BP-15", "OT-16"),
)
def every_wait_brings_the_end_nearer(
    limits: Limits, before: State, event: Event, after: State
) -> bool:
    if isinstance(event, Elapsed):
        over = before.phase == WAITING and event.now >= before.until
        return after.phase != WAITING if over else after == before
    if before.phase == SENDING:
        return after.phase != SENDING
    return after == before or isinstance(event, Abandoned)


@claim(
    "An export that nobody configures takes 10 seconds, as OTLP exporters do, and waits for one "
    "second first and for five at most; it begins with one attempt and no wait, and its phases are "
    "numbered in their order",
    discharges="OT-16",
    subject=(
        *(Constant(attempt.__name__, f"Limits.{name}") for name in Limits._fields),
        Constant(attempt.__name__, "State.until"),
        Constant(attempt.__name__, "DONE"),
    ),
    required=Verdict.EXHAUSTED,
    engines=("exhaustive",),
)
def defaults_of_an_export(now: Literal[-1, 0, 7]) -> bool:
    begun = attempt.start(Limits(), now)
    return (
        tuple(Limits()) == (10_000, 1_000, 5_000)
        and tuple(begun) == (0, now + 10_000, 1_000, 1, 0, 0, 1, 0)
        and (SENDING, WAITING, DONE) == (0, 1, 2)
    )


@claim(
    "A backoff with jitter is within a fifth of the backoff, and every draw between the ends gives "
    "a wait of its own",
    discharges="OT-04",
    subject=attempt._jittered,
)
def jitter_is_within_a_fifth(limits: Limits, draw: int) -> bool:
    backoff = max(limits.first_backoff, 0)
    spread = backoff // 5
    wait = attempt._jittered(backoff, draw)
    if 0 <= draw <= 2 * spread:
        return wait == backoff - spread + draw
    return wait == (backoff - spread if draw < 0 else backoff + spread)
