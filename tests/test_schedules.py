"""The schedules engine: what it counts, what it finds, and what it finds in the processor."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import permutations, product
from math import comb, factorial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from proofs import sources
from proofs.claim import FALSE, claim_of
from proofs.engines import Options, schedules
from proofs.interleaving import ScheduleClaim
from proofs.planting import Mutant, TooSlow, applied, time_limit
from proofs.prover import prove
from proofs.report import print_failures, shown, write_test
from proofs.schedules import Lock, NotRepeatable, Schedule, explore
from proofs.verdict import Verdict
from verified.exporter import processor

OPTIONS = Options(timeout=60)


def toy(program: Callable[[Schedule], None], preemptions: int) -> ScheduleClaim:
    """A claim out of a program, outside of the registry."""
    return ScheduleClaim(
        program, "A toy counts right", (), (toy_increment,), preemptions, Verdict.EXHAUSTED
    )


def steps(threads: int, pauses: int) -> Callable[[Schedule], None]:
    """A program whose threads share nothing and can be overtaken so often."""

    def program(schedule: Schedule) -> None:
        def thread() -> None:
            for _ in range(pauses):
                schedule.pause("goes on")

        schedule.run({str(number): thread for number in range(threads)})

    return program


def interleavings(threads: int, parts: int, preemptions: int) -> int:
    """How many words have each of so many letters so often, and few enough switches inside."""
    letters = [number for number in range(threads) for _ in range(parts)]

    def switches(word: tuple[int, ...]) -> int:
        return sum(
            word[at] != word[at + 1] and word[at] in word[at + 1 :] for at in range(len(word) - 1)
        )

    return sum(switches(word) <= preemptions for word in set(permutations(letters)))


@pytest.mark.parametrize(
    ("threads", "pauses", "preemptions"),
    [*product([1, 2], [0, 1, 2, 3], [0, 1, 2, 9]), *product([3], [0, 1], [0, 1, 9])],
)
def test_each_schedule_is_run_once(threads: int, pauses: int, preemptions: int) -> None:
    finding = schedules.run(toy(steps(threads, pauses), preemptions), OPTIONS)
    assert finding.verdict is Verdict.EXHAUSTED
    assert finding.count == interleavings(threads, pauses + 1, preemptions)
    traces = [tuple(each.trace) for each in explore(steps(threads, pauses), preemptions)]
    assert len(set(traces)) == len(traces)


def test_the_counts_are_those_of_combinatorics() -> None:
    assert schedules.run(toy(steps(2, 4), 9), OPTIONS).count == comb(10, 5)
    assert schedules.run(toy(steps(4, 3), 0), OPTIONS).count == factorial(4)


def toy_increment(value: int) -> int:
    return value + 1


def counter(lock: Callable[[Schedule], Lock | None]) -> Callable[[Schedule], None]:
    """Two threads that each read a number, can be overtaken, and write the next one."""

    def program(schedule: Schedule) -> None:
        number, guard = [0], lock(schedule)

        def thread() -> None:
            if guard is not None:
                guard.__enter__()
            read = number[0]
            schedule.pause("has read")
            number[0] = toy_increment(read)
            if guard is not None:
                guard.__exit__()

        schedule.run({"a": thread, "b": thread})
        assert number == [2], "an increment is lost"

    return program


def test_a_race_is_refuted_with_a_listing_that_replays() -> None:
    claim = toy(counter(lambda schedule: None), 1)
    finding = schedules.run(claim, OPTIONS)
    assert finding.verdict is Verdict.REFUTED
    assert finding.inputs is not None
    listings = []
    for _ in range(3):
        again = Schedule(finding.inputs["choices"])
        claim.run(again)
        listings.append(again.listing())
    assert listings == [finding.reason] * 3
    assert finding.reason is not None
    assert finding.reason.startswith("an increment is lost\n")
    rows = [line.split(maxsplit=2)[1:] for line in finding.reason.splitlines()[1:]]
    assert sorted(rows[:2]) == [["a", "has read"], ["b", "has read"]]
    assert claim.fails_on(finding.inputs) == FALSE


def test_a_race_needs_its_preemption() -> None:
    claim = toy(counter(lambda schedule: None), 0)
    assert schedules.run(claim, OPTIONS).verdict is Verdict.EXHAUSTED


def test_with_a_lock_every_schedule_holds_and_mutants_do_not() -> None:
    result = prove(toy(counter(lambda schedule: schedule.RLock()), 9), OPTIONS)
    assert result.verdict is Verdict.EXHAUSTED
    assert result.bound is not None
    assert shown(result) == f"EXHAUSTED ({result.bound})"
    assert result.bound.endswith("schedules, preemptions <= 9")
    assert result.bites is not None


def test_an_engine_that_is_stopped_early_does_not_say_that_all_were_run() -> None:
    claim = toy(steps(3, 6), 20)
    finding = schedules.run(claim, Options(timeout=0.01))
    assert finding.verdict is Verdict.TESTED
    assert finding.count is not None
    assert finding.count < factorial(21) // factorial(7) ** 3
    assert finding.bound is None
    assert not prove(claim, Options(timeout=0.01, examples=1)).passed


def test_a_deadlock_and_a_livelock_are_errors() -> None:
    def deadlock(schedule: Schedule) -> None:
        first, second = schedule.RLock(), schedule.RLock()

        def thread(one: Lock, other: Lock) -> None:
            with one, other:
                pass

        schedule.run({"a": lambda: thread(first, second), "b": lambda: thread(second, first)})

    def livelock(schedule: Schedule) -> None:
        def thread() -> None:
            while True:
                schedule.pause("goes on")

        schedule.run({"a": thread})

    found = schedules.run(toy(deadlock, 1), OPTIONS)
    assert found.reason is not None
    assert found.reason.splitlines()[:2] == ["a waits for ever", "b waits for ever"]
    found = schedules.run(toy(livelock, 0), OPTIONS)
    assert found.reason is not None
    assert found.reason.startswith("the threads wake each other for ever")


def test_a_thread_that_runs_for_ever_is_an_error() -> None:
    def endless(schedule: Schedule) -> None:
        def thread() -> None:
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    schedule.pause("goes on")

        schedule.run({"a": thread, "b": thread})

    finding = schedules.run(toy(endless, 0), OPTIONS)
    assert finding.reason is not None
    assert finding.reason.splitlines() == ["a runs for ever"]


def test_a_limit_of_time_is_not_an_error_of_the_program() -> None:
    def endless() -> None:
        while True:
            pass

    schedule = Schedule()
    with pytest.raises(TooSlow), time_limit(0.01):
        schedule.run({"a": endless})
    assert schedule.errors == []


def test_what_a_thread_raises_is_an_error() -> None:
    def exits() -> None:
        raise SystemExit(1)

    schedule = Schedule()
    schedule.run({"a": exits})
    assert schedule.errors == ["a raised SystemExit(1)"]


def test_a_handler_runs_in_every_place_of_every_thread_or_never() -> None:
    places: list[tuple[str, ...]] = []

    def program(schedule: Schedule) -> None:
        lock = schedule.RLock()
        condition = schedule.Condition(lock)
        done: list[str] = []

        def thread() -> None:
            with lock:
                done.append("has the lock")
                condition.notify()
                done.append("has notified")
                schedule.clock()
                done.append("has read the clock")
            schedule.Thread(lambda: None).start()

        def handle() -> None:
            with lock:
                done.append("is interrupted")

        schedule.handler = handle
        schedule.run({"a": thread})
        places.append(tuple(done))

    finding = schedules.run(toy(program, 1), OPTIONS)
    assert finding.verdict is Verdict.EXHAUSTED
    straight = ("has the lock", "has notified", "has read the clock")
    anywhere = {(*straight[:at], "is interrupted", *straight[at:]) for at in range(4)}
    assert set(places) == {straight} | anywhere
    places.clear()
    assert schedules.run(toy(program, 0), OPTIONS).verdict is Verdict.EXHAUSTED
    assert set(places) == {straight}


def test_a_child_of_a_fork_is_alone_and_what_others_held_is_held() -> None:
    def program(schedule: Schedule, anew: bool) -> None:
        lock = [schedule.RLock()]
        done: list[str] = []

        def holds() -> None:
            with lock[0]:
                schedule.pause("holds the lock")
                done.append("goes on")

        def forks() -> None:
            schedule.fork()
            done.clear()
            lock[0] = schedule.RLock() if anew else lock[0]
            with lock[0]:
                schedule.pause("holds the lock")

        schedule.run({"a": holds, "b": forks})
        assert not done, "another thread lives in the child"

    for anew, verdict in ((True, Verdict.EXHAUSTED), (False, Verdict.REFUTED)):
        finding = schedules.run(toy(lambda schedule: program(schedule, anew), 1), OPTIONS)  # noqa: B023
        assert finding.verdict is verdict
        assert (finding.reason or "").splitlines()[:1] == ([] if anew else ["b waits for ever"])


def acting(threads: Sequence[Sequence[str]], alike: int) -> Callable[[Schedule], tuple[str, ...]]:
    """A program whose first threads do the same; it returns what happened, with their names."""

    def program(schedule: Schedule) -> tuple[str, ...]:
        lock = schedule.RLock()
        condition = schedule.Condition(lock)
        happened: list[str] = []
        sum = [0]

        def thread(name: str, acts: Sequence[str]) -> None:
            for act in acts:
                if act == "adds":
                    read = sum[0]
                    schedule.pause("has read")
                    sum[0] = read + 1
                elif act == "waits":
                    with lock:
                        condition.wait(1)
                        happened.append(f"{name} at {schedule.now}")
                elif act == "tells":
                    with lock:
                        condition.notify()
                else:
                    happened.append(name)
                    schedule.pause("goes on")

        names = "abcd"[: len(threads)]
        schedule.run(
            {
                name: lambda name=name, acts=acts: thread(name, acts)  # type: ignore[misc]
                for name, acts in zip(names, threads, strict=True)
            },
            alike=names[:alike],
        )
        return (*happened, str(sum[0]), *schedule.errors)

    return program


ACTS = st.lists(st.sampled_from(["adds", "waits", "tells", "happens"]), min_size=1, max_size=2)


def outcomes(
    program: Callable[[Schedule], tuple[str, ...]], preemptions: int
) -> tuple[set[tuple[str, ...]], int]:
    """How a program can end, and in how many schedules."""
    found = []
    for _ in explore(lambda schedule: found.append(program(schedule)), preemptions):
        pass
    return set(found), len(found)


def renamed(outcome: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    """The outcome where these threads did what the first ones, in their order, did."""
    names_of = dict(zip("abc", names, strict=False))
    return tuple(names_of.get(word[0], word[0]) + word[1:] for word in outcome)


@settings(max_examples=40, deadline=None)
@given(same=ACTS, other=ACTS, alike=st.sampled_from([2, 2, 2, 3]), preemptions=st.integers(0, 2))
def test_of_threads_that_are_alike_one_order_stands_for_all(
    same: list[str], other: list[str], alike: int, preemptions: int
) -> None:
    if alike == 3:
        same, preemptions = same[:1], min(preemptions, 1)
    threads = [*[same] * alike, other]
    every, count = outcomes(acting(threads, 0), preemptions)
    some, fewer = outcomes(acting(threads, alike), preemptions)
    assert count == fewer * factorial(alike)
    assert every == {renamed(each, names) for each in some for names in permutations("abc"[:alike])}


def test_the_verdict_says_for_how_many_the_schedules_stand() -> None:
    def program(schedule: Schedule) -> None:
        schedule.run({name: lambda: None for name in "abc"}, alike="ab")

    finding = schedules.run(toy(program, 0), OPTIONS)
    assert finding.count == 3
    assert finding.bound == "3 schedules, preemptions <= 0, for 6 as a and b are alike"


def test_faults_are_found_with_producers_that_are_alike_as_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = claim_of("processor.two_producers")
    assert isinstance(claim, ScheduleClaim)
    run = Schedule.run

    def found() -> set[str]:
        refuted = set()
        for fault in sorted(FAULTS.keys() - CLAIMS.keys())[::4]:
            with applied(planted(*FAULTS[fault])):
                if any(schedule.errors for schedule in explore(claim.run, 0)):
                    refuted.add(fault)
        return refuted

    some = found()
    monkeypatch.setattr(Schedule, "run", lambda self, threads, alike: run(self, threads))
    assert found() == some
    assert len(some) > 2


def test_the_producers_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the reduction the schedules are those that are run, and these with names changed."""
    claim = claim_of("processor.two_producers")
    assert isinstance(claim, ScheduleClaim)
    run = Schedule.run
    some = [tuple(each.trace) for each in explore(claim.run, 0)]
    monkeypatch.setattr(Schedule, "run", lambda self, threads, alike: run(self, threads))
    every = [tuple(each.trace) for each in explore(claim.run, 0)]
    exchange = str.maketrans({"a": "b", "b": "a"})

    def exchanged(who: str, does: str) -> tuple[str, str]:
        verb, *spans = does.split()
        if verb == "exports":
            does = " ".join([verb, *(span.translate(exchange) for span in spans)])
        return (who.translate(exchange) if who in "ab" else who), does

    others = [tuple(exchanged(*each) for each in trace) for trace in some]
    assert len(every) == 2 * len(some)
    assert set(every) == {*some, *others}


def test_a_program_that_is_not_repeatable_is_no_evidence() -> None:
    runs = []

    def program(schedule: Schedule) -> None:
        runs.append(1)
        steps(2 + len(runs) % 2, 1)(schedule)

    with pytest.raises(NotRepeatable):
        schedules.run(toy(program, 1), OPTIONS)


def planted(method: str, was: str, now: str) -> Mutant:
    """The processor with a fault in a method."""
    module = sources.module(processor.__name__)
    assert module.text.count(was) == 1
    changed = sources.Module(module.name, module.path, module.text.replace(was, now))
    return Mutant(changed, f"BatchProcessor.{method}", True, 0, was, now)


FAULTS = {
    "nobody is told of work": (
        "_feed",
        "        if effects.wake:\n            self._work.notify()\n",
        "",
    ),
    "the wrong ones are told": ("_feed", "self._work.notify()", "self._progress.notify()"),
    "nobody is told of an answer": ("_answer", "            self._progress.notify_all()\n", ""),
    "told before the answer": (
        "_answer",
        "            for each in flushes:\n"
        "                each.answer = answer\n"
        "                if each in self._flushes:\n"
        "                    self._flushes.remove(each)\n"
        "            self._progress.notify_all()\n",
        "            self._progress.notify_all()\n"
        "        with self._lock:\n"
        "            for each in flushes:\n"
        "                each.answer = answer\n",
    ),
    "a wake-up is cleared late": (
        "_turn",
        "                _wait(self._work, max(self._state.due - now, 1))\n",
        "                wait = True\n"
        "            else:\n"
        "                wait = False\n"
        "        if wait:\n"
        "            with self._lock:\n"
        "                _wait(self._work, max(self._state.due - now, 1))\n",
    ),
    "pending is read before the lock": (
        "on_end",
        "        with self._lock:\n            while True:\n"
        "                pending = self._pending\n",
        "        before = self._pending\n"
        "        with self._lock:\n"
        "            while True:\n"
        "                pending, self._pending = before, before\n",
    ),
    "the flush counts before the lock": (
        "force_flush",
        "        until = self._after(timeout_millis)\n        with self._lock:\n"
        "            self._feed(FlushAsked())\n",
        "        until = self._after(timeout_millis)\n"
        "        self._feed(FlushAsked())\n"
        "        with self._lock:\n",
    ),
    "what returned is fed without the lock": (
        "_turn",
        "            with self._lock:\n                if self._is_worker():\n"
        "                    self._feed(returned)\n",
        "            self._feed(returned)\n",
    ),
    "a flush does not wait for its spans": (
        "_turn",
        "each.spans <= settled(self._state)",
        "each.spans >= settled(self._state)",
    ),
    "a flush is forgotten": ("force_flush", "            self._flushes.append(flush)\n", ""),
    "the flags of a look are swapped": (
        "_turn",
        "            deadline = self._state.deadline\n            if not",
        "            deadline = self._state.deadline\n"
        "            batch, close = batch if close else [], bool(batch)\n            if not",
    ),
    "the answers of flush and shutdown are swapped": (
        "_turn",
        "self._end(flushed and closed)",
        "self._end(not flushed or not closed)",
    ),
    "shutdown does not end the flushes": (
        "_end",
        "        self._answer(tuple(self._flushes), result)\n",
        "",
    ),
    "the exporter is not flushed": (
        "_turn",
        "flushed = self._flush_exporter(deadline - now)",
        "flushed = False",
    ),
    "a span is moved twice": ("_feed", "None if moved else latest", "latest"),
    "a batch stays in the queue": (
        "_look",
        "[self._spans.popleft() for _ in range(size)]",
        "list(self._spans)[:size]",
    ),
    "discarded spans stay": (
        "_feed",
        "        for _ in range(effects.discard):\n            self._spans.popleft()\n",
        "",
    ),
    "shutdown does not end at its deadline": (
        "shutdown",
        "                if expired:\n                    self._end(False)\n",
        "",
    ),
    "a batch is kept": (
        "_export",
        "            returned = self._exporter.export(batch)\n",
        "            self._kept = batch\n            returned = self._exporter.export(batch)\n",
    ),
    "a second worker takes the place of the first": (
        "_start_worker",
        "            if self._worker is None:\n                self._worker = worker\n",
        "            self._worker = worker\n",
    ),
    "a worker is started though there is one": (
        "_start_worker",
        "if self._worker is None and self._state.phase != CLOSED:",
        "if self._state.phase != CLOSED:",
    ),
    "a worker is started though nothing is to be done": (
        "_start_worker",
        "if self._worker is None and self._state.phase != CLOSED:",
        "if self._worker is None:",
    ),
    "a worker that could not be started is one": (
        "_start_worker",
        "return self._worker is not None\n            #",
        "return True\n            #",
    ),
    "a worker that is none goes on": (
        "_turn",
        "            if not self._is_worker():\n                return False\n",
        "",
    ),
    "what returned to a worker that is none is counted": (
        "_turn",
        "                if self._is_worker():\n                    self._feed(returned)\n",
        "                self._feed(returned)\n",
    ),
    "a worker asks whether it is one before the lock": (
        "_turn",
        "        with self._lock:\n"
        "            # A worker that forked is none in the child, and of two that were started "
        "one ends.\n            if not self._is_worker():\n                return False\n",
        "        if not self._is_worker():\n            return False\n        with self._lock:\n",
    ),
    "the worker waits for itself": (
        "force_flush",
        "if not self._start_worker() or self._is_worker():",
        "if not self._start_worker():",
    ),
    "nobody is told of a batch that is full": (
        "_feed",
        "if effects.wake:",
        "if effects.wake and not isinstance(event, Offered):",
    ),
    "nobody is told of a flush": (
        "_feed",
        "if effects.wake:",
        "if effects.wake and not isinstance(event, FlushAsked):",
    ),
    "nobody is told of a shutdown": (
        "_feed",
        "if effects.wake:",
        "if effects.wake and not isinstance(event, ShutdownAsked):",
    ),
    "one is told of an answer": (
        "_answer",
        "self._progress.notify_all()",
        "self._progress.notify()",
    ),
    "the worker is not told of the end": ("_end", "        self._work.notify_all()\n", ""),
    "who asked before a handler waits for ever": ("_wait", "min(left, _PATIENCE)", "left"),
    "on_end asks for the phase before the lock": (
        "on_end",
        "        with self._lock:\n            while True:\n",
        "        if self._state.phase == CLOSED:\n"
        "            return\n"
        "        with self._lock:\n            while True:\n",
    ),
    "a flush asks for the phase before the lock": (
        "force_flush",
        "        with self._lock:\n            self._feed(FlushAsked())\n",
        "        if self._state.phase == CLOSED:\n"
        "            return self._result is True\n"
        "        with self._lock:\n            self._feed(FlushAsked())\n",
    ),
    "a flush gives up its lock before it waits": (
        "force_flush",
        "            self._feed(FlushAsked())\n            if",
        "            self._feed(FlushAsked())\n        with self._lock:\n            if",
    ),
    "a flush that is over is kept": (
        "force_flush",
        "                if flush in self._flushes:\n"
        "                    self._flushes.remove(flush)\n",
        "                pass\n",
    ),
    "shutdown asks for the phase before the lock": (
        "shutdown",
        "        with self._lock:\n            self._feed(ShutdownAsked(until))\n",
        "        if self._state.phase == CLOSED:\n"
        "            return self._result is True\n"
        "        with self._lock:\n            self._feed(ShutdownAsked(until))\n",
    ),
    "an export under the lock": (
        "_turn",
        "            returned = self._export(batch)\n            with self._lock:\n",
        "            with self._lock:\n                returned = self._export(batch)\n",
    ),
    "a flush of the exporter under the lock": (
        "_turn",
        "            flushed = self._flush_exporter(deadline - now)\n",
        "            with self._lock:\n"
        "                flushed = self._flush_exporter(deadline - now)\n",
    ),
    "a shutdown of the exporter under the lock": (
        "_turn",
        "            closed = self._shut_down_exporter()\n            with self._lock:\n",
        "            with self._lock:\n                closed = self._shut_down_exporter()\n",
    ),
    "the result is there before the exporter is shut down": (
        "_turn",
        "            closed = self._shut_down_exporter()\n"
        "            with self._lock:\n                self._end(flushed and closed)\n",
        "            with self._lock:\n                self._end(flushed)\n"
        "            self._shut_down_exporter()\n",
    ),
    "it ends twice": (
        "_turn",
        "                self._end(flushed and closed)\n",
        "                self._end(flushed)\n                self._end(flushed and closed)\n",
    ),
    "shutdown ends it though the worker does": (
        "shutdown",
        "                if expired:\n                    self._end(False)\n",
        "                self._end(False)\n",
    ),
    "a shutdown in a hurry ends all": (
        "shutdown",
        "if not has_worker or self._clock() >= deadline:",
        "if not has_worker or self._clock() >= until:",
    ),
    "the worker waits from another time": (
        "_turn",
        "self._state.due - now",
        "self._state.due + now",
    ),
    "the exporter is not shut down at the deadline": (
        "shutdown",
        "        if expired:\n            # The",
        "        if False:\n            # The",
    ),
    "what is pending is not in the state": (
        "state",
        "            return self._offered()\n",
        "            return self._state\n",
    ),
    "the state is read without the lock": (
        "state",
        "        with self._lock:\n            return self._offered()\n",
        "        return self._offered()\n",
    ),
    "a span that a handler ended is forgotten": (
        "_feed",
        "            if self._pending is pending:\n"
        "                self._state, self._pending = after, fresh\n                break\n",
        "            self._state, self._pending = after, fresh\n            break\n",
    ),
    "a child keeps the lock": (
        "_begin",
        "self._lock = self._threads.RLock()",
        "self._lock = getattr(self, '_lock', None) or self._threads.RLock()",
    ),
    "a child keeps the queue": (
        "_begin",
        "self._spans: deque[Span] = deque()",
        "self._spans = getattr(self, '_spans', deque())",
    ),
    "a child keeps what is pending": (
        "_begin",
        "self._pending: tuple[int, int, Any] = (0, 0, None)",
        "self._pending = getattr(self, '_pending', (0, 0, None))",
    ),
    "a child keeps the flushes": (
        "_begin",
        "self._flushes: list[_Flush] = []",
        "self._flushes = getattr(self, '_flushes', [])",
    ),
    "a child keeps the worker": (
        "_begin",
        "self._worker: Any = None",
        "self._worker = getattr(self, '_worker', None)",
    ),
    "a child keeps the numbers": (
        "_forked",
        "        self._state = step(self._limits, self._state, Forked(self._clock()))[0]\n",
        "",
    ),
    "SystemExit ends the worker": (
        "_export",
        "        except BaseException:\n"
        '            _report("The exporter raised while it exported %d spans", len(batch))\n',
        "        except Exception:\n"
        '            _report("The exporter raised while it exported %d spans", len(batch))\n',
    ),
}

CLAIMS = {
    "discarded spans stay": "exporter_that_hangs",
    "a shutdown in a hurry ends all": "shutdown_in_a_hurry",
    "the worker waits from another time": "batch_that_is_due",
    "a flush that is over is kept": "exporter_that_hangs",
    "shutdown does not end at its deadline": "exporter_that_hangs",
    "the exporter is not shut down at the deadline": "exporter_that_hangs",
    "shutdown ends it though the worker does": "exporter_that_flushes_slowly",
    "a second worker takes the place of the first": "handler",
    "who asked before a handler waits for ever": "handler",
    "a span that a handler ended is forgotten": "handler",
    "the worker is not told of the end": "handler_that_shuts_down",
    "a worker that could not be started is one": "without_threads",
    "nobody is told of a batch that is full": "batch_that_is_full",
    "the worker waits for itself": "exporter_that_calls_back",
    "SystemExit ends the worker": "exporter_that_exits",
    "a worker is started though nothing is to be done": "exporter_that_forks",
    "a worker that is none goes on": "exporter_that_forks",
    "what returned to a worker that is none is counted": "exporter_that_forks",
    "nobody is told of a flush": "fork",
    "a flush gives up its lock before it waits": "fork",
    "a child keeps the lock": "fork",
    "a child keeps the queue": "fork",
    "a child keeps what is pending": "fork",
    "a child keeps the flushes": "fork",
    "a child keeps the worker": "fork",
    "a child keeps the numbers": "fork",
}
"""The claim that refutes a fault, where it is not ``batch_that_is_not_full``."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_shell_is_refuted(fault: str) -> None:
    claim = claim_of(f"processor.{CLAIMS.get(fault, 'batch_that_is_not_full')}")
    with applied(planted(*FAULTS[fault])):
        finding = schedules.run(claim, OPTIONS)
        assert finding.verdict is Verdict.REFUTED
        assert finding.inputs is not None
        assert claim.fails_on(finding.inputs) == FALSE


def test_what_is_refuted_is_listed_and_kept_as_a_test(tmp_path: Path) -> None:
    claim = claim_of("processor.batch_that_is_not_full")
    with applied(planted(*FAULTS["nobody is told of work"])):
        result = prove(claim, OPTIONS)
    assert result.verdict is Verdict.REFUTED
    console = Console(record=True, width=200)
    print_failures(console, [result], tmp_path)
    text = console.export_text()
    assert "takes the lock" in text
    assert "choices=(" in text
    written = write_test(result, tmp_path)
    # On the code without the fault the schedule holds.
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(written)],
        capture_output=True,
        text=True,
        cwd=Path(processor.__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout
