"""Every interleaving of a program of threads, up to a number of preemptions.

The program takes its lock, conditions, threads and clock from a ``Schedule``, which lets one
of its threads run at a time and hands over only where a thread takes a lock, waits, starts a
thread, or pauses: between these, threads that share nothing outside of the lock cannot tell
who runs. Time passes only when every thread waits for it.

A preemption is a switch away from a thread that could have gone on. ``explore`` runs the
program once for each way to choose with at most so many of them, each from the start.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST = 2000
"""The number of choices after which a run is given up: its threads wake each other for ever."""


class Ended(BaseException):
    """The run is over, and a thread of it is not."""


@dataclass(eq=False)
class Task:
    """A thread of the program: what it waits for, and until when at most."""

    schedule: Schedule
    target: Callable[[], Any]
    name: str
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    can_run: Callable[[], bool] = lambda: True
    until: int | None = None
    is_over: bool = False
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.schedule.tasks.append(self)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        if self.schedule.current is not None:
            self.schedule.pause(f"starts {self.name}")

    def _run(self) -> None:
        self.go.acquire()
        if self.schedule.is_over:
            return
        try:
            self.target()
        except Ended:
            return
        except BaseException as error:
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
        me = self.schedule.current
        if self.owner is not me:
            self.schedule.pause("takes the lock", lambda: self.owner is None)
            self.owner = me
        self.depth += 1

    def __exit__(self, *error: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            self.owner = None


class Condition:
    """A condition of a lock; a notified thread goes on once the lock is free."""

    def __init__(self, schedule: Schedule, lock: Lock) -> None:
        self.schedule = schedule
        self.lock = lock
        self.waiting: list[Task] = []

    def wait(self, seconds: float) -> None:
        me, depth = self.schedule.current, self.lock.depth
        assert me is not None
        assert self.lock.owner is me
        self.waiting.append(me)
        self.lock.owner, self.lock.depth = None, 0
        until = self.schedule.now + round(seconds * 1000)
        self.schedule.pause("waits", lambda: me not in self.waiting, until)
        if me in self.waiting:
            self.waiting.remove(me)
        if self.lock.owner is not None:
            self.schedule.pause("takes the lock again", lambda: self.lock.owner is None)
        self.lock.owner, self.lock.depth = me, depth

    def notify(self, count: int = 1) -> None:
        assert self.lock.owner is self.schedule.current
        del self.waiting[:count]

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
        """At each choice: how many threads could run, and whether the first was running."""
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self.now = 0
        self.trace: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self.is_over = False
        self.finished = threading.Event()

    def RLock(self) -> Lock:  # noqa: N802
        return Lock(self)

    def Condition(self, lock: Lock) -> Condition:  # noqa: N802
        return Condition(self, lock)

    def Thread(  # noqa: N802
        self, target: Callable[[], Any], name: str = "closer", daemon: bool = True
    ) -> Task:
        return Task(self, target, name)

    def current_thread(self) -> Task | None:
        return self.current

    def clock(self) -> int:
        return self.now

    def pause(
        self,
        does: str,
        can_run: Callable[[], bool] = lambda: True,
        until: int | None = None,
    ) -> None:
        """Let another thread run, or this one if it can; come back when it is chosen."""
        if self.is_over:
            raise Ended
        me = self.current
        assert me is not None
        me.can_run, me.until = can_run, until
        self.trace.append((me.name, does))
        self.hand_over()
        me.go.acquire()
        if self.is_over:
            raise Ended

    def hand_over(self) -> None:
        """Choose who runs next, the running thread first if it can go on."""
        running = self.current
        able = [task for task in self.tasks if not task.is_over and task.can_run()]
        if not able:
            timed = [task for task in self.tasks if not task.is_over and task.until is not None]
            if not timed:
                stuck = [task.name for task in self.tasks if not task.is_over]
                self.errors += [f"{name} waits for ever" for name in stuck]
                self.current = None
                self.finished.set()
                return
            self.now = max(self.now, min(task.until or 0 for task in timed))
            able = [task for task in timed if task.until is not None and task.until <= self.now]
            self.trace.append(("time", f"is {self.now}"))
        able.sort(key=lambda task: task is not running)
        place = len(self.options)
        if place == LONGEST:
            self.errors.append("the threads wake each other for ever")
            self.current = None
            self.finished.set()
            return
        chosen = self.given[place] % len(able) if place < len(self.given) else 0
        self.options.append((len(able), able[0] is running))
        self.current = able[chosen]
        self.current.can_run, self.current.until = (lambda: True), None
        self.current.go.release()

    def run(self, threads: dict[str, Callable[[], Any]]) -> None:
        """Run these threads, and all that they start, to the end."""
        for name, target in threads.items():
            Task(self, target, name).start()
        self.hand_over()
        try:
            if not self.finished.wait(5):
                self.errors.append("a thread runs for ever")
        finally:
            self._end()

    def _end(self) -> None:
        """Let no thread outlive the run: those that wait, and those that never would."""
        self.is_over, self.current = True, None
        for task in self.tasks:
            if not task.is_over and task.thread is not None and task.thread.ident is not None:
                task.go.release()
                task.thread.join(0.05)
                if task.thread.is_alive():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(task.thread.ident), ctypes.py_object(Ended)
                    )

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
