"""The units: what systemd makes of them without running them, and that the daemon keeps their side of the bargain."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from deploy.unit_file import ROOT, SYSTEMD, UNITS, command, credentials, settings
from e2e.mosquitto import wait_for

from ffe_edge.cli import app
from ffe_edge.config import load_config
from ffe_edge.dashboard.settings import load_settings

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: apt-get install systemd"
)
PROGRAM = [sys.executable, "-c", "from ffe_edge.cli import main; main()"]
SYSTEM_UNITS = next(
    (path for path in map(Path, ("/usr/lib/systemd/system", "/lib/systemd/system")) if path.is_dir()), None
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)


@needs_analyze
@pytest.mark.parametrize("name", UNITS)
def test_it_may_do_little_else_than_its_work(name: str) -> None:
    told = analyze("security", "--offline=true", "--threshold=20", "--no-pager", str(SYSTEMD / name))
    (level,) = re.findall(r"exposure level for \S+ ([\d.]+) (\w+)", told.stdout)
    assert float(level[0]) <= 2.0, told.stdout
    assert (level[1], told.returncode) == ("OK", 0)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A root with the system's units, ours, and stand-ins of the programs that they start."""
    units = tmp_path / "usr/lib/systemd/system"
    if SYSTEM_UNITS is None:
        pytest.skip("systemd's own units are absent: apt-get install systemd")
    shutil.copytree(SYSTEM_UNITS, units, symlinks=True)
    for name in UNITS:
        shutil.copy(SYSTEMD / name, units)
    for program in ("opt/ffe-edge/current/bin/ffe-edge", "usr/bin/grep", "bin/sh", "usr/bin/sh"):
        stand_in = tmp_path / program
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.touch(mode=0o755)
    return tmp_path


@needs_analyze
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_to_say_about_it(name: str, system: Path) -> None:
    told = analyze("verify", "--man=no", f"--root={system}", name)
    assert (told.returncode, [line for line in told.stderr.splitlines() if "ffe-" in line]) == (0, [])


@needs_analyze
def test_the_backoff_is_understood_by_a_systemd_that_has_it(system: Path) -> None:
    if int(analyze("--version").stdout.split()[1]) < 254:
        pytest.skip("RestartSteps came with systemd 254; install.sh adds the file from there on")
    folder = system / "usr/lib/systemd/system/ffe-edge.service.d"
    folder.mkdir()
    shutil.copy(SYSTEMD / "backoff.conf", folder)
    told = analyze("verify", "--man=no", f"--root={system}", "ffe-edge.service")
    assert "ffe-edge" not in told.stderr


@pytest.mark.parametrize("name", UNITS)
def test_its_command_is_one_of_ours(name: str) -> None:
    program, verb, *rest = command(name)
    assert program == "/opt/ffe-edge/current/bin/ffe-edge"
    known = typer.main.get_command(app).commands[verb].params  # type: ignore[attr-defined]
    assert {word for word in rest if word.startswith("-")} <= {flag for each in known for flag in each.opts}


@pytest.mark.parametrize(
    ("source", "comes", "tries"),
    [("csi://0", True, "999"), ("csi://0", False, "20"), ("/dev/video0", False, "999")],
    ids=["comes-late", "never-comes", "another-camera"],
)
def test_a_csi_camera_waits_for_nvidia_s_daemon_and_not_for_ever(
    tmp_path: Path, source: str, comes: bool, tries: str
) -> None:
    (before,) = re.findall(
        r"^ExecStartPre=\+(/bin/sh -c '.*')$", (SYSTEMD / "ffe-edge.service").read_text(), re.MULTILINE
    )
    place, file = tmp_path / "argus_socket", tmp_path / "ffe.toml"
    file.write_text(f'#source = "csi://9"\nsource = "{source}"\n')
    words = shlex.split(before.replace("/tmp/argus_socket", str(place)).replace("/etc/ffe-edge/ffe.toml", str(file)))
    words = [word.replace("$$", "$").replace("0.5", "0.1").replace("= 20 ]", f"= {tries} ]") for word in words]
    with subprocess.Popen(words) as process:
        if comes:
            time.sleep(0.5)
            assert process.poll() is None
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.bind(str(place))
        assert process.wait(60) == 0


@pytest.mark.parametrize("name", UNITS)
def test_every_credential_is_made_when_it_is_absent(name: str) -> None:
    made = re.findall(
        r"^f (\S+) 0600 root root -$", (SYSTEMD / "tmpfiles.conf").read_text(encoding="utf-8"), re.MULTILINE
    )
    made.append("/etc/ffe-edge/credentials/residents.key")  # by install.sh: it is random
    assert {str(path) for path in credentials(name).values()} <= set(made)


def test_the_clock_can_be_asked_and_the_priority_of_a_build_lowered() -> None:
    node = settings("ffe-edge.service")
    assert "ProtectClock" not in node  # it forbids adjtimex: no event would know whether its time is to be believed
    assert {"setpriority", "adjtimex", "clock_adjtime"} <= set(node["SystemCallFilter"][-1].split())


def test_a_build_that_takes_all_memory_does_not_take_the_daemon_with_it() -> None:
    assert settings("ffe-edge.service")["OOMPolicy"] == ["continue"]


def test_cameras_and_the_gpu_of_a_jetson_can_be_opened() -> None:
    node = settings("ffe-edge.service")
    allowed = {value.split()[0] for value in node["DeviceAllow"]}
    assert node["DevicePolicy"] == ["closed"]
    assert {"char-video4linux", "char-nvidia*", "char-nvhost*", "/dev/nvmap", "/dev/nvgpu/igpu0/ctrl"} <= allowed
    assert "-/tmp/argus_socket" in node["BindPaths"]


def test_the_settings_of_the_dashboard_that_are_shipped_are_valid() -> None:
    shipped = SYSTEMD / "dashboard.toml"
    assert load_settings(shipped).database.url == "sqlite:////var/lib/ffe-dashboard/dashboard.sqlite"
    named = set(re.findall(r"/run/credentials/ffe-dashboard.service/([a-z.]+)", shipped.read_text(encoding="utf-8")))
    assert named == set(credentials("ffe-dashboard.service"))


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        pytest.param('url = "mqtts://10.0.0.2:8883"\nsource = "csi://0"', True, id="both"),
        pytest.param('url = "mqtts://10.0.0.2:8883"\n#source = "demo:"', False, id="no-camera"),
        pytest.param('#url = "mqtt://10.0.0.2:1883"\nsource = "csi://0"', False, id="no-broker"),
        pytest.param('broker = { url = "mqtt://a" }\ncamera = { source = "0" }', True, id="in-line"),
    ],
)
def test_the_node_starts_only_when_it_knows_broker_and_camera(line: str, *, starts: bool, tmp_path: Path) -> None:
    file = tmp_path / "ffe.toml"
    file.write_text(line, encoding="utf-8")
    conditions = [
        value.replace("/etc/ffe-edge/ffe.toml", str(file)) for value in settings("ffe-edge.service")["ExecCondition"]
    ]
    assert all(subprocess.run(["sh", "-c", each], check=False).returncode == 0 for each in conditions) is starts


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def test_the_daemon_tells_systemd_what_the_unit_waits_for(manager: socket.socket, tmp_path: Path) -> None:
    file = tmp_path / "ffe.toml"
    camera = "demo:"
    file.write_text(f'[broker]\nurl = "mqtt://127.0.0.1:1"\n[camera]\nsource = "{camera}"\n', encoding="utf-8")
    words = [word.replace("/etc/ffe-edge/ffe.toml", str(file)) for word in command("ffe-edge.service")[1:]]
    environment = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "3000000",
        "STATE_DIRECTORY": str(tmp_path),
    }
    assert load_config(file).camera.source == camera
    with (tmp_path / "log").open("wb") as log:
        daemon = subprocess.Popen([*PROGRAM, *words], env={**os.environ, **environment}, stderr=log)
    told: list[str] = []

    def heard(word: str) -> bool:
        told.append(manager.recv(4096).decode())
        return word in told[-1]

    try:
        assert wait_for(lambda: heard("READY=1"), 60), told
        assert wait_for(lambda: heard("WATCHDOG=1"), 60), told
        daemon.send_signal(signal.SIGTERM)
        assert wait_for(lambda: heard("STOPPING=1"), 60), told
        assert daemon.wait(60) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        daemon.kill()
        daemon.wait()


def test_the_rules_of_udev_are_assignments_and_matches() -> None:
    text = (ROOT / "deploy/udev/70-ffe-edge.rules").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    part = r'[A-Z]+(==|=)"[^"]+"'
    assert [rule for rule in rules if re.fullmatch(rf"{part}(, {part})*", rule) is None] == []
    assert all('MODE="0660"' in rule and re.search(r'GROUP="(video|render)"', rule) for rule in rules)
