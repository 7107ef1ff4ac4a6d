"""A wish goes to the broker: retained, and acknowledged by it."""

from __future__ import annotations

import secrets
import threading
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from ffe_edge.config import BrokerSettings
from ffe_edge.errors import BrokerError
from ffe_edge.mqtt_endpoint import Endpoint, reason_of

ANSWER_SECONDS: Final = 10.0


def publish_retained(settings: BrokerSettings, topic: str, payload: bytes) -> None:
    """Set a retained topic; an empty payload clears it.

    Raises:
        BrokerError: there is no broker, it cannot be reached, or does not take it.
    """
    endpoint = Endpoint.from_settings(settings, f"ffe-publish-{secrets.token_hex(4)}")
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        endpoint.client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )
    client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set_context(endpoint.tls)
    answers = _Answers(client)
    try:
        client.connect(endpoint.host, endpoint.port, endpoint.keepalive_seconds)
    except (OSError, ValueError) as error:
        raise BrokerError(f"{endpoint.url}: cannot be reached ({reason_of(error)}); is the broker running?") from error
    client.loop_start()
    try:
        answers.wait(endpoint.url, "connect")
        client.publish(topic, payload, qos=1, retain=True)
        answers.wait(endpoint.url, "publish")
    finally:
        client.disconnect()
        client.loop_stop()


class _Answers:
    """What the broker says, in turn."""

    def __init__(self, client: paho.Client) -> None:
        self._came = {"connect": threading.Event(), "publish": threading.Event()}
        self._reasons: dict[str, ReasonCode] = {}
        client.on_connect = lambda _client, _data, _flags, reason, _given: self._note("connect", reason)
        client.on_publish = lambda _client, _data, _mid, reason, _given: self._note("publish", reason)

    def wait(self, url: str, what: str) -> None:
        if not self._came[what].wait(ANSWER_SECONDS):
            raise BrokerError(f"{url}: did not answer in {ANSWER_SECONDS:g} s; it must speak MQTT 5")
        if self._reasons[what].is_failure:
            raise BrokerError(
                f"{url}: refuses to {what} ({self._reasons[what]}); see its access rules, and the password"
            )

    def _note(self, what: str, reason: Any) -> None:
        self._reasons[what] = reason
        self._came[what].set()
