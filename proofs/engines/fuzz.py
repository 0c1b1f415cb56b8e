"""The fuzz engine: the claim on the real code, on inputs that Hypothesis draws and shrinks."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from unittest import SkipTest

from hypothesis import Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase
from hypothesis.errors import HypothesisException

from ..claim import Claim
from ..drawn import limits, sample, strategy
from ..verdict import Finding, Verdict
from . import Options

NAME = "fuzz"

KEPT: Final = timedelta(days=90)
"""How long a Redis keeps what failed."""


class _Fails(Exception):
    """A claim failed on the inputs that were drawn."""


def run(claim: Claim, options: Options) -> Finding:
    """Try a claim on inputs from its domains until one fails or the number is reached."""
    start = time.perf_counter()
    tried = 0
    failing: dict[str, Any] | None = None
    try:
        if options.examples_at is not None:
            failing = _found_before(claim, options.examples_at)
        if failing is not None:
            seconds = time.perf_counter() - start
            return Finding(NAME, Verdict.REFUTED, seconds, 1, inputs=failing)
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

    kept = database(claim, options.examples_at)
    spent = limits(options.examples, Phase.generate, Phase.shrink, database=kept)
    return _attempted(claim, spent, options.seed) or failing


def _found_before(claim: Claim, where: str) -> dict[str, Any] | None:
    """Inputs on which the claim fails, of those on which it failed before, here or elsewhere."""
    return _attempted(claim, limits(100, Phase.reuse, database=database(claim, where)), 0)


def _attempted(claim: Claim, spent: settings, number: int) -> dict[str, Any] | None:
    failing: dict[str, Any] | None = None

    # A seed takes the database from the settings that were there before it.
    @spent
    @seed(number)
    @given(strategy(tuple(claim.parameters.values())))
    def attempt(values: tuple[Any, ...]) -> None:
        nonlocal failing
        inputs = dict(zip(claim.parameters, values, strict=True))
        if claim.admits(inputs) and claim.fails_on(inputs) is not None:
            failing = inputs
            raise _Fails

    # To try again what failed before is to try nothing where nothing failed.
    with suppress(_Fails, SkipTest):
        attempt()
    return failing


class _OfClaim(ExampleDatabase):
    """The part of a database that is of one claim."""

    def __init__(self, claim: Claim, all: ExampleDatabase) -> None:
        super().__init__()
        self.all = all
        self.name = f"verified {claim.id} ".encode()

    def save(self, key: bytes, value: bytes) -> None:
        self.all.save(self.name + key, value)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        return self.all.fetch(self.name + key)

    def delete(self, key: bytes, value: bytes) -> None:
        self.all.delete(self.name + key, value)


def database(claim: Claim, where: str | None) -> ExampleDatabase | None:
    """Where inputs are kept on which this claim failed: a folder, or a Redis by its URL."""
    if where is None:
        return None
    if not where.startswith(("redis:", "rediss:", "unix:")):
        return _OfClaim(claim, DirectoryBasedExampleDatabase(where))
    from hypothesis.extra.redis import RedisExampleDatabase
    from redis import Redis

    return _OfClaim(claim, RedisExampleDatabase(Redis.from_url(where), expire_after=KEPT))
