"""The roles of deploy/fleet, run for real on folders that stand for machines; twice, since nothing may change then."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from deploy.fleet_ansible import FLEET, PASSWORDS, Ansible, Ran, require, two_homes, unattended

from ffe_edge.config import load_config
from ffe_edge.dashboard.settings import load_settings

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    require("ansible-playbook")
    one = Ansible(tmp_path_factory.mktemp("fleet"))
    two_homes(one)
    return one


@pytest.fixture(scope="module")
def first(ansible: Ansible) -> Ran:
    ran = ansible.play("site.yml", "--diff", "-v")
    assert ran.code == 0, ran.output[-3000:]
    return ran


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_run_changes_nothing(ansible: Ansible, first: Ran) -> None:
    again = ansible.play("site.yml")
    for host in ("kiso-01", "kiso-02", "kiso-broker", "centre"):
        assert first.figures(host)["changed"] > 3
        assert (again.figures(host)["changed"], again.figures(host)["failed"]) == (0, 0), again.output[-3000:]


def test_a_dry_run_changes_nothing_either(ansible: Ansible, first: Ran) -> None:
    dry = ansible.play("site.yml", "--check")
    assert (dry.code, dry.figures("kiso-01")["changed"]) == (0, 0), dry.output[-3000:]


def test_the_settings_of_a_device_are_what_the_inventory_says(ansible: Ansible, first: Ran) -> None:
    path = ansible.root("kiso-01") / "etc" / "ffe-edge" / "ffe.toml"
    config = load_config(path)
    assert (config.site, config.node, config.service.health_port) == ("kiso", "edge-01", 9464)
    assert [(one.id, one.source) for one in config.cameras] == [
        ("day-room", "rtsp://10.0.0.7/live"),
        ("room-101", "csi://0"),
    ]
    assert config.broker.url == "mqtts://broker.kiso.example:8883"
    assert config.events.hold_seconds == 1.5
    assert mode(path) == 0o640


def test_keys_are_in_the_clear_where_they_belong_and_only_their_owner_reads_them(ansible: Ansible, first: Ran) -> None:
    places = {
        "kiso-01": "etc/ffe-edge/credentials/node.key",
        "kiso-broker": "etc/mosquitto/ffe-bridge/client.key",
        "centre": "etc/ffe-edge/credentials/dashboards/kiso/dashboard.key",
    }
    for host, place in places.items():
        key = ansible.root(host) / place
        assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----")
        assert mode(key) == 0o600


def test_no_secret_is_told_on_the_way(ansible: Ansible, first: Ran) -> None:
    assert "-----BEGIN PRIVATE KEY" not in first.output
    assert not [password for password in PASSWORDS.values() if password in first.output]
    assert "$ANSIBLE_VAULT" in next(ansible.folder.glob("files/node/node.key")).read_text()


def test_each_home_has_a_dashboard_and_a_database_of_its_own(ansible: Ansible, first: Ran) -> None:
    root = ansible.root("centre") / "etc"
    for name, port in (("kiso", 8081), ("hida", 8082)):
        settings = load_settings(root / "ffe-edge" / "dashboards" / name / "dashboard.toml")
        assert (settings.web.port, settings.home.name_ja) == (port, "木曽の家")
        assert settings.web.secure_cookies
        assert f"{name}.example" in settings.web.names
        url = root / "ffe-edge" / "credentials" / "dashboards" / name / "database.url"
        assert url.read_text() == f"postgresql://{name}:{PASSWORDS[name]}@127.0.0.1/{name}\n"
        assert mode(url) == 0o600
        assert str(settings.database.url_file) == f"/run/credentials/ffe-dashboard@{name}.service/database.url"


def test_the_unit_of_the_dashboards_is_the_one_that_is_shipped_once_for_each(ansible: Ansible, first: Ran) -> None:
    unit = (ansible.root("centre") / "etc" / "systemd" / "system" / "ffe-dashboard@.service").read_text()
    shipped = (FLEET.parent / "systemd" / "ffe-dashboard.service").read_text()
    assert "LoadCredential=database.url:/etc/ffe-edge/credentials/dashboards/%i/database.url\n" in unit
    assert "--config /etc/ffe-edge/dashboards/%i/dashboard.toml\n" in unit
    assert "StateDirectory=ffe-dashboard/%i\n" in unit
    hardening = [line for line in shipped.splitlines() if line.startswith(("Protect", "Private", "Restrict", "System"))]
    assert len(hardening) > 8
    assert [line for line in hardening if line not in unit.splitlines()] == []


def test_the_brokers_have_the_configurations_that_are_shipped(ansible: Ansible, first: Ran) -> None:
    for host, folder in (("kiso-broker", "broker"), ("centre", "central")):
        there = ansible.root(host) / "etc" / "mosquitto"
        shipped = (FLEET.parent / folder / "mosquitto.conf").read_text().splitlines()
        others = [line for line in (there / "mosquitto.conf").read_text().splitlines() if line not in shipped]
        wanted = ["autosave_on_changes false", "autosave_interval 30", "max_queued_messages 200000"]
        assert others == (wanted if host == "kiso-broker" else [])
        assert mode(there / "ffe-edge" / "broker.pem") == 0o600


def test_a_listener_that_is_not_wanted_any_more_is_closed(ansible: Ansible, first: Ran) -> None:
    folder = ansible.root("kiso-broker") / "etc" / "mosquitto" / "conf.d"
    (folder / "websockets.conf").write_text("listener 8084\n")
    assert ansible.play("site.yml", "--limit", "kiso-broker").code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["bridge.conf", "loopback.conf"]


def test_the_bridge_names_the_centre_of_the_inventory(ansible: Ansible, first: Ran) -> None:
    bridge = (ansible.root("kiso-broker") / "etc" / "mosquitto" / "conf.d" / "bridge.conf").read_text()
    assert "address centre.example:8883\n" in bridge
    assert "{{" not in bridge


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param({"node_site": "Kiso House"}, "1 to 32 letters", id="site"),
        pytest.param({"node_broker_url": "mqtt://user:secret@broker"}, "without credentials", id="credentials"),
        pytest.param({"node_cameras": [{"id": "a"}]}, "and a source", id="camera"),
        pytest.param({"node_install": "magic"}, "value of node_install must be one of", id="choice"),
        pytest.param({"node_settings": {"events": {"hold_secnds": 1}}}, "hold_secnds", id="key"),
    ],
)
def test_a_wrong_variable_is_refused_before_anything_is_replaced(
    ansible: Ansible, first: Ran, tmp_path: Path, wrong: dict[str, object], told: str
) -> None:
    import json

    path = ansible.root("kiso-01") / "etc" / "ffe-edge" / "ffe.toml"
    before = path.read_bytes()
    ran = ansible.play("site.yml", "--limit", "kiso-01", "-e", json.dumps(wrong))
    assert ran.code != 0
    assert told in ran.output.replace("\n", " ").replace("    ", "")
    assert path.read_bytes() == before


def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    import os

    program = require("ansible-lint")
    path = f"{Path(program).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "ANSIBLE_HOME": str(tmp_path)}
    command = [program, "--nocolor", "--offline", "-q"]
    ran = unattended(command, environment)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("playbook", ["site.yml", "update.yml", "rollback.yml"])
def test_a_playbook_fits_the_example_of_an_inventory(ansible: Ansible, playbook: str) -> None:
    command = [require("ansible-playbook"), "-i", "inventory.example", playbook, "--syntax-check"]
    told = unattended(command)
    assert told.returncode == 0, told.stderr
