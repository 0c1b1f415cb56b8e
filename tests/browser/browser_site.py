"""The site in a real browser: what is filtered, where links lead, on a phone and on paper."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from proofs import audit as audit_module
from proofs import site
from proofs.audit import Audit, Row
from proofs.report import write_certificates

from .. import reports
from .chromium import chromium, resize

PAGES = [
    "index.html",
    "claims.html",
    "code.html",
    "machines.html",
    "evidence.html",
    "code/verified.traceparent.html",
    "code/claims.batching.html",
]
DESK, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def audit() -> Iterator[Audit]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_module, "labels", reports.labels)
        yield Audit(reports.complete())


@pytest.fixture(scope="module")
def address(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("audit")
    write_certificates(reports.results(), made / "certificates")
    site.write(audit, made / "site", made / "certificates")
    return Path(made / "site").as_uri()


@pytest.fixture(scope="module")
def opened() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(opened: Chrome) -> Chrome:
    """At a desk, with a page that has nothing of the test before."""
    opened.get("about:blank")
    opened.get_log("browser")  # type: ignore[no-untyped-call]
    resize(opened, *DESK)
    return opened


def shown(browser: Chrome) -> list[str]:
    """The ids of the entries that can be seen."""
    script = "return [...document.querySelectorAll('.entry')].filter(e => e.offsetParent)"
    found: list[str] = browser.execute_script(f"{script}.map(e => e.id)")
    return found


def search(browser: Chrome, text: str) -> None:
    field = browser.find_element(By.NAME, "text")
    field.clear()
    field.send_keys(text)


def choose(browser: Chrome, name: str, value: str) -> None:
    Select(browser.find_element(By.NAME, name)).select_by_visible_text(value)


def status(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "output").text


@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_nothing_else_and_complains_of_nothing(
    browser: Chrome, address: str, page: str
) -> None:
    browser.get(f"{address}/{page}")
    loaded = browser.execute_script("return performance.getEntriesByType('resource').length")
    assert loaded == 0
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    # Its style is applied, and its policy lets nobody else's script run.
    assert browser.execute_script("return getComputedStyle(document.body).margin") == "0px"
    browser.execute_script(
        "const e = document.createElement('script');"
        "e.textContent = 'window.ran = true'; document.body.append(e)"
    )
    assert browser.execute_script("return window.ran") is None


def test_requirements_are_found_by_word_claim_and_function(
    browser: Chrome, address: str, audit: Audit
) -> None:
    browser.get(f"{address}/index.html")
    every = [row.requirement.id for row in audit.requirements]
    assert shown(browser) == every
    assert status(browser) == ""
    search(browser, "tp-05")
    assert shown(browser) == ["TP-05"]
    assert status(browser) == "1 of 133 requirements"
    search(browser, "traceparent.round_trip")
    expected = [
        row.requirement.id
        for row in audit.requirements
        if any(claim.id == "traceparent.round_trip" for claim in row.claims)
    ]
    assert shown(browser) == expected
    search(browser, "TraceState.delete")
    expected = [
        row.requirement.id
        for row in audit.requirements
        if "TraceState.delete" in row.code.get("verified.tracestate", [])
    ]
    assert shown(browser) == expected != []
    search(browser, "no such thing")
    assert shown(browser) == []
    assert status(browser) == "0 of 133 requirements"
    assert not any(h2.is_displayed() for h2 in browser.find_elements(By.TAG_NAME, "h2"))


def test_choices_are_those_of_the_audit(browser: Chrome, address: str, audit: Audit) -> None:
    browser.get(f"{address}/index.html")
    rows = audit.requirements
    fields: dict[str, Callable[[Row], str | None]] = {
        "status": lambda row: row.status,
        "level": lambda row: row.requirement.level,
        "standard": lambda row: row.requirement.standard,
        "verdict": lambda row: row.weakest,
    }
    for name, of in fields.items():
        for value in filter(None, {of(row) for row in rows}):
            choose(browser, name, value)
            expected = [row.requirement.id for row in rows if of(row) == value]
            assert shown(browser) == expected
            assert status(browser) == f"{len(expected)} of 133 requirements"
        choose(browser, name, "any")
    choose(browser, "status", "discharged")
    choose(browser, "level", "SHOULD")
    search(browser, "retry")
    assert set(shown(browser)) <= {
        row.requirement.id for row in rows if row.claims and row.requirement.level == "SHOULD"
    }
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert len(shown(browser)) == len(rows)
    assert status(browser) == ""


def test_claims_are_found_by_kind_engine_and_verdict(
    browser: Chrome, address: str, audit: Audit
) -> None:
    browser.get(f"{address}/claims.html")
    choose(browser, "kind", "contract")
    choose(browser, "verdict", "TESTED")
    expected = {c.id for c in audit.claims if c.is_contract and c.verdict == "TESTED"}
    assert set(shown(browser)) == expected
    choose(browser, "kind", "claim")
    choose(browser, "verdict", "any")
    choose(browser, "engine", "induction")
    assert set(shown(browser)) == {c.id for c in audit.claims if c.engine == "induction"}


def place(browser: Chrome) -> str:
    """The page and the place on it, which must be in sight."""
    at: str = browser.execute_script("return location.href")
    seen = browser.execute_script(
        "const r = document.querySelector(':target').getBoundingClientRect();"
        "return r.top < innerHeight && r.bottom > 0"
    )
    assert seen
    return at.rpartition("/site/")[2]


def follow(browser: Chrome, inside: str, text: str) -> str:
    """Click the link with this text in a part of the page."""
    part = browser.find_element(By.CSS_SELECTOR, inside)
    link = part.find_element(By.LINK_TEXT, text)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    return place(browser)


def test_links_lead_from_requirement_to_claim_to_code_and_back(
    browser: Chrome, address: str
) -> None:
    claim = "traceparent.accepts_what_the_standard_allows"
    browser.get(f"{address}/index.html")
    assert follow(browser, "#TP-05", claim) == f"claims.html#{claim}"
    there = "code/verified.traceparent.html#verified.traceparent.fields"
    assert follow(browser, ":target", "fields") == there
    line = browser.execute_script(
        "return document.querySelector(':target').parentElement.innerText"
    )
    assert "def fields(" in line
    note = browser.execute_script(
        "return document.querySelector(':target').parentElement.querySelector('.note').innerText"
    )
    said = "code/verified.traceparent.html#said-verified.traceparent.fields"
    assert follow(browser, ".line:has(:target)", note) == said
    assert follow(browser, ":target", claim) == f"claims.html#{claim}"
    assert follow(browser, ":target", "TP-05") == "index.html#TP-05"
    stated = browser.find_element(By.ID, "TP-05").is_displayed()
    assert stated


def test_a_link_to_what_is_filtered_out_shows_it(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/index.html")
    search(browser, "TP-05")
    browser.execute_script("location.hash = 'SA-01'")
    entry = browser.find_element(By.ID, "SA-01")
    assert entry.is_displayed()
    assert browser.find_element(By.NAME, "text").get_attribute("value") == ""


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_wider_than_the_screen(
    browser: Chrome, address: str, page: str, screen: tuple[int, int]
) -> None:
    resize(browser, *screen)
    browser.get(f"{address}/{page}")
    for each in browser.find_elements(By.TAG_NAME, "details")[:3]:
        browser.execute_script("arguments[0].open = true", each)
    wide = browser.execute_script(
        "const scrolls = e => e.closest('.scroll, pre.source, .skip, thead') || e.matches('svg *');"
        "const edge = document.querySelector('main').getBoundingClientRect().right;"
        "return [...document.querySelectorAll('body *')].filter(e => !scrolls(e) &&"
        " e.getBoundingClientRect().right > edge + 1).map(e => e.outerHTML.slice(0, 200))"
    )
    assert wide == []
    assert browser.execute_script("return document.documentElement.scrollWidth") == screen[0]
    text = browser.execute_script(
        "return [...document.querySelectorAll('p')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(text) >= 12.8


def test_keys_reach_the_search_and_the_content(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/index.html")
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    first = browser.switch_to.active_element
    assert first.text == "To the content"
    assert first.is_displayed()
    browser.find_element(By.TAG_NAME, "body").send_keys("/")
    field = browser.switch_to.active_element
    assert field.get_attribute("name") == "text"
    field.send_keys("a/b")
    assert field.get_attribute("value") == "a/b"


def test_on_paper_everything_is_open_and_nothing_is_there_to_click(
    browser: Chrome, address: str
) -> None:
    browser.get(f"{address}/machines.html")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        hidden = ("nav", "form", ".skip")
        for selector in hidden:
            for part in browser.find_elements(By.CSS_SELECTOR, selector):
                assert not part.is_displayed()
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        details = browser.find_elements(By.TAG_NAME, "details")
        assert details
        assert all(each.get_attribute("open") for each in details)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    printed: dict[str, Any] = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF-")


def test_machines_are_drawn_inside_of_their_picture(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/machines.html")
    outside = browser.execute_script(
        "return [...document.querySelectorAll('.machine svg')].flatMap(svg => {"
        " const b = svg.getBoundingClientRect();"
        " return [...svg.querySelectorAll('rect, text, path:not(defs path)')].filter(e => {"
        "  const r = e.getBoundingClientRect();"
        "  return r.left < b.left || r.right > b.right || r.top < b.top || r.bottom > b.bottom"
        " }).map(e => e.textContent || e.outerHTML)})"
    )
    assert outside == []
    texts = [e.text for e in browser.find_elements(By.CSS_SELECTOR, ".machine text")]
    assert {"Sending", "Waiting", "Done", "Running", "Closing", "Closed"} <= set(texts)
