"""Homes and the centre on the loopback: real mosquitto with the configuration that is shipped, and certificates."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, final

import paho.mqtt.client as paho
import pytest
from deploy.fleet_authority import Authority
from e2e.mosquitto import free_port, require_mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "deploy" / "bridge" / "bridge.conf.j2"
CENTRAL = ROOT / "deploy" / "central" / "mosquitto.conf"
HOME = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 30
max_queued_messages 0
{more}
"""


def rendered(template: Path, **values: Any) -> str:
    """A template as Ansible renders it."""
    jinja2 = pytest.importorskip("jinja2")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    text: str = environment.from_string(template.read_text(encoding="utf-8")).render(values)
    return text


@final
class Broker:
    """A mosquitto with this very configuration; it can be killed and started again."""

    def __init__(self, folder: Path, port: int, config: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port
        self._program = require_mosquitto()
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"{config}\nuser root\nlog_dest none\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self._file)], stderr=subprocess.DEVNULL)

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        if not wait_for(listens):
            self.stop()
            pytest.fail(f"mosquitto does not start with {self._file}")

    def save(self) -> None:
        """Have it write down what it knows, as it does by itself every half minute: who has subscribed, for one."""
        saved = self._file.parent / "mosquitto.db"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        if self._process is not None:
            self._process.send_signal(signal.SIGUSR1)
        assert wait_for(lambda: saved.exists() and saved.stat().st_mtime_ns != before)

    def kill(self) -> None:
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        self._end(lambda process: process.terminate())

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@final
class Client:
    """Somebody at a broker, by MQTT 5, with a certificate or without; remembers what comes and what was refused."""

    def __init__(self, port: int, name: str, tls: tuple[Authority, str] | None = None, topic: str = "#") -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.reasons: dict[int, ReasonCode] = {}
        self._ready = threading.Event()
        self._port, self._topic = port, topic
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv5)
        if tls is not None:
            authority, user = tls
            certificate, key = authority.issue(user, f"{user}-{name}")
            self.client.tls_set(authority.ca, certificate, key)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe(self._topic, 1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)
        self.client.on_publish = lambda _client, _data, mid, reason, _given: self.reasons.update({mid: reason})

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, **properties: Any) -> ReasonCode:
        """Publish with QoS 1 and wait for the broker's answer."""
        given = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
        for name, value in properties.items():
            setattr(given, name, value)
        sent = self.client.publish(topic, payload, 1, retain, given)
        assert wait_for(lambda: sent.mid in self.reasons)
        return self.reasons[sent.mid]

    def first(self, topic: str) -> tuple[paho.MQTTMessage, Any]:
        """The first message of a topic, and its properties."""
        message = next(message for message in list(self.messages) if message.topic == topic)
        return message, message.properties

    def payloads(self, topic: str) -> list[bytes]:
        return [bytes(message.payload) for message in list(self.messages) if message.topic == topic]

    def __enter__(self) -> Client:
        expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        expiry.SessionExpiryInterval = 3600
        self.client.connect("127.0.0.1", self._port, clean_start=False, properties=expiry)
        self.client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def rules(bridges: tuple[str, ...], dashboards: Mapping[str, tuple[str, ...]]) -> str:
    """What `ffe-edge provision deploy` writes for the centre."""
    from ffe_edge.provision.acl import access_rules
    from ffe_edge.provision.register import Authority as Signer
    from ffe_edge.provision.register import Certificate, Member, Register

    now = datetime.now(timezone.utc)
    ends = now + timedelta(days=1)
    given = Certificate(serial="1", authority=1, begins=now, ends=ends)
    members = [Member(name=f"bridge-{site}", role="bridge", sites=(site,), certificates=(given,)) for site in bridges]
    members += [
        Member(name=name, role="dashboard", sites=sites, certificates=(given,)) for name, sites in dashboards.items()
    ]
    members.append(Member(name="models", role="admin", sites=(), certificates=(given,)))
    signer = Signer(number=1, serial="1", ends=ends)
    return access_rules(Register(hosts=("localhost",), authorities=(signer,), broker=given, members=tuple(members)))


def central(folder: Path, port: int) -> str:
    """The configuration of the centre, with its files below a folder and on a port of the loopback."""
    text = CENTRAL.read_text(encoding="utf-8")
    places = {
        "/etc/mosquitto/ffe-edge": str(folder),
        "/var/lib/mosquitto/": f"{folder}/",
        "listener 8883": f"listener {port} 127.0.0.1",
        "pid_file /run/mosquitto/mosquitto.pid": "",
        "include_dir /etc/mosquitto/conf.d": "",
        "log_dest stderr": "",
    }
    for place, ours in places.items():
        assert place in text
        text = text.replace(place, ours)
    return text


@final
class Homes:
    """The centre, and homes with their bridges. Nothing runs before it is started."""

    def __init__(
        self,
        folder: Path,
        sites: tuple[str, ...] = ("kiso",),
        dashboards: Mapping[str, tuple[str, ...]] | None = None,
        more: str = "",
    ) -> None:
        self.authority = Authority(folder / "authority")
        port = free_port()
        self.centre = Broker(folder / "centre", port, central(folder / "centre", port))
        certificate, key = self.authority.issue("centre")
        pems = [Path(one).read_text() for one in (certificate, key)]
        (folder / "centre" / "broker.pem").write_text("".join(pems))
        (folder / "centre" / "ca.pem").write_text(Path(self.authority.ca).read_text())
        (folder / "centre" / "crl.pem").write_bytes(self.authority.no_revocations())
        users = {"overview": ("+",), **(dashboards or {})}
        (folder / "centre" / "acl").write_text(rules(sites, users))
        self.homes = {site: self._home(folder / site, site, port, more) for site in sites}

    def at_centre(self, user: str = "overview") -> Client:
        return Client(self.centre.port, user, (self.authority, user), "ffe/#")

    def at_home(self, site: str = "kiso", name: str = "edge-01", user: str | None = None) -> Client:
        client = Client(self.homes[site].port, name, None, "ffe/#")
        client.client.username_pw_set(user)
        return client

    def _home(self, folder: Path, site: str, central_port: int, more: str) -> Broker:
        tls = folder / "bridge"
        tls.mkdir(parents=True)
        certificate, key = self.authority.issue(f"bridge-{site}")
        for source, name in ((certificate, "client.pem"), (key, "client.key"), (self.authority.ca, "ca.pem")):
            (tls / name).write_bytes(Path(source).read_bytes())
        bridge = rendered(BRIDGE, bridge_site=site, bridge_host="127.0.0.1", bridge_port=central_port,
                          bridge_tls_dir=tls)  # fmt: skip
        # The first try after a loss comes after 5 s in use; a test need not wait for it.
        bridge = bridge.replace("restart_timeout 5 60", "restart_timeout 1 1")
        port = free_port()
        return Broker(folder, port, HOME.format(port=port, folder=folder, more=more) + bridge)

    def __enter__(self) -> Homes:
        for broker in (self.centre, *self.homes.values()):
            broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in (*self.homes.values(), self.centre):
            broker.stop()
