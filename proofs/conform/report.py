"""What a run found, for people and for programs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..report import progress
from ..requirements import requirements
from .check import Verdict, place
from .run import Options, Result
from .target import About

SCHEMA = "verified-conform/1"

STYLES = {
    Verdict.OK: "green",
    Verdict.NOT_OFFERED: "dim",
    Verdict.LICENSED: "cyan",
    Verdict.ADVISORY: "yellow",
    Verdict.DEVIATES: "bold red",
    Verdict.ERROR: "bold magenta",
}


MEANINGS = {
    Verdict.OK: "no case deviated",
    Verdict.NOT_OFFERED: "could not be seen",
    Verdict.LICENSED: "differs where the standard leaves it open",
    Verdict.ADVISORY: "deviates from a SHOULD",
    Verdict.DEVIATES: "deviates from a MUST or a grammar",
    Verdict.ERROR: "could not be checked",
}

TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True)
class Report:
    """All results of a run; ``complete`` unless it was interrupted."""

    about: About
    options: Options
    complete: bool
    results: tuple[Result, ...]


def live(console: Console, results: Iterator[Result], total: int) -> Iterator[Result]:
    """Show on a terminal how far a run is."""
    if not console.is_terminal:
        yield from results
        return
    with progress(console, "checking") as bar:
        task = bar.add_task("", total=total)
        for result in results:
            bar.update(task, advance=1, description=result.check.name)
            yield result


def by_requirement(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Results by the id of their requirement."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.check.requirement.id].append(result)
    return found


def worst(results: Sequence[Result]) -> Verdict:
    """The gravest verdict; what is not offered counts if nothing was checked."""
    checked = [r.verdict for r in results if r.verdict is not Verdict.NOT_OFFERED]
    return max(checked, key=lambda verdict: verdict.gravity, default=Verdict.NOT_OFFERED)


def table(report: Report) -> Table:
    """A row for each requirement."""
    about = report.about
    shown = Table(title=f"{about.name} {about.version} ({about.runtime})", title_justify="left")
    shown.add_column("requirement", no_wrap=True)
    shown.add_column("level")
    shown.add_column("verdict", no_wrap=True)
    shown.add_column("cases", justify="right")
    shown.add_column("what is required")
    for id, results in by_requirement(report.results).items():
        needed, verdict = results[0].check.requirement, worst(results)
        style = STYLES[verdict]
        cases = sum(result.cases for result in results)
        shown.add_row(
            id,
            needed.level,
            f"[{style}]{verdict.value}[/]",
            str(cases or ""),
            escape(needed.text),
        )
    return shown


def print_deviations(console: Console, report: Report) -> None:
    """What was found, with the evidence for it."""
    quiet = (Verdict.OK, Verdict.NOT_OFFERED)
    for result in report.results:
        if result.verdict in quiet:
            continue
        needed = result.check.requirement
        console.print(
            f"\n[{STYLES[result.verdict]}]{result.verdict.value}[/] {needed.id}: "
            f"{escape(result.check.kind)}"
        )
        rows = [
            (
                "the standard",
                f"{needed.text} ({needed.level}; {'; '.join(map(str, needed.sources))})",
            ),
            ("input", _text(result.input)),
            ("expected", result.expected),
            ("got", _text(result.got)),
            ("how often", f"in {result.deviating} of {result.cases} cases"),
            ("because", result.note),
            ("script", "\n" + result.script.rstrip()),
        ]
        for name, text in rows:
            if text.strip():
                console.print(f"  {name}: {text}", markup=False, highlight=False)


def summary(report: Report) -> str:
    """The counts, in a line; and that the run was cut short, if it was."""
    requirements = [worst(results) for results in by_requirement(report.results).values()]
    counts = [f"{requirements.count(v)} {v.value}" for v in Verdict if v in requirements]
    cases = sum(result.cases for result in report.results)
    cut = "" if report.complete else "the run was cut short: "
    return f"{cut}{len(requirements)} requirements, {cases} cases: {', '.join(counts)}"


def status(report: Report, strict: bool) -> int:
    """The exit status of a run."""
    verdicts = {result.verdict for result in report.results}
    if Verdict.DEVIATES in verdicts or (strict and Verdict.ADVISORY in verdicts):
        return 1
    checked = verdicts - {Verdict.NOT_OFFERED}
    return 0 if report.complete and checked and Verdict.ERROR not in verdicts else 2


def as_data(report: Report) -> dict[str, Any]:
    """The report as it is written in JSON."""
    about, options = report.about, report.options
    return {
        "schema": SCHEMA,
        "target": about.name,
        "version": about.version,
        "runtime": about.runtime,
        "date": datetime.now(UTC).date().isoformat(),
        "offers": sorted(about.offers),
        "level": options.level,
        "seed": options.seed,
        "complete": report.complete,
        "results": [_row(result) for result in report.results],
    }


def _row(result: Result) -> dict[str, Any]:
    needed = result.check.requirement
    return {
        "requirement": needed.id,
        "kind": result.check.kind,
        "verdict": result.verdict.value,
        "level": needed.level,
        "cases": result.cases,
        "deviating": result.deviating,
        "input": result.input,
        "got": result.got,
        "expected": result.expected,
        "sentence": needed.text,
        "source": [str(each) for each in needed.sources],
        "script": result.script,
        "note": result.note,
    }


def as_json(report: Report) -> bytes:
    return json.dumps(as_data(report), indent=1, ensure_ascii=True).encode() + b"\n"


def as_junit(report: Report) -> bytes:
    """A test case for each check; what deviates from a SHOULD is in its output."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"verified conform {report.about.name} {report.about.version}",
        tests=str(len(report.results)),
        failures=str(sum(r.verdict is Verdict.DEVIATES for r in report.results)),
        errors=str(sum(r.verdict is Verdict.ERROR for r in report.results) + (not report.complete)),
        skipped=str(sum(r.verdict is Verdict.NOT_OFFERED for r in report.results)),
    )
    for result in report.results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.check.requirement.id, name=result.check.kind
        )
        told = (
            f"expected: {result.expected}\ngot: {_text(result.got)}\ninput: {_text(result.input)}"
        )
        match result.verdict:
            case Verdict.DEVIATES:
                failure = ElementTree.SubElement(case, "failure", message=result.expected)
                failure.text = _xml(f"{told}\n\n{result.script}")
            case Verdict.ERROR:
                ElementTree.SubElement(case, "error", message=_xml(result.note)).text = _xml(told)
            case Verdict.NOT_OFFERED:
                ElementTree.SubElement(case, "skipped", message=result.note)
            case Verdict.ADVISORY | Verdict.LICENSED:
                output = ElementTree.SubElement(case, "system-out")
                output.text = _xml(f"{result.verdict.value}\n{told}\n\n{result.script}")
    if not report.complete:
        case = ElementTree.SubElement(suite, "testcase", classname="run", name="complete")
        ElementTree.SubElement(case, "error", message="the run was cut short")
    text: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return text


def as_html(reports: Sequence[dict[str, Any]]) -> bytes:
    """One page of several reports: requirements by targets, each cell with its evidence.

    It needs nothing from elsewhere, and no script: a cell is a link, and what it links to shows.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["slug"] = lambda text: text.replace(" ", "-")
    page = environment.get_template("conformance.html").render(
        reports=reports,
        rows=list(rows(reports)),
        verdicts=[(verdict.value, MEANINGS[verdict]) for verdict in Verdict],
        quiet=[Verdict.OK.value, Verdict.NOT_OFFERED.value],
    )
    return page.encode()


def rows(reports: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each requirement that is in a report a row, with a cell for each report."""
    for needed in sorted(requirements().values(), key=lambda each: place(each.id)):
        cells = []
        for number, report in enumerate(reports):
            results = [each for each in report["results"] if each["requirement"] == needed.id]
            # The gravest result first.
            results.sort(key=lambda each: -Verdict(each["verdict"]).gravity)
            checked = [each for each in results if each["verdict"] != Verdict.NOT_OFFERED.value]
            verdict = (checked or results or [{"verdict": Verdict.NOT_OFFERED.value}])[0]["verdict"]
            cells.append(
                {
                    "target": report["target"],
                    "version": report["version"],
                    "verdict": verdict,
                    "results": results,
                    "anchor": f"{needed.id}-{number}",
                }
            )
        if any(cell["results"] for cell in cells):
            yield {
                "id": needed.id,
                "level": needed.level,
                "sentence": needed.text,
                "source": [str(each) for each in needed.sources],
                "cells": cells,
            }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _xml(text: str) -> str:
    """Text without the characters that XML cannot have."""
    return "".join(
        c if c in "\n\t" or " " <= c < "\ud800" or c > "\udfff" else "\ufffd" for c in text
    )
