"""A headless chromium for the tests of the pages, driven by Playwright; Debian's own, with no network."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

SCREENS = Path(__file__).parents[2] / "build" / "dashboard-screens"
"""Screenshots are left here, to be looked at."""
AXE = Path(sys.prefix) / "axe-core" / "axe.min.js"
SIZES = {"phone": (390, 844), "wall": (1920, 1080), "desk": (1280, 800)}


def require_chromium() -> str:
    """Its path; the test is skipped where it is missing."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    return chromium


def require_axe() -> str:
    """axe-core (MPL 2.0), which is fetched and not part of the repository; the test is skipped where it is missing."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not at {AXE}: scripts/bootstrap.sh packages fetches it where there is npm")
    return AXE.read_text(encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Closed with all its processes."""
    flags = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_chromium(), args=flags)
        try:
            yield browser
        finally:
            browser.close()


class Seat:
    """Somebody before a screen: a browser's context of their own, and what it complained about."""

    def __init__(self, browser: Browser, url: str, size: str = "desk", *, dark: bool = False) -> None:
        width, height = SIZES[size]
        self.size, self.url = size, url.rstrip("/")
        self.complaints: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="ja-JP",
            has_touch=size == "phone",
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, name: str, password: str, path: str = "/") -> Page:
        page = self.go(f"/login?next={path}")
        page.fill("[name=name]", name)
        page.fill("[name=password]", password)
        page.click("button.main")
        page.wait_for_selector("nav.menu")
        return page

    def shows(self, selector: str, words: str) -> None:
        self.page.locator(selector, has_text=words).first.wait_for()

    def shoot(self, name: str) -> None:
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}-{self.size}.png", full_page=True)

    def violations(self) -> list[str]:
        """Serious and critical ones that axe finds on this page."""
        self.page.evaluate(require_axe())
        found: dict[str, Any] = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:300]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]

    def is_cut_off(self) -> bool:
        """Whether one would have to scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)
