"""What docs/dashboard.md tells somebody to type can be typed, and its settings are all there are."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.config_file import read_toml
from ffe_edge.config_section import Settings
from ffe_edge.dashboard.settings import DashboardSettings, load_settings
from ffe_edge.dashboard.webhook import signature

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEXT = (DOCS / "dashboard.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def keys(settings: type[Settings], section: str = "") -> set[str]:
    found = set()
    for name, field in settings.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            found |= keys(inner, f"{name}.")
        else:
            found.add(section + name)
    return found


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (block,) = blocks("toml")
    path = tmp_path / "dashboard.toml"
    path.write_text(block.replace("# url_file", "url_file"), encoding="utf-8")
    return path


def test_its_settings_are_all_that_there_are(written: Path) -> None:
    values = read_toml(written)
    assert {f"{section}.{key}" for section, inner in values.items() for key in inner} == keys(DashboardSettings)


def test_its_settings_are_the_ones_that_hold_where_nothing_is_written(written: Path) -> None:
    settings, defaults = load_settings(written), DashboardSettings()
    assert (settings.web, settings.home, settings.retention) == (defaults.web, defaults.home, defaults.retention)
    assert settings.broker.backoff_max_seconds == defaults.broker.backoff_max_seconds
    assert settings.broker.keepalive_seconds == defaults.broker.keepalive_seconds


def test_every_flag_of_its_commands_exists() -> None:
    told = re.findall(r"ffe-edge dashboard( [^`\n]*)", TEXT)
    program = [sys.executable, "-c", "from ffe_edge.cli import main; main()", "dashboard", "--help"]
    helped = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    flags = {flag for line in told for flag in re.findall(r"--[a-z-]+", line)}
    assert flags >= {"--broker", "--database", "--config"}
    assert {flag for flag in flags if flag not in helped} == set()


def test_every_linked_file_exists() -> None:
    names = re.findall(r"\]\(([^)#:]+)(?:#[a-z-]+)?\)", TEXT)
    assert [name for name in names if not (DOCS / name).exists()] == []
    assert (ROOT / "deploy" / "grafana" / "ffe-edge.json").is_file()


def test_a_receiver_that_checks_as_it_says_takes_ours_and_no_other() -> None:
    (code,) = blocks("python")
    moment, body, secret = str(int(time.time())), b'{"event": "opened"}', b"s" * 32
    for told, is_genuine in ((signature(secret, moment, body), True), (signature(b"x" * 32, moment, body), False)):
        names: dict[str, Any] = {"secret": secret, "body": body, "headers": {"FFE-Time": moment, "FFE-Signature": told}}
        exec("import hmac, time\n" + code, names)
        assert names["genuine"] is is_genuine
