"""Every interleaving of a program of threads, up to a number of preemptions.

The program takes its lock, conditions, threads and clock from a ``Schedule``, which lets one
of its threads run at a time and hands over only where a thread takes a lock, waits, starts a
thread, or pauses: between these, threads that share nothing outside of the lock cannot tell
who runs. Time passes only when every thread waits for it. A thread here is a greenlet: it
runs the same code, and to hand over costs little.

What the interpreter does in the middle of a thread can be chosen too: a handler (of a signal,
or a finalizer) runs once, in whichever thread, where that one has taken or is to take the
lock, reads the clock, notifies, or has started a thread; and a thread can fork, after which
the others are gone and what they held is held for ever.

A preemption is a switch away from a thread that could have gone on, to another thread or to
the handler. ``explore`` runs the program once for each way to choose with at most so many of
them, each from the start.

One reduction is made, and only where a program asks for it: threads that are *alike*, which
do the same but for a name, first run in the order in which they are given. For each schedule
that is left out there is one that is run, with the names exchanged and as many preemptions;
where nothing that is asserted tells the names apart, neither fails alone.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import factorial
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

LONGEST = 2000
"""The number of choices after which a run is given up: its threads wake each other for ever."""

ENDLESS = 1.0
"""How long a run may take, in seconds of the processor's time: a thousand times what it needs."""


class Ended(GreenletExit):
    """The run is over, and a thread of it is not."""


@dataclass(eq=False)
class Task:
    """A thread of the program: what it waits for, and until when at most."""

    schedule: Schedule
    target: Callable[[], Any]
    name: str
    is_daemon: bool | None = True
    """Whether the interpreter ends without it."""
    can_run: Callable[[], bool] | None = None
    """Whether it can go on; None if it can."""
    until: int | None = None
    is_begun: bool = False
    is_over: bool = False
    greenlet: greenlet = field(init=False)

    def start(self) -> None:
        self.greenlet = greenlet(self._run, self.schedule.main)
        self.schedule.tasks.append(self)
        if self.schedule.current is not None:
            self.schedule.interrupt()
            self.schedule.pause(f"starts {self.name}")

    def has_begun(self) -> bool:
        return self.is_begun

    def _run(self) -> None:
        self.is_begun = True
        try:
            self.target()
        except Ended:
            return
        # What else there is, an interrupt or a limit of time, is not for the program.
        except (Exception, SystemExit, GeneratorExit) as error:
            self.schedule.errors.append(f"{self.name} raised {error!r}")
        self.is_over = True
        self.schedule.trace.append((self.name, "ends"))
        self.schedule.hand_over()


class Lock:
    """A re-entrant lock."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.owner: Task | None = None
        self.depth = 0

    def __enter__(self) -> None:
        schedule = self.schedule
        schedule.interrupt()
        me = schedule.running()
        if self.owner is not me:
            schedule.pause("takes the lock", self.is_free)
            self.owner = me
        self.depth += 1
        schedule.interrupt()

    def __exit__(self, *error: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.owner = None

    def is_free(self) -> bool:
        return self.owner is None


class Condition:
    """A condition of a lock; a notified thread goes on once the lock is free."""

    def __init__(self, schedule: Schedule, lock: Lock) -> None:
        self.schedule = schedule
        self.lock = lock
        self.waiting: list[Task] = []

    def wait(self, seconds: float) -> None:
        self.schedule.interrupt()
        me, depth = self.schedule.running(), self.lock.depth
        assert me is not None
        assert self.lock.owner is me
        self.waiting.append(me)
        self.lock.owner, self.lock.depth = None, 0
        until = self.schedule.now + round(seconds * 1000)
        self.schedule.pause("waits", lambda: me not in self.waiting, until)
        if me in self.waiting:
            self.waiting.remove(me)
        if self.lock.owner is not None:
            self.schedule.pause("takes the lock again", self.lock.is_free)
        self.lock.owner, self.lock.depth = me, depth

    def notify(self, count: int = 1) -> None:
        assert self.lock.owner is self.schedule.running()
        del self.waiting[:count]
        self.schedule.interrupt()

    def notify_all(self) -> None:
        self.notify(len(self.waiting))


class Schedule:
    """One run of a program, with the choices that are given and then without a preemption.

    A choice is the number of a thread that can run, the running one first; a number beyond
    counts on from the first again.
    """

    def __init__(self, choices: tuple[int, ...] = ()) -> None:
        self.given = choices
        self.options: list[tuple[int, bool]] = []
        """At each choice: how many ways there were, and whether all but the first preempt."""
        self.tasks: list[Task] = []
        self.alike: tuple[str, ...] = ()
        self.current: Task | None = None
        self.handler: Callable[[], object] | None = None
        """What runs once in the middle of a thread, or never."""
        self.now = 0
        self.trace: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self.is_over = False
        self.main = getcurrent()

    def RLock(self) -> Lock:  # noqa: N802
        return Lock(self)

    def Condition(self, lock: Lock) -> Condition:  # noqa: N802
        return Condition(self, lock)

    def Thread(  # noqa: N802
        self, target: Callable[[], Any], name: str = "closer", daemon: bool | None = None
    ) -> Task:
        return Task(self, target, name, daemon)

    def current_thread(self) -> Task | None:
        return self.current

    def clock(self) -> int:
        self.interrupt()
        return self.now

    def running(self) -> Task | None:
        """The thread that runs; none before the run and after it."""
        if self.is_over and getcurrent() is not self.main:
            raise Ended
        return self.current

    def expect(self, holds: bool, message: str) -> None:
        """Assert in a thread, whatever it makes of what is raised in it."""
        self.running()
        if not holds:
            self.errors.append(message)

    def choose(self, count: int, preempts: bool = False) -> int:
        """Choose among so many ways to go on; all but the first preempt, or none does."""
        place = len(self.options)
        self.options.append((count, preempts))
        return self.given[place] % count if place < len(self.given) else 0

    def interrupt(self) -> None:
        """Let the handler run here, if there is one, or later, or never."""
        if self.handler is None or self.current is None or self.is_over:
            return
        if self.choose(2, preempts=True):
            handler, self.handler = self.handler, None
            name = self.current.name
            self.trace.append((name, "is interrupted"))
            handler()
            self.trace.append((name, "has handled the interrupt"))

    def fork(self) -> None:
        """Go on as the child of a fork: the running thread alone, in the same memory."""
        me = self.running()
        assert me is not None
        self.trace.append((me.name, "forks"))
        for task in self.tasks:
            task.is_over = task is not me

    def pause(
        self,
        does: str,
        can_run: Callable[[], bool] | None = None,
        until: int | None = None,
    ) -> None:
        """Let another thread run, or this one if it can; come back when it is chosen."""
        me = self.running()
        assert me is not None
        me.can_run, me.until = can_run, until
        self.trace.append((me.name, does))
        self.hand_over()
        if self.current is not me:
            (self.main if self.current is None else self.current.greenlet).switch()
            if self.is_over:
                raise Ended

    def hand_over(self) -> None:
        """Choose who runs next, the running thread first if it can go on; none if it is over."""
        running, self.current = self.current, None
        able = [
            task
            for task in self.tasks
            if not task.is_over and (task.can_run is None or task.can_run())
        ]
        if not able:
            able = self._wait()
        if not able:
            return
        if len(self.options) >= LONGEST:
            self.errors.append("the threads wake each other for ever")
            return
        goes_on = running is not None and running in able
        if running is not None and goes_on:
            able.remove(running)
            able.insert(0, running)
        chosen = self.current = able[self.choose(len(able), goes_on)]
        chosen.can_run = chosen.until = None

    def _wait(self) -> list[Task]:
        """Let the time pass until somebody can run, if somebody waits for it; return who can."""
        left = [task for task in self.tasks if not task.is_over]
        times = [task.until for task in left if task.until is not None]
        if not times:
            self.errors += [f"{task.name} waits for ever" for task in left]
            return []
        self.now = max(self.now, min(times))
        self.trace.append(("time", f"is {self.now}"))
        return [task for task in left if task.until is not None and task.until <= self.now]

    def run(self, threads: dict[str, Callable[[], Any]], alike: Sequence[str] = ()) -> None:
        """Run these threads, and all that they start, to the end.

        Those that are ``alike`` first run in this order: see the module.
        """
        self.alike = tuple(alike)
        tasks = {name: Task(self, target, name) for name, target in threads.items()}
        for task in tasks.values():
            task.start()
        for before, after in pairwise(alike):
            tasks[after].can_run = tasks[before].has_begun
        with self._limit():
            try:
                self.hand_over()
                while self.current is not None and not self.is_over:
                    self.current.greenlet.switch()
            finally:
                self._end()

    @property
    def stands_for(self) -> int:
        """How many schedules this is one of, which differ in which thread is which."""
        return factorial(len(self.alike))

    def _end(self) -> None:
        """Let no thread outlive the run: those that wait, and those that never would."""
        self.is_over, self.current = True, None
        for task in self.tasks:
            task.greenlet.throw(Ended)

    @contextmanager
    def _limit(self) -> Iterator[None]:
        """Stop a thread that runs for ever; without effect outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(*_: object) -> None:
            if getcurrent() is self.main:
                return
            if not self.is_over and self.current is not None:
                self.errors.append(f"{self.current.name} runs for ever")
            self.is_over = True
            raise Ended

        before = signal.signal(signal.SIGVTALRM, stop)
        # Again and again: what it raises may be caught.
        signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS, 0.05)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)

    def listing(self) -> str:
        """Who ran when."""
        lines = [f"{n:4} {name:10} {does}" for n, (name, does) in enumerate(self.trace)]
        return "\n".join([*self.errors, *lines])


class NotRepeatable(Exception):
    """The same choices did not lead to the same run."""


def explore(run: Callable[[Schedule], None], preemptions: int) -> Iterator[Schedule]:
    """Run a program in every way with at most so many preemptions, each way once.

    :raises NotRepeatable: if what the threads do depends on something else than the choices.
    """
    todo: list[tuple[tuple[int, ...], list[tuple[int, bool]], int]] = [((), [], preemptions)]
    while todo:
        choices, expected, left = todo.pop()
        schedule = Schedule(choices)
        run(schedule)
        if schedule.options[: len(choices)] != expected:
            raise NotRepeatable
        yield schedule
        for place in range(len(choices), len(schedule.options)):
            count, could_go_on = schedule.options[place]
            if could_go_on and left == 0:
                continue
            same = choices + (0,) * (place - len(choices))
            known = schedule.options[: place + 1]
            todo += [((*same, other), known, left - could_go_on) for other in range(1, count)]
