"""The ambiguity engine: claims that each of some patterns matches no text in two ways.

It takes claims over the name of a pattern and a text, of the form
``ways(pattern(name), text) <= 1``, and decides them for each name that there is and for
texts of any length (``proofs.ambiguity``).
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

from .. import sources
from ..ambiguity import ambiguity, ways
from ..claim import Claim, FunctionClaim
from ..domains import domain
from ..expressions import NotRegular
from ..verdict import Finding, Verdict
from . import Options

NAME = "ambiguity"


def run(claim: Claim, options: Options) -> Finding:
    """Prove or refute a claim that no text is matched in two ways."""
    start = time.perf_counter()

    def finding(verdict: Verdict, **more: Any) -> Finding:
        return Finding(NAME, verdict, time.perf_counter() - start, **more)

    reading = _reading(claim)
    if reading is None:
        return finding(Verdict.UNKNOWN, reason="not of the form ways(pattern(name), text) <= 1")
    name, text, pattern = reading
    known = domain(claim.parameters[name])
    if known is None or not known.every:
        return finding(Verdict.UNKNOWN, reason="unknown many patterns")
    states = 0
    for each in known.every:
        try:
            answer = ambiguity(pattern(each))
        except NotRegular as reason:
            return finding(Verdict.UNKNOWN, reason=f"{each}: {reason}")
        if answer.text is not None:
            inputs = {name: each, text: answer.text}
            if claim.fails_on(inputs) is None:
                why = "there is one way to match the counterexample"
                return finding(Verdict.ERROR, inputs=inputs, reason=why)
            return finding(Verdict.REFUTED, inputs=inputs)
        states += answer.pairs
    return finding(Verdict.PROVED, count=states)


def _reading(claim: Claim) -> tuple[str, str, Callable[[Any], Any]] | None:
    """The parameters of a claim, for a name and a text, and the function that gives patterns."""
    if not isinstance(claim, FunctionClaim) or len(claim.parameters) != 2:
        return None
    match sources.definition(claim.function).body:
        case [
            ast.Return(
                ast.Compare(
                    ast.Call(
                        ast.Name(function),
                        [ast.Call(ast.Name(given), [ast.Name(name)], []), ast.Name(text)],
                        [],
                    ),
                    [ast.LtE()],
                    [ast.Constant(1)],
                )
            )
        ] if [name, text] == list(claim.parameters) and claim.parameters[text] is str:
            names = claim.function.__globals__
            return (name, text, names[given]) if names.get(function) is ways else None
    return None
