"""The language engine: claims about which texts are matched, for texts of any length.

It takes claims over one ``str`` whose body is one expression that asks whether the
text is matched by regular expressions and grammars, and combines the answers. Such a
claim says that some languages are parts of others (``proofs.inclusion``). Two deciders
must agree: derivatives, which give a shortest counterexample, and Z3's own theory.
"""

from __future__ import annotations

import ast
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, reduce
from itertools import product
from operator import and_
from typing import Any

import z3

from .. import languages, sources
from ..claim import Claim, FunctionClaim
from ..expressions import NotRegular, full_match, prefix_match
from ..grammar import Grammar
from ..inclusion import Inclusion
from ..languages import ANYTHING, LAST_CODE_POINT, CharSet, Language
from ..verdict import Finding, Verdict
from . import Options

NAME = "language"

Z3_LAST_CODE_POINT = 0x2FFFF


def run(claim: Claim, options: Options) -> Finding:
    """Prove or refute a claim about which texts are matched."""
    start = time.perf_counter()

    def finding(verdict: Verdict, **more: Any) -> Finding:
        return Finding(NAME, verdict, time.perf_counter() - start, **more)

    try:
        parameter, expression, names = _reading(claim)
        inclusions = _inclusions(expression, parameter, names)
    except NotRegular as reason:
        return finding(Verdict.UNKNOWN, reason=f"not a regular language: {reason}")
    outside = None
    proved = []
    for inclusion in inclusions:
        limit = math.inf if outside is None else len(outside)
        decided = replace(inclusion, shorter_than=limit).decided
        proved.append(decided)
        if decided.counterexample is not None:
            outside = decided.counterexample
    if outside is not None:
        inputs = {parameter: outside}
        if claim.fails_on(inputs) is None:
            why = "the counterexample does not fail on the real code"
            return finding(Verdict.ERROR, inputs=inputs, reason=why)
        return finding(Verdict.REFUTED, inputs=inputs)
    for each in proved:
        solver = z3.Solver()
        solver.set("timeout", max(1, int(1000 * options.timeout)))
        text = z3.String(parameter)
        try:
            solver.add(z3.InRe(text, to_z3(each.left)), z3.Not(z3.InRe(text, to_z3(each.right))))
        except NotRegular as reason:
            return finding(Verdict.UNKNOWN, reason=f"not for Z3: {reason}")
        answer = solver.check()
        if answer == z3.sat:
            found = f"Z3 finds {solver.model()[text]}, the automata find nothing"
            return finding(Verdict.ERROR, reason=found)
        if answer != z3.unsat:
            return finding(Verdict.UNKNOWN, reason=f"Z3 gave up: {solver.reason_unknown()}")
    return finding(Verdict.PROVED, count=sum(each.states for each in proved))


def _reading(claim: Claim) -> tuple[str, ast.expr, Mapping[str, Any]]:
    if not isinstance(claim, FunctionClaim) or list(claim.parameters.values()) != [str]:
        raise NotRegular("a claim over anything but one str")
    statements = [
        s
        for s in sources.definition(claim.function).body
        if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
    ]
    match statements:
        case [ast.Return(ast.expr() as expression)]:
            return next(iter(claim.parameters)), expression, claim.function.__globals__
    raise NotRegular("a claim that is more than one expression")


def _atom(node: ast.expr, parameter: str, names: Mapping[str, Any]) -> Language | None:
    """The language of which an expression asks whether the text is in it, if it does so."""
    match node:
        case ast.Compare(
            ast.Call() as call, [ast.Is() | ast.IsNot() as operator], [ast.Constant(None)]
        ):
            language = _matched(call, parameter, names)
            return ~language if isinstance(operator, ast.Is) else language
        case ast.Call(ast.Attribute(receiver, "matches"), [ast.Name(name)], []) if (
            name == parameter
        ):
            grammar = _constant(receiver, names)
            if isinstance(grammar, Grammar):
                return grammar.language
        case ast.Compare(ast.Name(name), [ast.Eq()], [ast.Constant(str(text))]) if (
            name == parameter
        ):
            return languages.text(text)
        case ast.Compare(ast.Constant(str(text)), [ast.In()], [ast.Name(name)]) if (
            name == parameter
        ):
            return ANYTHING + languages.text(text) + ANYTHING
    return None


def _matched(node: ast.Call, parameter: str, names: Mapping[str, Any]) -> Language:
    match node:
        case ast.Call(ast.Attribute(receiver, method), [ast.Name(name)], []) if name == parameter:
            pattern = _constant(receiver, names)
            read = {"fullmatch": full_match, "match": prefix_match}.get(method)
            if isinstance(pattern, re.Pattern) and read is not None:
                return read(pattern)
    raise NotRegular(ast.unparse(node))


def _constant(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(name) if name in names:
            return names[name]
        case ast.Attribute(value, name):
            return getattr(_constant(value, names), name)
    raise NotRegular(ast.unparse(node))


Clause = tuple[frozenset[Language], frozenset[Language]]
"""Languages, of which a text is not in one of the former or in one of the latter."""


def _clauses(
    node: ast.expr, parameter: str, names: Mapping[str, Any], wanted: bool = True
) -> list[Clause]:
    """What is to hold, all of it, for an expression to be true, or false if that is wanted."""

    def inner(operand: ast.expr, wanted: bool) -> list[Clause]:
        return _clauses(operand, parameter, names, wanted)

    atom = _atom(node, parameter, names)
    if atom is not None:
        # What a complement says of a text is said on the other side.
        if isinstance(atom, languages.Complement):
            atom, wanted = ~atom, not wanted
        own, none = frozenset([atom]), frozenset[Language]()
        return [(none, own) if wanted else (own, none)]
    match node:
        case ast.BoolOp(operator, operands):
            parts = [inner(operand, wanted) for operand in operands]
            if isinstance(operator, ast.And) == wanted:
                return [clause for part in parts for clause in part]
            return [_either(choice) for choice in product(*parts)]
        case ast.UnaryOp(ast.Not(), operand):
            return inner(operand, not wanted)
        case ast.Compare(left, [ast.Eq() | ast.NotEq() as operator], [right]):
            equal = isinstance(operator, ast.Eq) == wanted
            return [
                _either(choice)
                for other in (True, False)
                for choice in product(inner(left, other), inner(right, other != equal))
            ]
    raise NotRegular(ast.unparse(node))


def _either(clauses: Iterable[Clause]) -> Clause:
    """The clause that says that one of these holds."""
    former, latter = zip(*clauses, strict=True)
    return frozenset().union(*former), frozenset().union(*latter)


def _inclusions(node: ast.expr, parameter: str, names: Mapping[str, Any]) -> list[Inclusion]:
    """What is to hold, all of it, for an expression to be true of every text."""
    return [
        Inclusion(reduce(and_, former, ANYTHING), languages.union(latter))
        for former, latter in _clauses(node, parameter, names)
    ]


@cache
def to_z3(language: Language) -> z3.ReRef:
    """A language as a regular expression of Z3, whose alphabet ends before Python's.

    Code points that no range tells apart are alike, so that the last of Z3's can stand
    for all behind it, if no range begins or ends there; otherwise it is refused.
    """
    match language:
        case languages.Chars(members):
            return _set(members)
        case languages.Epsilon():
            return z3.Re("")
        case languages.Concatenation(first, rest):
            return z3.Concat(to_z3(first), to_z3(rest))
        case languages.Union(members):
            return z3.Union(*(to_z3(m) for m in sorted(members, key=repr)))
        case languages.Complement(of):
            return z3.Complement(to_z3(of))
        case languages.Star(of):
            return z3.Star(to_z3(of))
        case languages.Repeat(of, least, most):
            return z3.Loop(to_z3(of), least, most)
    raise TypeError(language)


def _set(members: CharSet) -> z3.ReRef:
    if not members:
        return z3.Empty(z3.ReSort(z3.StringSort()))
    parts = []
    for low, high in members.ranges:
        if low > Z3_LAST_CODE_POINT or Z3_LAST_CODE_POINT <= high < LAST_CODE_POINT:
            raise NotRegular(f"characters between U+{Z3_LAST_CODE_POINT:X} and the end of Unicode")
        parts.append(z3.Range(f"\\u{{{low:x}}}", f"\\u{{{min(high, Z3_LAST_CODE_POINT):x}}}"))
    return z3.Union(*parts) if len(parts) > 1 else parts[0]
