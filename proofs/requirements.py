"""The requirements of the standards, as they stand in ``spec/``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .claim import Claim
from .grammar import SPEC


@dataclass(frozen=True)
class Requirement:
    """One sentence of a standard. ``sources`` say where it stands, pinned to a version.

    ``elsewhere`` says why it binds somebody else than this code, where it does. ``since`` is
    the version of the standard that has it, if not all have; ``status`` that of the sentence.
    """

    id: str
    level: str
    text: str
    standard: str
    sources: tuple[str, ...]
    elsewhere: str | None = None
    since: str | None = None
    status: str = "stable"
    file: str = ""
    """The name of the file in ``spec``, which is the short name of the standard."""


@lru_cache(maxsize=1)
def requirements() -> dict[str, Requirement]:
    """All requirements by id, in the order of the files."""
    files = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(SPEC.glob("*.toml"))
    }
    standards = {name: file for name, file in files.items() if "standard" in file}
    documents = {
        tag: f"{file['standard']['repository']} {path}"
        for file in standards.values()
        for tag, path in file["documents"].items()
    }

    def source(text: str) -> str:
        tag, _, section = text.partition("#")
        return f"{documents[tag]}#{section}" if section else documents[tag]

    return {
        row["id"]: Requirement(
            row["id"],
            row["level"],
            row["text"],
            f"{file['standard']['title']} {file['standard']['version']}",
            tuple(map(source, row["sources"])),
            row.get("elsewhere"),
            row.get("since"),
            row.get("status", "stable"),
            name,
        )
        for name, file in standards.items()
        for row in file["requirement"]
    }


def discharged_by(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    """For each requirement the claims that declare to discharge it.

    :raises ValueError: if a claim names a requirement that does not exist.
    """
    found: dict[str, list[Claim]] = {id: [] for id in requirements()}
    for claim in claims:
        for id in claim.discharges:
            if id not in found:
                raise ValueError(f"{claim.id} discharges {id}, which is no requirement in spec/")
            found[id].append(claim)
    return found
