"""Claims about every schedule of a program of threads.

The input of such a claim is the choices of a schedule, so a counterexample is a schedule, and
replays. The claim speaks of all schedules; the schedules engine runs all of those with at
most so many preemptions, fuzzing some with any number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NewType

from hypothesis import strategies as st

from .claim import Claim, Subject, enter
from .domains import DOMAINS, Domain
from .schedules import Schedule
from .verdict import Verdict

Choices = NewType("Choices", tuple[int, ...])
"""Which of the threads that can run is chosen, at each place where one is."""

CHOICES = st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 3]), max_size=60).map(tuple)
DOMAINS[Choices] = Domain(CHOICES)


class ScheduleClaim(Claim):
    """A program of threads, which asserts at the end of a schedule what is claimed."""

    def __init__(
        self,
        program: Callable[[Schedule], None],
        sentence: str,
        discharges: Sequence[str],
        subject: Sequence[Subject],
        preemptions: int,
        required: Verdict,
    ) -> None:
        self.program = program
        self.id = f"{program.__module__.rpartition('.')[2]}.{program.__name__}"
        self.sentence = sentence
        self.discharges = tuple(discharges)
        self.subject = tuple(subject)
        self.preemptions = preemptions
        self.required = required
        self.engines = ("schedules", "fuzz")
        self.parameters = {"choices": Choices}

    def run(self, schedule: Schedule) -> None:
        """Run the program; what it asserts, or its threads raise, is an error of the schedule."""
        try:
            self.program(schedule)
        except AssertionError as error:
            schedule.errors.append(str(error).partition("\n")[0] or "an assertion failed")

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        schedule = Schedule(tuple(inputs["choices"]))
        self.run(schedule)
        return not schedule.errors

    def listing(self, inputs: Mapping[str, Any]) -> str | None:
        """What went wrong, and who ran when."""
        schedule = Schedule(tuple(inputs["choices"]))
        self.run(schedule)
        return schedule.listing()

    @property
    def where(self) -> tuple[str, int]:
        code = self.program.__code__
        return code.co_filename, code.co_firstlineno


def every_schedule(
    sentence: str,
    *,
    preemptions: int,
    subject: Subject | Sequence[Subject],
    discharges: str | Sequence[str] = (),
    required: Verdict = Verdict.EXHAUSTED,
) -> Callable[[Callable[[Schedule], None]], Callable[[Schedule], None]]:
    """Declare that a program holds what it asserts in every schedule.

    All with at most so many preemptions are to be run.
    """

    def register(program: Callable[[Schedule], None]) -> Callable[[Schedule], None]:
        subjects = subject if isinstance(subject, Sequence) else (subject,)
        named = (discharges,) if isinstance(discharges, str) else discharges
        enter(ScheduleClaim(program, sentence, named, subjects, preemptions, required))
        return program

    return register
