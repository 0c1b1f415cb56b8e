"""The diagrams are those of the shipped machines."""

import pytest

from proofs.claim import every_claim
from proofs.diagram import arrows, document
from proofs.grammar import SPEC
from proofs.machine import MACHINES, Machine

every_claim()


@pytest.mark.parametrize("machine", MACHINES.values(), ids=lambda machine: machine.name)
def test_every_arrow_is_taken_by_its_run(machine: Machine) -> None:
    """On the real machine; every event and every phase has arrows."""
    drawn = list(arrows(machine))
    for arrow in drawn:
        last = list(machine.steps(arrow.run))[-1]
        assert type(last.event).__name__ == arrow.event
        assert machine.phases[last.before.phase] == arrow.source
        assert machine.phases[last.after.phase] == arrow.target
    assert {arrow.event for arrow in drawn} == {kind.__name__ for kind in machine.transitions}
    assert {arrow.source for arrow in drawn} == set(machine.phases)


def test_the_kept_diagrams_are_up_to_date() -> None:
    assert (SPEC / "machines.md").read_text() == document(MACHINES.values())
