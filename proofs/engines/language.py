"""The language engine: claims about which texts are matched, for texts of any length.

It takes claims over one ``str`` whose body is one expression that asks whether the
text is matched by regular expressions and grammars, and combines the answers. Such a
claim is itself a regular language, that of the texts for which it holds, and is true
if nothing is outside of it. Two deciders must agree: the derivatives of
``proofs.languages``, which give a shortest counterexample, and Z3's own theory.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import z3

from .. import languages, sources
from ..claim import Claim, FunctionClaim
from ..expressions import NotRegular, full_match, prefix_match
from ..grammar import Grammar
from ..languages import LAST_CODE_POINT, CharSet, Language
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
        language = _language(expression, parameter, names)
        outside = (~language).shortest()
    except NotRegular as reason:
        return finding(Verdict.UNKNOWN, reason=f"not a regular language: {reason}")
    if outside is not None:
        inputs = {parameter: outside}
        if claim.fails_on(inputs) is None:
            why = "the counterexample does not fail on the real code"
            return finding(Verdict.ERROR, inputs=inputs, reason=why)
        return finding(Verdict.REFUTED, inputs=inputs)
    states = len((~language).automaton.transitions)
    solver = z3.Solver()
    solver.set("timeout", max(1, int(1000 * options.timeout)))
    text = z3.String(parameter)
    try:
        solver.add(z3.Not(_formula(expression, parameter, names, text)))
    except NotRegular as reason:
        return finding(Verdict.UNKNOWN, reason=f"not for Z3: {reason}")
    answer = solver.check()
    if answer == z3.sat:
        found = f"Z3 finds {solver.model()[text]}, the automata find nothing"
        return finding(Verdict.ERROR, reason=found)
    if answer != z3.unsat:
        return finding(Verdict.UNKNOWN, reason=f"Z3 gave up: {solver.reason_unknown()}")
    return finding(Verdict.PROVED, count=states)


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


def _language(node: ast.expr, parameter: str, names: Mapping[str, Any]) -> Language:
    """The texts for which an expression is true."""
    atom = _atom(node, parameter, names)
    if atom is not None:
        return atom
    match node:
        case ast.BoolOp(operator, operands):
            parts = [_language(operand, parameter, names) for operand in operands]
            if isinstance(operator, ast.Or):
                return languages.union(parts)
            return ~languages.union([~part for part in parts])
        case ast.UnaryOp(ast.Not(), operand):
            return ~_language(operand, parameter, names)
        case ast.Compare(left, [ast.Eq() | ast.NotEq() as operator], [right]):
            differ = _language(left, parameter, names) ^ _language(right, parameter, names)
            return differ if isinstance(operator, ast.NotEq) else ~differ
    raise NotRegular(ast.unparse(node))


def _formula(
    node: ast.expr, parameter: str, names: Mapping[str, Any], text: z3.SeqRef
) -> z3.BoolRef:
    """The same as a formula of Z3 over regular expressions."""
    atom = _atom(node, parameter, names)
    if atom is not None:
        return z3.InRe(text, to_z3(atom))
    match node:
        case ast.BoolOp(operator, operands):
            parts = [_formula(operand, parameter, names, text) for operand in operands]
            return z3.Or(parts) if isinstance(operator, ast.Or) else z3.And(parts)
        case ast.UnaryOp(ast.Not(), operand):
            return z3.Not(_formula(operand, parameter, names, text))
        case ast.Compare(left, [ast.Eq() | ast.NotEq() as operator], [right]):
            a = _formula(left, parameter, names, text)
            b = _formula(right, parameter, names, text)
            return a == b if isinstance(operator, ast.Eq) else a != b
    raise NotRegular(ast.unparse(node))


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
