"""What tests of pages in a browser play on: a real broker, the whole dashboard over a small home, a device."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as paho
from dashboard.chrome import Seat, chromium
from dashboard.home import Home
from dashboard.payloads import camera, event, status
from dashboard.website import PASSWORD
from e2e.mosquitto import Mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from playwright.sync_api import Browser

from ffe_edge.dashboard import users
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.running import Dashboard
from ffe_edge.dashboard.settings import DashboardSettings
from ffe_edge.dashboard.users import NewUser, Role

NODES = {"edge-01": ("room-101", "room-102", "room-103"), "edge-02": ("dining", "day")}
PEOPLE: tuple[tuple[str, Role], ...] = (("carer", "carer"), ("yamada", "carer"), ("chief", "admin"), ("wall", "admin"))


@dataclass
class Stage:
    """What a test plays on."""

    broker: Mosquitto
    device: paho.Client
    browser: Browser
    url: str
    present: Present
    sequences: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def tell(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.device.publish(f"ffe/v1/kiso/{topic}", payload, 1, retain).wait_for_publish(10)

    def all_work(self) -> None:
        for node, cameras in NODES.items():
            self.tell(f"{node}/status", status(), retain=True)
            for name in cameras:
                self.tell(f"{node}/camera/{name}/state", camera(), retain=True)

    def feel(self, place: str, change: str, emotion: str, track: int = 1, **more: object) -> None:
        node, name = place.split("/")
        payload = event(change, emotion, track=track, sequence=next(self.sequences), **more)  # type: ignore[arg-type]
        self.tell(f"{node}/camera/{name}/emotion", payload)

    @contextmanager
    def seat(self, name: str, path: str = "/", size: str = "desk", **more: bool) -> Iterator[Seat]:
        """Somebody who is signed in; their browser complains about nothing."""
        seat = Seat(self.browser, self.url, size, **more)
        try:
            seat.sign_in(name, PASSWORD, path)
            yield seat
            assert seat.complaints == []
        finally:
            seat.context.close()


def filled(url: str) -> None:
    with closing(Database(url)) as database:
        database.migrate()
        Home(time.time_ns() // 1_000_000).fill(database, days=12)
        passwords = Passwords(memory_kib=64, passes=1)
        with database.writing() as connection:
            for name, role in PEOPLE:
                user, _ = users.create_user(connection, NewUser(name, name, role), passwords, 0)
                users.change_password(connection, user, PASSWORD, passwords)


@contextmanager
def dashboard(folder: Path, broker: Mosquitto) -> Iterator[Dashboard]:
    url = f"sqlite:///{folder / 'store.sqlite'}"
    filled(url)
    told = {"broker": {"url": broker.url}, "database": {"url": url}, "web": {"port": 0}}
    told["home"] = {"name_ja": "特別養護老人ホーム きそ", "name_en": "Kiso Care Home"}
    running = Dashboard(DashboardSettings.model_validate(told))
    running.start()
    try:
        yield running
    finally:
        running.stop()
        running.wait()


@contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """All of it, with every camera working."""
    with Mosquitto(folder) as broker, dashboard(folder, broker) as running, chromium() as browser:
        device = paho.Client(CallbackAPIVersion.VERSION2, "device", protocol=MQTTProtocolVersion.MQTTv5)
        device.connect("127.0.0.1", broker.port)
        device.loop_start()
        stage = Stage(broker, device, browser, running.url, running._present)
        assert wait_for(device.is_connected)
        stage.all_work()
        yield stage
        device.disconnect()
        device.loop_stop()
