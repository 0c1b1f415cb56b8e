"""Machines: shipped functions ``step(limits, state, event) -> (state, effects)``, and their runs.

A run is the limits that a machine is configured with, the time at which it starts, and
events. A claim about a machine says what holds after every step of every run. It is a
function of any of ``limits``, ``before``, ``event``, ``after`` and ``effects``; it also speaks
of the start if it asks for no more than ``limits`` and ``after``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from hypothesis import strategies as st

from . import sources
from .claim import Claim, Subject, enter
from .domains import DOMAINS, Domain
from .verdict import Verdict


class Run(NamedTuple):
    """What happens to a machine, from its start on."""

    limits: Any
    start: int
    events: tuple[Any, ...]


class Step(NamedTuple):
    """One step of a run; that of the start has neither event nor state before it."""

    limits: Any
    before: Any
    event: Any
    after: Any
    effects: Any


@dataclass(frozen=True, eq=False)
class Machine:
    """A shipped machine.

    ``start(limits, now)`` is its first state, ``step`` all that happens to it. ``limits`` are
    drawn small, so that short runs reach them. Events whose field ``now`` is a time come in
    the order of it. ``transitions`` are the functions that ``step`` chooses from;
    ``phases`` are the names of the values of the field ``phase`` of a state.
    """

    name: str
    start: Callable[..., Any]
    step: Callable[..., Any]
    transitions: Mapping[type, Callable[..., Any]]
    limits_type: type
    state_type: type
    limits: st.SearchStrategy[Any]
    phases: tuple[str, ...]

    def steps(self, run: Run) -> Iterator[Step]:
        """The steps that the shipped code makes in a run."""
        state = self.start(run.limits, run.start)
        yield Step(run.limits, None, None, state, None)
        for event in run.events:
            after, effects = self.step(run.limits, state, event)
            yield Step(run.limits, state, event, after, effects)
            state = after

    def last(self, run: Run) -> Any:
        """The state in which a run ends."""
        return list(self.steps(run))[-1].after

    def runs(self) -> st.SearchStrategy[Run]:
        """Runs of up to 100 events, some kinds in bursts, with times near each other."""
        kinds = list(self.transitions)

        @st.composite
        def drawn(draw: st.DrawFn) -> Run:
            limits, start = draw(self.limits), draw(st.integers(-3, 3))
            now, events = start, []
            bursts = draw(_bursts(kinds, 0, 6) | _bursts(kinds, 8, 20))
            for kind in (kind for kind, times in bursts for _ in range(times)):
                fields = {}
                for name, annotation in inspect.get_annotations(kind, eval_str=True).items():
                    if name == "now":
                        now += draw(PASSED)
                        fields[name] = now
                    elif name == "deadline":
                        fields[name] = now + draw(PASSED)
                    else:
                        fields[name] = draw(st.booleans() if annotation is bool else NUMBERS)
                events.append(kind(**fields))
            return Run(limits, start, tuple(events))

        return drawn()


def _bursts(kinds: list[type], least: int, most: int) -> st.SearchStrategy[list[tuple[type, int]]]:
    times = st.sampled_from([1, 1, 1, 2, 5])
    return st.lists(st.tuples(st.sampled_from(kinds), times), min_size=least, max_size=most)


PASSED = st.sampled_from([0, 0, 0, 1, 1, 2, 5, 10, 30])
NUMBERS = st.integers(-2, 4) | st.integers(-50, 50)


class MachineClaim(Claim):
    """A claim about every step of every run of a machine."""

    def __init__(
        self,
        function: Callable[..., bool],
        machine: Machine,
        sentence: str,
        discharges: Sequence[str],
        subject: Sequence[Subject],
    ) -> None:
        self.function = function
        self.machine = machine
        self.id = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.sentence = sentence
        self.discharges = tuple(discharges)
        self.required = Verdict.PROVED
        self.engines = ("induction", "fuzz")
        self.subject = tuple(subject)
        self.parameters = {"run": machine}

    @cached_property
    def asks_for(self) -> tuple[str, ...]:
        """The parts of a step that the function speaks of."""
        names = tuple(inspect.signature(self.function).parameters)
        unknown = set(names) - set(Step._fields)
        if unknown:
            raise ValueError(f"the claim {self.id} asks for {unknown}, which no step has")
        return names

    @property
    def of_states(self) -> bool:
        """Whether it speaks of states alone, and so of the first one too."""
        return set(self.asks_for) <= {"limits", "after"}

    def holds(self, inputs: Mapping[str, Any]) -> bool:
        return all(
            self.function(**{name: getattr(step, name) for name in self.asks_for})
            for step in self.machine.steps(inputs["run"])
            if step.event is not None or self.of_states
        )

    @property
    def where(self) -> tuple[str, int]:
        code = self.function.__code__
        return code.co_filename, code.co_firstlineno


MACHINES: dict[str, Machine] = {}
"""The machines of which there are claims, by name."""


def always(
    machine: Machine,
    sentence: str,
    *,
    discharges: str | Sequence[str] = (),
    subject: Subject | Sequence[Subject] = (),
) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    """Declare that a function holds after every step of every run of a machine.

    The subject is the whole machine, unless part of it is named.
    """
    MACHINES.setdefault(machine.name, machine)
    DOMAINS.setdefault(machine, Domain(machine.runs()))
    DOMAINS.setdefault(machine.limits_type, Domain(machine.limits))
    DOMAINS.setdefault(machine.state_type, Domain(machine.runs().map(machine.last)))

    def register(function: Callable[..., bool]) -> Callable[..., bool]:
        subjects = subject if isinstance(subject, Sequence) else (subject,)
        every = tuple(sources.with_callees([*machine.transitions.values(), machine.start]))
        named = (discharges,) if isinstance(discharges, str) else discharges
        enter(MachineClaim(function, machine, sentence, named, tuple(subjects) or every))
        return function

    return register
