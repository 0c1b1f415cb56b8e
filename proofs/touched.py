"""Which claims a change of files touches, to ask them before it is committed.

What other modules make of a changed one is not looked for: a complete run asks all claims.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import sources
from .claim import Claim, every_claim
from .report import relative
from .statement import WRITTEN_IN, files

EVIDENCE = Path(__file__).resolve().parent


def touched(changed: Iterable[Path]) -> list[Claim]:
    """The claims that speak of code in these files, or are written in them.

    A grammar touches the claims of the modules that name it, and a file of the evidence that
    claims are not written in all claims, since it may decide any of them.
    """
    paths = [path.resolve() for path in changed]
    claims = every_claim()
    if any(_decides(path) for path in paths):
        return claims
    names = {relative(path) for path in paths}
    grammars = [f'Grammar("{path.stem}"' for path in paths if path.suffix == ".abnf"]
    return [claim for claim in claims if _is_touched(claim, names, grammars)]


def _decides(path: Path) -> bool:
    if not path.is_relative_to(EVIDENCE) or path.suffix != ".py":
        return False
    return path.relative_to(EVIDENCE).with_suffix("").parts[0] not in WRITTEN_IN


def _is_touched(claim: Claim, names: set[str], grammars: Iterable[str]) -> bool:
    written = files(claim)
    spoken_of = {relative(sources.place(subject)[0]) for subject in claim.subject}
    if names & (spoken_of | {relative(path) for path in written}):
        return True
    return any(name in path.read_text("utf-8") for path in written for name in grammars)
