"""The page of ``verified conform`` in a real browser: cells open on evidence, also on a phone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from proofs.conform import report
from proofs.conform.checks import every_check
from proofs.conform.run import Options, run
from tests.conform_faults import Implementation, receives

from .chromium import chromium, resize

PHONE = (390, 844)
LINE_FEED = "version 00 with a line feed at its end"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of two implementations, the second of which takes a line feed."""
    options = Options(cases=10)
    checks = [each for each in every_check() if each.requirement.id in ("TP-02", "TP-05", "TS-13")]
    pages = []
    for fault in (None, receives(lambda text: text.removesuffix("\n"))):
        target = Implementation(fault)
        results = tuple(run(target, options, checks))
        pages.append(report.as_data(report.Report(target.about, options, True, results)))
    path = tmp_path_factory.mktemp("conformance") / "index.html"
    path.write_bytes(report.as_html(pages))
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as opened:
        yield opened


def cell(browser: Chrome, row: str, column: int) -> WebElement:
    (found,) = browser.find_elements(By.CSS_SELECTOR, f"a[href='#{row}-{column}']")
    return found


def seen(browser: Chrome) -> list[str]:
    """What is shown of evidence."""
    sections = browser.find_elements(By.CLASS_NAME, "evidence")
    return [each.text for each in sections if each.is_displayed()]


@pytest.mark.parametrize("size", [(1280, 900), PHONE])
def test_a_cell_opens_on_its_evidence_and_closes(
    browser: Chrome, address: str, size: tuple[int, int]
) -> None:
    browser.get(address)
    resize(browser, *size)
    assert cell(browser, "TP-05", 0).text == "ok"
    assert cell(browser, "TP-05", 1).text == "deviates"
    assert seen(browser) == []
    cell(browser, "TP-05", 1).click()
    (evidence,) = seen(browser)
    assert f"deviates: {LINE_FEED}" in evidence
    assert "the header is ignored" in evidence
    assert re.search(r'"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\\n"', evidence)
    browser.find_element(By.CSS_SELECTOR, "#TP-05-1 .close").click()
    assert seen(browser) == []


def test_a_phone_shows_all_of_it_without_scrolling_aside(browser: Chrome, address: str) -> None:
    resize(browser, *PHONE)
    browser.get(f"{address}#TP-05-1")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    (section,) = browser.find_elements(By.ID, "TP-05-1")
    assert section.size["width"] <= PHONE[0]
    assert browser.execute_script("return arguments[0].scrollWidth", section) <= PHONE[0]


def test_nothing_comes_from_elsewhere(browser: Chrome, address: str) -> None:
    browser.get(address)
    names = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert names == []
    assert Path(address.removeprefix("file://")).read_text().count("<script") == 0
