"""The command ``verified conform``.

Exit status: 0 if something was checked and nothing deviates; 1 if something deviates from a
MUST or from a grammar, with ``--strict`` also from a SHOULD; 2 if the call is wrong, nothing
was checked, or a check could not be carried out.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from . import program
from .target import PATIENCE, Gone, PackageTarget, ProcessTarget, Target


@click.command()
@click.argument("target", required=False)
@click.option(
    "--python",
    default=sys.executable,
    help="The interpreter that has the package; this one if it is not given.",
)
@click.option("--exec", "line", metavar="COMMAND", help="A program that speaks the protocol.")
@click.option("-k", "expression", metavar="TEXT", help="Only checks with this in their name.")
@click.option("--level", type=click.Choice(["1", "2"]), default="2", show_default=True,
              help="The level of W3C Trace Context.")  # fmt: skip
@click.option("--cases", type=click.IntRange(1), default=100, show_default=True,
              help="Cases that are drawn for a check.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Makes the draws repeatable.")
@click.option("--patience", type=click.FloatRange(min=0.1), default=PATIENCE, show_default=True,
              help="Seconds within which a target has to answer.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Fail also for what deviates from a SHOULD.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report as JSON.")  # fmt: skip
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report as JUnit XML.")  # fmt: skip
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report as one page.")  # fmt: skip
@click.option("--agent", is_flag=True,
              help="Print the program that runs beside the package, and end.")  # fmt: skip
def conform(
    target: str | None,
    python: str,
    line: str | None,
    expression: str | None,
    level: str,
    cases: int,
    seed: int,
    patience: float,
    strict: bool,
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    agent: bool,
) -> None:
    """Check an implementation of tracing against the standards.

    TARGET is a package of Python by its name, or the address of a service that speaks the
    protocol of the W3C validation suite; --exec names any other program instead.
    """
    if agent:
        click.echo(program.agent(_package(target)), nl=False)
        return
    # Hypothesis keeps a cache of Unicode data; not in the folder of whoever calls.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.gettempdir() + "/hypothesis")
    from ..report import write_atomically
    from . import report, run
    from .checks import every_check

    checks = [each for each in every_check() if expression is None or expression in each.name]
    if not checks:
        raise click.UsageError(f"no check has {expression!r} in its name")
    options = run.Options(cases, seed, int(level), patience)
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 120)
    try:
        asked = opened(target, python, line)
    except Gone as gone:
        raise click.UsageError(f"{line or target} cannot be checked: {gone}") from None
    except KeyboardInterrupt:
        console.print("interrupted", style="bold red")
        sys.exit(2)
    results: list[run.Result] = []
    complete = False
    try:
        for result in report.live(console, run.run(asked, options, checks), len(checks)):
            results.append(result)
        complete = True
    except KeyboardInterrupt:
        console.print("interrupted", style="bold red")
    finally:
        asked.close()
    found = report.Report(asked.about, options, complete, tuple(results))
    console.print(report.table(found))
    report.print_deviations(console, found)
    try:
        if json_file is not None:
            write_atomically(json_file, report.as_json(found))
        if junit_file is not None:
            write_atomically(junit_file, report.as_junit(found))
        if html_file is not None:
            write_atomically(html_file, report.as_html([report.as_data(found)]))
    except OSError as error:
        raise click.UsageError(f"the report cannot be written: {error}") from None
    console.print("\n" + report.summary(found), highlight=False)
    sys.exit(report.status(found, strict))


def opened(target: str | None, python: str, line: str | None) -> Target:
    """The target that a call names.

    :raises Gone: if it cannot be started or reached.
    """
    if (target is None) == (line is None):
        raise click.UsageError("name a target, or a program by --exec")
    if line is not None:
        return ProcessTarget(shlex.split(line))
    assert target is not None
    if urlsplit(target).scheme in ("http", "https"):
        from .service import ServiceTarget

        return ServiceTarget(target)
    return PackageTarget(_package(target), python)


def _package(name: str | None) -> str:
    if name is None or name not in program.PACKAGES:
        known: Sequence[str] = sorted(program.PACKAGES)
        raise click.UsageError(
            f"no package {name!r} is known, but {', '.join(known)}; --exec takes any program"
        )
    return name
