"""Who may do what at the broker that is shipped: a real mosquitto, certificates as the command makes them."""

from __future__ import annotations

import pytest
from deploy.broker_home import DENIED, BrokerHome, Client

ROOT = "ffe/v1/kiso"
DISCOVERY = "homeassistant/device/ffe-kiso-edge-01/config"


def dashboard(home: BrokerHome) -> tuple[str, ...]:
    return ("client", "floor", "--role", "dashboard", "--site", "kiso")


def test_a_node_writes_its_own_topics_and_no_others(home: BrokerHome) -> None:
    node = home.bundle("node", "kiso", "edge-01")
    home.bundle("node", "kiso", "edge-02")
    home.deploy()
    home.start()
    with Client(home, node) as client:
        own = [f"{ROOT}/edge-01/{level}" for level in ("status", "camera/c/emotion", "response/x", "model/state")]
        assert [topic for topic in (*own, DISCOVERY) if client.publish(topic) == DENIED] == []
        others = [
            f"{ROOT}/edge-02/status",
            f"{ROOT}/edge-02/command/forget",
            f"{ROOT}/model/desired",
            "ffe/v1/home/edge-01/status",
            "homeassistant/device/ffe-kiso-edge-02/config",
            "homeassistant/status",
            "elsewhere",
        ]
        assert [topic for topic in others if client.publish(topic) != DENIED] == []


def test_a_node_reads_its_commands_and_models_and_nothing_of_another(home: BrokerHome) -> None:
    node, admin = home.bundle("node", "kiso", "edge-01"), home.bundle("client", "chief", "--role", "admin")
    home.bundle("node", "kiso", "edge-02")
    home.deploy()
    home.start()
    levels = ("edge-01/command/reload", "edge-01/model/desired", "model/desired")
    mine = {*(f"{ROOT}/{level}" for level in levels), "homeassistant/status"}
    others = {f"{ROOT}/edge-02/command/reload", f"{ROOT}/edge-02/model/desired", f"{ROOT}/edge-02/status", DISCOVERY}
    with Client(home, node) as client, Client(home, admin) as other:
        client.subscribe("#")
        for topic in sorted(mine | others):
            assert other.publish(topic, b"x") != DENIED
        other.publish(f"{ROOT}/edge-01/command/last", b"last")
        assert client.got(b"last")
        assert {topic for topic, payload in client.said if payload == b"x"} == mine


def test_a_dashboard_reads_its_site_and_gives_commands(home: BrokerHome) -> None:
    node, floor = home.bundle("node", "kiso", "edge-01"), home.bundle(*dashboard(home))
    far = home.bundle("node", "agematsu", "edge-01")
    home.deploy()
    home.start()
    with Client(home, node) as client, Client(home, far) as stranger, Client(home, floor) as page:
        page.subscribe("ffe/v1/+/+/#")
        client.subscribe(f"{ROOT}/edge-01/command/+")
        assert page.publish(f"{ROOT}/edge-01/command/reload", b"{}") == "Success"
        assert client.got(b"{}")
        stranger.publish("ffe/v1/agematsu/edge-01/status", b"far")
        client.publish(f"{ROOT}/edge-01/response/floor", b"answer")
        assert page.got(b"answer")
        assert b"far" not in dict(page.said).values()
        closed = (
            f"{ROOT}/edge-01/status",
            f"{ROOT}/model/desired",
            "ffe/v1/agematsu/edge-01/command/reload",
            DISCOVERY,
        )
        assert [topic for topic in closed if page.publish(topic) != DENIED] == []


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        pytest.param("reader", {"status"}, set(), id="reader"),
        pytest.param("home-assistant", {"status", "discovery"}, {"privacy"}, id="home-assistant"),
        pytest.param("bridge", {"privacy", "forget"}, {"status", "privacy", "forget"}, id="bridge"),
    ],
)
def test_other_roles_do_what_they_are_for(home: BrokerHome, role: str, reads: set[str], writes: set[str]) -> None:
    topics = {
        "status": f"{ROOT}/edge-01/status",
        "privacy": f"{ROOT}/edge-01/command/privacy",
        "forget": f"{ROOT}/edge-01/command/forget",
        "discovery": DISCOVERY,
    }
    bundle, admin = (
        home.bundle("client", "it", "--role", role, "--site", "kiso"),
        home.bundle("client", "chief", "--role", "admin"),
    )
    home.deploy()
    home.start()
    with Client(home, bundle) as client, Client(home, admin) as other:
        client.subscribe("#")
        other.subscribe("#")
        assert {name for name, topic in topics.items() if client.publish(topic, b"by it") != DENIED} == writes
        for name, topic in topics.items():
            other.publish(topic, f"to {name}".encode())
        assert other.got(b"to discovery")
        heard = {name for name in topics if f"to {name}".encode() in dict.fromkeys(each for _, each in client.said)}
        assert heard == reads


def test_nobody_takes_the_place_of_another_by_its_client_id(home: BrokerHome) -> None:
    first, second = home.bundle("node", "kiso", "edge-01"), home.bundle("node", "kiso", "edge-02")
    home.deploy()
    home.start()
    name = "ffe-kiso-edge-01"
    with Client(home, first, client_id=name) as one, Client(home, second, client_id=name) as two:
        assert two.is_accepted
        assert one.publish(f"{ROOT}/edge-01/status") != DENIED
        assert not one.is_gone


def test_what_a_node_has_told_is_there_for_a_dashboard_that_comes_later(home: BrokerHome) -> None:
    node, floor = home.bundle("node", "kiso", "edge-01"), home.bundle(*dashboard(home))
    home.deploy()
    home.start()
    with Client(home, node) as client:
        client.publish(f"{ROOT}/edge-01/status", b"kept", retain=True)
    home.end()
    home.start()
    with Client(home, floor) as page:
        page.subscribe("ffe/v1/+/+/status")
        assert page.got(b"kept")


def test_a_message_beyond_every_use_ends_the_connection(home: BrokerHome) -> None:
    node = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    with Client(home, node) as client:
        client.publish(f"{ROOT}/edge-01/camera/c/emotion", bytes(300_000))
        assert client.is_gone


def test_the_log_names_who_came_and_no_secret(home: BrokerHome) -> None:
    home.add("websockets.conf")
    node, web = (
        home.bundle("node", "kiso", "edge-01"),
        home.bundle("client", "web", "--role", "reader", "--site", "kiso", "--password"),
    )
    home.deploy()
    home.start()
    password = (web / "client.password").read_text().strip()
    with Client(home, node) as client:
        client.publish(f"{ROOT}/edge-01/status", b"a-payload")
    with Client(home, web, with_certificate=False, password=("web", password), transport="websockets",
                port=home.wss_port) as page:  # fmt: skip
        assert page.is_accepted
    assert "u'kiso/edge-01'" in home.log()
    assert [secret for secret in (password, "a-payload", "PRIVATE") if secret in home.log()] == []
