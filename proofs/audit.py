"""What an auditor reads: each requirement with the code, the claims, and what they established.

It is put together from the report of a complete run, from ``spec/`` and from the code.
``spec/INVARIANTS.md`` is one rendering, and has nothing in it that differs from one run to the
next; the site (``proofs.site``) is the other.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import dependence, report
from .claim import Claim, every_claim
from .contracts import ContractClaim
from .diagram import labels, mermaid
from .grammar import SPEC
from .machine import MACHINES, Machine, MachineClaim
from .memory import Memory
from .planting import planted
from .prover import subject_name
from .report import ROOT, relative
from .requirements import Requirement, requirements
from .sources import defined
from .statement import statement
from .verdict import Verdict

TEMPLATES = Path(__file__).resolve().parent / "templates"

VERDICTS = tuple(report.verdict_name(v) for v in sorted(Verdict, reverse=True))
"""From strong to weak, as the report writes them."""


class Stale(Exception):
    """A report that is not of this code and these claims, or not of all of them."""


@dataclass(frozen=True)
class Established:
    """A claim, and what a run has shown of it."""

    claim: Claim
    row: Mapping[str, Any]
    """The claim as it stands in the report."""
    kept: str | None = None
    """A mutant that an earlier run has found it to refute, and that there still is."""

    @property
    def id(self) -> str:
        return self.claim.id

    @property
    def is_contract(self) -> bool:
        return isinstance(self.claim, ContractClaim)

    @property
    def verdict(self) -> str:
        return str(self.row["verdict"])

    @property
    def shown(self) -> str:
        """The verdict with its bound or its count."""
        detail = self.row["bound"] if self.row["bound"] is not None else self.row["count"]
        name = self.verdict.removesuffix(" (bound)")
        return name if detail is None else f"{name} ({detail})"

    @property
    def engine(self) -> str:
        """The engine that decided, or what was tried where none did."""
        names = [e["engine"] for e in self.row["engines"] if e["verdict"] == self.verdict]
        return names[0] if names else ", ".join(e["engine"] for e in self.row["engines"])

    @property
    def mutant(self) -> str | None:
        """A mutant that the claim refutes, without the number of its line."""
        bites = self.row["bites"]
        return None if bites is None else self.kept or without_line(bites)

    @property
    def subjects(self) -> list[str]:
        return list(dict.fromkeys(map(subject_name, self.claim.subject)))

    @property
    def file(self) -> str:
        return relative(self.claim.where[0])

    @property
    def line(self) -> int:
        return self.claim.where[1]

    @property
    def statement(self) -> str:
        """The first digits of the digest of what it says in code."""
        return str(self.row["statement"])[:12]

    @property
    def repeat(self) -> str:
        """The command that proves it again."""
        return f"verified prove -k \"'{self.id}'\""

    @property
    def certificate(self) -> Mapping[str, str]:
        """The files that solvers can check again, with their digests."""
        files: dict[str, str] = {}
        for engine in self.row["engines"]:
            files |= engine["certificate"]
        return files

    @property
    def obligations(self) -> list[str]:
        """The files that are to be found unsatisfiable."""
        return [name for name in self.certificate if name != "invariant.smt2"]


@dataclass(frozen=True)
class Row:
    """A requirement with the claims that discharge it."""

    requirement: Requirement
    claims: Sequence[Established]

    @property
    def status(self) -> str:
        """``discharged``, or in two words why it is not."""
        if self.claims:
            return "discharged"
        if self.requirement.elsewhere:
            return "binds somebody else"
        return "not offered" if self.requirement.not_offered else "open"

    @property
    def weakest(self) -> str | None:
        """The weakest verdict among its claims."""
        found = [claim.verdict for claim in self.claims]
        return max(found, key=VERDICTS.index, default=None)

    @property
    def strongest(self) -> str | None:
        """The strongest verdict among its claims."""
        return min((claim.verdict for claim in self.claims), key=VERDICTS.index, default=None)

    @property
    def code(self) -> dict[str, list[str]]:
        """The code of which its claims speak: names in a module, by the module."""
        return by_module({name for claim in self.claims for name in claim.subjects})

    @property
    def repeat(self) -> str:
        return f"verified prove --requirement {self.requirement.id}"


@dataclass(frozen=True)
class Code:
    """A function, a method or a constant of the shipped code, and what is said of it."""

    name: str
    file: str
    line: int
    claims: Sequence[Established]
    contracts: Sequence[Established]

    @property
    def requires(self) -> list[str]:
        found = (e.claim.requires for e in self.contracts if isinstance(e.claim, ContractClaim))
        return list(dict.fromkeys(text for texts in found for text in texts))

    @property
    def requirements(self) -> list[str]:
        return sorted({id for claim in self.claims for id in claim.claim.discharges})


@dataclass(frozen=True)
class Drawn:
    """A machine, its arrows, and the invariants that hold in each of its runs."""

    machine: Machine
    arrows: Mapping[tuple[str, str], list[str]]
    invariants: Sequence[Established]

    @property
    def mermaid(self) -> str:
        return mermaid(self.machine, self.arrows)


class Audit:
    """All that is shown of the shipped code.

    Which mutant is found first depends on how much time there is. So the mutants that a
    ``document`` names stay, as long as a claim says what it said and there is still that mutant.

    :raises Stale: if the report is of other code, of other claims, or not of all.
    """

    def __init__(
        self, found: Mapping[str, Any], document: str = "", memory: Memory | None = None
    ) -> None:
        check_that_it_is_of_this_code(found)
        self.report = found
        self.memory = memory
        rows = {row["id"]: row for row in found["claims"]}
        named = named_mutants(document)
        self.claims = []
        for claim in every_claim():
            shown = Established(claim, rows[claim.id])
            cell = named.get((claim.id, shown.statement))
            if cell and shown.mutant and as_code(shown.mutant) != cell:
                shown = replace(shown, kept=same_mutant(claim, cell, memory))
            self.claims.append(shown)

    @cached_property
    def requirements(self) -> list[Row]:
        by_requirement: dict[str, list[Established]] = {id: [] for id in requirements()}
        for claim in self.claims:
            for id in claim.claim.discharges:
                by_requirement[id].append(claim)
        return [Row(needed, by_requirement[id]) for id, needed in requirements().items()]

    @cached_property
    def standards(self) -> dict[str, list[Row]]:
        """The requirements by standard."""
        found: dict[str, list[Row]] = {}
        for row in self.requirements:
            found.setdefault(row.requirement.standard, []).append(row)
        return found

    @cached_property
    def modules(self) -> dict[str, list[Established]]:
        """The claims that are no contracts, by the module of their name."""
        found: dict[str, list[Established]] = {}
        for claim in self.claims:
            if not claim.is_contract:
                found.setdefault(claim.id.partition(".")[0], []).append(claim)
        return found

    @cached_property
    def code(self) -> dict[str, list[Code]]:
        """What the shipped modules define, by module, in the order of the source."""
        subjects: dict[str, list[Established]] = {}
        contracts: dict[str, list[Established]] = {}
        for claim in self.claims:
            for name in claim.subjects:
                subjects.setdefault(name, []).append(claim)
            if isinstance(claim.claim, ContractClaim):
                contracts.setdefault(subject_name(claim.claim.function), []).append(claim)
        return {
            module: [
                Code(
                    name,
                    relative(path),
                    line,
                    [c for c in subjects.get(name, []) if not c.is_contract],
                    contracts.get(name, []),
                )
                for name, line, is_function in defined(path.read_text("utf-8"), f"{module}.")
                if is_function or name in subjects
            ]
            for module, path in shipped()
        }

    @cached_property
    def silent(self) -> dict[str, list[str]]:
        """The functions that no claim names as what it speaks of, by module."""
        spoken = {name for claim in self.claims for name in claim.subjects}
        found = {
            module: [code.name for code in codes if code.name not in spoken]
            for module, codes in self.code.items()
        }
        return {module: names for module, names in found.items() if names}

    @cached_property
    def contracts(self) -> dict[str, list[Code]]:
        """The functions with contracts, by module."""
        found = {
            module: [code for code in codes if code.contracts]
            for module, codes in self.code.items()
        }
        return {module: codes for module, codes in found.items() if codes}

    @cached_property
    def machines(self) -> list[Drawn]:
        return [
            Drawn(
                machine,
                labels(machine, self.memory),
                [
                    claim
                    for claim in self.claims
                    if isinstance(claim.claim, MachineClaim) and claim.claim.machine is machine
                ],
            )
            for machine in MACHINES.values()
        ]

    @cached_property
    def files(self) -> Mapping[str, str]:
        """The files of the shipped modules."""
        return {module: relative(path) for module, path in shipped()}

    @property
    def harnesses(self) -> list[tuple[Mapping[str, Any], list[Established]]]:
        """The Kani harnesses, with the claims that stand here for each."""
        by_id = {claim.id: claim for claim in self.claims}
        return [(row, [by_id[id] for id in row["claims"]]) for row in _data("kani")["harness"]]

    @property
    def parts(self) -> list[Mapping[str, Any]]:
        """The trusted base."""
        return list(_data("trusted")["part"])

    @property
    def limits(self) -> list[str]:
        """What is not proved, whatever the verdicts are."""
        return list(_data("trusted")["limits"]["sentences"])

    @property
    def grammars(self) -> list[tuple[str, str]]:
        """The grammars, with the first digits of their digests."""
        return [
            (path.name, hashlib.sha256(path.read_bytes()).hexdigest()[:12])
            for path in sorted(SPEC.glob("*.abnf"))
        ]

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many requirements are discharged, and how many not, by the reason."""
        return Counter(row.status for row in self.requirements)

    @property
    def verdicts(self) -> list[tuple[str, int, int]]:
        """Each verdict that was reached, by how many claims and how many contracts."""
        counts = Counter((claim.verdict, claim.is_contract) for claim in self.claims)
        rows = [(name, counts[name, False], counts[name, True]) for name in VERDICTS]
        return [(name, claims, contracts) for name, claims, contracts in rows if claims + contracts]


def check_that_it_is_of_this_code(found: Mapping[str, Any]) -> None:
    """Compare a report with the code and the claims as they stand.

    :raises Stale: if it is of others, or not of all.
    """
    if found.get("schema") != report.SCHEMA:
        raise Stale(f"it has the schema {found.get('schema')!r} and not {report.SCHEMA!r}")
    chosen = ("expression", "requirement", "engine")
    if not found["complete"] or any(found["selection"][how] for how in chosen):
        raise Stale("it is not of a complete run of all claims")
    if found["source_digest"]["value"] != report.source_digest():
        raise Stale("the code has changed since")
    then = {row["id"]: row["statement"] for row in found["claims"]}
    now = {claim.id: statement(claim) for claim in every_claim()}
    changed = sorted(id for id in then.keys() | now.keys() if then.get(id) != now.get(id))
    if changed:
        raise Stale(f"claims have changed since: {', '.join(changed)}")


def named_mutants(document: str) -> dict[tuple[str, str], str]:
    """The mutants that a document names, as it shows them, by claim and statement."""
    found = {}
    for line in document.splitlines():
        start = re.match(r'\| <a id="(claim|contracts)-[^"]+"></a>`([^`]+)`', line)
        if start is not None:
            *_, mutant, requirements, statement, _ = re.split(r" (?<!\\)\| ?", line)
            cell = mutant if start[1] == "claim" else requirements
            found[start[2], statement.strip("`")] = cell
    return found


def same_mutant(claim: Claim, cell: str, memory: Memory | None = None) -> str | None:
    """The mutant of the subject of a claim that a document shows so, if there is one."""
    digest = None if memory is None else dependence.digest(claim)
    if memory is None or digest is None:
        return _same_mutant(claim, cell)
    stored = memory.get("mutants", f"{digest} {cell}")
    if stored is not None:
        return stored.decode()
    found = _same_mutant(claim, cell)
    if found is not None:
        memory.put("mutants", f"{digest} {cell}", found.encode())
    return found


def _same_mutant(claim: Claim, cell: str) -> str | None:
    from .mutants import mutants

    faults = [planted(claim.fault)] if claim.fault is not None else []
    texts = (without_line(str(mutant)) for mutant in chain(faults, mutants(claim.subject)))
    return next((text for text in texts if as_code(text) == cell), None)


def without_line(mutant: str) -> str:
    """A mutant as the document names it: its module and what changes."""
    place, _, change = mutant.partition(": ")
    return f"{place.partition(':')[0]}: {short(change)}"


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((SPEC / f"{name}.toml").read_text(encoding="utf-8"))


def by_module(names: Iterable[str]) -> dict[str, list[str]]:
    """Qualified names of the shipped code, by the module in which they are defined."""
    modules = dict(shipped())
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        module = name
        while module not in modules:
            module = module.rpartition(".")[0]
        found.setdefault(module, []).append(name.removeprefix(f"{module}."))
    return found


@cache
def shipped() -> tuple[tuple[str, Path], ...]:
    """The shipped modules by name, with their files."""
    found = []
    for path in sorted((ROOT / "verified").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[1] not in ("proofs", "spec"):
            found.append((".".join(p for p in parts if p != "__init__"), path))
    return tuple(found)


def short(change: str, around: int = 24, most: int = 96) -> str:
    """A change, written ``was -> now``, cut down to what differs if it is long."""
    was, _, now = change.partition(" -> ")
    if len(change) <= most:
        return change
    start = 0
    while start < min(len(was), len(now)) and was[start] == now[start]:
        start += 1
    end = 0
    while end < min(len(was), len(now)) - start and was[-1 - end] == now[-1 - end]:
        end += 1
    first, last = max(0, start - around), max(0, end - around)

    def cut(text: str) -> str:
        inside = text[first : len(text) - last]
        return ("…" if first else "") + inside + ("…" if last else "")

    return f"{cut(was)} -> {cut(now)}"


def invariants(audit: Audit) -> str:
    """The text of ``spec/INVARIANTS.md``."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"text": escaped, "code": as_code, "slug": slug}
    return environment.get_template("INVARIANTS.md").render(audit=audit)


def slug(text: str) -> str:
    """A name for a place in a document."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def escaped(text: str) -> str:
    """Prose for a cell of a Markdown table; what stands in backticks is code."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(
        part.replace("|", r"\|")
        if part.startswith("`")
        else re.sub(r"([\\`*_<>|~])", r"\\\1", part)
        for part in parts
    )


def as_code(text: str) -> str:
    """Code for a cell of a Markdown table, whatever backticks and bars it has."""
    if r"\|" in text:
        # In a table a backslash before a bar is taken away, whatever stands before it.
        return f"<code>{re.sub(r'[^a-zA-Z0-9 ]', lambda c: f'&#{ord(c[0])};', text)}</code>"
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", r"\|")
