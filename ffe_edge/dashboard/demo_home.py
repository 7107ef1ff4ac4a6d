"""The demo's three residents, told over MQTT as a node tells: an hour of theirs passes in a minute, day after day."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ffe_edge.dashboard.simulated import HOUR_MS, Published, SimulatedNode, compressed_day

logger = logging.getLogger(__name__)

SPEED: Final = 60.0
FIRST_HOURS: Final = (14.6, 21.1)
"""It begins with all three in view ..."""
LATER_HOURS: Final = (6.9, 21.1)
"""... and leaves the nights out."""
STOP_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.5


@final
class SimulatedHome:
    """``with SimulatedHome(url, topic):`` the three live, in a thread."""

    def __init__(self, url: str, topic: str, is_heard: Callable[[], bool] = lambda: True) -> None:
        """Nothing is connected yet.

        Args:
            url: of the demo's own broker: nobody else is to take these people for real ones.
            topic: the node's, as ``ffe/v1/home/simulated``.
            is_heard: they begin when it says so; a small broker keeps nothing for who comes later.
        """
        self._is_heard = is_heard
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 1883
        self._topic = topic
        self._stopping = threading.Event()
        # Every broker speaks 3.1.1; of a node's session nothing is needed but that it publishes.
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "ffe-simulated", protocol=MQTTProtocolVersion.MQTTv311)
        self._thread = threading.Thread(target=self._run, name="simulated-home", daemon=True)

    def __enter__(self) -> SimulatedHome:
        self._client.connect_async(self._host, self._port)
        self._client.loop_start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        while not self._is_heard():
            if self._stopping.wait(LOOK_SECONDS):
                return
        for message in days(self._topic, time.time_ns() // 1_000_000):
            if self._stopping.wait(max(0.0, message.at_ms / 1000 - time.time())):
                return
            self._client.publish(message.topic, message.payload, 1, message.retain)


def days(topic: str, began_ms: int) -> Iterator[Published]:
    """Days without an end, each of them another.

    Args:
        topic: the node's.
        began_ms: when the first message is told, on the clock on the wall.
    """
    node = SimulatedNode(topic, f"simulated-{began_ms}", random.Random(began_ms))
    for seed in itertools.count(1):
        hours = FIRST_HOURS if seed == 1 else LATER_HOURS
        midnight_ms = began_ms - round(hours[0] * HOUR_MS / SPEED)
        yield from compressed_day(topic, midnight_ms, speed=SPEED, seed=seed, hours=hours, node=node)
        began_ms = midnight_ms + round(hours[1] * HOUR_MS / SPEED)
