"""The broker of a home as it is shipped: an authority, mosquitto with deploy/broker, clients with their bundles."""

from __future__ import annotations

import gc
import os
import pwd
import signal
import socket
import ssl
import subprocess
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Final, final

import paho.mqtt.client as paho
import pytest
from e2e.mosquitto import free_port, require_mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from typer.testing import CliRunner

from ffe_edge.cli import app

SHIPPED: Final = Path(__file__).resolve().parents[2] / "deploy" / "broker"
DENIED: Final = "Not authorized"


def broker_user() -> str:
    """Whom mosquitto runs as here: its own user where root starts it."""
    user = "mosquitto" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if user not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"there is no user {user}: apt-get install mosquitto")
    return user


@final
class BrokerHome:
    """Of the shipped configuration only paths and ports are others here."""

    def __init__(self, folder: Path) -> None:
        self._program = require_mosquitto()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = folder
        self.user = broker_user()
        self.authority = folder / "authority"
        self.files = folder / "ffe-edge"
        self.port, self.wss_port, self.plain_port = free_port(), free_port(), free_port()
        for name in ("data", "run", "conf.d"):
            (folder / name).mkdir()
            os.chown(folder / name, pwd.getpwnam(self.user).pw_uid, -1)
        (folder / "mosquitto.conf").write_text(self._here("mosquitto.conf"))

    def add(self, listener: str) -> None:
        """Put one of the shipped listeners into conf.d."""
        (self.folder / "conf.d" / listener).write_text(self._here(f"conf.d/{listener}"))

    def provision(self, *arguments: str | Path) -> str:
        """What the command says; its error becomes that of the test."""
        words = ["provision", *map(str, arguments), "--folder", str(self.authority)]
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    def bundle(self, *arguments: str, tag: str = "") -> Path:
        """The folder that a command makes; it lies where its settings say."""
        path = self.folder / f"{'-'.join(arguments[:3]).replace(' ', '')}{tag}"
        self.provision(*arguments, "--to", path, "--at", path)
        return path

    def begin(self) -> None:
        self.provision("init", "--host", "localhost", "--port", str(self.port))

    def deploy(self) -> str:
        return self.provision("deploy", "--to", self.files, "--user", self.user)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [self._program, "-c", str(self.folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        if not wait_for(self._listens):
            self.end(signal.SIGKILL)
            pytest.fail(self.log())

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def hang_up(self) -> None:
        """SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def redeploy(self) -> None:
        """`deploy --restart` where there is no systemd."""
        self.deploy()
        self.end()
        self.start()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def _here(self, name: str) -> str:
        text = (SHIPPED / name).read_text(encoding="utf-8")
        places = {
            "/etc/mosquitto/ffe-edge": str(self.files),
            "/etc/mosquitto/conf.d": str(self.folder / "conf.d"),
            "/var/lib/mosquitto": str(self.folder / "data"),
            "/run/mosquitto": str(self.folder / "run"),
            "listener 8883\n": f"listener {self.port}\n",
            "listener 8084\n": f"listener {self.wss_port}\n",
            "listener 1883 ": f"listener {self.plain_port} ",
        }
        for shipped, here in places.items():
            text = text.replace(shipped, here)
        return text

    def _listens(self) -> bool:
        text = "".join(path.read_text() for path in (self.folder / "conf.d").iterdir())
        wanted = [self.port, *(port for port in (self.wss_port, self.plain_port) if f"listener {port}" in text)]
        return all(answers(port) for port in wanted)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@final
class Client:
    """``with Client(home, bundle) as client``: MQTT 5 by the certificate of a bundle; enters refused ones, too."""

    def __init__(
        self,
        home: BrokerHome,
        bundle: Path,
        *,
        client_id: str = "anything",
        is_persistent: bool = False,
        with_certificate: bool = True,
        password: tuple[str, str] | None = None,
        transport: str = "tcp",
        port: int | None = None,
        tls_max: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.connack: ReasonCode | None = None
        self.is_resumed = False
        self.is_gone = False
        self._answers: dict[int, ReasonCode] = {}
        self._subscribed = 0
        self._port = port or home.port
        self._is_persistent = is_persistent
        kind: Any = transport
        protocol = MQTTProtocolVersion.MQTTv5
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, transport=kind)
        if port is None or port != home.plain_port:
            self._client.tls_set_context(_context(bundle, with_certificate, tls_max))
        if password is not None:
            self._client.username_pw_set(*password)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_publish = lambda _client, _data, number, reason, _: self._answers.update({number: reason})
        self._client.on_subscribe = self._on_subscribe

    @property
    def is_accepted(self) -> bool:
        return self.connack is not None and not self.connack.is_failure

    @property
    def said(self) -> list[tuple[str, bytes]]:
        return [(message.topic, bytes(message.payload)) for message in self.messages]

    def got(self, payload: bytes) -> bool:
        return wait_for(lambda: payload in [each for _, each in self.said])

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> str:
        """The broker's answer."""
        number = self._client.publish(topic, payload, 1, retain).mid
        assert wait_for(lambda: number in self._answers or self.is_gone)
        return str(self._answers.get(number))

    def subscribe(self, topic: str) -> None:
        before = self._subscribed
        self._client.subscribe(topic, 1)
        assert wait_for(lambda: self._subscribed > before)

    def __enter__(self) -> Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's
        properties.SessionExpiryInterval = 3600 if self._is_persistent else 0
        if not self._reach(properties):
            return self
        self._client.loop_start()
        assert wait_for(lambda: self.connack is not None or self.is_gone)
        return self

    def _reach(self, properties: Properties) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # paho leaves a socket open whose handshake fails
            try:
                self._client.connect(
                    "localhost", self._port, clean_start=not self._is_persistent, properties=properties
                )
            except OSError:
                return False
            finally:
                gc.collect()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _client: Any, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _: Any) -> None:
        self.connack, self.is_resumed = reason, flags.session_present

    def _on_disconnect(self, *_: Any) -> None:
        self.is_gone = True

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed += 1


def _context(bundle: Path, with_certificate: bool, tls_max: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=bundle / "ca.pem")
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT  # as Python 3.13 does
    context.maximum_version = tls_max
    if with_certificate:
        (key,) = bundle.glob("*.key")
        context.load_cert_chain(key.with_suffix(".pem"), key)
    return context
