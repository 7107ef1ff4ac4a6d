"""install.sh, as far as it can be seen without a machine to install: what it detects, refuses, and would do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deploy.unit_file import ROOT

from ffe_edge.config import load_config
from ffe_edge.config_text import template

DEPLOY = ROOT / "deploy"
SCRIPT = DEPLOY / "install.sh"
needs_python = pytest.mark.skipif(
    not Path("/usr/bin/python3").exists(), reason="/usr/bin/python3 is absent: apt-get install python3"
)


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60)


def in_steps(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Some lines of bash that know the functions of install.sh."""
    head = f"""set -euo pipefail
HERE={DEPLOY} ROOT={root} DRY_RUN='' PIP=()
. {DEPLOY}/install-steps.sh
. {DEPLOY}/install-system.sh
"""
    return subprocess.run(["bash", "-c", head + script], capture_output=True, text=True, check=False, timeout=30)


def jetson(root: Path, line: str) -> Path:
    (root / "etc").mkdir()
    (root / "etc/nv_tegra_release").write_text(f"# {line}, GCID: 1, BOARD: generic, EABI: aarch64\n", encoding="utf-8")
    return root


@pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed: apt-get install shellcheck"
)
@pytest.mark.parametrize(
    "name",
    [
        "deploy/install.sh",
        "deploy/systemd/ffe-edge-node",
        "deploy/ffe-edge-join",
        "deploy/completions/ffe-edge",
        "scripts/build-deb.sh",
        "scripts/test-deploy.sh",
    ],
)
def test_shellcheck_finds_nothing(name: str) -> None:
    told = subprocess.run(["shellcheck", "-x", name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("line", "l4t", "jetpack"),
    [
        pytest.param("R36 (release), REVISION: 4.3", "36.4.3", "JetPack 6", id="orin-jetpack-6"),
        pytest.param("R38 (release), REVISION: 2.0", "38.2.0", "JetPack 7.0 or 7.1", id="thor-jetpack-7"),
        pytest.param("R39 (release), REVISION: 2.1", "39.2.1", "JetPack 7.2 or later", id="jetpack-7.2"),
        pytest.param("R41 (release), REVISION: 1.0", "41.1.0", "a JetPack that is newer than this script", id="later"),
    ],
)
def test_it_knows_the_jetpack(line: str, l4t: str, jetpack: str, tmp_path: Path) -> None:
    told = in_steps('L4T=$(read_l4t); echo "$L4T"; jetpack_of "$L4T"', jetson(tmp_path, line)).stdout
    assert told.splitlines() == [l4t, jetpack]


def test_it_knows_the_jetpack_by_its_package_too(tmp_path: Path) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("dpkg-query is absent: this is no Debian")
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    entry = "Package: nvidia-l4t-core\nStatus: install ok installed\nMaintainer: x\nArchitecture: arm64\n"
    (tmp_path / "var/lib/dpkg/status").write_text(
        f"{entry}Version: 36.4.7-20250918154033\nDescription: x\n\n", encoding="utf-8"
    )
    assert in_steps("read_l4t", tmp_path).stdout == "36.4.7"


def test_jetpack_5_is_refused_with_the_reason_and_the_way_out(tmp_path: Path) -> None:
    told = install("--dry-run", "--root", str(jetson(tmp_path, "R35 (release), REVISION: 6.1")))
    assert told.returncode == 2
    assert "35.6.1" in told.stderr
    assert "Python 3.8" in told.stderr
    assert "deploy/container" in told.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--source"], "--source needs a value", id="no-value"),
        pytest.param(["--role", "king"], "--role is node, dashboard or both", id="role"),
        pytest.param(["--force"], "unknown word '--force'", id="unknown"),
        pytest.param(["--purge"], "--purge belongs to --uninstall", id="purge-alone"),
        pytest.param(["--root", "/none/at/all"], "/none/at/all is no folder", id="no-root"),
        pytest.param(["--detector", "/none.onnx"], "/none.onnx is no file", id="no-detector"),
        pytest.param(["--source", "rtsp://me:secret@10.0.0.7/"], "credentials belong into files", id="password"),
        pytest.param(["--site", 'a"\nb = 1'], "letters that do not fit", id="toml-in-a-name"),
    ],
)
def test_what_it_cannot_do_it_refuses_in_a_line(words: list[str], said: str) -> None:
    told = install("--dry-run", *words)
    assert (told.returncode, told.stdout) == (2, "")
    assert said in told.stderr


@needs_python
def test_a_dry_run_tells_every_step_and_does_none() -> None:
    before = {
        path: os.path.lexists(path) for path in ("/opt/ffe-edge", "/etc/ffe-edge", "/etc/sysusers.d/ffe-edge.conf")
    }
    told = install("--dry-run", "--no-start", "--role", "both")
    assert told.returncode == 0, told.stderr
    for step in (
        "systemd-sysusers",
        "systemd-tmpfiles",
        "--system-site-packages",
        "ffe-edge.service",
        "70-ffe-edge.rules",
    ):
        assert step in told.stdout
    assert {path: os.path.lexists(path) for path in before} == before


def test_help_names_every_option() -> None:
    told = install("--help").stdout
    known = set(re.findall(r"(--[a-z-]+)(?=[ |)])", SCRIPT.read_text(encoding="utf-8").split("parse() {")[1]))
    ours = known - {"--packaged", "--help", "--disable-pip-version-check", "--no-input", "--retries", "--index-url"}
    assert {option for option in ours if option not in told} == set()


def test_settings_are_written_into_the_file_of_config_init(tmp_path: Path) -> None:
    file = tmp_path / "ffe.toml"
    file.write_text(template(), encoding="utf-8")
    told = in_steps(
        f"set_key {file} '' site kiso; set_key {file} camera source csi://0; set_key {file} broker url mqtts://10.0.0.2:8883\n"
        f"set_key {file} model engine_dir /var/cache/ffe-edge/engines",
        tmp_path,
    )
    settings = load_config(file)
    assert told.returncode == 0, told.stderr
    assert (settings.site, settings.camera.source, settings.broker.url) == ("kiso", "csi://0", "mqtts://10.0.0.2:8883")
    assert settings.model.engine_dir == Path("/var/cache/ffe-edge/engines")


def test_a_key_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ffe.toml").write_text("[broker]\n#url = 1\n", encoding="utf-8")
    assert in_steps(f"set_key {tmp_path}/ffe.toml camera url x", tmp_path).returncode == 2


def test_residents_enrolled_before_keep_their_key(tmp_path: Path) -> None:
    state, keys = tmp_path / "var/lib/ffe-edge", tmp_path / "etc/ffe-edge/credentials"
    state.mkdir(parents=True)
    keys.mkdir(parents=True)
    (state / "residents.key").write_bytes(b"k" * 32)
    told = in_steps("KEYS=/etc/ffe-edge/credentials; make_residents_key; make_residents_key", tmp_path)
    assert told.returncode == 0, told.stderr
    assert (keys / "residents.key").read_bytes() == b"k" * 32
    assert not (state / "residents.key").exists()


def releases(root: Path, *names: str) -> Path:
    """Whole ones, the oldest first."""
    folder = root / "opt/ffe-edge/releases"
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        (folder / name / ".complete").touch()
        os.utime(folder / name, (number, number))
    return folder


def left_after(root: Path, installed: str, before: str) -> list[str]:
    place = "/opt/ffe-edge/releases"
    ran = f"{place}/{before}" if before else "''"
    told = in_steps(f"OPT=/opt/ffe-edge; remove_old_releases {place}/{installed} {ran}", root)
    assert told.returncode == 0, told.stderr
    return sorted(path.name for path in (root / "opt/ffe-edge/releases").iterdir())


def test_of_old_environments_only_the_one_before_stays(tmp_path: Path) -> None:
    releases(tmp_path, "first", "second", "third")
    assert left_after(tmp_path, "third", "second") == ["second", "third"]


def test_after_a_rollback_what_ran_stays_and_not_what_was_bad(tmp_path: Path) -> None:
    releases(tmp_path, "well", "bad", "new")
    assert left_after(tmp_path, "new", "well") == ["new", "well"]


def test_an_environment_that_is_not_whole_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    folder = releases(tmp_path, "well", "broken", "new")
    (folder / "broken" / ".complete").unlink()
    assert left_after(tmp_path, "new", "new") == ["new", "well"]


def test_the_first_environment_stands_alone(tmp_path: Path) -> None:
    releases(tmp_path, "first")
    assert left_after(tmp_path, "first", "") == ["first"]


CUDA = """
OPT=/opt/ffe-edge SHARE=/share OFFERED=/share/.installing L4T=36.4 OFFLINE='' INDEX='' WHEELS=$ROOT/wheels
has_cuda() { :; }
in_root() {
    case "$*" in
        *'import pycuda'*) [ -f "$ROOT/pycuda" ] ;;
        *build-pycuda*) [ -f "$ROOT/compiler" ] && [ -d "$ROOT$OFFERED" ] && echo build >>"$ROOT/did" ;;
        *pycuda) touch "$ROOT/pycuda" ;;
    esac
}
install_pycuda /opt/ffe-edge/releases/1
"""


def test_pycuda_that_could_not_be_built_is_built_the_next_time_and_once(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    told = in_steps(CUDA, tmp_path)
    assert told.returncode == 0, told.stderr
    assert "pycuda could not be built, so the CPU serves" in told.stderr
    (tmp_path / "compiler").touch()
    for _ in range(2):
        told = in_steps(CUDA, tmp_path)
        assert (told.returncode, told.stderr) == (0, "")
    assert (tmp_path / "did").read_text() == "build\n"
