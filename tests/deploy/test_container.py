"""Images and the compose file: what can be checked without an engine, and the CPU image built and run by buildah."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer.main
from deploy.clean_machine import LIMIT_SECONDS, archive, require
from deploy.unit_file import ROOT

from ffe_edge.cli import app
from ffe_edge.config import load_config
from ffe_edge.dashboard.settings import load_settings

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: make install-deploy")
CONTAINER = ROOT / "deploy" / "container"
DOCKERFILES = sorted(path.name for path in CONTAINER.glob("Dockerfile.*"))
COMPOSE = CONTAINER / "compose.yaml"


def found(name: str) -> str:
    """A program beside the running Python, or on PATH; else the test is skipped."""
    program = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{name} is not installed: make install-deploy packages-deploy")
    return program


def instructions(name: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their words, lines joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (CONTAINER / name).read_text(encoding="utf-8")).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def last(name: str, instruction: str) -> str:
    return [rest for word, rest in instructions(name) if word == instruction][-1]


def compose() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return values


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets the builder have a path; the last pattern that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.lstrip("!").removeprefix("**/")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            sent = line.startswith("!")
    return sent


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name: str) -> None:
    command = [found("hadolint"), "-c", str(CONTAINER / ".hadolint.yaml"), str(CONTAINER / name)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (told.stdout, told.returncode) == ("", 0)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_everything_that_is_copied_exists_and_is_sent(name: str) -> None:
    copied = [rest.split()[:-1] for word, rest in instructions(name) if word == "COPY" and "--from" not in rest]
    sources = [source for sources in copied for source in sources]
    assert "ffe_edge" in sources
    assert [source for source in sources if not (ROOT / source).exists() or not is_sent(source)] == []


def test_no_data_and_no_secret_is_sent() -> None:
    for path in (".git", "runs", "tests", "deploy/container/secrets", "deploy/container/provisioned", ".venv"):
        assert not is_sent(path)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_it_runs_a_command_of_ours_as_nobody_special(name: str) -> None:
    entry, words = json.loads(last(name, "ENTRYPOINT")), json.loads(last(name, "CMD"))
    known = typer.main.get_command(app).commands[words[0]].params  # type: ignore[attr-defined]
    assert entry == ["/opt/ffe-edge/bin/ffe-edge"]
    assert {word for word in words if word.startswith("-")} <= {flag for each in known for flag in each.opts}
    assert last(name, "USER") == "10001:10001"
    assert "healthy.py" in last(name, "HEALTHCHECK")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_it_holds_no_secret(name: str) -> None:
    assert re.findall(r"(?i)(password|secret|token)\s*=", (CONTAINER / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("names", [["compose.yaml"], ["compose.yaml", "compose.jetson.yaml"]], ids=["pc", "jetson"])
def test_compose_understands_it(tmp_path: Path, names: list[str]) -> None:
    for name in names:  # Debian's docker-compose is too old for one word, which newer ones need
        text = (CONTAINER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("        bind: {create_host_path: false}\n", ""))
    words = [word for name in names for word in ("-f", str(tmp_path / name))]
    environment = {**os.environ, "BASE": "l4t-jetpack:r36.4.0", "RENDER_GID": "104"}
    told = subprocess.run(
        [found("docker-compose"), *words, "--profile", "node", "config"],
        capture_output=True, text=True, check=False, timeout=60, env=environment,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    services = yaml.safe_load(told.stdout)["services"]
    assert set(services) == {"broker", "broker-folder", "dashboard", "database", "node"}
    assert set(services["node"]["group_add"]) == set(["video", "104"][: len(names)])


def test_every_service_of_ours_has_a_command_that_is_ours_and_a_health_check() -> None:
    services = compose()["services"]
    for name in ("dashboard", "node"):
        assert services[name]["build"]["dockerfile"] == "deploy/container/Dockerfile.cpu"
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
    assert services["dashboard"]["command"][0] in typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_everything_that_is_mounted_is_there_or_made_by_the_reader() -> None:
    made = {"./provisioned", "./tls", *(each["file"] for each in compose()["secrets"].values())}
    mounted = {
        volume.split(":")[0] for service in compose()["services"].values() for volume in service.get("volumes", [])
    }
    ours = {path for path in mounted if path.startswith(".")} - made
    assert ours == {"../broker/mosquitto.conf", "./broker.d", "./dashboard.toml", "./ffe.toml"}
    assert [path for path in ours if not (CONTAINER / path).exists()] == []
    readme = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    assert [path for path in made if Path(path).name not in readme] == []


def test_its_settings_are_valid_and_name_only_what_is_handed_over() -> None:
    services = compose()["services"]
    node, dashboard = load_config(CONTAINER / "ffe.toml"), load_settings(CONTAINER / "dashboard.toml")
    assert str(node.broker.key_file) == "/run/secrets/node.key"
    assert "node.key" in services["node"]["secrets"]
    assert str(dashboard.database.url_file) == "/run/secrets/database.url"
    assert {"database.url", "dashboard.key"} == set(services["dashboard"]["secrets"])


def test_the_health_check_says_what_is_wrong(tmp_path: Path) -> None:
    environment = {**os.environ, "HEALTH_PORT": "9"}
    command = [sys.executable, str(CONTAINER / "healthy.py")]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert told.returncode == 1
    assert "service.health_port" in told.stderr


# --- The CPU image, built from packages of this machine's archive: the registry's base image is not needed ----------


class Store:
    """Images of their own, that are gone with the test."""

    def __init__(self, folder: Path) -> None:
        """Prepare; nothing is made before the first command."""
        self.words = ["buildah", "--storage-driver", "vfs", "--root", f"{folder}/root", "--runroot", f"{folder}/run"]

    def __call__(self, *arguments: str) -> str:
        """Run buildah."""
        told = subprocess.run(
            [*self.words, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
        assert told.returncode == 0, told.stderr[-3000:]
        return told.stdout.strip()


def wheels(folder: Path) -> None:
    """Everything that the image installs, so that its build asks no index."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", str(folder.parent / "fetch")], check=True)
    wanted = [".[residents,dashboard,openvino]", "hatchling>=1.24"]
    fetch = [str(folder.parent / "fetch/bin/python"), "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
    fetch += ["--only-binary", ":all:", "-c", "constraints.txt", "-d", str(folder)]
    subprocess.run([*fetch, *wanted], cwd=ROOT, check=True, timeout=LIMIT_SECONDS, capture_output=True)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with the image ffe-edge in it."""
    require("buildah", "mmdebstrap")
    folder = tmp_path_factory.mktemp("image")
    store = Store(folder)
    wheels(folder / "wheels")
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
    base = store("from", "scratch")
    store("add", "-q", base, str(archive("ca-certificates", ROOT / ".venv" / "deploy-base.tar")), "/")
    store("add", "-q", base, str(folder / "wheels"), "/wheels")
    store("add", "-q", base, str(folder / "pip.conf"), "/etc/pip.conf")
    store("commit", "-q", "--rm", base, "localhost/base")
    build = ["bud", "--isolation", "chroot", "--network", "host", "--format", "docker"]
    store(*build, "--build-arg", "BASE=localhost/base", "-f", "deploy/container/Dockerfile.cpu", "-t", "ffe-edge", ".")
    yield store
    shutil.rmtree(folder, ignore_errors=True)


def run(store: Store, *command: str) -> str:
    container = store("from", "localhost/ffe-edge")
    return store("run", "--isolation", "chroot", container, "--", *command)


@pytest.mark.deploy
@pytest.mark.timeout(4000)
def test_the_image_runs_the_whole_line_as_a_user_without_rights(image: Store) -> None:
    watch = "timeout --preserve-status 20 /opt/ffe-edge/bin/ffe-edge run --source demo: --print"
    told = run(image, "/bin/sh", "-c", f"id -u; cd; {watch}")
    user, *events = told.splitlines()
    assert user == "10001"
    assert {json.loads(event)["type"] for event in events if event.startswith("{")} >= {"jp.ffe.emotion.v1"}


@pytest.mark.deploy
@pytest.mark.timeout(4000)
def test_the_image_knows_its_health_check_and_holds_no_source(image: Store) -> None:
    config = json.loads(image("inspect", "--type", "image", "localhost/ffe-edge"))["Docker"]["config"]
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "/opt/ffe-edge/bin/python"]
    assert config["Cmd"] == ["run", "--config", "/etc/ffe-edge/ffe.toml"]
    assert "source" not in run(image, "ls", "/").split()
