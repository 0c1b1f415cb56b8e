"""What is said of a run: the table, the JSON and JUnit files, the tests for what was refuted."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import z3
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import verified

from .claim import every_claim
from .contracts import modules
from .prover import Result
from .statement import statement
from .verdict import Finding, Verdict

SCHEMA = "verified-report-2"

ROOT = Path(verified.__file__).resolve().parent.parent
"""The folder that holds the code: of a checkout, or where a wheel is installed."""

STYLES = {
    Verdict.PROVED: "green",
    Verdict.BOUNDED: "green",
    Verdict.EXHAUSTED: "green",
    Verdict.TESTED: "cyan",
    Verdict.UNKNOWN: "yellow",
    Verdict.VACUOUS: "magenta",
    Verdict.REFUTED: "red",
    Verdict.ERROR: "red",
}


def verdict_text(verdict: Verdict, bound: str | None = None, count: int | None = None) -> str:
    """A verdict as it is shown, with its bound or count."""
    name = "PROVED" if verdict is Verdict.BOUNDED else verdict.name
    detail = bound if bound is not None else count
    return name if detail is None else f"{name} ({detail})"


def shown(result: Result) -> str:
    """The verdict of a result, with its bound or count, and whether it is an earlier one."""
    text = verdict_text(result.verdict, result.bound, result.count)
    return f"{text}, remembered" if result.remembered else text


def table(results: Sequence[Result]) -> Table:
    """One row for each claim."""
    made = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    made.add_column("claim", overflow="fold")
    made.add_column("verdict", overflow="fold")
    made.add_column("engines", overflow="fold")
    made.add_column("s", justify="right")
    made.add_column("bites", overflow="ellipsis", no_wrap=True, max_width=60)
    for result in results:
        strongest = [f.engine for f in result.findings if f.verdict.conclusive]
        made.add_row(
            result.id,
            Text(shown(result), STYLES[result.verdict] if result.passed else "bold red"),
            " ".join(strongest) or "-",
            "-" if result.seconds is None else f"{result.seconds:.1f}",
            Text(result.bites or "-"),
        )
    return made


def progress(console: Console, doing: str) -> Progress:
    """A bar that says what is done, how far it is, and with what it is busy; gone at the end."""
    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=console, transient=True)


def line(result: Result) -> str:
    """A result in one line, for output that is no terminal."""
    mark = "ok  " if result.passed else "FAIL"
    return f"{mark} {result.id}: {shown(result)}"


def summary(results: Sequence[Result], selected: int, others: int = 0) -> str:
    """How many claims reached the verdict that they require, and how strong that is."""
    passed = [r for r in results if r.passed]
    counts = {v: sum(r.verdict is v for r in passed) for v in sorted(Verdict, reverse=True)}
    names = {Verdict.BOUNDED: "PROVED (bound)"}
    kinds = ", ".join(f"{n} {names.get(v, v.name)}" for v, n in counts.items() if n)
    text = f"{len(passed)} of {selected} claims hold" + (f": {kinds}" if kinds else "")
    known = sum(r.remembered for r in results)
    text += f"; {known} remembered, {len(results) - known} computed" if known else ""
    return f"{text}; {others} more were not asked" if others else text


def print_failures(console: Console, results: Iterable[Result], folder: Path) -> None:
    """For each claim that fell short: why, the counterexample, the replay, and the test."""
    for result in results:
        if result.passed:
            continue
        required = verdict_name(result.required)
        file, number = result.where
        rows = [
            ("claim", result.sentence),
            ("stands at", f"{file}:{number}"),
            ("reason", result.reason),
        ]
        if result.counterexample is not None:
            inputs = ", ".join(f"{n}={v}" for n, v in result.counterexample.items())
            rows.append(("counterexample", inputs or "(no inputs)"))
            rows.append(("on real code", result.replay or "holds: it is no counterexample"))
            if result.verdict is Verdict.REFUTED:
                rows.append(("kept as a test", str(write_test(result, folder))))
        console.print(f"\n{result.id}: {shown(result)}, requires {required}", style="bold red")
        for label, text in rows:
            if text:
                console.print(f"  {label + ':':15} {text}", markup=False, highlight=False)


def source_digest() -> str:
    """The SHA-256 of the shipped code: every module's name and text, in order of the names."""
    digest = hashlib.sha256()
    for module in sorted(modules(), key=lambda m: m.__name__):
        digest.update(module.__name__.encode() + b"\0")
        digest.update(Path(str(module.__file__)).read_bytes() + b"\0")
    return digest.hexdigest()


def as_json(results: Sequence[Result], complete: bool, selection: dict[str, Any]) -> dict[str, Any]:
    """The report for machines. What was not measured is null.

    ``complete`` says that every selected claim has its result; ``selection`` what was
    selected, and how much each engine might spend.
    """
    claims = {claim.id: claim for claim in every_claim()}
    tools = ("crosshair-tool", "hypothesis", "icontract", "mutmut")
    return {
        "schema": SCHEMA,
        "tool": {"name": "verified", "version": verified.__version__},
        "python": {
            "implementation": platform.python_implementation(),
            "version": platform.python_version(),
        },
        "solvers": {"z3": z3.get_version_string(), "cvc5": version("cvc5")},
        "libraries": {tool: version(tool) for tool in tools},
        "source_digest": {"algorithm": "sha256", "value": source_digest()},
        "complete": complete,
        "selection": selection,
        "claims": [
            _claim(result) | {"statement": statement(claims[result.id])}
            for result in sorted(results, key=lambda r: r.id)
        ],
    }


def relative(path: str | Path) -> str:
    """A file of the code or the evidence, named from the root of both."""
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _claim(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "sentence": result.sentence,
        "file": relative(result.where[0]),
        "line": result.where[1],
        "discharges": list(result.discharges),
        "subject": list(result.subject),
        "required": verdict_name(result.required),
        "verdict": verdict_name(result.verdict),
        "passed": result.passed,
        "remembered": result.remembered,
        "bound": result.bound,
        "count": result.count,
        "engines": [_finding(finding) for finding in result.findings],
        "witness": result.witness,
        "bites": result.bites,
        "bites_remembered": result.bites_remembered,
        "counterexample": result.counterexample,
        "replay": result.replay,
        "reason": result.reason,
        "seconds": result.seconds,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "engine": finding.engine,
        "verdict": verdict_name(finding.verdict),
        "seconds": finding.seconds,
        "count": finding.count,
        "bound": finding.bound,
        "reason": finding.reason,
        "certificate": {
            name: hashlib.sha256(text.encode()).hexdigest() for name, text in finding.certificate
        },
    }


def verdict_name(verdict: Verdict) -> str:
    """A verdict as the reports write it."""
    return "PROVED (bound)" if verdict is Verdict.BOUNDED else verdict.name


def as_junit(results: Sequence[Result], complete: bool) -> bytes:
    """The report as JUnit XML: a test case for each claim."""
    failures = sum(not r.passed and r.verdict is not Verdict.ERROR for r in results)
    errors = sum(r.verdict is Verdict.ERROR for r in results)
    suite = ElementTree.Element(
        "testsuite",
        name="verified prove",
        tests=str(len(results)),
        failures=str(failures),
        errors=str(errors + (not complete)),
    )
    for result in sorted(results, key=lambda r: r.id):
        group, _, name = result.id.rpartition(".")
        attributes = {"classname": group, "name": name}
        if result.seconds is not None:
            attributes["time"] = f"{result.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", attributes)
        properties = ElementTree.SubElement(case, "properties")
        said = {"name": "remembered", "value": str(result.remembered).lower()}
        ElementTree.SubElement(properties, "property", said)
        if not result.passed:
            kind = "error" if result.verdict is Verdict.ERROR else "failure"
            required = verdict_name(result.required)
            message = f"{shown(result)}, requires {required}"
            details = [result.sentence, result.reason or "", str(result.counterexample or "")]
            node = ElementTree.SubElement(case, kind, message=_xml(message))
            node.text = _xml("\n".join(filter(None, details)))
    if not complete:
        case = ElementTree.SubElement(suite, "testcase", classname="verified", name="complete")
        ElementTree.SubElement(case, "error", message="the run was not finished")
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))


def _xml(text: str) -> str:
    """The text without what XML cannot hold: control characters and surrogates, escaped."""
    return re.sub(
        "[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
        lambda found: ascii(found[0])[1:-1],
        text,
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    :raises OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_certificates(results: Iterable[Result], folder: Path) -> None:
    """Write what solvers can check again, a folder for each claim.

    Each file but ``invariant.smt2`` is an obligation; ``unsat`` is what it is to be found. Their
    digests are in the report.

    :raises OSError: if one cannot be written.
    """
    for result in results:
        for finding in result.findings:
            for name, text in finding.certificate:
                write_atomically(folder / result.id / name, text.encode())


def to_json(content: Any) -> str:
    """JSON in plain ASCII, whatever characters a counterexample has."""
    return json.dumps(content, indent=2, ensure_ascii=True)


def write_test(result: Result, folder: Path) -> Path:
    """Write a pytest file that fails for the reason for which a claim was refuted."""
    inputs = result.counterexample or {}
    text = ", ".join(f'"{name}": {value}' for name, value in inputs.items())
    evidence = __package__
    names = [name for name in verified.__all__ if re.search(rf"\b{name}\(", text)]
    imports = [f"from {evidence}.claim import claim_of"]
    if "Draws(" in text:
        imports.append(f"from {evidence}.domains import Draws")
    if names:
        imports.insert(0, f"from verified import {', '.join(names)}\n")
    identifier = re.sub(r"\W+", "_", result.id)
    path = folder / f"test_{identifier}.py"
    content = "\n".join(
        [
            f'"""A counterexample to {result.id}.\n',
            f"{result.sentence.replace(chr(92), chr(92) * 2)}.",
            '"""\n',
            *imports,
            "",
            "",
            f"def test_{identifier}() -> None:",
            f'    claim = claim_of("{result.id}")',
            f"    assert claim.fails_on({{{text}}}) is None",
            "",
        ]
    )
    write_atomically(path, content.encode("utf-8", "backslashreplace"))
    return path
