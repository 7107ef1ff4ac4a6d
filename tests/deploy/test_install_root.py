"""install.sh on a machine that nothing was installed on: installed, again, removed, purged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from deploy.clean_machine import LIMIT_SECONDS, Machine, require
from deploy.packages import built
from deploy.unit_file import ROOT

from ffe_edge.config import load_config

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(4000)]
Install = Callable[..., str]
WORDS = ("--broker", "mqtts://10.0.0.2:8883", "--source", "demo:", "--site", "kiso", "--node", "edge-07")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    require("mmdebstrap")
    return Machine(tmp_path_factory.mktemp("install") / "root")


@pytest.fixture(scope="module")
def install(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Run install.sh for the machine, with the wheels of everything and no index."""
    tree = tmp_path_factory.mktemp("wheels")
    subprocess.run(["dpkg-deb", "-x", str(built("--vendor")), str(tree)], check=True)
    wheels = tree / "usr/share/ffe-edge/wheels"

    def run(*words: str) -> str:
        command = ["bash", str(ROOT / "deploy/install.sh"), "--root", str(machine.root), *words]
        if "--uninstall" not in words:
            command += ["--wheels", str(wheels), "--offline", "--no-apt"]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
        assert told.returncode == 0, (told.stdout + told.stderr)[-3000:]
        return told.stdout

    return run


@pytest.fixture(scope="module")
def told(install: Install) -> str:
    return install(*WORDS)


def test_it_installs_a_program_that_runs(machine: Machine, told: str) -> None:
    version = subprocess.run(
        ["chroot", str(machine.root), "/usr/local/bin/ffe-edge", "--version"], capture_output=True, check=True
    )
    assert version.stdout.startswith(b"ffe-edge ")


def test_the_environment_sees_the_packages_of_the_system(machine: Machine, told: str) -> None:
    config = machine.path("/opt/ffe-edge") / machine.path("/opt/ffe-edge/current").readlink() / "pyvenv.cfg"
    assert "include-system-site-packages = true" in config.read_text(encoding="utf-8")


def test_the_settings_are_those_of_the_command_line(machine: Machine, told: str) -> None:
    file = machine.path("/etc/ffe-edge/ffe.toml")
    settings = load_config(file)
    assert (settings.site, settings.node, settings.camera.source) == ("kiso", "edge-07", "demo:")
    assert settings.broker.url == "mqtts://10.0.0.2:8883"
    assert settings.outbox.state_dir == Path("/var/lib/ffe-edge")
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_unit_is_enabled(machine: Machine, told: str) -> None:
    assert machine.path("/etc/systemd/system/multi-user.target.wants/ffe-edge.service").is_symlink()


def test_again_it_changes_nothing(machine: Machine, told: str, install: Install) -> None:
    before = machine.path("/opt/ffe-edge/current").readlink(), machine.path("/etc/ffe-edge/ffe.toml").stat().st_mtime_ns
    again = install("--broker", "mqtts://other:8883")
    assert "is complete" in again
    assert "kept as it is" in again
    after = machine.path("/opt/ffe-edge/current").readlink(), machine.path("/etc/ffe-edge/ffe.toml").stat().st_mtime_ns
    assert after == before


def test_taken_away_it_leaves_settings_and_purged_nothing(machine: Machine, told: str, install: Install) -> None:
    assert "--purge removes them" in install("--uninstall")
    assert machine.path("/etc/ffe-edge/ffe.toml").exists()
    assert not machine.path("/opt/ffe-edge").exists()
    install("--uninstall", "--purge")
    folders = [machine.path(name) for name in ("/etc", "/opt", "/usr", "/var")]
    assert [path for folder in folders for path in folder.rglob("*ffe-*") if "/proc/" not in str(path)] == []
