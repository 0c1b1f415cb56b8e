"""The diagram of a machine: which events lead from which phase to which, and no others.

It is computed from the shipped ``step``. Each arrow has a run that takes it, which is
replayed on the real machine; of each arrow that is not there it is proved that no run
takes it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import z3

from . import dependence
from .engines.induction import Relation, Unrolling, invariant, leaves, relation
from .lift.values import Tuple, Value
from .machine import Machine, Run
from .memory import Memory

KIND = "arrows"

LONGEST = 6
"""The length of the longest run before an arrow is taken that is looked for."""


class Undecided(Exception):
    """Neither a run was found that takes an arrow, nor a proof that none does."""


@dataclass(frozen=True)
class Arrow:
    """An event that leads from one phase to another, and a shortest run that ends with it."""

    source: str
    event: str
    target: str
    run: Run


def arrows(machine: Machine, timeout: float = 30.0) -> Iterator[Arrow]:
    """All arrows of a machine, by phase and event.

    :raises Undecided: if the solver comes to no end.
    """
    lifted = relation(machine)
    unrolled = Unrolling(lifted)
    for at, source in enumerate(machine.phases):
        for event in machine.transitions:
            for to, target in enumerate(machine.phases):
                taken = {f"step-{event.__name__}": _taken(lifted, event, at, to)}
                run = _shortest(unrolled, taken)
                if run is not None:
                    yield Arrow(source, event.__name__, target, run)
                elif invariant(lifted, list(taken.items()), timeout)[0] != z3.unsat:
                    raise Undecided(f"{source} -- {event.__name__} -> {target}")


def _taken(lifted: Relation, event: type, at: int, to: int) -> z3.BoolRef:
    """That an event comes in one phase and leaves the machine in another."""
    transition = next(t for t in lifted.transitions if t.event is event)
    (now,), (then,) = map(_phase, (lifted.before.value, transition.after))
    return z3.And(transition.guard, now == at, then == to)


def _phase(state: Value) -> list[z3.ExprRef]:
    assert isinstance(state, Tuple)
    fields = list(inspect.get_annotations(state.cls))
    return leaves(state.items[fields.index("phase")])


def _shortest(unrolled: Unrolling, taken: dict[str, z3.BoolRef]) -> Run | None:
    (condition,) = taken.values()
    solver = z3.Solver()
    solver.add(unrolled.lifted.valid, condition)
    if solver.check() == z3.unsat:
        return None
    found = (unrolled.reaching(taken, length) for length in range(LONGEST + 1))
    return next((run for run in found if run is not None), None)


Labels = dict[tuple[str, str], list[str]]
"""The events that lead from one phase to another, by the two."""


def labels(machine: Machine, memory: Memory | None = None) -> Labels:
    """The arrows of a machine that lead elsewhere, which are remembered if there is a memory."""
    parts = (machine.start, machine.step, *machine.transitions.values())
    digest = None if memory is None else dependence.digest_of(parts)
    if memory is None or digest is None:
        return _labels(machine)
    key = f"{machine.name} {digest}"
    stored = memory.get(KIND, key)
    if stored is not None:
        return {(source, target): events for source, target, events in json.loads(stored)}
    found = _labels(machine)
    rows = [[source, target, events] for (source, target), events in found.items()]
    memory.put(KIND, key, json.dumps(rows).encode())
    return found


def _labels(machine: Machine) -> Labels:
    found: Labels = {}
    for arrow in arrows(machine):
        if arrow.source != arrow.target:
            found.setdefault((arrow.source, arrow.target), []).append(arrow.event)
    return found


def mermaid(machine: Machine, drawn: Mapping[tuple[str, str], list[str]]) -> str:
    """A machine with these arrows, as Mermaid."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.phases[0]}"]
    lines += [f"    {a} --> {b}: {', '.join(events)}" for (a, b), events in drawn.items()]
    return "\n".join(lines)


def document(machines: Iterable[Machine]) -> str:
    """What ``spec/machines.md`` is: the diagrams of all machines."""
    parts = [
        "# Machines",
        "Computed from the shipped transitions by `verified diagram`. An arrow that is drawn is "
        "taken by a run, which the tests replay;\nof all others it is proved that no run takes "
        "them. Events that leave a machine in its phase are not drawn.",
    ]
    for machine in machines:
        parts += [f"## {machine.name}", f"```mermaid\n{mermaid(machine, labels(machine))}\n```"]
    return "\n\n".join(parts) + "\n"
