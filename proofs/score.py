"""The score of the proofs: how many of the mutants of the shipped code they see.

A mutant counts as seen if a claim is false of it, cannot be evaluated, or does not come to an
end; `make verify` fails on each of these. Of those that are left the ones that are no fault do not
count: it is proved that they do what the code does, or ``spec/equivalent.toml`` lists them, each by
its exact id and with the reason. Whatever else is left has survived.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from .grammar import SPEC
from .mutation import (
    APART,
    EQUIVALENT,
    ERROR,
    KILLED,
    RAISED,
    STILLBORN,
    STOPPED,
    SURVIVED,
    Judgement,
    Place,
)

SCHEMA = "verified-mutation-1"

LISTED = SPEC / "equivalent.toml"

LEAST = 95.0
"""The least score of all of the shipped code, in percent."""

WHOLE = (
    "verified.exporter.attempt",
    "verified.exporter.batching",
    "verified.exporter.retry",
    "verified.ids",
    "verified.traceparent",
    "verified.tracestate",
)
"""Modules of which no mutant may survive."""


def listed() -> dict[str, str]:
    """The mutants that are listed as no fault, with the reason of each.

    :raises ValueError: if one is listed twice, or without a reason.
    """
    found: dict[str, str] = {}
    for group in tomllib.loads(LISTED.read_text(encoding="utf-8"))["equivalent"]:
        reason = group["reason"].strip()
        for id in group["mutants"]:
            if id in found or not reason:
                raise ValueError(f"{LISTED.name} lists {id!r} twice, or without a reason")
            found[id] = reason
    return found


@dataclass(frozen=True)
class Row:
    """What became of the mutants of a module, or of all."""

    name: str
    counts: Mapping[str, int]
    listed: int

    @property
    def seen(self) -> int:
        return sum(self.counts[each] for each in (KILLED, RAISED, STOPPED))

    @property
    def programs(self) -> int:
        """How many can be imported."""
        return sum(self.counts.values()) - self.counts[STILLBORN]

    @property
    def faults(self) -> int:
        """How many are programs, and not shown to be no fault."""
        return self.seen + self.counts[SURVIVED] + self.counts[ERROR] - self.listed

    @property
    def score(self) -> float:
        """In percent; 100 where there is no fault to see."""
        return 100 * self.seen / self.faults if self.faults else 100.0


class Score:
    """What became of all mutants of some places of the code."""

    def __init__(
        self,
        judged: Sequence[tuple[Place, Judgement]],
        reasons: Mapping[str, str],
        is_complete: bool,
    ) -> None:
        self.judged = judged
        self.reasons = reasons
        self.is_complete = is_complete
        self.modules = sorted({place.module for place, _ in judged})

    def row(self, name: str, modules: Iterable[str]) -> Row:
        chosen = set(modules)
        found = [judgement for place, judgement in self.judged if place.module in chosen]
        unseen = [j.id for j in found if j.verdict == SURVIVED]
        counts = Counter(judgement.verdict for judgement in found)
        return Row(name, counts, sum(id in self.reasons for id in unseen))

    @property
    def rows(self) -> list[Row]:
        return [self.row(module, [module]) for module in self.modules]

    @property
    def total(self) -> Row:
        return self.row("all", self.modules)

    @property
    def survivors(self) -> list[Judgement]:
        unseen = (SURVIVED, ERROR)
        return [j for _, j in self.judged if j.verdict in unseen and j.id not in self.reasons]

    @property
    def wrongs(self) -> list[str]:
        """What makes the run fail, in words."""
        found = [] if self.is_complete else ["the run was not finished"]
        verdicts = {judgement.id: judgement for _, judgement in self.judged}
        for id in self.reasons:
            if id in verdicts and verdicts[id].verdict != SURVIVED:
                fate = f"{verdicts[id].verdict} {verdicts[id].by}".strip()
                found.append(f"listed as no fault, but {fate}: {id}")
            elif id not in verdicts and self.is_complete and id.partition(":")[0] in self.modules:
                found.append(f"listed as no fault, but there is no such mutant: {id}")
        for row in self.rows:
            if row.name in WHOLE and row.score < 100:
                found.append(f"{row.name} has {row.score:.1f} % and is to have 100 %")
        if self.total.score < LEAST:
            found.append(f"{self.total.score:.1f} % in all, and at least {LEAST:g} % are asked for")
        return found

    def as_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        return {
            "schema": SCHEMA,
            "complete": self.is_complete,
            "score": round(self.total.score, 2),
            "modules": [
                {"module": row.name, "score": round(row.score, 2), "listed": row.listed}
                | dict(sorted(row.counts.items()))
                for row in self.rows
            ],
            "apart": dict(APART),
            "wrongs": self.wrongs,
            "mutants": [
                judgement._asdict() | {"reason": self.reasons.get(judgement.id)}
                for _, judgement in self.judged
            ],
        }

    def table(self) -> Table:
        """One row for each module, and one for all."""
        made = Table(box=None, pad_edge=False, header_style="bold")
        made.add_column("module")
        columns = ("mutants", "false", "raised", "stopped", "no fault", "survived", "score")
        for column in columns:
            made.add_column(column, justify="right")
        for row in (*self.rows, self.total):
            counts = row.counts
            left = counts[SURVIVED] + counts[ERROR] - row.listed
            made.add_row(
                row.name.removeprefix("verified."),
                *(str(n) for n in (row.programs, counts[KILLED], counts[RAISED], counts[STOPPED])),
                str(counts[EQUIVALENT] + row.listed),
                str(left),
                f"{row.score:.1f} %",
                end_section=row.name == "all",
            )
        return made
