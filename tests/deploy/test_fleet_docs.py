"""What docs/fleet.md tells somebody to type is typed, and what it names is there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from deploy.fleet_ansible import EVERYWHERE, FLEET, require, unattended

ROOT = FLEET.parents[1]
TEXT = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
BESIDE = ("broker", "central", "bridge", "systemd")


def block(language: str, beginning: str) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return next(one for one in found if one.startswith(beginning))


def shell(commands: str, folder: Path) -> None:
    """Type it, as a user who has a password for the vault."""
    password = folder.parents[1] / "vault-password"
    password.touch(mode=0o600)
    password.write_text("of the tests\n")
    programs = {Path(sys.executable).parent, Path(require("ansible-vault")).parent}
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
        "ANSIBLE_HOME": str(folder.parents[1] / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    command = ["bash", "-euo", "pipefail", "-c", commands]
    told = unattended(command, environment, folder)
    assert told.returncode == 0, (told.stdout + told.stderr)[-3000:]


@pytest.mark.deploy
@pytest.mark.timeout(2400)
def test_its_commands_prepare_two_homes_and_the_playbook_sets_them_up(tmp_path: Path) -> None:
    folder = tmp_path / "deploy" / "fleet"
    shutil.copytree(FLEET, folder, ignore=shutil.ignore_patterns("inventory", "files", "authority"))
    for name in BESIDE:
        shutil.copytree(ROOT / "deploy" / name, tmp_path / "deploy" / name)
    commands = block("sh", "cp -r inventory.example").splitlines()
    likewise = [line.replace("kiso", "hida") for line in commands if "kiso" in line]
    shell("\n".join([*commands[:-1], *likewise, commands[-2], commands[-1]]), folder)
    everywhere = EVERYWHERE | {
        "ansible_connection": "local",
        "fleet_root": "{{ playbook_dir }}/hosts/{{ inventory_hostname }}",
        "node_program": "",
    }
    for host in ("centre", "kiso-01"):
        (folder / "hosts" / host / "etc" / "systemd" / "system").mkdir(parents=True)
    shell(f"ansible-playbook site.yml -e '{json.dumps(everywhere)}'", folder)
    rules = (folder / "hosts" / "centre" / "etc" / "mosquitto" / "ffe-edge" / "acl").read_text()
    assert "user bridge-kiso\ntopic write ffe/v1/kiso/#\n" in rules
    assert "user dashboard-hida\ntopic read ffe/v1/hida/#\n" in rules
    for key in (folder / "files").rglob("*.key"):
        assert key.read_text().startswith("$ANSIBLE_VAULT")
    for home in ("kiso", "hida"):
        assert (folder / "hosts" / f"{home}-01" / "etc" / "ffe-edge" / "credentials" / "node.key").is_file()


def test_the_playbooks_and_variables_that_it_names_are_there() -> None:
    assert all((FLEET / name).is_file() for name in re.findall(r"ansible-playbook (\S+\.yml)", TEXT))
    code = "".join(path.read_text() for path in FLEET.rglob("*.yml"))
    named = set(re.findall(r"`((?:broker|node|bridge|dashboard|fleet)_[a-z_]+)`", TEXT))
    assert len(named) > 5
    assert [name for name in named if name not in code] == []


def test_the_figures_that_are_to_be_watched_exist() -> None:
    source = (ROOT / "ffe_edge" / "dashboard" / "metrics.py").read_text()
    named = re.findall(r"ffe_dashboard_([a-z_]+)", TEXT)
    assert len(named) > 2
    assert [name for name in named if f'"{name}"' not in source and f"ffe_dashboard_{name}" not in source] == []


def test_every_linked_file_exists() -> None:
    names = re.findall(r"\]\(([^)#:]+)(?:#[a-z-]+)?\)", TEXT)
    assert names
    assert [name for name in names if not (ROOT / "docs" / name).exists()] == []


def test_what_it_says_crosses_the_bridge_is_what_crosses() -> None:
    config = (ROOT / "deploy" / "bridge" / "bridge.conf.j2").read_text()
    for direction, column in (("out", 1), ("in", 2)):
        topics = re.findall(rf"^topic ffe/v1/\{{\{{ bridge_site \}}\}}/(\S+) {direction}", config, re.MULTILINE)
        rows = [line.split("|")[column] for line in TEXT.splitlines() if line.startswith("| `")]
        told = set(re.findall(r"`([a-z][a-z/+]+)`", " ".join(rows)))
        assert {topic.removeprefix("+/") for topic in topics} == told
