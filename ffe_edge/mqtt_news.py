"""What the log says of the broker: each change once, never a line a message."""

from __future__ import annotations

import logging
from typing import Literal

from paho.mqtt.reasoncodes import ReasonCode

from ffe_edge.mqtt_endpoint import Endpoint
from ffe_edge.mqtt_session import MqttVersion

logger = logging.getLogger(__name__)

STEADY_SECONDS = 10.0
"""A connection that stood this long is no sign of trouble."""
SUSPICIOUS_CONNECTIONS = 3
"""So many shorter ones in a row look like two programs that push each other out."""

BrokerState = Literal["connecting", "connected", "refused", "unreachable"]


class News:
    """For the network thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._url = endpoint.url
        self._client_id = endpoint.client_id
        self._told = ""
        self._warned: set[str] = set()
        self._short_connections = 0
        self._version: MqttVersion = "MQTT 5"

    @property
    def _is_suspicious(self) -> bool:
        return self._short_connections >= SUSPICIOUS_CONNECTIONS

    def connected(self, version: MqttVersion) -> None:
        """The broker has accepted us. After many short connections that is no news until it lasts."""
        self._version = version
        if not self._is_suspicious:
            self._tell_connected()
        if version != "MQTT 5":
            self.warn_once("it speaks MQTT 3.1.1 only, where an event that it denies counts as delivered")

    def lasts(self, seconds: float) -> None:
        """The connection stands for so long by now."""
        if seconds > STEADY_SECONDS and self._short_connections:
            if self._is_suspicious:
                self._tell_connected()
            self._short_connections = 0

    def ended(self, seconds: float) -> bool:
        """A connection has ended after so long; whether that was long enough."""
        self.lasts(seconds)
        if seconds > STEADY_SECONDS:
            return True
        self._short_connections += 1
        if self._short_connections == SUSPICIOUS_CONNECTIONS:  # mosquitto 2.0.11 gives no reason for a takeover
            self.warn_once(f"it hangs up again and again; does another program use the client id {self._client_id}?")
        return False

    def failed(self, trouble: str, delay: float) -> None:
        """There is no connection, and when the next try is."""
        if trouble != self._told:
            self._told = trouble
            logger.warning("broker %s %s; events are kept, next try in %.1f s", self._url, trouble, delay)

    def answered(self, what: str, reason: ReasonCode) -> None:
        """The broker has taken something, or not."""
        if reason.is_failure:
            self.warn_once(f"it denies {what} ({reason}); check its access rules")

    def _tell_connected(self) -> None:
        self._told = ""
        logger.info("broker %s connected (%s)", self._url, self._version)

    def warn_once(self, warning: str) -> None:
        """Say it the first time only."""
        if warning not in self._warned:
            self._warned.add(warning)
            logger.warning("broker %s: %s", self._url, warning)
