"""The listeners that a home may add, and what survives: a kill, a restart, and what a reload would lose."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from deploy.broker_home import DENIED, BrokerHome, Client, answers
from e2e.mosquitto import wait_for

EVENT = "ffe/v1/kiso/edge-01/camera/c/emotion"


@pytest.fixture
def page(home: BrokerHome) -> Path:
    """A dashboard that has been there and is away, and a node."""
    home.bundle("node", "kiso", "edge-01")
    bundle = home.bundle("client", "floor", "--role", "dashboard", "--site", "kiso")
    home.deploy()
    home.start()
    with Client(home, bundle, is_persistent=True) as client:
        client.subscribe("ffe/v1/+/+/camera/+/emotion")
    return bundle


def tell(home: BrokerHome, payload: bytes) -> str:
    with Client(home, home.folder / "node-kiso-edge-01") as node:
        return node.publish(EVENT, payload)


def test_what_waits_for_a_dashboard_survives_sigkill_and_so_does_its_place(home: BrokerHome, page: Path) -> None:
    assert tell(home, b"before") == "Success"
    home.end(signal.SIGKILL)
    home.start()
    assert tell(home, b"after") == "Success"
    with Client(home, page, is_persistent=True) as client:
        assert client.got(b"after")
        assert client.is_resumed
        assert [payload for _, payload in client.said] == [b"before", b"after"]


def test_a_restart_loses_nothing(home: BrokerHome, page: Path) -> None:
    tell(home, b"before")
    home.end()
    home.start()
    tell(home, b"after")
    with Client(home, page, is_persistent=True) as client:
        assert client.got(b"after")
        assert [payload for _, payload in client.said] == [b"before", b"after"]


def test_a_reload_of_mosquitto_would_lose_what_is_told_while_the_dashboard_is_away(
    home: BrokerHome, page: Path
) -> None:
    """Why `deploy` restarts. When this fails, mosquitto has learnt it: a reload may do then."""
    tell(home, b"before")
    new = home.bundle("node", "kiso", "edge-02")
    home.deploy()
    home.hang_up()
    with Client(home, new) as node:
        assert wait_for(lambda: node.publish("ffe/v1/kiso/edge-02/status") != DENIED)  # it has read its rules anew
    assert tell(home, b"after") != DENIED
    with Client(home, page, is_persistent=True) as client:
        assert client.got(b"before")
        tell(home, b"last")
        assert client.got(b"last")
        assert [payload for _, payload in client.said] == [b"before", b"last"]


def test_websocket_asks_for_tls_and_a_password_and_knows_the_rules(home: BrokerHome) -> None:
    home.add("websockets.conf")
    home.bundle("node", "kiso", "edge-01")
    web = home.bundle("client", "web", "--role", "reader", "--site", "kiso", "--password")
    home.deploy()
    home.start()
    password = (web / "client.password").read_text().strip()

    def browser(name: str, secret: str) -> Client:
        return Client(home, web, with_certificate=False, password=(name, secret), transport="websockets",
                      port=home.wss_port)  # fmt: skip

    with browser("web", password) as client:
        client.subscribe("ffe/v1/#")
        tell(home, b"seen")
        assert client.got(b"seen")
        assert client.publish(EVENT) == DENIED
    for name, secret in (("web", "wrong"), ("web", ""), ("kiso/edge-01", ""), ("nobody", password)):
        with browser(name, secret) as client:
            assert not client.is_accepted


def test_a_revoked_password_is_refused(home: BrokerHome) -> None:
    home.add("loopback.conf")
    bundle = home.bundle("client", "web", "--role", "reader", "--site", "kiso", "--password")
    home.deploy()
    home.start()
    login = ("web", (bundle / "client.password").read_text().strip())
    with Client(home, bundle, password=login, port=home.plain_port) as client:
        assert client.is_accepted
    home.provision("revoke", "client", "web")
    home.redeploy()
    with Client(home, bundle, password=login, port=home.plain_port) as client:
        assert not client.is_accepted


def test_without_added_listeners_only_tls_listens(home: BrokerHome) -> None:
    home.deploy()
    home.start()
    assert [port for port in (home.wss_port, home.plain_port) if answers(port)] == []


def test_only_the_broker_s_user_reads_what_is_deployed(home: BrokerHome) -> None:
    home.deploy()
    names = {path.name for path in home.files.iterdir()}
    assert names == {"ca.pem", "crl.pem", "broker.pem", "acl", "passwords", "restart-needed"}
    for name in names - {"restart-needed"}:
        found = (home.files / name).stat()
        assert (found.st_mode & 0o777, found.st_uid != 0 or os.geteuid() != 0) == (0o600, True)


def test_the_broker_finds_nothing_to_warn_of_in_what_is_shipped(home: BrokerHome) -> None:
    home.add("websockets.conf")
    home.add("loopback.conf")
    home.deploy()
    home.start()
    assert [line for line in home.log().splitlines() if "Warning:" in line or "Error:" in line] == []
