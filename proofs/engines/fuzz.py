"""The fuzz engine: the claim on the real code, on inputs that Hypothesis draws and shrinks."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from hypothesis import Phase, given, seed
from hypothesis.errors import HypothesisException

from ..claim import Claim
from ..drawn import limits, sample, strategy
from ..verdict import Finding, Verdict
from . import Options

NAME = "fuzz"


class _Fails(Exception):
    """A claim failed on the inputs that were drawn."""


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
    @limits(options.examples, Phase.generate, Phase.shrink)
    @given(strategy(tuple(claim.parameters.values())))
    def attempt(values: tuple[Any, ...]) -> None:
        nonlocal failing
        inputs = dict(zip(claim.parameters, values, strict=True))
        if claim.admits(inputs) and claim.fails_on(inputs) is not None:
            failing = inputs
            raise _Fails

    with suppress(_Fails):
        attempt()
    return failing
