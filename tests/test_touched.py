"""What a change touches is asked, and nothing is left out in silence."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from proofs import command
from proofs.claim import every_claim
from proofs.grammar import SPEC
from proofs.touched import touched

ROOT = SPEC.parent


def ids(*files: str) -> set[str]:
    return {claim.id for claim in touched(ROOT / file for file in files)}


def test_code_touches_what_speaks_of_it() -> None:
    found = ids("verified/traceparent.py")
    assert {"traceparent.round_trip", "contract.traceparent.fields.1"} <= found
    assert not {"baggage.got_is_what_was_set", "tracestate.long_is_over_128"} & found


def test_a_module_of_claims_touches_its_claims_and_those_that_use_it() -> None:
    found = ids("proofs/claims/trace_flags.py")
    assert found == {claim.id for claim in every_claim() if claim.id.startswith("trace_flags.")}
    readers = ids("proofs/reading.py")
    assert "propagation.several_headers_are_one" in readers
    assert "ids.trace_id_round_trip" not in readers


def test_a_grammar_touches_the_claims_of_it() -> None:
    found = ids("spec/traceparent.abnf")
    assert "traceparent.expression_is_the_grammar" in found
    assert "baggage.key_expression_is_the_grammar" not in found


@pytest.mark.parametrize("file", ["proofs/prover.py", "proofs/lift/models.py", "proofs/domains.py"])
def test_what_decides_touches_all(file: str) -> None:
    assert ids(file) == {claim.id for claim in every_claim()}


def test_every_claim_is_touched_by_its_file_and_every_file_of_claims_touches_some() -> None:
    for path in (ROOT / "proofs" / "claims").glob("[!_]*.py"):
        assert ids(f"proofs/claims/{path.name}")


def test_the_command_proves_them_or_says_that_there_are_none() -> None:
    none = CliRunner().invoke(command.command, ["touched", str(ROOT / "README.md")])
    assert (none.exit_code, none.output) == (0, "no claim speaks of these files\n")
    some = CliRunner().invoke(
        command.command, ["touched", "--list", str(ROOT / "verified" / "trace_flags.py")]
    )
    assert "trace_flags.flags_are_bits\n" in some.output


def test_the_hook_runs_it(tmp_path: Path) -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert "entry: verified touched\n" in text
    result = CliRunner().invoke(
        command.command, ["touched", str(ROOT / "verified" / "trace_flags.py")]
    )
    assert result.exit_code == 0, result.output
    assert "claims hold" in result.output
