"""The guides as pages: built strictly, whole, and without a word to any other machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from deploy.guide_blocks import DOCS, ROOT, pages

OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[\w.-]+")
FETCHED = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
"""Attributes that a browser follows by itself."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'ffe-edge[docs]'")
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install 'ffe-edge[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = built(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def built(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Without a network that could be asked: a proxy that nobody is at."""
    nobody = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, **nobody, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_every_guide_is_a_page_that_the_others_lead_to(site: Path) -> None:
    begin = (site / "index.html").read_text(encoding="utf-8")
    for page in pages():
        name = page.replace(".md", ".html")
        assert (site / name).is_file()
        assert page == "index.md" or f'href="{name}"' in begin


class Followed(HTMLParser):
    """What a browser fetches for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if (tag, name) in FETCHED]


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    followed = [each for path in site.rglob("*.html") for each in Followed(path.read_text(encoding="utf-8")).found]
    assert len(followed) > 100
    assert [each for each in followed if OUTSIDE.match(each)] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(rf"(?:url\(['\"]?|@import ['\"])({OUTSIDE.pattern})", styles) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("[x](not-there.md)", id="page"),
        pytest.param("[x](cameras.md#not-there)", id="anchor of a page"),
        pytest.param("[x](#not-there)", id="anchor"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(site: Path, tmp_path: Path, wrong: str) -> None:
    assert site.is_dir()
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(DOCS, tmp_path / "docs")
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{wrong}\n")
    assert built(tmp_path, tmp_path / "site").returncode != 0
