"""The Debian package of `make deb`: it is built, and holds what it should. What it does on a machine: test_deb.py."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deploy.clean_machine import LIMIT_SECONDS
from deploy.packages import built

pytestmark = pytest.mark.timeout(LIMIT_SECONDS)


@pytest.fixture(scope="module")
def light() -> Path:
    """The one for every machine."""
    return built()


@pytest.fixture(scope="module")
def files(light: Path) -> str:
    return subprocess.run(["dpkg-deb", "--contents", str(light)], capture_output=True, text=True, check=True).stdout


def test_lintian_finds_nothing(light: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed: make packages-deploy")
    told = subprocess.run(
        ["lintian", "--allow-root", str(light)], capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    ).stdout.splitlines()
    assert told == []


def test_the_package_of_every_machine_holds_no_machine_code(light: Path, files: str) -> None:
    told = subprocess.run(["dpkg-deb", "--info", str(light)], capture_output=True, text=True, check=True).stdout
    assert "Architecture: all" in told
    assert re.findall(r"wheels/(\S+)", files) == [
        name for name in re.findall(r"wheels/(\S+)", files) if "py3-none-any" in name
    ]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("usr/share/bash-completion/completions/ffe-edge", id="completion"),
        pytest.param("usr/share/ffe-edge/broker/mosquitto.conf", id="broker"),
        pytest.param("usr/share/ffe-edge/grafana/ffe-edge.json", id="grafana"),
        pytest.param("usr/share/man/man1/ffe-edge.1.gz", id="manual"),
        pytest.param("usr/sbin/ffe-edge-join", id="join"),
        pytest.param("lib/systemd/system/ffe-edge.service", id="unit"),
    ],
)
def test_it_brings_what_the_guides_speak_of(files: str, path: str) -> None:
    assert f" ./{path}\n" in files
