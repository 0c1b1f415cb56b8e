"""The audit as a static site: pages that need no server, no network and no script from elsewhere.

Each page holds its style and its script, and a policy that lets no other run.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from . import claims as claims_package
from .audit import TEMPLATES, VERDICTS, Audit, Code, Drawn, Established, by_module, shipped, slug
from .report import relative, write_atomically

FOLDER = TEMPLATES / "site"


def write(audit: Audit, folder: Path, certificates: Path | None) -> None:
    """Write the site, and a copy of the certificates if there is a folder of them.

    What was in the folder before is gone.

    :raises OSError: if it cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if certificates is not None:
        for claim in audit.claims:
            for name in claim.certificate:
                content = (certificates / claim.id / name).read_bytes()
                write_atomically(folder / "certificates" / claim.id / name, content)
    for name, text in pages(audit, certificates is not None):
        write_atomically(folder / name, text.encode("utf-8", "backslashreplace"))


def pages(audit: Audit, has_certificates: bool) -> Iterator[tuple[str, str]]:
    """The pages by name."""
    style, script = (
        (FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "filter.js")
    )
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": slug, "prose": prose}
    environment.globals |= {
        "audit": audit,
        "style": Markup(style),
        "style_hash": _hash(style),
        "script": Markup(script),
        "script_hash": _hash(script),
    }

    def page(template: str, name: str, **more: Any) -> tuple[str, str]:
        root = "../" * name.count("/")
        return name, environment.get_template(template).render(page=name, root=root, **more)

    levels = dict.fromkeys(row.requirement.level for row in audit.requirements)
    yield page("index.html", "index.html", bar=bar(audit), levels=levels)
    yield page(
        "claims.html",
        "claims.html",
        groups=_groups(audit),
        engines=sorted({claim.engine for claim in audit.claims}),
        by_module=by_module,
        source_of=_source_of,
    )
    yield page("code.html", "code.html", requirements_of=_requirements_of)
    yield page(
        "machines.html",
        "machines.html",
        pictures={drawn.machine.name: picture(drawn) for drawn in audit.machines},
        has_certificates=has_certificates,
    )
    yield page("evidence.html", "evidence.html")
    for module, path in shipped():
        codes = audit.code[module]
        yield page(
            "source.html",
            f"code/{module}.html",
            module=module,
            file=relative(path),
            codes=codes,
            silent=audit.silent.get(module, []),
            lines=list(_lines(path, _said(codes))),
        )
    for path in sorted(Path(claims_package.__path__[0]).glob("[!_]*.py")):
        yield page(
            "source.html",
            f"code/claims.{path.stem}.html",
            module=f"claims.{path.stem}",
            file=relative(path),
            codes=[],
            silent=[],
            lines=list(_lines(path, _stated(audit, path))),
        )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def prose(text: str) -> Markup:
    """Prose in which what stands in backticks is code."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else Markup.escape(part)
        for at, part in enumerate(parts)
    )


def _groups(audit: Audit) -> dict[str, list[Established]]:
    """The claims by module, and then the contracts by the module of the function."""
    found = dict(audit.modules)
    for module, codes in audit.contracts.items():
        found[f"Contracts of {module}"] = [claim for code in codes for claim in code.contracts]
    return found


def _requirements_of(codes: Sequence[Code]) -> list[str]:
    return sorted({id for code in codes for id in code.requirements})


def _source_of(claim: Established) -> str:
    """The page of the file in which a claim stands, and the line."""
    modules = {relative(path): module for module, path in shipped()}
    module = modules.get(claim.file) or f"claims.{Path(claim.file).stem}"
    return f"code/{module}.html#L{claim.line}"


@dataclass(frozen=True)
class Note:
    """What a line of source is linked with."""

    name: str
    text: str
    href: str


@dataclass(frozen=True)
class Line:
    number: int
    html: Markup
    name: str | None
    note: Note | None


def _said(codes: Sequence[Code]) -> dict[int, Note]:
    notes = {}
    for code in codes:
        count = len(code.claims) + len(code.contracts)
        text = f"{count} claim{'s' if count > 1 else ''}" if count else ""
        notes[code.line] = Note(code.name, text, f"#said-{code.name}")
    return notes


def _stated(audit: Audit, path: Path) -> dict[int, Note]:
    return {
        claim.line: Note("", claim.shown, f"../claims.html#{claim.id}")
        for claim in audit.claims
        if claim.file == relative(path)
    }


def _lines(path: Path, notes: Mapping[int, Note]) -> Iterator[Line]:
    text = path.read_text(encoding="utf-8")
    lexer = PythonLexer(stripnl=False)
    shown: str = highlight(text, lexer, HtmlFormatter(nowrap=True))
    for number, line in enumerate(shown.splitlines(), 1):
        note = notes.get(number)
        yield Line(
            number, Markup(line), note.name if note else None, note if note and note.text else None
        )


def bar(audit: Audit) -> Markup:
    """How many requirements there are of each verdict, as a bar."""
    counts = Counter(row.weakest or "not discharged" for row in audit.requirements)
    order = [name for name in (*VERDICTS, "not discharged") if counts[name]]
    total, start, parts, legend = sum(counts.values()), 0.0, [], []
    for name in order:
        width = 1000 * counts[name] / total
        shape = Markup('<rect class="bar-{}" x="{:.2f}" y="0" width="{:.2f}" height="24"/>')
        parts.append(shape.format(slug(name), start, max(width - 3, 1)))
        key = Markup(
            '<li><svg viewBox="0 0 10 10" aria-hidden="true">'
            '<rect class="bar-{}" width="10" height="10"/></svg>{} {}</li>'
        )
        legend.append(key.format(slug(name), name, counts[name]))
        start += width
    label = ", ".join(f"{name} {counts[name]}" for name in order)
    return Markup(
        '<svg viewBox="0 0 1000 24" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>'
        '<ul class="legend">{}</ul>'
    ).format(label, Markup("").join(parts), Markup("").join(legend))


WIDTH, MIDDLE, HALF, HEIGHT, STEP = 400, 160, 62, 36, 124
"""The picture of a machine, its column of phases, and how far they are apart, in pixels."""


def picture(drawn: Drawn) -> Markup:
    """A machine as a picture: its phases from the first to the last, with the arrows between."""
    phases = drawn.machine.phases
    top = {phase: 40 + STEP * at for at, phase in enumerate(phases)}
    parts = [
        Markup(
            '<circle cx="{}" cy="8" r="6"/><line class="arrow" x1="{}" y1="14" x2="{}" y2="38"/>'
        )
        .format(MIDDLE, MIDDLE, MIDDLE)
        .replace("<line ", Markup('<line marker-end="url(#{}-head)" ').format(drawn.machine.name))
    ]
    for (source, target), events in drawn.arrows.items():
        parts.append(_arrow(drawn, phases.index(source), phases.index(target), events, top))
    for phase in phases:
        parts.append(
            Markup(
                '<rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
                '<text x="{}" y="{}" text-anchor="middle">{}</text>'
            ).format(MIDDLE - HALF, top[phase], 2 * HALF, HEIGHT, MIDDLE, top[phase] + 23, phase)
        )
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="State diagram of {}">'
        '<defs><marker id="{}-head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z"/></marker></defs>{}</svg>'
    ).format(
        WIDTH,
        40 + STEP * (len(phases) - 1) + HEIGHT + 10,
        drawn.machine.name,
        drawn.machine.name,
        Markup("").join(parts),
    )


def _arrow(
    drawn: Drawn, source: int, target: int, events: Sequence[str], top: Mapping[str, int]
) -> Markup:
    """An arrow between neighbours is straight, on the left if it leads down; others are bent."""
    phases = drawn.machine.phases
    start, end = top[phases[source]], top[phases[target]]
    down = target > source
    if abs(target - source) == 1:
        x = MIDDLE + (-20 if down else 20)
        first, last = (start + HEIGHT, end - 2) if down else (start, end + HEIGHT + 2)
        path = f"M{x} {first}L{x} {last}"
        at, anchor = x + (-10 if down else 10), "end" if down else "start"
    else:
        side = 1 if down else -1
        x, bend = MIDDLE + side * HALF, MIDDLE + side * (HALF + 110)
        first, last = start + HEIGHT // 2, end + HEIGHT // 2
        path = f"M{x} {first}C{bend} {first} {bend} {last} {x + 2 * side} {last}"
        at, anchor = MIDDLE + side * (HALF + 92), "start" if down else "end"
    middle = (start + end + HEIGHT) / 2 + 5 - 9 * (len(events) - 1)
    lines = Markup("").join(
        Markup('<tspan x="{}" y="{:g}">{}</tspan>').format(at, middle + 18 * number, event)
        for number, event in enumerate(events)
    )
    return Markup(
        '<path d="{}" marker-end="url(#{}-head)"/><text class="event" text-anchor="{}">{}</text>'
    ).format(path, drawn.machine.name, anchor, lines)
