"""A headless Chromium that reaches nothing but files."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def programs() -> tuple[str, str]:
    """Chromium and its driver.

    :raises FileNotFoundError: if one is not installed.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        raise FileNotFoundError(
            "Chromium and chromedriver are not installed; `.ci/chromium` installs them on Debian"
        )
    return browser, driver


@contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser with an empty profile, which ends with the block."""
    browser, driver = programs()
    with TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        opened = Chrome(options, ChromeService(driver))
        try:
            yield opened
        finally:
            opened.quit()


def resize(browser: Chrome, width: int, height: int) -> None:
    """Let pages be shown on a screen of this size, in CSS pixels."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def main(site: Path, folder: Path) -> None:
    """Take the pictures that the documentation shows: at a desk and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    shots = {
        "audit-requirements": ("index.html", 1280, 900),
        "audit-code": ("code/verified.traceparent.html", 1280, 900),
        "audit-machines": ("machines.html", 1280, 900),
        "audit-phone": ("index.html#TP-05", 390, 844),
    }
    with chromium() as browser:
        for name, (page, width, height) in shots.items():
            resize(browser, width, height)
            browser.get(f"{site.resolve().as_uri()}/{page}")
            browser.save_screenshot(str(folder / f"{name}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
