"""The demo leaves nothing at a broker that is not its own: a session that is kept there would collect for a week."""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ffe_edge.config import BrokerSettings
from ffe_edge.mqtt_endpoint import Endpoint

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 3.0


def end_session(settings: BrokerSettings, client_id: str) -> bool:
    """Have the broker forget a session that nobody uses any more.

    Args:
        settings: where the broker is.
        client_id: whose session.

    Returns:
        Whether it answered; what does not speak MQTT 5 does not.

    Raises:
        BrokerError: the password or a certificate cannot be read.
    """
    endpoint = Endpoint.from_settings(settings, client_id)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(endpoint.username, endpoint.password)
    if endpoint.tls is not None:
        client.tls_set_context(endpoint.tls)
    connected = threading.Event()

    def told(_client: paho.Client, _data: object, _flags: object, reason: Any, _more: object) -> None:
        if not reason.is_failure:
            connected.set()

    client.on_connect = told
    client.connect_timeout = ANSWER_SECONDS
    try:
        client.connect(endpoint.host, endpoint.port, clean_start=True)  # without an expiry it ends with the connection
    except OSError as error:
        logger.warning("broker %s keeps the demo's session for a week: %s", endpoint.url, error)
        return False
    client.loop_start()
    connected.wait(ANSWER_SECONDS)
    client.disconnect()
    client.loop_stop()
    return connected.is_set()
