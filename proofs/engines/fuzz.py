"""The fuzz engine: the claim on the real code, on inputs that Hypothesis draws and shrinks.

What is drawn depends on the types of the inputs and on what the claim admits, so it is drawn
once for all that is done with it: fuzzing, comparing lifted terms with the real code, finding
a witness, and running mutants, which have no say in it then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, assume, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from ..claim import Claim
from ..domains import domain, fresh
from ..verdict import Finding, Verdict
from . import Options

NAME = "fuzz"

Parameters = tuple[tuple[str, Any], ...]


class _Fails(Exception):
    """A claim failed on the inputs that were drawn."""


def _strategy(parameters: Parameters) -> st.SearchStrategy[dict[str, Any]]:
    """The strategy for all inputs of a claim.

    :raises KeyError: if the type of an input has no domain.
    """
    strategies = {}
    for name, annotation in parameters:
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
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


@lru_cache(maxsize=16)
def _drawn(
    parameters: Parameters, choosy: Claim | None, count: int, seed_number: int
) -> tuple[dict[str, Any], ...]:
    """So many inputs of these types, all of which a choosy claim admits."""
    found: list[dict[str, Any]] = []

    @seed(seed_number)
    @_settings(count, Phase.generate)
    @given(_strategy(parameters))
    def draw(inputs: dict[str, Any]) -> None:
        assume(choosy is None or choosy.admits(fresh(inputs)))
        found.append(inputs)

    draw()
    return tuple(found)


def sample(claim: Claim, options: Options) -> Iterator[dict[str, Any]]:
    """As many inputs from the domains that the claim admits as fuzzing may draw."""
    choosy = claim if claim.is_choosy else None
    return iter(_drawn(tuple(claim.parameters.items()), choosy, options.examples, options.seed))


def run(claim: Claim, options: Options) -> Finding:
    """Try a claim on inputs from its domains until one fails or the number is reached."""
    start = time.perf_counter()
    tried = 0
    failing: dict[str, Any] | None = None
    try:
        for inputs in sample(claim, options):
            tried += 1
            if claim.fails_on(inputs) is not None:
                failing = _shrunk(claim, options, inputs)
                break
    except HypothesisException as error:
        reason = f"Hypothesis: {error}"
        return Finding(NAME, Verdict.ERROR, time.perf_counter() - start, tried, reason=reason)
    seconds = time.perf_counter() - start
    if failing is not None:
        return Finding(NAME, Verdict.REFUTED, seconds, tried, inputs=failing)
    if tried == 0:
        return Finding(NAME, Verdict.UNKNOWN, seconds, 0, reason="no input was admitted")
    return Finding(NAME, Verdict.TESTED, seconds, tried)


def _shrunk(claim: Claim, options: Options, failing: dict[str, Any]) -> dict[str, Any]:
    """The simplest inputs on which the claim fails that Hypothesis finds from the same draws."""

    @seed(options.seed)
    @_settings(options.examples, Phase.generate, Phase.shrink)
    @given(_strategy(tuple(claim.parameters.items())))
    def attempt(inputs: dict[str, Any]) -> None:
        nonlocal failing
        if claim.admits(inputs) and claim.fails_on(inputs) is not None:
            failing = inputs
            raise _Fails

    with suppress(_Fails):
        attempt()
    return failing
