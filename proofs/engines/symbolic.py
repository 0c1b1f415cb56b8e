"""The symbolic engine: CrossHair runs the shipped function on symbolic inputs.

It is handed one postcondition at a time through its Python API. Only its word that
every path was tried counts as evidence. What it reports as a counterexample counts
only if it makes the real code fail. What else it says, or does not say, is no verdict:

- a function for which it returns nothing was not checked, and is an error;
- "unable to meet precondition" also comes when the solver gave up;
- of a function with preconditions alone it confirms a postcondition of its own making.

A class that is an ``int`` is given to it as a symbolic integer within its bounds; left
to itself it would call the constructor, which makes the number concrete.
"""

from __future__ import annotations

import ast
import inspect
import re
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import verified

from ..claim import Claim
from ..contracts import ContractClaim, fresh_import
from ..verdict import Finding, Verdict
from . import Options

NAME = "symbolic"
SECONDS = 0.5
"""How long CrossHair looks at one postcondition; more has not been seen to help."""


def run(claim: Claim, options: Options) -> Finding:
    """Explore the paths of the function of a contract."""
    if not isinstance(claim, ContractClaim) or NAME not in claim.engines:
        return Finding(NAME, Verdict.UNKNOWN, reason="not a contract that CrossHair can check")
    start = time.perf_counter()
    messages = analyze(claim, min(SECONDS, options.timeout))
    return judge(claim, messages, time.perf_counter() - start)


def judge(claim: Claim, messages: Sequence[Any], seconds: float) -> Finding:
    """What CrossHair's messages are worth."""
    if not messages:
        return Finding(NAME, Verdict.ERROR, seconds, reason="CrossHair checked nothing")
    states = {message.state.name for message in messages}
    if states == {"CONFIRMED"}:
        return Finding(NAME, Verdict.EXHAUSTED, seconds)
    for message in messages:
        if message.state.name in ("POST_FAIL", "POST_ERR", "EXEC_ERR"):
            inputs = called_with(claim, message.message)
            if inputs is not None and claim.fails_on(inputs) is not None:
                return Finding(NAME, Verdict.REFUTED, seconds, inputs=inputs)
            reason = f"CrossHair's counterexample does not fail on the real code: {message.message}"
            return Finding(NAME, Verdict.ERROR, seconds, inputs=inputs, reason=reason[:500])
    if states & {"SYNTAX_ERR", "IMPORT_ERR"}:
        return Finding(NAME, Verdict.ERROR, seconds, reason=messages[0].message)
    return Finding(NAME, Verdict.UNKNOWN, seconds, reason=f"CrossHair: {messages[0].message}")


def analyze(claim: ContractClaim, seconds: float) -> Sequence[Any]:
    """CrossHair's messages about the postcondition of a claim, and about no other."""
    from crosshair.core_and_libs import analyze_function, run_checkables
    from crosshair.fnutil import FunctionInfo
    from crosshair.options import AnalysisKind, AnalysisOptionSet

    imported = fresh_import(contracts=True)
    module: Any = imported[claim.function.__module__]
    if claim.owner is not None:
        owner = getattr(module, claim.owner.__name__)
        name = claim.function.__name__
        target = FunctionInfo(owner, name, inspect.getattr_static(owner, name))
    else:
        target = FunctionInfo.from_fn(getattr(module, claim.function.__name__))
    _register(imported["verified"].TraceFlags, 255)
    options = AnalysisOptionSet(
        analysis_kind=[AnalysisKind.icontract],
        report_all=True,
        per_condition_timeout=seconds,
        per_path_timeout=seconds,
    )
    line = claim.where[1]
    messages: Sequence[Any] = run_checkables(
        [
            check
            for check in analyze_function(target, options)
            if any(post.line == line and post.expr_source for post in check.conditions.post)
        ]
    )
    return messages


def called_with(claim: Claim, message: str) -> dict[str, Any] | None:
    """The inputs that a message of CrossHair names; None if it names none that can be read."""
    suffix = r"(?: \(which (?:returns|raises) .*\))?$"
    found = re.search(rf"when calling \w+\((.*?)\){suffix}", message, re.DOTALL)
    if found is None:
        return None
    try:
        call = ast.parse(f"f({found[1]})", mode="eval").body
        assert isinstance(call, ast.Call)
        names = vars(verified)
        values = [eval(ast.unparse(argument), dict(names)) for argument in call.args]
        inputs = dict(zip(claim.parameters, values, strict=False))
        return inputs | {str(k.arg): eval(ast.unparse(k.value), dict(names)) for k in call.keywords}
    except Exception:
        # CrossHair writes some values in ways that Python does not read.
        return None


@cache
def _register(cls: type, most: int) -> None:
    """Let CrossHair take a symbolic integer from 0 to ``most`` for inputs of a class."""
    from crosshair.core import register_type
    from crosshair.libimpl.builtinslib import SymbolicInt
    from crosshair.statespace import context_statespace
    from crosshair.tracers import NoTracing

    def realize(self: Any) -> Any:
        with NoTracing():
            return int.__new__(cls, context_statespace().find_model_value(self.var))

    members = {name: member for name, member in vars(cls).items() if not name.startswith("__")}
    members |= {
        "__ch_realize__": realize,
        "__ch_pytype__": lambda self: cls,
        "_pytype": classmethod(lambda _: cls),
    }
    symbolic = type(f"Symbolic{cls.__name__}", (SymbolicInt,), members)

    def create(factory: Any) -> Any:
        value = symbolic(factory.varname)
        factory.space.add(value.var >= 0)
        factory.space.add(value.var <= most)
        return value

    register_type(cls, create)
