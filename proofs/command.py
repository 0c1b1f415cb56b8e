"""The command ``verified``.

Exit status: 0 if at least one claim was selected and every selected claim reached the
verdict that it requires; 1 if any fell short; 2 for what is wrong with the call or
with the tool itself.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

import verified

from . import options, report, runner
from .audit import Audit, Stale, invariants
from .claim import ENGINES, MODULES, Claim, claim_of, every_claim
from .conform.command import conform
from .conform.matrix import matrix
from .diagram import document
from .engines import Options, induction
from .grammar import SPEC
from .machine import MACHINES
from .memory import Memory
from .mutate import mutate
from .prover import Result, subject_name
from .requirements import discharged_by, requirements
from .sarif import as_sarif
from .site import write as write_site
from .touched import touched


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(verified.__version__, prog_name="verified")
def command() -> None:
    """Prove the OpenTelemetry tracing core that is installed here."""


command.add_command(conform)
command.add_command(matrix)
command.add_command(mutate)


def _speak_of(context: click.Context, option: click.Parameter, modules: tuple[str, ...]) -> None:
    """Let the claims of these modules, found from the current folder, be those that are meant."""
    if modules:
        sys.path.insert(0, "")
        os.environ[MODULES] = ",".join(modules)


of_modules = click.option(
    "--claims",
    metavar="MODULE",
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=_speak_of,
    help="The claims of this module, about code of your own.",
)


@command.command()
@of_modules
@click.option(
    "-k",
    "expression",
    metavar="EXPR",
    help="Only claims whose id matches: words joined by and, or, not.",
)
@click.option(
    "--requirement",
    "needed",
    metavar="ID",
    help="Only claims that discharge this requirement of spec/.",
)
@click.option("--engine", metavar="NAME", help=f"Only this engine: {', '.join(ENGINES)}.")
@options.jobs
@options.dask
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that an engine may take for a claim.",
)
@click.option(
    "--examples",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Inputs that fuzzing draws for a claim; more where nothing else comes to an end.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Makes the draws of fuzzing repeatable."
)
@click.option(
    "--database",
    metavar="FOLDER|REDIS-URL",
    help="Where inputs that failed are kept, which fuzzing tries first; may be shared.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as JSON.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as JUnit XML.",
)
@click.option(
    "--sarif",
    "sarif_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what fell short as SARIF 2.1.0, at the lines of the code.",
)
@click.option(
    "--tests",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/counterexamples"),
    show_default=True,
    help="Where tests for refuted claims are written.",
)
@options.cache
@click.option("--no-cache", is_flag=True, help="Compute everything, and remember nothing.")
@click.option(
    "--certificates",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the certificates of proofs by induction are written, in SMT-LIB 2.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Fail too, and print the difference, if this document does not say what all claims show.",
)
def prove(
    expression: str | None,
    needed: str | None,
    engine: str | None,
    jobs: int,
    cluster: str | None,
    timeout: float,
    examples: int,
    seed: int,
    database: str | None,
    json_file: Path | None,
    junit_file: Path | None,
    sarif_file: Path | None,
    folder: Path,
    cache: Path,
    no_cache: bool,
    certificates: Path | None,
    against: Path | None,
) -> None:
    """Prove the claims and say how strong the evidence is."""
    # Hypothesis keeps a cache of Unicode data; not in the folder of whoever calls.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.gettempdir() + "/hypothesis")
    claims = selected(expression, engine, needed)
    if against is not None and len(claims) < len(every_claim()):
        raise click.UsageError("--against compares what all claims show, and some are left out")
    is_whole = expression is None and engine is None and needed is None
    if is_whole and MODULES not in os.environ:
        check_that_none_is_missing(claims)
    spending = Options(timeout=timeout, examples=examples, seed=seed, examples_at=database)
    engines = None if engine is None else [engine]
    memory = None if no_cache else Memory(cache)
    selection = {
        "expression": expression,
        "requirement": needed,
        "engine": engine,
        "examples": examples,
        "seed": seed,
        "timeout": timeout,
    }
    console = Console(soft_wrap=not sys.stdout.isatty())
    results: list[Result] = []
    complete = False
    show = _live if console.is_terminal else _plain
    with runner.interruptions() as interrupted:
        coming = runner.run(
            claims, spending, engines, jobs, lambda: bool(interrupted), memory, cluster
        )
        try:
            show(console, coming, len(claims), results.append)
        except runner.NoCluster as error:
            raise click.UsageError(str(error)) from None
    complete = len(results) == len(claims)
    if memory is not None:
        memory.forget_the_old()
    if interrupted:
        console.print("interrupted", style="bold red")
    results.sort(key=lambda r: r.id)
    found = report.as_json(results, complete, selection)
    if console.is_terminal:
        console.print(report.table(results))
    report.print_failures(console, results, folder)
    try:
        if json_file is not None:
            text = report.to_json(found)
            report.write_atomically(json_file, text.encode() + b"\n")
        if junit_file is not None:
            report.write_atomically(junit_file, report.as_junit(results, complete))
        if sarif_file is not None:
            text = report.to_json(as_sarif(results, complete))
            report.write_atomically(sarif_file, text.encode() + b"\n")
        if certificates is not None:
            report.write_certificates(results, certificates)
    except OSError as error:
        raise click.UsageError(f"the report cannot be written: {error}") from None
    others = len(every_claim()) - len(claims)
    console.print("\n" + report.summary(results, len(claims), others), highlight=False)
    is_shown = against is None or not complete or is_up_to_date(against, found, memory)
    passed = complete and bool(claims) and all(r.passed for r in results)
    sys.exit(0 if passed and is_shown else 1)


def _plain(console: Console, results: Any, total: int, keep: Callable[[Result], None]) -> None:
    for result in results:
        keep(result)
        console.print(report.line(result), markup=False, highlight=False)


def _live(console: Console, results: Any, total: int, keep: Callable[[Result], None]) -> None:
    with report.progress(console, "proving") as progress:
        task = progress.add_task("", total=total)
        for result in results:
            keep(result)
            progress.update(task, advance=1, description=report.line(result))


@command.command(name="touched")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--list", "only_list", is_flag=True, help="List them, and prove nothing.")
def prove_touched(files: tuple[Path, ...], only_list: bool) -> None:
    """Prove the claims that a change of FILES touches, as a hook before a commit does.

    Exit status: that of prove; 0 if they touch none.
    """
    claims = touched(files)
    if not claims:
        click.echo("no claim speaks of these files")
        return
    if only_list:
        click.echo("\n".join(claim.id for claim in claims))
        return
    of_all = len(claims) == len(every_claim())
    words = " or ".join(f"'{claim.id}'" for claim in claims)
    prove.main([] if of_all else ["-k", words], prog_name="verified prove")


@command.command(name="list")
@of_modules
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--kept", is_flag=True, help="As spec/claims.txt keeps them.")
@click.option("-k", "expression", metavar="EXPR", help="Only claims whose id matches.")
def list_claims(as_json: bool, kept: bool, expression: str | None) -> None:
    """List the claims and what they say."""
    claims = selected(expression, None)
    if kept:
        click.echo("\n".join(sorted(map(listed, claims))))
        return
    if as_json:
        rows = [
            {
                "id": c.id,
                "sentence": c.sentence,
                "discharges": list(c.discharges),
                "required": report.verdict_name(c.required),
                "engines": list(c.engines),
            }
            for c in claims
        ]
        click.echo(report.to_json(rows))
        return
    for c in claims:
        click.echo(f"{c.id}\n    {c.sentence}")
        if c.discharges:
            click.echo(f"    {' '.join(c.discharges)}")


@command.command()
@of_modules
@click.argument("name", metavar="CLAIM")
def explain(name: str) -> None:
    """Say all about a claim, or about a requirement by its id."""
    if name in requirements():
        _explain_requirement(name)
        return
    try:
        claim = claim_of(name)
    except KeyError:
        close = [c.id for c in every_claim() if name in c.id]
        hint = (
            f"; did you mean {', '.join(close[:5])}?" if close else "; `verified list` shows them"
        )
        raise click.UsageError(f"there is no claim or requirement {name!r}{hint}") from None
    file, line = claim.where
    click.echo(f"{claim.id}\n\n  {claim.sentence}.\n")
    for id in claim.discharges:
        needed = requirements()[id]
        click.echo(f"  discharges  {id} ({needed.level}) {needed.text}")
        for source in needed.sources:
            click.echo(f"              {source}")
    names = [f"{n}: {getattr(a, '__name__', a)}" for n, a in claim.parameters.items()]
    click.echo(f"  for all     {', '.join(names) or '(no inputs)'}")
    for subject in map(subject_name, claim.subject):
        click.echo(f"  subject     {subject}")
    click.echo(f"  engines     {', '.join(claim.engines)}")
    click.echo(f"  requires    {report.verdict_name(claim.required)}")
    click.echo(f"  stands at   {file}:{line}")
    click.echo(f"  repeat      verified prove -k \"'{claim.id}'\"")


@command.command()
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(True, path_type=Path)
)
def check(paths: tuple[Path, ...]) -> None:
    """Ask Z3 and cvc5 again whether certificates hold: files, or folders of them.

    Exit status: 1 if a solver finds any of them not to be unsatisfiable.
    """
    files = [
        f for path in paths for f in (sorted(path.rglob("*.smt2")) if path.is_dir() else [path])
    ]
    obligations = [file for file in files if file.name != "invariant.smt2"]
    if not obligations:
        raise click.UsageError("there is no obligation; invariant.smt2 is only to be read")
    holds = True
    for file in obligations:
        try:
            answers = induction.answers(file.read_text(encoding="utf-8"))
        except Exception as error:
            raise click.UsageError(f"{file} is no obligation in SMT-LIB 2: {error}") from None
        holds = holds and set(answers.values()) == {"unsat"}
        click.echo(f"{file}: " + ", ".join(f"{name} {said}" for name, said in answers.items()))
    sys.exit(0 if holds else 1)


@command.command()
@click.argument("found", metavar="REPORT", type=click.Path(True, dir_okay=False, path_type=Path))
@click.option(
    "--document",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the report shows of each requirement, as Markdown.",
)
@click.option(
    "--against",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare that with a document; exit status 1 and the difference if it is another.",
)
@click.option(
    "--site",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write it as a site; what is in the folder is replaced.",
)
@click.option(
    "--certificates",
    type=click.Path(True, file_okay=False, path_type=Path),
    help="The certificates of the same run, for the site.",
)
def audit(
    found: Path,
    document: Path | None,
    against: Path | None,
    site: Path | None,
    certificates: Path | None,
) -> None:
    """Write what an auditor reads, from the JSON report of a complete run."""
    try:
        before = text_of(against or document)
        shown = Audit(json.loads(found.read_text(encoding="utf-8")), before)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise click.UsageError(f"{found} is no report: {error}") from None
    except Stale as reason:
        raise click.UsageError(
            f"{found} shows something else: {reason}; run `make verify`"
        ) from None
    text = invariants(shown)
    try:
        if document is not None:
            report.write_atomically(document, text.encode())
        if site is not None:
            write_site(shown, site, certificates)
    except OSError as error:
        raise click.UsageError(f"the audit cannot be written: {error}") from None
    if against is not None and not is_the_same(against, before, text):
        sys.exit(1)


def text_of(document: Path | None) -> str:
    """The text of a document, which may not be there yet."""
    if document is None or not document.exists():
        return ""
    return document.read_text(encoding="utf-8")


def is_up_to_date(document: Path, found: Mapping[str, Any], memory: Memory | None) -> bool:
    """Whether a document says what a complete run has found; prints the difference."""
    before = text_of(document)
    return is_the_same(document, before, invariants(Audit(found, before, memory)))


def is_the_same(document: Path, before: str, text: str) -> bool:
    """Whether a document has this text; prints the difference."""
    lines = difflib.unified_diff(
        before.splitlines(True), text.splitlines(True), str(document), "what this run shows", n=0
    )
    difference = "".join(lines)
    if difference:
        click.echo(difference, nl=False)
        click.echo(f"\n{document} is out of date. If what changed is meant, run `make audit`.")
    return not difference


@command.command()
def diagram() -> None:
    """Draw the machines as their transitions are, in Mermaid; kept in spec/machines.md."""
    every_claim()
    click.echo(document(MACHINES.values()), nl=False)


def _explain_requirement(id: str) -> None:
    needed = requirements()[id]
    click.echo(f"{id} ({needed.level}, {needed.standard})\n\n  {needed.text}\n")
    for source in needed.sources:
        click.echo(f"  source         {source}")
    claims = discharged_by(every_claim())[id]
    for claim in claims:
        click.echo(f"  discharged by  {claim.id}: {claim.sentence}")
    if not claims:
        click.echo(f"  not discharged by any claim: {needed.reason}")


def check_that_none_is_missing(claims: Sequence[Claim]) -> None:
    """Compare the claims with the list that is kept of them.

    A claim that is gone, or asks for less than it did, would otherwise leave a run green.
    """
    kept = (SPEC / "claims.txt").read_text(encoding="ascii").split("\n")[:-1]
    found = [listed(c) for c in claims]
    gone, new = sorted(set(kept) - set(found)), sorted(set(found) - set(kept))
    if gone or new:
        lines = [*(f"  gone: {row}" for row in gone), *(f"  new:  {row}" for row in new)]
        raise click.UsageError(
            "the claims are not those of spec/claims.txt; if they are meant to be, "
            "`verified list --kept > spec/claims.txt`\n" + "\n".join(lines)
        )


def listed(claim: Claim) -> str:
    """A claim as it stands in the list that is kept of all claims."""
    return f"{claim.id} {report.verdict_name(claim.required)}"


def selected(expression: str | None, engine: str | None, needed: str | None = None) -> list[Claim]:
    """The claims that are meant; a usage error if there are none."""
    if engine is not None and engine not in ENGINES:
        raise click.UsageError(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    claims = every_claim()
    if expression is not None:
        wanted = matcher(expression)
        claims = [c for c in claims if wanted(c.id)]
        if not claims:
            raise click.UsageError(
                f"no claim matches -k {expression!r}; `verified list` shows them"
            )
    if needed is not None:
        if needed not in requirements():
            raise click.UsageError(f"there is no requirement {needed!r} in spec/")
        claims = [c for c in claims if needed in c.discharges]
        if not claims:
            raise click.UsageError(f"no selected claim discharges {needed}")
    if engine is not None:
        claims = [c for c in claims if engine in c.engines]
        if not claims:
            raise click.UsageError(f"no selected claim has the engine {engine!r}")
    return claims


def matcher(expression: str) -> Callable[[str], bool]:
    """Read ``-k``: parts of ids, quoted if they are not words, with and, or, not, brackets."""

    def read(node: ast.expr) -> Callable[[str], bool]:
        match node:
            case ast.BoolOp(operator, values):
                parts = [read(value) for value in values]
                join = all if isinstance(operator, ast.And) else any
                return lambda name: join(part(name) for part in parts)
            case ast.UnaryOp(ast.Not(), operand):
                inner = read(operand)
                return lambda name: not inner(name)
            case ast.Name() | ast.Attribute():
                word = ast.unparse(node)
                return lambda name: word in name
            case ast.Constant(str(word)):
                return lambda name: word in name
        raise click.UsageError(f"cannot read -k {expression!r} at {ast.unparse(node)!r}")

    try:
        return read(ast.parse(expression.strip(), mode="eval").body)
    except SyntaxError:
        raise click.UsageError(
            f"cannot read -k {expression!r}: put what is not a word in quotes"
        ) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what goes wrong inside of the tool is exit status 2, with a traceback."""
    try:
        command.main(args=arguments, prog_name="verified")
    except Exception:
        traceback.print_exc()
        sys.exit(2)
