"""Ansible on this machine alone: every host of an inventory is a folder that stands for its root."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deploy.fleet_authority import Authority

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "deploy" / "fleet"
USER = pwd.getpwuid(os.geteuid()).pw_name
PASSWORDS = {"kiso": "kiso-0123456789abcdef", "hida": "hida-0123456789abcdef"}


def require(program: str) -> str:
    """Path of a program of Ansible; skips the test where there is none."""
    found = shutil.which(program, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"{program} is not installed: pip install 'ffe-edge[deploy]'")
    return found


def unattended(
    command: Sequence[str], environment: Mapping[str, str] = os.environ, folder: Path = FLEET
) -> subprocess.CompletedProcess[str]:
    """Run to the end without a terminal: Ansible refuses a standard input that does not block."""
    return subprocess.run(
        command, check=False, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=900,
    )  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What became of a playbook."""

    code: int
    output: str

    def figures(self, host: str) -> dict[str, int]:
        """``ok``, ``changed``, ``failed`` and so on of a host; empty where it was not reached."""
        line = re.search(rf"^{re.escape(host)}\s+:(.*)$", self.output, re.MULTILINE)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line[1] if line else "")}


class Ansible:
    """Runs playbooks of deploy/fleet on an inventory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory = folder / "inventory"
        self.inventory.mkdir()
        self._password_file = folder / "vault-password"
        self._password_file.touch(mode=0o600)
        self._password_file.write_text("of the tests\n")

    def root(self, host: str) -> Path:
        """The folder that stands for a host's root."""
        return self.folder / "hosts" / host

    def play(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None) -> Ran:
        command = [require("ansible-playbook"), "-i", str(self.inventory), str(FLEET / playbook),
                   "--vault-password-file", str(self._password_file), *arguments]  # fmt: skip
        return self._run(command, environment or {})

    def encrypt(self, *paths: Path) -> None:
        """All at once: Ansible takes long to begin."""
        command = [require("ansible-vault"), "encrypt", "--vault-password-file", str(self._password_file)]
        ran = self._run([*command, *map(str, paths)], {})
        assert ran.code == 0, ran.output

    def write(self, hosts: dict[str, Any]) -> None:
        """The inventory; JSON is YAML, too."""
        (self.inventory / "hosts.yml").write_text(json.dumps(hosts))

    def _run(self, command: list[str], more: dict[str, str]) -> Ran:
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
                       "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"), "ANSIBLE_HOME": str(self.folder / "home"),
                       "LC_ALL": "C.UTF-8", **more}  # fmt: skip
        told = unattended(command, environment)
        return Ran(told.returncode, told.stdout + told.stderr)


def local(ansible: Ansible, host: str, **values: Any) -> dict[str, Any]:
    """A host that is a folder of this machine."""
    root = ansible.root(host)
    root.mkdir(parents=True)
    return {"ansible_connection": "local", "fleet_root": str(root), **values}


EVERYWHERE = {
    "ansible_python_interpreter": sys.executable,
    "fleet_become": False,
    "node_install": "none", "node_service": False, "node_owner": USER, "node_group": USER,
    "broker_install": False, "broker_service": False, "broker_owner": USER, "broker_user": USER,
    "bridge_service": False, "bridge_owner": USER, "bridge_user": USER,
    "dashboard_service": False, "dashboard_owner": USER, "dashboard_group": USER,
    "dashboard_postgresql": False, "dashboard_postgresql_install": False,
}  # fmt: skip
"""No package, no service, no other user: what remains is what the roles write."""


def bundle(ansible: Ansible, authority: Authority, name: str, stem: str) -> Path:
    """What `ffe-edge provision` gives a device or a client."""
    folder = ansible.folder / "files" / name
    folder.mkdir(parents=True)
    certificate, key = (Path(one) for one in authority.issue(name.replace("/", "-")))
    shutil.copy(authority.ca, folder / "ca.pem")
    shutil.copy(certificate, folder / f"{stem}.pem")
    shutil.copy(key, folder / f"{stem}.key")
    return folder


def two_homes(ansible: Ansible) -> None:
    """An inventory as inventory.example: a home with its broker, bridge and devices, and the centre."""
    authority = Authority(ansible.folder / "authority")
    node = bundle(ansible, authority, "node", "node")
    client = bundle(ansible, authority, "client", "client")
    pages = bundle(ansible, authority, "pages", "dashboard")
    files = ansible.folder / "files" / "broker"
    files.mkdir(parents=True)
    for name in ("ca.pem", "crl.pem", "broker.pem", "acl", "passwords"):
        (files / name).write_text(f"{name} of the tests\n")
    homes = [{"name": name, "port": port, "bundle": str(pages), "names": [f"{name}.example"],
              "settings": {"home": {"name_ja": "木曽の家"}}}
             for name, port in (("kiso", 8081), ("hida", 8082))]  # fmt: skip
    cameras = [{"id": "day-room", "source": "rtsp://10.0.0.7/live"}, {"id": "room-101", "source": "csi://0"}]
    devices = {
        f"kiso-0{number}": local(ansible, f"kiso-0{number}", node_site="kiso", node_name=f"edge-0{number}",
                                 node_broker_url="mqtts://broker.kiso.example:8883", node_bundle=str(node),
                                 node_cameras=cameras, node_settings={"events": {"hold_seconds": 1.5}})
        for number in (1, 2)
    }  # fmt: skip
    broker = local(ansible, "kiso-broker", broker_files=str(files), broker_listeners=["loopback"],
                   broker_save_seconds=30, broker_queued_messages=200000, bridge_site="kiso",
                   bridge_host="centre.example", bridge_bundle=str(client))  # fmt: skip
    centre = local(
        ansible,
        "centre",
        broker_files=str(files),
        broker_kind="centre",
        dashboard_homes=homes,
        dashboard_database_passwords="{{ vault_database_passwords }}",
    )
    (ansible.root("centre") / "etc" / "systemd" / "system").mkdir(parents=True)
    vault = ansible.inventory / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text(json.dumps({"vault_database_passwords": PASSWORDS}))
    ansible.encrypt(vault, node / "node.key", client / "client.key", pages / "dashboard.key")
    program = str(Path(sys.executable).parent / "ffe-edge")
    ansible.write({
        "all": {"vars": EVERYWHERE | {"node_program": program}, "children": {
            "nodes": {"hosts": devices},
            "brokers": {"hosts": {"kiso-broker": broker, "centre": centre}},
            "bridges": {"hosts": {"kiso-broker": {}}},
            "dashboards": {"hosts": {"centre": {}}},
        }}
    })  # fmt: skip
