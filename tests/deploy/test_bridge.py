"""The bridge of a home to the centre: two real brokers, TLS both ways, the files that are shipped."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard.payloads import camera, event, status
from deploy.fleet_homes import BRIDGE, Client, Homes
from e2e.mosquitto import wait_for

SITE = "ffe/v1/kiso/edge-01"
EMOTION = f"{SITE}/camera/day-room/emotion"
DENIED = 135


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    with Homes(tmp_path, ("kiso", "hida")) as both:
        yield both


def crossed(node: Client, observer: Client, topic: str = EMOTION) -> bool:
    """Whether the bridge stands: something that is told now arrives."""
    marker = str(time.monotonic()).encode()
    node.publish(topic, marker)
    return wait_for(lambda: marker in observer.payloads(topic), 15)


def answer_to_connect(homes: Homes, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", homes.centre.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
        return connection.recv(1)


def test_events_arrive_at_the_centre_exactly_as_at_home(homes: Homes) -> None:
    told = [event("change", "joy", sequence=number) for number in range(1, 51)]
    with homes.at_centre() as centre, homes.at_home(name="reader") as reader, homes.at_home() as node:
        for payload in told:
            node.publish(EMOTION, payload, ContentType="application/cloudevents+json", PayloadFormatIndicator=1)
        assert wait_for(lambda: len(centre.payloads(EMOTION)) >= len(told), 15)
        assert centre.payloads(EMOTION) == reader.payloads(EMOTION) == told
        first, properties = centre.first(EMOTION)
        assert (first.qos, first.retain) == (1, False)
        assert properties.ContentType == "application/cloudevents+json"


def test_what_is_retained_at_home_is_retained_at_the_centre(homes: Homes) -> None:
    with homes.at_home() as node:
        node.publish(f"{SITE}/status", status(), retain=True)
        node.publish(f"{SITE}/camera/day-room/state", camera(), retain=True)
        node.publish(f"{SITE}/health", b"{}", retain=True, MessageExpiryInterval=120)
        with homes.at_centre() as early:
            assert wait_for(lambda: len({message.topic for message in early.messages}) == 3, 15)
    with homes.at_centre("models") as late:
        assert wait_for(lambda: len(late.messages) == 3)
        assert all(message.retain for message in late.messages)
        _, properties = late.first(f"{SITE}/health")
        assert 0 < properties.MessageExpiryInterval <= 120


def test_nothing_is_lost_while_the_centre_is_killed_and_brought_back(homes: Homes) -> None:
    told = [event("change", "joy", sequence=number) for number in range(1, 301)]
    with homes.at_centre() as centre, homes.at_home() as node:
        assert crossed(node, centre)
        homes.centre.save()
        for number, payload in enumerate(told):
            node.publish(EMOTION, payload)
            if number == 100:
                homes.centre.kill()
            if number == 200:
                homes.centre.start()
        assert wait_for(lambda: set(told) <= set(centre.payloads(EMOTION)), 30)


def test_nothing_is_lost_while_the_broker_of_the_home_is_stopped_with_the_line_down(homes: Homes) -> None:
    told = [event("change", "joy", sequence=number) for number in range(1, 101)]
    with homes.at_centre() as centre:
        with homes.at_home() as node:
            assert crossed(node, centre)
            homes.centre.save()
            homes.centre.kill()
            for payload in told:
                node.publish(EMOTION, payload)
        homes.homes["kiso"].stop()
        homes.homes["kiso"].start()
        homes.centre.start()
        assert wait_for(lambda: set(told) <= set(centre.payloads(EMOTION)), 30)


def test_a_line_that_is_down_too_long_fills_no_memory_and_what_was_first_is_kept(tmp_path: Path) -> None:
    with Homes(tmp_path, more="max_queued_bytes 100000") as homes, homes.at_centre() as centre, homes.at_home() as node:
        assert crossed(node, centre)
        homes.centre.save()
        homes.centre.kill()
        told = [event("change", "joy", sequence=number) for number in range(1, 401)]
        for payload in told:
            node.publish(EMOTION, payload)
        homes.centre.start()
        assert wait_for(lambda: told[0] in centre.payloads(EMOTION), 30)
        assert crossed(node, centre)
        kept = [payload for payload in told if payload in centre.payloads(EMOTION)]
        assert 50 < len(kept) < len(told)
        assert kept == told[: len(kept)]


def test_commands_and_wanted_models_come_down_with_where_their_answer_belongs(homes: Homes) -> None:
    answer_topic = f"{SITE}/response/ffe-dashboard-1"
    with homes.at_centre() as centre, homes.at_home() as node, homes.at_centre("models") as publisher:
        assert crossed(node, centre)
        centre.publish(f"{SITE}/command/pause", b"{}", ResponseTopic=answer_topic, CorrelationData=b"7")
        wanted = {f"{SITE}/model/desired", "ffe/v1/kiso/model/desired"}
        for topic in wanted:
            publisher.publish(topic, b"{}", retain=True)
        assert wait_for(lambda: {m.topic for m in node.messages} >= {f"{SITE}/command/pause", *wanted})
        _, command = node.first(f"{SITE}/command/pause")
        assert (command.ResponseTopic, command.CorrelationData) == (answer_topic, b"7")
        node.publish(answer_topic, b'{"ok": true}', CorrelationData=b"7")
        assert wait_for(lambda: centre.payloads(answer_topic) == [b'{"ok": true}'])


def test_a_model_wanted_while_the_home_is_away_comes_when_it_is_back(homes: Homes) -> None:
    with homes.at_centre() as centre, homes.at_centre("models") as publisher:
        with homes.at_home() as node:
            assert crossed(node, centre)
        homes.homes["kiso"].stop()
        publisher.publish(f"{SITE}/model/desired", b"{}", retain=True)
        homes.homes["kiso"].start()
        with homes.at_home() as node:
            assert wait_for(lambda: node.payloads(f"{SITE}/model/desired") == [b"{}"], 20)


def test_the_rules_of_the_home_do_not_keep_its_own_bridge_from_its_work(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"user edge-01\ntopic write {SITE}/#\ntopic read {SITE}/command/#\n")
    with (
        Homes(tmp_path, more=f"acl_file {rules}") as homes,
        homes.at_centre() as centre,
        homes.at_home(user="edge-01") as node,
    ):
        assert crossed(node, centre)
        centre.publish(f"{SITE}/command/pause", b"{}")
        assert wait_for(lambda: node.payloads(f"{SITE}/command/pause") == [b"{}"])


def test_nothing_goes_round(homes: Homes) -> None:
    with homes.at_centre() as centre, homes.at_home() as node:
        assert crossed(node, centre)
        centre.publish(f"{SITE}/command/pause", b"{}")
        node.publish(EMOTION, event())
        assert crossed(node, centre)
        time.sleep(1)
        assert node.payloads(f"{SITE}/command/pause") == centre.payloads(f"{SITE}/command/pause") == [b"{}"]
        assert centre.payloads(EMOTION) == node.payloads(EMOTION)


def test_nothing_else_goes_up_or_down(homes: Homes) -> None:
    strange = f"{SITE}/camera/day-room/crop"
    with homes.at_centre() as centre, homes.at_home() as node:
        assert crossed(node, centre)
        for topic in (strange, "ffe/v1/hida/edge-01/status", f"{SITE}/command/pause", "ffe/v2/kiso/edge-01/status"):
            node.publish(topic, b"{}")
        assert crossed(node, centre)
        assert {message.topic for message in centre.messages} == {EMOTION}
        assert not [message for message in node.messages if message.topic.startswith("$SYS")]


@pytest.mark.parametrize("topic", ["ffe/v1/hida/edge-01/status", "ffe/v1/hida/edge-01/camera/day-room/emotion"])
def test_a_bridge_cannot_tell_in_the_name_of_another_home(homes: Homes, topic: str) -> None:
    homes.homes["kiso"].stop()  # somebody has its certificate
    with homes.at_centre() as centre, homes.at_centre("bridge-kiso") as intruder:
        assert intruder.publish(topic, b"{}").value == DENIED
        assert not intruder.publish(f"{SITE}/status", b"{}").is_failure
        assert wait_for(lambda: centre.payloads(f"{SITE}/status") == [b"{}"])
        assert centre.payloads(topic) == []


def test_a_bridge_hears_nothing_of_another_home(homes: Homes) -> None:
    homes.homes["kiso"].stop()
    with (
        homes.at_centre() as centre,
        homes.at_centre("bridge-kiso") as curious,
        homes.at_home("hida") as node,
    ):
        other = EMOTION.replace("kiso", "hida")
        assert crossed(node, centre, other)
        centre.publish(f"{SITE}/command/pause", b"{}")
        assert wait_for(lambda: curious.payloads(f"{SITE}/command/pause") == [b"{}"])
        assert curious.payloads(other) == []


def test_who_has_no_certificate_of_ours_does_not_get_in(homes: Homes) -> None:
    context = ssl.create_default_context(cafile=homes.authority.ca)
    with pytest.raises(OSError, match=r"(?i)certificate|reset|EOF"):
        answer_to_connect(homes, context)


def test_every_setting_of_the_bridge_is_one_that_the_broker_knows(homes: Homes) -> None:
    """mosquitto ends at a word that it does not know; the fixture has started it. What the file says stays minimal."""
    lines = [line.split() for line in BRIDGE.read_text().splitlines() if line.startswith("topic ")]
    up = [line[1].rpartition("}}/")[2] for line in lines if line[-2] == "out"]
    down = [line[1].rpartition("}}/")[2] for line in lines if line[-2] == "in"]
    assert (len(up), len(down)) == (7, 3)
