"""ffe-edge-join takes all that a bundle says: a copy of it, which changes a folder of the test."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

import pytest
from deploy.unit_file import ROOT
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.config import load_config
from ffe_edge.config_text import template
from ffe_edge.dashboard.settings import load_settings

DEPLOY: Final = ROOT / "deploy"
INIT: Final = ("init", "--host", "fd00::1", "--root-topic", "house/two", "--discovery-prefix", "ha")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="ffe-edge-join is for root")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Settings as they are installed, and an authority whose names are not the usual ones."""
    pytest.importorskip("cryptography", reason="provisioning needs cryptography: pip install 'ffe-edge[provision]'")
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "ffe.toml").write_text(template())
    shutil.copy(DEPLOY / "systemd" / "dashboard.toml", folder)
    shutil.copy(DEPLOY / "settings.sh", tmp_path)
    script = (DEPLOY / "ffe-edge-join").read_text(encoding="utf-8")
    (tmp_path / "join").write_text(script.replace("FOLDER=/etc/ffe-edge\n", f"FOLDER={folder}\n"))
    provision(tmp_path, *INIT)
    return folder


def provision(folder: Path, *words: str) -> None:
    told = CliRunner().invoke(app, ["provision", *words, "--folder", str(folder / "authority")])
    assert told.exit_code == 0, told.output


def join(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(folder / "join"), "--no-restart", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_a_device_gets_the_topics_and_the_address_of_its_home(etc: Path, tmp_path: Path) -> None:
    provision(tmp_path, "node", "kiso", "edge-01", "--to", str(tmp_path / "node.tar"))
    told = join(tmp_path, "node.tar", "--source", "csi://0")
    assert told.returncode == 0, told.stderr
    config = load_config(etc / "ffe.toml")
    assert (config.site, config.node, config.cameras[0].source) == ("kiso", "edge-01", "csi://0")
    assert (config.broker.url, config.broker.root_topic) == ("mqtts://[fd00::1]:8883", "house/two")
    assert config.home_assistant.discovery_prefix == "ha"
    assert stat.S_IMODE((etc / "credentials" / "node.key").stat().st_mode) == 0o600


def test_a_dashboard_listens_where_the_devices_speak(etc: Path, tmp_path: Path) -> None:
    provision(tmp_path, "client", "floor", "--role", "dashboard", "--site", "kiso", "--to", str(tmp_path / "floor"))
    told = join(tmp_path, "floor")
    assert told.returncode == 0, told.stderr
    assert load_settings(etc / "dashboard.toml").broker.root_topic == "house/two"


def test_a_bundle_that_is_none_changes_nothing(etc: Path, tmp_path: Path) -> None:
    before = (etc / "ffe.toml").read_bytes()
    (tmp_path / "other.tar").write_bytes(b"no archive")
    assert join(tmp_path, "other.tar").returncode == 2
    assert ((etc / "ffe.toml").read_bytes(), sorted(path.name for path in etc.iterdir())) == (
        before,
        ["dashboard.toml", "ffe.toml"],
    )
