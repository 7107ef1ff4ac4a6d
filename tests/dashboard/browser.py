"""A headless chromium for the tests of the pages, with no network of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def require_chromium() -> tuple[str, str]:
    """Paths of chromium and its driver; the test is skipped where they are missing."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium is not installed: apt-get install chromium chromium-driver")
    return chromium, driver


@contextmanager
def open_chromium(
    profile: Path, *, size: tuple[int, int] = (1280, 800), dark: bool = False, language: str = "ja"
) -> Iterator[webdriver.Chrome]:
    """A browser with a fresh profile, closed with all its processes."""
    chromium, driver = require_chromium()
    options = Options()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--lang={language}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_page_load_timeout(30)
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        yield browser
    finally:
        browser.quit()


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    """Text of all elements that the selector names, as a reader sees it."""
    try:
        return "\n".join(element.text for element in browser.find_elements(By.CSS_SELECTOR, selector))
    except StaleElementReferenceException:
        return ""  # redrawn while we read it: the caller looks again


def console_errors(browser: webdriver.Chrome) -> list[str]:
    """What the page complained about, refused styles and scripts among it."""
    entries = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain until {what}")
        time.sleep(0.05)
