"""The exhaustive engine: the claim on the real code, on every input that there is."""

from __future__ import annotations

import time
from itertools import product
from math import prod

from ..claim import Claim
from ..domains import domain
from ..verdict import Finding, Verdict
from . import Options

NAME = "exhaustive"
MOST = 1 << 17


def run(claim: Claim, options: Options) -> Finding:
    """Try a claim on all of its inputs, of which there must be at most ``MOST``."""
    start = time.perf_counter()
    columns = []
    for annotation in claim.parameters.values():
        known = domain(annotation)
        columns.append(known.every if known else ())
    count = prod(map(len, columns))
    if not 0 < count <= MOST:
        return Finding(
            NAME, Verdict.UNKNOWN, reason=f"{count or 'unknown many'} inputs to run through"
        )
    tried = 0
    for values in product(*columns):
        inputs = dict(zip(claim.parameters, values, strict=True))
        if not claim.admits(inputs):
            continue
        tried += 1
        if claim.fails_on(inputs) is not None:
            seconds = time.perf_counter() - start
            return Finding(NAME, Verdict.REFUTED, seconds, tried, inputs=inputs)
    seconds = time.perf_counter() - start
    if tried == 0:
        return Finding(NAME, Verdict.UNKNOWN, seconds, 0, reason="no input was admitted")
    return Finding(NAME, Verdict.EXHAUSTED, seconds, tried)
