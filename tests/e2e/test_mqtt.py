from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, free_port, require_mosquitto, wait_for

from ffe_edge.config import BrokerSettings
from ffe_edge.errors import BrokerError
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_delivery import Backoff
from ffe_edge.mqtt_message import Node
from ffe_edge.outbox import Outbox
from ffe_edge.wire import encode_camera_state, encode_status

NODE = "ffe/v1/kiso/edge-01"
STATUS = f"{NODE}/status"
EVENTS = f"{NODE}/camera/day-room/emotion"
STATE = f"{NODE}/camera/day-room/state"
STOPPED = encode_status("stopped", "s1")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path)
    yield one
    one.stop()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    one = Outbox(tmp_path / "outbox.sqlite", max_bytes=2**24, gap_topic=EVENTS, render_gap=lambda *_: b"gap")
    yield one
    one.close()


def new_publisher(url: str, outbox: Outbox, window: int = 20, **settings: Any) -> Publisher:
    return Publisher(
        BrokerSettings(url=url, backoff_max_seconds=1, **settings),
        outbox,
        Node(
            NODE, "s1", "ffe-edge-01", lambda: encode_status("online", "s1", version="1"), encode_status("lost", "s1")
        ),
        window=window,
    )


@contextmanager
def running(publisher: Publisher) -> Iterator[Publisher]:
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop(STOPPED, 3.0)


def append(outbox: Outbox, publisher: Publisher, count: int) -> None:
    for _ in range(count):
        outbox.append(EVENTS, lambda sequence: b"%d" % sequence)
        publisher.wake()


def numbers(count: int) -> list[bytes]:
    return [b"%d" % sequence for sequence in range(1, count + 1)]


def without_repeats(payloads: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(payloads))


@pytest.mark.parametrize("window", [1, 20, 1000])
def test_every_event_is_delivered_in_order(window: int, broker: Mosquitto, outbox: Outbox) -> None:
    with broker, Subscriber(broker) as subscriber, running(new_publisher(broker.url, outbox, window)) as publisher:
        append(outbox, publisher, 100)
        assert publisher.wait_until_delivered(10)
        assert wait_for(lambda: subscriber.payloads(EVENTS) == numbers(100))
        assert (publisher.state, publisher.protocol) == ("connected", "MQTT 5")
    event = next(message for message in subscriber.messages if message.topic == EVENTS)
    assert (event.qos, event.retain) == (1, False)
    assert getattr(event.properties, "ContentType", None) == "application/cloudevents+json"


def test_events_of_an_earlier_run_are_delivered_first(broker: Mosquitto, outbox: Outbox) -> None:
    for _ in range(5):
        outbox.append(EVENTS, lambda sequence: b"%d" % sequence)
    with broker, Subscriber(broker) as subscriber, running(new_publisher(broker.url, outbox)) as publisher:
        append(outbox, publisher, 5)
        assert wait_for(lambda: subscriber.payloads(EVENTS) == numbers(10))


def test_nothing_is_lost_when_the_broker_is_killed_in_mid_stream(broker: Mosquitto, outbox: Outbox) -> None:
    broker.start()
    with Subscriber(broker) as subscriber, running(new_publisher(broker.url, outbox)) as publisher:
        for total in (80, 160, 240):
            append(outbox, publisher, 40)
            assert wait_for(lambda: len(set(subscriber.payloads(EVENTS))) == total - 40)  # noqa: B023
            broker.send_signal(signal.SIGSTOP)  # what it has acknowledged but not delivered would die with it
            append(outbox, publisher, 40)
            broker.kill()
            broker.start()
            assert publisher.wait_until_delivered(10)
            assert wait_for(lambda: len(set(subscriber.payloads(EVENTS))) == total)  # noqa: B023
        assert without_repeats(subscriber.payloads(EVENTS)) == numbers(240)


def test_an_absent_broker_is_told_once_and_served_when_it_comes(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with running(new_publisher(broker.url, outbox)) as publisher, caplog.at_level(logging.INFO):
        append(outbox, publisher, 5)
        publisher.publish_retained(STATE, encode_camera_state("online", ""))
        assert not publisher.wait_until_delivered(2.0)
        assert publisher.state == "unreachable"
        with broker, Subscriber(broker) as subscriber:
            assert publisher.wait_until_delivered(10)
            assert wait_for(lambda: subscriber.last(STATE) != b"")
    assert caplog.text.count("unreachable (Connection refused); events are kept") == 1
    assert caplog.text.count("connected (MQTT 5)") == 1


def test_retained_topics_are_sent_again_after_a_reconnect(broker: Mosquitto, outbox: Outbox, tmp_path: Path) -> None:
    broker.start()
    with running(new_publisher(broker.url, outbox)) as publisher:
        for state in ("starting", "online"):
            publisher.publish_retained(STATE, encode_camera_state(state, ""))
        assert wait_for(lambda: publisher.state == "connected")
        broker.kill()
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        with broker, Subscriber(broker) as subscriber:
            assert wait_for(lambda: b"online" in subscriber.last(STATE) and b"online" in subscriber.last(STATUS))


def test_birth_and_a_clean_stop_are_retained(broker: Mosquitto, outbox: Outbox) -> None:
    with broker:
        with Subscriber(broker) as subscriber, running(new_publisher(broker.url, outbox)):
            assert wait_for(lambda: b'"online"' in subscriber.last(STATUS))
        with Subscriber(broker) as late:
            # What the first subscriber left unread waits in the session, and is no retained message.
            assert wait_for(lambda: any(one.retain and one.payload == STOPPED for one in late.messages))


def test_a_stop_right_after_the_start_still_tells_it(broker: Mosquitto, outbox: Outbox) -> None:
    with broker:
        publisher = new_publisher(broker.url, outbox)
        publisher.start()
        publisher.publish_retained(STATE, encode_camera_state("offline", ""))
        publisher.stop(STOPPED, 3.0)
        with Subscriber(broker) as late:
            assert wait_for(lambda: late.last(STATUS) == STOPPED and b"offline" in late.last(STATE))


CHILD = """
import sys, time
from ffe_edge.config import BrokerSettings
from ffe_edge.mqtt import Publisher
from ffe_edge.mqtt_message import Node
from ffe_edge.outbox import Outbox
outbox = Outbox(None, max_bytes=2**20, gap_topic="gaps", render_gap=lambda *_: b"")
node = Node(sys.argv[2], "s1", "child", lambda: b"birth", b"will")
Publisher(BrokerSettings(url=sys.argv[1]), outbox, node, window=20).start()
time.sleep(60)
"""


def test_the_will_is_told_when_the_process_is_killed(broker: Mosquitto) -> None:
    with broker, Subscriber(broker) as subscriber:
        child = subprocess.Popen([sys.executable, "-c", CHILD, broker.url, NODE])
        assert wait_for(lambda: subscriber.last(STATUS) == b"birth")
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert wait_for(lambda: subscriber.last(STATUS) == b"will")


def password_file(folder: Path) -> Path:
    program = Path(require_mosquitto()).with_name("mosquitto_passwd")
    program = program if program.exists() else Path("/usr/bin/mosquitto_passwd")
    subprocess.run([program, "-b", "-c", folder / "users", "edge", "right"], check=True)
    return folder / "users"


def test_a_wrong_password_is_refused_not_unreachable(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very-wrong\n")
    with (
        Mosquitto(tmp_path, config=f"allow_anonymous false\npassword_file {password_file(tmp_path)}") as broker,
        running(new_publisher(broker.url, outbox, username="edge", password_file=secret)) as publisher,
    ):
        append(outbox, publisher, 1)
        assert wait_for(lambda: publisher.state == "refused" and "refuses us (Not authorized)" in caplog.text)
        secret.unlink()
        assert wait_for(lambda: "password cannot be read" in caplog.text)
        secret.write_text("right\n")  # read again at the next try
        assert publisher.wait_until_delivered(10)
        assert publisher.state == "connected"
    assert caplog.text.count("refuses us") == 1
    assert "very-wrong" not in caplog.text


def test_what_goes_to_a_topic_that_is_allowed_does_not_wait_behind_one_that_is_denied(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules, other = tmp_path / "rules", f"{NODE}/camera/day-room/summary"
    rules.write_text(f"topic read #\ntopic write {STATUS}\ntopic write {other}\n")
    with (
        Mosquitto(tmp_path, config=f"allow_anonymous true\nacl_file {rules}") as broker,
        Subscriber(broker) as subscriber,
        running(new_publisher(broker.url, outbox, 5)) as publisher,
        caplog.at_level(logging.INFO),
    ):
        for number in range(60):
            append(outbox, publisher, 1)
            if number % 20 == 0:
                outbox.append(other, lambda sequence: b"%d" % sequence)
        assert wait_for(lambda: len(subscriber.payloads(other)) == 3)
        time.sleep(2.0)  # several tries
        assert (len(outbox), caplog.text.count("denies"), caplog.text.count("again")) == (60, 1, 0)
        rules.write_text("topic readwrite #\n")
        broker.send_signal(signal.SIGHUP)
        assert publisher.wait_until_delivered(10)
        assert wait_for(lambda: len(set(subscriber.payloads(EVENTS))) == 60)


def test_a_denied_event_is_kept_until_the_rules_allow_it(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"topic read #\ntopic write {STATUS}\n")
    with (
        Mosquitto(tmp_path, config=f"allow_anonymous true\nacl_file {rules}") as broker,
        Subscriber(broker) as subscriber,
        running(new_publisher(broker.url, outbox)) as publisher,
    ):
        append(outbox, publisher, 3)
        assert not publisher.wait_until_delivered(2.0)
        assert (len(outbox), publisher.state) == (3, "connected")
        assert caplog.text.count("denies") == 1
        rules.write_text("topic readwrite #\n")
        broker.send_signal(signal.SIGHUP)
        assert publisher.wait_until_delivered(10)
        assert wait_for(lambda: set(subscriber.payloads(EVENTS)) == set(numbers(3)))


def test_a_stop_returns_in_time_when_the_broker_hangs(broker: Mosquitto, outbox: Outbox) -> None:
    with broker:
        publisher = new_publisher(broker.url, outbox)
        publisher.start()
        assert wait_for(lambda: publisher.state == "connected")
        broker.send_signal(signal.SIGSTOP)
        append(outbox, publisher, 5)
        began = time.monotonic()
        publisher.stop(STOPPED, 1.0)
        broker.send_signal(signal.SIGCONT)
        assert time.monotonic() - began < 1.5
        assert len(outbox) == 5


@contextmanager
def serving(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A server that hands every connection and the CONNECT that came on it to ``answer``."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                answer(connection, connection.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def speaks_3_1_1_and(refusal: bytes) -> Callable[[socket.socket, bytes], None]:
    def answer(connection: socket.socket, connect: bytes) -> None:
        if b"MQTT\x05" in connect:
            connection.sendall(refusal)
            return
        connection.sendall(b"\x20\x02\x00\x00")
        while connection.recv(4096):
            pass

    return answer


@pytest.mark.parametrize(
    "refusal", [pytest.param(b"\x20\x02\x00\x01", id="unacceptable protocol"), pytest.param(b"", id="hangs up")]
)
def test_a_broker_of_mqtt_3_1_1_is_used_with_a_warning(
    refusal: bytes, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(speaks_3_1_1_and(refusal)) as url:
        publisher = new_publisher(url, outbox)
        publisher.start()
        assert wait_for(lambda: publisher.state == "connected")
        assert publisher.protocol == "MQTT 3.1.1"
        publisher.stop(STOPPED, 0.5)
    assert caplog.text.count("speaks MQTT 3.1.1 only") == 1


def test_another_program_with_our_client_id_is_named(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    rival = Outbox(None, max_bytes=2**20, gap_topic=EVENTS, render_gap=lambda *_: b"")
    with broker, running(new_publisher(broker.url, outbox)), running(new_publisher(broker.url, rival)):
        assert wait_for(lambda: "does another program use the client id ffe-edge-01?" in caplog.text)
    rival.close()


def takes_over(connection: socket.socket, _connect: bytes) -> None:
    connection.sendall(b"\x20\x03\x00\x00\x00")  # CONNACK, success
    connection.sendall(b"\xe0\x02\x8e\x00")  # DISCONNECT, session taken over
    while connection.recv(4096):
        pass


def test_a_session_that_is_taken_over_is_refused_with_the_reason_and_backs_off(
    outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(takes_over) as url, running(new_publisher(url, outbox)) as publisher:
        assert wait_for(lambda: publisher.state == "refused")
        assert wait_for(lambda: "refuses us (another program uses the client id ffe-edge-01)" in caplog.text)
        assert wait_for(lambda: "hangs up again and again" in caplog.text)
        told = caplog.text.count("another program uses the client id")
        time.sleep(2.5)  # they go on to push each other out
    assert caplog.text.count("another program uses the client id") <= told + 1


def test_health_may_be_sent_without_an_answer(broker: Mosquitto, outbox: Outbox) -> None:
    with broker, Subscriber(broker) as subscriber, running(new_publisher(broker.url, outbox)) as publisher:
        publisher.publish_retained(f"{NODE}/health", b"{}", expiry_seconds=120, qos=0)
        assert wait_for(lambda: subscriber.last(f"{NODE}/health") == b"{}")
    (message,) = [one for one in subscriber.messages if one.topic == f"{NODE}/health"]
    assert message.qos == 0
    assert 0 < getattr(message.properties, "MessageExpiryInterval", 0) <= 120


def test_the_network_thread_shows_that_it_goes_round(broker: Mosquitto, outbox: Outbox) -> None:
    with running(new_publisher(broker.url, outbox)) as publisher:  # nobody answers
        for _ in range(2):
            before = publisher.turned_at
            assert wait_for(lambda: publisher.turned_at > before)  # noqa: B023
        with broker:
            assert wait_for(lambda: publisher.state == "connected")
            before = publisher.turned_at
            assert wait_for(lambda: publisher.turned_at > before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"url": None}, "no broker is set", id="no url"),
        pytest.param({"password_file": Path("/none")}, "needs broker.username", id="password without a name"),
        pytest.param({"username": "edge", "password_file": Path("/none")}, "cannot be read", id="no password file"),
        pytest.param({"url": "mqtts://localhost", "ca_file": Path("/none")}, "PEM", id="no authority"),
    ],
)
def test_settings_that_cannot_work_are_a_broker_error(settings: dict[str, Any], message: str, outbox: Outbox) -> None:
    with pytest.raises(BrokerError, match=message):
        new_publisher(**{"url": "mqtt://localhost", "outbox": outbox, **settings})


@pytest.mark.filterwarnings("ignore:.*SSLSocket")  # paho leaves a failed handshake's socket to the collector
def test_an_untrusted_certificate_is_refused(outbox: Outbox, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*command.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
    port = free_port()
    config = f"allow_anonymous true\nlistener {port} 127.0.0.1\nkeyfile {key}\ncertfile {certificate}"
    with Mosquitto(tmp_path, config=config):
        with running(new_publisher(f"mqtts://localhost:{port}", outbox)) as stranger:
            assert wait_for(lambda: stranger.state == "refused")
        with running(new_publisher(f"mqtts://localhost:{port}", outbox, ca_file=certificate)) as friend:
            append(outbox, friend, 50)
            assert friend.wait_until_delivered(10)


@pytest.mark.filterwarnings("ignore:.*SSLSocket")  # paho leaves a failed handshake's socket to the collector
def test_a_broker_that_asks_for_our_certificate_gets_it(outbox: Outbox, tmp_path: Path) -> None:
    def run(command: str) -> None:
        subprocess.run(command.split(), check=True, cwd=tmp_path, stderr=subprocess.DEVNULL)

    new = "openssl req -newkey rsa:2048 -nodes -days 1"
    run(f"{new} -x509 -subj /CN=authority -keyout authority.key -out authority.pem")
    for name in ("localhost", "edge-01"):
        (tmp_path / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        run(f"{new} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        run(f"openssl x509 -req -in {name}.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 1"
            f" -extfile {name}.ext -out {name}.pem")  # fmt: skip
    port, ours = free_port(), {"ca_file": tmp_path / "authority.pem"}
    config = (
        f"allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {tmp_path}/authority.pem\n"
        f"keyfile {tmp_path}/localhost.key\ncertfile {tmp_path}/localhost.pem\nrequire_certificate true"
    )
    with Mosquitto(tmp_path, config=config):
        with running(new_publisher(f"mqtts://localhost:{port}", outbox, **ours)) as stranger:
            assert wait_for(lambda: stranger.state not in ("connecting", "connected"))
        known = {"certificate_file": tmp_path / "edge-01.pem", "key_file": tmp_path / "edge-01.key"}
        with running(new_publisher(f"mqtts://localhost:{port}", outbox, **ours, **known)) as friend:
            append(outbox, friend, 20)
            assert friend.wait_until_delivered(10)


def test_back_off_doubles_up_to_its_limit() -> None:
    backoff = Backoff(max_seconds=5)
    waits = [backoff.next_seconds() for _ in range(100)]
    for wait, longest in zip(waits, [1, 2, 4, *[5] * 97], strict=True):
        assert longest / 2 <= wait <= longest
    backoff.reset()
    assert backoff.next_seconds() <= 1
