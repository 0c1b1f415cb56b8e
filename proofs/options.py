"""The options that commands have in common: who does the work, and where is remembered what."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .memory import default_folder

jobs = click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default=True,
    help="Processes that work.",
)

dask = click.option(
    "--dask",
    "cluster",
    metavar="ADDRESS",
    help="Work on the Dask cluster with this scheduler instead; needs the extra `cluster`.",
)

cache = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_folder,
    envvar="VERIFIED_CACHE",
    show_default="build/cache, or $XDG_CACHE_HOME/verified",
    help="Where is remembered what need not be computed again.",
)
