"""The Debian package on a machine that nothing was installed on: installed, run, upgraded, removed, purged.

Each fixture does one of these and notes what it saw; they follow one another on the same machine.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deploy.clean_machine import Machine, require
from deploy.packages import built

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(4000), pytest.mark.xdist_group("machine")]
HERE = Path(__file__).parent
SETTINGS = "/etc/ffe-edge/ffe.toml"


@dataclass
class Seen:
    """What a step left behind."""

    machine: Machine
    told: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def package() -> Path:
    """The one with everything that it needs."""
    require("mmdebstrap", "systemd-nspawn")
    return built("--vendor")


@pytest.fixture(scope="module")
def next_package(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A later version of it, which needs an environment of its own."""
    folder = tmp_path_factory.mktemp("next") / "tree"
    subprocess.run(["dpkg-deb", "-R", str(package), str(folder)], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(
        re.sub(r"(?m)^Version: .*", "Version: 9.0", control.read_text(encoding="utf-8")), encoding="utf-8"
    )
    with (folder / "usr/share/ffe-edge/constraints.txt").open("a", encoding="utf-8") as file:
        file.write("# later\n")
    later = folder.with_name("later.deb")
    subprocess.run(["dpkg-deb", "-Znone", "-b", str(folder), str(later)], check=True, capture_output=True)
    return later


def dpkg(machine: Machine, *words: str, package: Path | None = None) -> str:
    if package:
        shutil.copy(package, machine.path("/root/ffe-edge.deb"))
    told = machine.run("dpkg", *words, *(["/root/ffe-edge.deb"] if package else []))
    assert told.returncode == 0, (told.stdout + told.stderr)[-3000:]
    return told.stdout


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    machine = Machine(tmp_path_factory.mktemp("machine") / "root")
    return Seen(machine, dpkg(machine, "--install", package=package))


@pytest.fixture(scope="module")
def booted(installed: Seen) -> Seen:
    machine = installed.machine
    shutil.copy(HERE / "sandbox.py", machine.path("/usr/local/lib/sandbox.py"))
    machine.boot(HERE / "booted.sh")
    notes = {
        path.name: path.read_text(errors="replace")
        for path in machine.path("/root").iterdir()
        if path.is_file() and path.suffix != ".deb"
    }
    assert "done" in notes, notes.get("check.log", "")[-3000:]
    return Seen(machine, facts=notes)


@pytest.fixture(scope="module")
def upgraded(booted: Seen, next_package: Path) -> Seen:
    machine = booted.machine
    with machine.path(SETTINGS).open("a", encoding="utf-8") as file:
        file.write("# ours\n")
    key = machine.path("/etc/ffe-edge/credentials/residents.key").read_bytes()
    before = machine.path("/opt/ffe-edge/current").readlink()
    told = dpkg(machine, "--install", package=next_package)
    return Seen(machine, told, {"before": str(before), "key": key.hex()})


@pytest.fixture(scope="module")
def removed(upgraded: Seen) -> Seen:
    told = dpkg(upgraded.machine, "--remove", "ffe-edge")
    kept = {
        name: str(upgraded.machine.path(name).exists()) for name in (SETTINGS, "/opt/ffe-edge", "/usr/bin/ffe-edge")
    }
    return Seen(upgraded.machine, told, kept)


@pytest.fixture(scope="module")
def purged(removed: Seen) -> Seen:
    return Seen(removed.machine, dpkg(removed.machine, "--purge", "ffe-edge"))


def test_it_is_installed_without_a_network(installed: Seen) -> None:
    told = installed.machine.run("ffe-edge", "--version")
    assert (told.returncode, told.stdout.split()[0]) == (0, "ffe-edge"), told.stderr
    assert "next: name broker.url and camera.source" in installed.told


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        pytest.param(SETTINGS, 0o640, id="settings"),
        pytest.param("/etc/ffe-edge/credentials", 0o700, id="keys"),
        pytest.param("/etc/ffe-edge/credentials/residents.key", 0o600, id="residents-key"),
        pytest.param("/etc/ffe-edge/credentials/broker.password", 0o600, id="password"),
        pytest.param("/var/lib/ffe-edge", 0o700, id="state"),
        pytest.param("/lib/systemd/system/ffe-edge.service", 0o644, id="unit"),
        pytest.param("/lib/udev/rules.d/70-ffe-edge.rules", 0o644, id="rules"),
        pytest.param("/etc/systemd/journald@ffe-edge.conf", 0o644, id="limits-of-the-log"),
    ],
)
def test_what_it_needs_is_there_and_closed(path: str, mode: int, installed: Seen) -> None:
    assert installed.machine.path(path).stat().st_mode & 0o777 == mode


def test_the_node_is_enabled_and_the_dashboard_is_not(installed: Seen) -> None:
    wants = installed.machine.path("/etc/systemd/system/multi-user.target.wants")
    names = {path.name for path in wants.iterdir()}
    assert ("ffe-edge.service" in names, "ffe-dashboard.service" in names) == (True, False)


def test_configuring_it_again_changes_nothing(installed: Seen) -> None:
    settings = installed.machine.path(SETTINGS).stat().st_mtime_ns
    told = installed.machine.run("/usr/share/ffe-edge/install.sh", "--packaged")
    assert "is complete" in told.stdout, told.stderr
    assert "is kept as it is" in told.stdout
    assert installed.machine.path(SETTINGS).stat().st_mtime_ns == settings


def test_it_waits_quietly_until_it_is_configured(booted: Seen) -> None:
    assert "ActiveState=inactive" in booted.facts["unconfigured"]
    assert "Result=exec-condition" in booted.facts["unconfigured"]


def test_events_arrive_at_the_broker(booted: Seen) -> None:
    assert booted.facts["started"] == "yes\n"
    topics = {line.split(" ", 1)[0] for line in booted.facts["messages"].splitlines()}
    assert {"ffe/v1/home/edge-01/status", "ffe/v1/home/edge-01/camera/camera/emotion"} <= topics


def test_it_runs_without_rights_and_with_its_groups(booted: Seen) -> None:
    process = dict(line.split(":\t") for line in booted.facts["process"].splitlines())
    assert process["CapBnd"] == "0" * 16
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    assert len(process["Groups"].split()) == 3  # its own, video, render


def test_the_sandbox_allows_what_is_needed_and_nothing_else(booted: Seen) -> None:
    seen = json.loads(booted.machine.path("/var/lib/ffe-edge/sandbox.json").read_text(encoding="utf-8"))
    needed = ("asks the clock", "lowers its priority", "places threads", "writes state", "writes cache")
    forbidden = ("writes settings", "reads original keys", "becomes root", "sees homes")
    assert [seen[name] for name in needed] == [True] * len(needed), seen
    assert all(isinstance(seen[name], str) for name in forbidden), seen
    assert seen["key bytes"] == 32


def test_credentials_are_the_services_alone(booted: Seen) -> None:
    lines = [line.split() for line in booted.facts["credentials"].splitlines()]
    assert {Path(name).name for _, _, name in lines} == {"broker.password", "node.key", "residents.key"}
    assert {(user, mode) for user, mode, _ in lines} == {("ffe", "400")}


def test_reload_and_watchdog_do_their_work(booted: Seen) -> None:
    assert booted.facts["reloaded"] == "yes\n"
    assert "ActiveState=active" in booted.facts["running"]
    assert "broker connected" in booted.facts["running"]
    assert "NRestarts=1" in booted.facts["restarted"]
    assert "ActiveState=active" in booted.facts["restarted"]


def test_it_stops_within_what_it_promises(booted: Seen) -> None:
    assert "Result=success" in booted.facts["stopped"]
    assert int(booted.facts["stop_milliseconds"]) < 5000


def test_its_log_is_kept_apart_from_the_systems(booted: Seen) -> None:
    assert "serves ffe-small" in booted.facts["node.log"]
    assert booted.facts["lines_in_the_systems_log"] == "0\n"


def test_doctor_sees_what_the_service_sees(booted: Seen) -> None:
    found = {each["name"]: each["status"] for each in json.loads(booted.facts["doctor.json"])}
    assert (found["State folder"], found["Broker"], found["Residents"]) == ("ok", "ok", "ok")


def test_the_dashboard_answers_and_keeps_its_data_to_itself(booted: Seen) -> None:
    assert booted.facts["healthz"].strip() == "ok"
    assert "Result=success" in booted.facts["dashboard"]
    assert booted.facts["dashboard"].splitlines()[-1] == "ffe-dashboard 600"


def test_an_upgrade_keeps_settings_and_keys(upgraded: Seen) -> None:
    assert upgraded.machine.path(SETTINGS).read_text(encoding="utf-8").endswith("# ours\n")
    assert upgraded.machine.path("/etc/ffe-edge/credentials/residents.key").read_bytes().hex() == upgraded.facts["key"]


def test_an_upgrade_changes_the_environment_and_keeps_the_one_before(upgraded: Seen) -> None:
    current = upgraded.machine.path("/opt/ffe-edge/current").readlink()
    names = {path.name for path in upgraded.machine.path("/opt/ffe-edge/releases").iterdir()}
    assert names == {current.name, Path(upgraded.facts["before"]).name}
    assert upgraded.machine.run("ffe-edge", "--version").returncode == 0


def test_removing_it_keeps_the_settings(removed: Seen) -> None:
    assert removed.facts == {SETTINGS: "True", "/opt/ffe-edge": "False", "/usr/bin/ffe-edge": "False"}


def test_purging_it_leaves_nothing(purged: Seen) -> None:
    left = purged.machine.run("find", "/etc", "/opt", "/usr", "/var", "-xdev", "-name", "*ffe*", "-not", "-name", "*.h")
    ours = [line for line in left.stdout.splitlines() if "ffe-edge" in line or "ffe-dashboard" in line]
    assert ours == []
