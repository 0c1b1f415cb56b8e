"""The fuzz engine: Hypothesis runs the claim on the real code and shrinks what fails."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from ..claim import Claim
from ..domains import domain
from ..verdict import Finding, Verdict
from . import Options

NAME = "fuzz"


class _Fails(Exception):
    """A claim failed on the inputs that were drawn."""


def inputs_of(claim: Claim) -> st.SearchStrategy[dict[str, Any]]:
    """The strategy for all inputs of a claim.

    :raises KeyError: if the type of an input has no domain.
    """
    strategies = {}
    for name, annotation in claim.parameters.items():
        known = domain(annotation)
        if known is None:
            raise KeyError(f"inputs of the type {annotation} have no domain")
        strategies[name] = known.strategy
    return st.fixed_dictionaries(strategies)


def _settings(examples: int, *phases: Phase) -> settings:
    return settings(
        max_examples=examples,
        phases=phases,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def sample(claim: Claim, count: int, seed_number: int) -> list[dict[str, Any]]:
    """Inputs from the domains that the claim admits, at most so many."""
    found: list[dict[str, Any]] = []

    @seed(seed_number)
    @_settings(count, Phase.generate)
    @given(inputs_of(claim))
    def draw(inputs: dict[str, Any]) -> None:
        if claim.admits(inputs):
            found.append(inputs)

    draw()
    return found


def run(claim: Claim, options: Options) -> Finding:
    """Try a claim on inputs from its domains until one fails or the number is reached."""
    start = time.perf_counter()
    tried = 0
    failing: dict[str, Any] | None = None

    @seed(options.seed)
    @_settings(options.examples, Phase.generate, Phase.shrink)
    @given(inputs_of(claim))
    def attempt(inputs: dict[str, Any]) -> None:
        nonlocal tried, failing
        assume(claim.admits(inputs))
        tried += 1
        if claim.fails_on(inputs) is not None:
            failing = inputs
            raise _Fails

    try:
        attempt()
    except _Fails:
        pass
    except HypothesisException as error:
        reason = f"Hypothesis: {error}"
        return Finding(NAME, Verdict.ERROR, time.perf_counter() - start, tried, reason=reason)
    seconds = time.perf_counter() - start
    if failing is not None:
        return Finding(NAME, Verdict.REFUTED, seconds, tried, inputs=failing)
    if tried == 0:
        return Finding(NAME, Verdict.UNKNOWN, seconds, 0, reason="no input was admitted")
    return Finding(NAME, Verdict.TESTED, seconds, tried)
