"""A real mosquitto on a free loopback port, and a subscriber that remembers what it got."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, final

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

# With no limit to messages in flight the broker has written a message to an online subscriber before it acknowledges it
# to the publisher: SIGKILL cannot lose it. For a subscriber that is offline it saves its database at every change.
CONFIG = """
listener {port} 127.0.0.1
user root
persistence true
persistence_location {folder}/
autosave_on_changes true
autosave_interval 1
max_inflight_messages 0
log_dest none
"""


def require_mosquitto() -> str:
    """Path of the broker; skips the test where there is none."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@final
class Mosquitto:
    """A broker that can be started, killed and started again on the same port with the same state."""

    def __init__(self, folder: Path, *, config: str = "allow_anonymous true", port: int | None = None) -> None:
        self._program = require_mosquitto()
        self._file = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._file.write_text(CONFIG.format(port=self.port, folder=folder) + config + "\n")

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self._file)])
        if not wait_for(self._listens):
            self.stop()
            pytest.fail("mosquitto does not start")

    def kill(self) -> None:
        """SIGKILL: no time to save anything."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        self._end(lambda process: process.terminate())

    def send_signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(10)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@final
class Subscriber:
    """``with Subscriber(broker) as subscriber``: a persistent MQTT 5 session, as a dashboard holds it."""

    def __init__(self, broker: Mosquitto, topic: str = "#", username: str | None = None, password: str = "") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.connections = 0
        self._topic = topic
        self._broker = broker
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "subscriber", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    @property
    def client(self) -> paho.Client:
        """To publish something with."""
        return self._client

    def payloads(self, topic: str) -> list[bytes]:
        return [bytes(message.payload) for message in self.messages if message.topic == topic]

    def last(self, topic: str) -> bytes:
        return (self.payloads(topic) or [b""])[-1]

    def __enter__(self) -> Subscriber:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        expiry.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", self._broker.port, clean_start=False, properties=expiry)
        self._client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        self.connections += 1
        self._subscribed.set()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.messages.append(message)
