"""The requirements of the standards, as they stand in ``spec/``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .claim import Claim
from .grammar import SPEC


@dataclass(frozen=True)
class Source:
    """Where a sentence stands: a document of a repository at a commit, and a section of it."""

    repository: str
    commit: str
    path: str
    section: str

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit} {self.path}" + (
            f"#{self.section}" if self.section else ""
        )

    @property
    def url(self) -> str:
        """The document as it was at the commit."""
        place = f"https://github.com/{self.repository}/blob/{self.commit}/{self.path}"
        # A part of a message, of which the page has no anchor.
        is_anchor = self.path.endswith(".md") and self.section
        return f"{place}#{self.section}" if is_anchor else place


@dataclass(frozen=True)
class Requirement:
    """One sentence of a standard. ``sources`` say where it stands, pinned to a version.

    Where no claim discharges it, one of the last three says why: it binds somebody else than
    this code, it is of something that this code does not offer, or it is not met.
    """

    id: str
    level: str
    text: str
    standard: str
    file: str
    """The name of the file in ``spec``, which is the short name of the standard."""
    sources: tuple[Source, ...]
    since: str | None = None
    """The version of the standard that first has it, where that matters."""
    status: str | None = None
    """What the standard says of how settled it is, where it is not."""
    elsewhere: str | None = None
    not_offered: str | None = None
    open: str | None = None

    @property
    def reason(self) -> str | None:
        """Why nothing discharges it; None if something does."""
        return self.elsewhere or self.not_offered or self.open


@lru_cache(maxsize=1)
def requirements() -> dict[str, Requirement]:
    """All requirements by id, in the order of the files."""
    files = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(SPEC.glob("*.toml"))
    }
    standards = {name: file for name, file in files.items() if "standard" in file}
    documents = {
        tag: (row["repository"], row["commits"][row["reads"]], path)
        for file in standards.values()
        for row in [file["standard"]]
        for tag, path in file["documents"].items()
    }

    def source(text: str) -> Source:
        tag, _, section = text.partition("#")
        return Source(*documents[tag], section)

    return {
        row["id"]: Requirement(
            **row
            | {
                "standard": f"{file['standard']['title']} {file['standard']['version']}",
                "file": name,
                "sources": tuple(map(source, row["sources"])),
            }
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
