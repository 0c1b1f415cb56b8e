"""The command ``verified mutate``: the score of the proofs, as it comes out.

Exit status: 0 if the score is at least what is asked for; 1 if it is not, or if the list of
mutants that are no fault says what is not so; 2 for what is wrong with the call or the tool.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from . import options, report, runner
from .claim import every_claim
from .engines import Options
from .memory import Memory
from .mutation import APART, Judgement, Place, Reach, Reached, shipped, trials
from .score import Score, listed


@click.command()
@click.argument("modules", metavar="[MODULE]...", nargs=-1)
@options.jobs
@options.dask
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what became of each mutant as JSON.",
)
@options.cache
def mutate(
    modules: tuple[str, ...],
    jobs: int,
    cluster: str | None,
    json_file: Path | None,
    cache: Path,
) -> None:
    """Ask the claims about every first-order mutant of the shipped code, or of these MODULEs."""
    every = [name for name in shipped() if name not in APART]
    unknown = [name for name in modules if name not in every]
    if unknown:
        raise click.UsageError(f"no module {unknown[0]!r} is judged; there are {', '.join(every)}")
    try:
        reasons = listed()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    console = Console(soft_wrap=not sys.stdout.isatty())
    spending = Options()
    memory = Memory(cache) if cluster is None else None
    judged: list[tuple[Place, Judgement]] = []
    is_complete = False
    try:
        with runner.interruptions() as interrupted, runner.workers(jobs, cluster) as submit:
            reached: dict[str, Reached] = {}
            asking = Asking(submit, console, lambda: bool(interrupted))
            for reach, found in asking.about(
                "running", [Reach(c.id, spending, memory) for c in every_claim()]
            ):
                if isinstance(found, Exception):
                    raise click.ClickException(f"{reach.claim}: {found}")
                if found.failure is not None:
                    raise click.ClickException(
                        f"{reach.claim} does not hold as the code is: {found.failure}"
                    )
                reached[reach.claim] = found
            if interrupted:
                raise click.Abort
            work = trials(reached, modules or every, spending, memory)
            for trial, judgements in asking.about("judging", work):
                if isinstance(judgements, Exception):
                    judgements = trial.not_judged(str(judgements))
                judged += [(trial.place, judgement) for judgement in judgements]
            is_complete = not interrupted
    except runner.NoCluster as error:
        raise click.UsageError(str(error)) from None
    score = Score(judged, reasons, is_complete)
    if json_file is not None:
        report.write_atomically(json_file, report.to_json(score.as_json()).encode() + b"\n")
    for survivor in sorted(score.survivors):
        console.print(f"{survivor.verdict}: {survivor.id}", markup=False, highlight=False)
    console.print(score.table())
    for wrong in score.wrongs:
        console.print(f"FAIL {wrong}", style="bold red", markup=False, highlight=False)
    sys.exit(1 if score.wrongs else 0)


class Asking:
    """Has tasks done by others, and shows how far they are."""

    def __init__(
        self, submit: runner.Submit, console: Console, is_over: Callable[[], bool]
    ) -> None:
        self.submit = submit
        self.console = console
        self.is_over = is_over

    def about(self, doing: str, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Each task with what came of it, or with the exception that kept it from coming."""
        # The first are being done while the last are still made.
        pending = {self.submit(run, task): task for task in tasks}
        total = sum(task.size for task in pending.values())
        done = shown = 0
        with report.progress(self.console, doing) as progress:
            bar = progress.add_task("", total=total)
            for future in runner.finished(pending, self.is_over):
                task = pending[future]
                done += task.size
                progress.update(bar, advance=task.size, description=task.name)
                if not self.console.is_terminal and done * 20 // total > shown:
                    shown = done * 20 // total
                    self.console.print(f"{doing}: {done} of {total}", highlight=False)
                try:
                    yield task, future.result()
                except Exception as error:
                    yield task, error


def run(task: Any) -> Any:
    """Do a task, in another process."""
    return task.run()
