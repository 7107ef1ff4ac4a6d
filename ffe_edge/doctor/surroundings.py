"""What the settings lead to outside the machine: the camera and the broker."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ffe_edge.camera import LiveSource, open_source
from ffe_edge.config import CameraSettings, Config
from ffe_edge.doctor.finding import Finding, from_error
from ffe_edge.errors import BrokerError, SourceError
from ffe_edge.mqtt_endpoint import Endpoint, reason_of
from ffe_edge.outbox_file import is_in_use, outbox_path
from ffe_edge.redaction import redacted

CAMERA_SECONDS: Final = 5.0
"""For the first frame of a camera."""
BROKER_SECONDS: Final = 3.0
"""For each step of a connection."""
REFUSED_CREDENTIALS: Final = frozenset({"Bad user name or password", "Not authorized", "Bad authentication method"})
REFUSAL_SECONDS: Final = 0.5
"""With TLS 1.3 a client hears only after its handshake that its certificate is not taken."""
VERSIONS: Final = {"MQTT 5": MQTTProtocolVersion.MQTTv5, "MQTT 3.1.1": MQTTProtocolVersion.MQTTv311}


def check_camera(settings: CameraSettings, name: str = "Camera", seconds: float = CAMERA_SECONDS) -> Finding:
    """One frame of the source, unless it is switched off."""
    shown, remedy = redacted(settings.source), "see that it is connected, and that no other program has it open"
    if not settings.enabled:
        return Finding(name, "ok", f"{shown}, switched off in the settings")
    began = time.monotonic()
    try:
        source = open_source(settings)
        timer = threading.Timer(seconds, source.close)
        timer.start()
        try:
            frame = next(iter(source), None)
        finally:
            timer.cancel()
            source.close()
    except SourceError as error:
        return from_error(name, error, remedy)
    if frame is None:
        reason = source.reason if isinstance(source, LiveSource) and source.reason else "no frame"
        return Finding(name, "missing", f"{shown}: {reason} within {seconds:g} s", remedy)
    height, width = frame.image.shape[:2]
    took = time.monotonic() - began
    return Finding(name, "ok", f"{shown}, {width} x {height}, first frame after {took:.1f} s")


def check_broker(config: Config, seconds: float = BROKER_SECONDS) -> Finding:
    """A connection with the configured credentials, under a client id of its own.

    A certificate may be the client id as well, and a second connection would end the first: while the daemon runs, only
    TLS is looked at.
    """
    name = "Broker"
    if config.broker.url is None:
        return Finding(name, "warning", "none is set: events go nowhere", "set broker.url, or give --broker")
    try:
        endpoint = Endpoint.from_settings(config.broker, f"doctor-{secrets.token_hex(4)}")
    except BrokerError as error:
        return from_error(name, error, "see the section broker of the settings")
    try:
        if endpoint.tls and config.broker.certificate_file and is_in_use(outbox_path(config)):
            _shake_hands(endpoint.host, endpoint.port, endpoint.tls, seconds)
            return Finding(name, "ok", f"{endpoint.url}, certificates good; the running daemon is the one connected")
        return _knocked(name, endpoint, seconds)
    except (OSError, ValueError) as error:
        remedy = "see that it runs, its address, and the firewall between"
        return Finding(name, "missing", f"{endpoint.url}: {reason_of(error)}", remedy)


def _shake_hands(host: str, port: int, tls: ssl.SSLContext, seconds: float) -> None:
    """TLS, and not a word of MQTT.

    Raises:
        OSError: no connection, or either side refuses the other's certificate.
    """
    with (
        socket.create_connection((host, port), seconds) as plain,
        tls.wrap_socket(plain, server_hostname=host) as channel,
    ):
        channel.settimeout(REFUSAL_SECONDS)
        with suppress(TimeoutError):  # it waits for our CONNECT
            channel.recv(1)


def _knocked(name: str, endpoint: Endpoint, seconds: float) -> Finding:
    said = ""
    for version in VERSIONS:
        said = _knock(endpoint, version, seconds)
        if said == "Success":
            return Finding(name, "ok", f"{endpoint.url}, {version}")
        if said in REFUSED_CREDENTIALS:
            remedy = "see broker.username and broker.password_file, and the broker's list of users"
            return Finding(name, "missing", f"{endpoint.url}: refuses the credentials ({said})", remedy)
    return Finding(name, "missing", f"{endpoint.url}: {said or 'does not answer as a broker'}", "see the broker's log")


def _knock(endpoint: Endpoint, version: str, seconds: float) -> str:
    """The broker's answer to CONNECT in its own words, empty without one."""
    client = paho.Client(CallbackAPIVersion.VERSION2, endpoint.client_id, protocol=VERSIONS[version])
    client.connect_timeout = seconds
    if endpoint.username is not None:
        client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set_context(endpoint.tls)
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(str(reason))
    client.connect(endpoint.host, endpoint.port, keepalive=max(1, round(seconds)))
    deadline = time.monotonic() + seconds
    while not answers and time.monotonic() < deadline and client.loop(0.1) == paho.MQTT_ERR_SUCCESS:
        continue
    client.disconnect()
    return answers[0] if answers else ""
