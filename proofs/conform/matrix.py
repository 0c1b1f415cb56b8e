"""The command ``verified matrix``, which puts several reports side by side.

Exit status: 0; 2 if the call is wrong or a file is no report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..report import write_atomically
from . import report
from .check import Verdict

MARKS = {
    Verdict.OK: "✓",
    Verdict.NOT_OFFERED: "·",
    Verdict.LICENSED: "~",
    Verdict.ADVISORY: "!",
    Verdict.DEVIATES: "✗",
    Verdict.ERROR: "?",
}

TRACING = {
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    *(f"x-b3-{name}" for name in ("traceid", "spanid", "parentspanid", "sampled", "flags")),
}
"""The headers that the standards are about."""

LONGEST = 240
"""Characters of a value that are shown; the JSON has all of them."""


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--markdown", "markdown_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the matrix as Markdown.")  # fmt: skip
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the matrix as one page.")  # fmt: skip
def matrix(files: tuple[Path, ...], markdown_file: Path | None, html_file: Path | None) -> None:
    """Put reports of `verified conform --json` side by side: FILES by requirements."""
    reports = [_loaded(path) for path in files]
    if markdown_file is None and html_file is None:
        click.echo(as_markdown(reports), nl=False)
    try:
        if markdown_file is not None:
            write_atomically(markdown_file, as_markdown(reports).encode())
        if html_file is not None:
            write_atomically(html_file, report.as_html(reports))
    except OSError as error:
        raise click.UsageError(f"the matrix cannot be written: {error}") from None


def _loaded(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read as JSON: {error}") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != report.SCHEMA:
        raise click.UsageError(
            f"{path} is no report of `verified conform --json`: its schema is {schema!r}, "
            f"not {report.SCHEMA!r}"
        )
    assert isinstance(data, dict)
    return data


def as_markdown(reports: Sequence[dict[str, Any]]) -> str:
    """Requirements by targets, and below for each target what deviates."""
    # What an implementation answered is put into code or escaped by the filters.
    environment = Environment(
        loader=FileSystemLoader(report.TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    environment.filters.update(cell=_cell, code=_code, words=_words)
    return environment.get_template("conformance.md").render(
        dates=sorted({each["date"] for each in reports}),
        reports=reports,
        rows=[row for row in report.rows(reports) if _is_checked(row)],
        verdicts=[(each.value, MARKS[each], report.MEANINGS[each]) for each in Verdict],
        marks={each.value: MARKS[each] for each in Verdict},
        told=[Verdict.ADVISORY.value, Verdict.DEVIATES.value, Verdict.ERROR.value],
    )


def _is_checked(row: dict[str, Any]) -> bool:
    return any(cell["verdict"] != Verdict.NOT_OFFERED.value for cell in row["cells"])


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} … {text[-LONGEST // 4 :]} ({len(text)} characters)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _words(text: str) -> str:
    """Text that is only text in Markdown."""
    return re.sub(r"([\\`*_<\[|~])", r"\\\1", _cut(text).replace("\n", " "))


def _shown(value: Any) -> str:
    """What was sent or answered; of headers those of tracing, as they stand in a message."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "headers" in value:
        pairs = [(name.lower(), text) for name, text in value["headers"]]
        lines = [f"{name}: {json.dumps(text)[1:-1]}" for name, text in pairs if name in TRACING]
        return "; ".join(lines) or "no header of tracing"
    return json.dumps(value)


def _code(value: Any) -> str:
    """A value in a code span, which ends only where it should."""
    text = _cut(_shown(value)).replace("\n", " ")
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if ticks != "`" or not text.strip("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
