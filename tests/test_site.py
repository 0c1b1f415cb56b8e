"""The site as text: whole, linked, and with nothing in it that comes from elsewhere."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

import pytest

from proofs import audit as audit_module
from proofs import site
from proofs.audit import Audit
from proofs.claim import every_claim
from proofs.report import write_certificates
from proofs.requirements import requirements

from . import reports

VOID = {"meta", "input", "br"}
Attributes = dict[str, str]


class Page(HTMLParser):
    """The elements of a page, and whether each is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, Attributes]] = []
        self.inside: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.inside == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts.setdefault(self.inside[-1], []).append(data)

    def all(self, name: str) -> list[Attributes]:
        return [attributes for tag, attributes in self.elements if tag == name]

    def values(self, name: str) -> Iterator[str]:
        return (attributes[name] for _, attributes in self.elements if name in attributes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a run, with certificates."""
    made = tmp_path_factory.mktemp("audit")
    write_certificates(reports.results(), made / "certificates")
    (made / "site").mkdir()
    (made / "site" / "old.html").write_text("of an earlier run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "labels", reports.labels)
        site.write(Audit(reports.complete()), made / "site", made / "certificates")
    return made / "site"


@pytest.fixture(scope="module")
def pages(folder: Path) -> Mapping[str, Page]:
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text())
        for path in folder.rglob("*.html")
    }


def test_every_requirement_claim_and_contract_has_its_place(pages: Mapping[str, Page]) -> None:
    assert set(requirements()) <= set(pages["index.html"].values("id"))
    assert {claim.id for claim in every_claim()} <= set(pages["claims.html"].values("id"))
    assert "old.html" not in pages


def test_every_link_leads_to_a_place_that_is_there(pages: Mapping[str, Page], folder: Path) -> None:
    ids = {name: set(page.values("id")) for name, page in pages.items()}
    links = 0
    for name, page in pages.items():
        for href in page.values("href"):
            if href.startswith("https://github.com/"):
                continue
            file, _, place = unquote(href).partition("#")
            target = normpath(join(dirname(name), file)) if file else name
            assert (folder / target).is_file(), f"{href} in {name}"
            assert not place or place in ids[target], f"{href} in {name}"
            links += 1
    assert links > 5000


def test_links_lead_both_ways(pages: Mapping[str, Page]) -> None:
    """From a requirement to its claims and code, and from each of these back."""
    claim = "traceparent.accepts_what_the_standard_allows"
    index, claims, code = (
        set(pages[name].values("href"))
        for name in ("index.html", "claims.html", "code/verified.traceparent.html")
    )
    assert f"claims.html#{claim}" in index
    assert "code/verified.traceparent.html#verified.traceparent.fields" in index
    assert "index.html#TP-05" in claims
    assert "code/verified.traceparent.html#verified.traceparent.fields" in claims
    assert f"../claims.html#{claim}" in code
    assert "../index.html#TP-05" in code
    assert "#said-verified.traceparent.fields" in code
    stated = set(pages["code/claims.traceparent.html"].values("href"))
    assert f"../claims.html#{claim}" in stated


def test_ids_are_there_once_on_a_page(pages: Mapping[str, Page]) -> None:
    for name, page in pages.items():
        twice = [id for id, count in Counter(page.values("id")).items() if count > 1]
        assert twice == [], name


def test_nothing_comes_from_elsewhere(pages: Mapping[str, Page], folder: Path) -> None:
    for name, page in pages.items():
        assert all("src" not in attributes for _, attributes in page.elements), name
        assert page.all("link") == page.all("img") == page.all("iframe") == []
        assert not any(key.startswith("on") for _, a in page.elements for key in a), name
        assert all("style" not in attributes for _, attributes in page.elements), name
        assert len(page.all("script")) == len(page.all("style")) == 1
        (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
        script, style = ("".join(page.texts[tag]) for tag in ("script", "style"))
        assert policy == (
            f"default-src 'none'; style-src '{site._hash(style)}'; "
            f"script-src '{site._hash(script)}'"
        )
        assert "url(" not in style.replace("url(#", "")
        assert not re.search(r"\b(fetch|import|XMLHttpRequest|eval)\b", script)
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".html", ".smt2"}


def test_tables_forms_and_pictures_can_be_read_aloud(pages: Mapping[str, Page]) -> None:
    for name, page in pages.items():
        assert len(page.all("caption")) == len(page.all("table")), name
        assert all("scope" in th for th in page.all("th")), name
        assert len(page.all("h1")) == 1, name
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        assert all(b <= a + 1 for a, b in pairwise(levels)), name
        fields = len(page.all("select")) + len(page.all("input"))
        assert len(page.all("label")) == fields, name
        for picture in page.all("svg"):
            assert picture.get("aria-label") or picture.get("aria-hidden"), name
        assert page.all("html") == [{"lang": "en"}]
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 has it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_the_contrast_of_wcag_aa_by_day_and_by_night() -> None:
    style = (site.FOLDER / "style.css").read_text()
    day, night = (
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", part))
        for part in style.partition("* {")[0].split("@media (prefers-color-scheme: dark)")
    )
    assert day.keys() == night.keys()
    for colours in (day, night):
        grounds = [colours.pop(name) for name in ("ground", "raised", "code", "mark")]
        colours.pop("line")
        for name, colour in colours.items():
            for ground in grounds[:2]:
                light, dark = sorted(map(luminance, (colour, ground)), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_what_looks_like_markup_is_text(tmp_path: Path) -> None:
    """A counterexample or a reason may hold anything."""
    found = reports.complete()
    (row,) = (row for row in found["claims"] if row["id"] == "traceparent.round_trip")
    row["witness"] = {"context": "</code><script>alert(1)</script>\ud800"}
    row["bites"] = 'verified.ids:70: a <b> -> a & "b"'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "labels", reports.labels)
        site.write(Audit(found), tmp_path / "site", None)
    page = Page((tmp_path / "site" / "claims.html").read_text())
    assert len(page.all("script")) == 1
    assert "</code><script>alert(1)</script>\\ud800" in page.texts["code"]
    assert 'verified.ids:70: a <b> -> a & "b"' in page.texts["code"]
