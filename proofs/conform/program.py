"""The one file that runs beside a package, and scripts that show a deviation without it."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AGENTS = Path(__file__).parent / "agents"

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "opentelemetry": ("opentelemetry", "opentelemetry_sdk"),
    "verified": ("opentelemetry", "opentelemetry_sdk", "verified"),
    "ddtrace": ("carrier", "ddtrace"),
    "elastic-apm": ("carrier", "elastic_apm"),
    "honeycomb-beeline": ("carrier", "honeycomb_beeline"),
    "instana": ("carrier", "instana"),
    "newrelic": ("carrier", "newrelic"),
    "opencensus": ("carrier", "opencensus"),
    "sentry-sdk": ("carrier", "sentry_sdk"),
}
"""The packages that are known by name, and the files that know them; later ones override."""

_FUTURE = "from __future__ import annotations\n"


def knows(package: str) -> str:
    """The source of what knows a package."""
    parts = [(AGENTS / f"{name}.py").read_text(encoding="utf-8") for name in PACKAGES[package]]
    return "\n\n".join(part.replace(_FUTURE, "") for part in parts)


def agent(package: str) -> str:
    """The program that answers for a package: one file, for Python 3.7 and up."""
    protocol = (AGENTS / "agent.py").read_text(encoding="utf-8")
    return f"{protocol}\n\n{knows(package)}\n\nserve(NAME, version(), OFFERS, CLAIMS)\n"


def script(package: str, operation: str, arguments: Mapping[str, Any]) -> str:
    """A script that does an operation with the package alone and prints what came out, as JSON."""
    tree = ast.parse(knows(package))
    name = operation.replace(".", "_")
    called = ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())
    parts = [_spaced(each) for each in _needed(tree, name)]
    return "\n".join(["import json", *parts, f"print(json.dumps({name}({called})))", ""])


def _spaced(statement: ast.stmt) -> str:
    text = ast.unparse(statement)
    return f"\n{text}\n" if isinstance(statement, ast.FunctionDef | ast.ClassDef) else text


def _literal(value: Any) -> str:
    return ascii(value)


def _needed(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements that a function needs, in their order, without docstrings."""
    statements = [each for each in tree.body if not _is_docstring(each)]
    binds = [(each, _bound(each)) for each in statements]
    wanted, needed = [name], set()
    for setting in filter(_is_setting, statements):
        needed.add(id(setting))
        wanted += _names(setting)
    known: set[str] = set()
    while wanted:
        each = wanted.pop()
        if each in known:
            continue
        known.add(each)
        for statement, names in binds:
            if each in names and id(statement) not in needed:
                needed.add(id(statement))
                wanted += _names(statement)
    return [_plain(each) for each in statements if id(each) in needed]


def _names(statement: ast.stmt) -> list[str]:
    return [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]


def _is_setting(statement: ast.stmt) -> bool:
    """Whether a statement is there for its effect, which every operation relies on."""
    is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return is_call and "OFFERS" not in _names(statement)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module binds there."""
    match statement:
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return {name}
        case ast.Import(names) | ast.ImportFrom(names=names):
            return {(each.asname or each.name).partition(".")[0] for each in names}
        case ast.Assign(targets):
            return {each.id for each in targets if isinstance(each, ast.Name)}
        case ast.Try(body, handlers, orelse):
            inner = [*body, *orelse, *(each for handler in handlers for each in handler.body)]
            return set().union(*map(_bound, inner))
        case ast.If(_, body, orelse):
            return set().union(*map(_bound, [*body, *orelse]))
    return set()


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _plain(statement: ast.stmt) -> ast.stmt:
    for node in ast.walk(statement):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and _is_docstring(node.body[0]):
            node.body = node.body[1:] or [ast.Pass()]
    return statement


def request(operation: str, arguments: Mapping[str, Any], number: int = 1) -> str:
    """A request of the protocol, as a line."""
    asked = {"id": number, "operation": operation, "arguments": arguments}
    return json.dumps(asked) + "\n"
