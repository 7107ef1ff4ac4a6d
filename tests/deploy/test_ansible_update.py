"""A release goes out in batches and stops where a device is ill with it: real playbooks, devices that are folders."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from deploy.fleet_ansible import EVERYWHERE, Ansible, bundle, local, require
from deploy.fleet_authority import Authority

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]

HOSTS = [f"kiso-0{number}" for number in range(1, 5)]
INSTALL = """
set -eu
release=$1/opt/ffe-edge/releases/$2
mkdir -p "$release"
touch "$release/.complete"
ln -sfn "releases/$2" "$1/opt/ffe-edge/current"
"""
"""What install.sh does to the folders; its own tests run it."""


@contextmanager
def pages(folder: Path, ill: dict[str, str]) -> Iterator[int]:
    """/readyz of all devices, by their name: 503 of who runs the release that makes it ill."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.path.strip("/").split("/")[0]
            release = (folder / "hosts" / host / "opt" / "ffe-edge" / "current").readlink().name
            self.send_response(503 if ill.get(host) == release else 200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    require("ansible-playbook")
    return Ansible(tmp_path)


def devices(ansible: Ansible, port: int) -> None:
    """Four devices that run release 1.0."""
    node = bundle(ansible, Authority(ansible.folder / "authority"), "node", "node")
    script = ansible.folder / "install.sh"
    script.write_text(INSTALL)
    hosts = {
        host: local(ansible, host, node_site="kiso", node_name=host, node_broker_url="mqtts://broker.example:8883",
                    node_bundle=str(node), node_cameras=[{"id": "a", "source": "csi://0"}],
                    fleet_ready_url=f"http://127.0.0.1:{port}/{host}/readyz")
        for host in HOSTS
    }  # fmt: skip
    quick = {"fleet_ready_retries": 1, "fleet_ready_delay": 0, "fleet_steady_seconds": 0, "node_program": ""}
    install = {"node_install": "script", "node_script": ["sh", str(script), "{{ fleet_root }}", "{{ wanted }}"]}
    ansible.write({"all": {"vars": EVERYWHERE | quick | install, "children": {"nodes": {"hosts": hosts}}}})
    for host in HOSTS:
        place = ansible.root(host) / "opt" / "ffe-edge" / "releases" / "1.0"
        place.mkdir(parents=True)
        (place / ".complete").touch()
        os.utime(place / ".complete", (1, 1))
        (ansible.root(host) / "opt" / "ffe-edge" / "current").symlink_to("releases/1.0")


def releases(ansible: Ansible) -> list[str]:
    return [(ansible.root(host) / "opt" / "ffe-edge" / "current").readlink().name for host in HOSTS]


def test_a_release_that_all_are_well_with_reaches_all_one_first(ansible: Ansible) -> None:
    with pages(ansible.folder, {}) as port:
        devices(ansible, port)
        ran = ansible.play("update.yml", "-e", "wanted=2.0", "-e", '{"fleet_batches": [1, "100%"]}')
        assert ran.code == 0, ran.output[-3000:]
    assert releases(ansible) == ["2.0"] * 4
    assert ran.output.count("PLAY [Update devices") == 2


def test_an_ill_device_goes_back_and_those_after_its_batch_are_not_touched(ansible: Ansible) -> None:
    with pages(ansible.folder, {"kiso-02": "2.0"}) as port:
        devices(ansible, port)
        ran = ansible.play("update.yml", "-e", "wanted=2.0", "-e", '{"fleet_batches": [1]}')
    assert ran.code != 0
    assert releases(ansible) == ["2.0", "1.0", "1.0", "1.0"]
    assert "kiso-02 was not well with the new release" in " ".join(ran.output.split())
    assert ran.figures("kiso-03") == {}


def test_the_first_device_that_is_ill_keeps_the_release_from_all_others(ansible: Ansible) -> None:
    with pages(ansible.folder, dict.fromkeys(HOSTS, "2.0")) as port:
        devices(ansible, port)
        ran = ansible.play("update.yml", "-e", "wanted=2.0")
    assert ran.code != 0
    assert releases(ansible) == ["1.0"] * 4
    assert ran.figures("kiso-02") == {}


def test_a_rollback_puts_all_back_to_the_release_before_and_once_more_nothing_forward(ansible: Ansible) -> None:
    with pages(ansible.folder, {}) as port:
        devices(ansible, port)
        assert ansible.play("update.yml", "-e", "wanted=2.0", "-e", '{"fleet_batches": ["100%"]}').code == 0
        for _ in range(2):
            ran = ansible.play("rollback.yml", "-e", '{"fleet_batches": ["100%"]}')
            assert ran.code == 0, ran.output[-3000:]
            assert releases(ansible) == ["1.0"] * 4
    assert "kiso-01 keeps releases/1.0: it is the oldest that it has" in " ".join(ran.output.split())


def test_who_never_ran_the_bad_release_stays_where_it_is_named(ansible: Ansible) -> None:
    with pages(ansible.folder, {}) as port:
        devices(ansible, port)
        for host in HOSTS:
            place = ansible.root(host) / "opt" / "ffe-edge" / "releases" / "0.9"
            place.mkdir()
            (place / ".complete").touch()
            os.utime(place / ".complete", (0, 0))
        assert ansible.play("update.yml", "-e", "wanted=2.0", "--limit", "kiso-01").code == 0
        ran = ansible.play("rollback.yml", "-e", "fleet_bad_release=2.0", "-e", '{"fleet_batches": ["100%"]}')
        assert ran.code == 0, ran.output[-3000:]
    assert releases(ansible) == ["1.0"] * 4
    assert "kiso-02 keeps releases/1.0: it does not run 2.0" in " ".join(ran.output.split())


def test_a_rollback_where_there_is_nothing_to_go_back_to_says_so(ansible: Ansible) -> None:
    with pages(ansible.folder, {}) as port:
        devices(ansible, port)
        ran = ansible.play("rollback.yml")
    assert ran.code != 0
    assert "has no release but the one that runs (releases/1.0)" in " ".join(ran.output.split())


def test_a_release_that_is_gone_is_not_pointed_to(ansible: Ansible) -> None:
    with pages(ansible.folder, {}) as port:
        devices(ansible, port)
        (ansible.root("kiso-01") / "opt" / "ffe-edge" / "releases" / "1.0" / ".complete").unlink()
        (ansible.folder / "install.sh").write_text("exit 1\n")
        ran = ansible.play("update.yml", "-e", "wanted=2.0", "--limit", "kiso-01")
    assert ran.code != 0
    assert "releases/1.0 is not there any more, or not whole: the device stays as it is" in " ".join(ran.output.split())
