"""Settings of delivery: the outbox, the broker, Home Assistant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ffe_edge.config_section import Seconds, Settings

BrokerScheme = Literal["mqtt", "mqtts"]


def default_state_dir() -> Path:
    """Where the outbox lives: systemd's state directory, else the user's."""
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ffe-edge"


def checked_broker_url(url: str) -> str:
    """The URL itself when it names a broker.

    Raises:
        ValueError: another scheme, no host, or credentials in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("a broker is mqtt://host:port or mqtts://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong in the URL: use broker.username and broker.password_file")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or parts.path not in ("", "/"):
        raise ValueError("a broker is mqtt://host:port or mqtts://host:port")
    return url


class BrokerSettings(Settings):
    """The MQTT broker."""

    url: str | None = None
    """``mqtt://host:1883`` or ``mqtts://host:8883``; None: no broker. Credentials do not belong here."""
    username: str | None = None
    password_file: Path | None = None
    """This and the certificates are read at every try to connect: a new one needs no restart."""
    ca_file: Path | None = None
    """Certificate authority for ``mqtts``; None: the system's."""
    certificate_file: Path | None = None
    """With ``key_file``: ours, for a broker that asks for it."""
    key_file: Path | None = None
    root_topic: str = Field(default="ffe/v1", pattern=r"^[^#+\s\x00/]+(/[^#+\s\x00/]+)*$", max_length=128)
    keepalive_seconds: int = Field(default=30, ge=5, le=3600)
    backoff_max_seconds: float = Field(default=60.0, ge=1, le=3600)

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return None if url is None else checked_broker_url(url)


class OutboxSettings(Settings):
    """Events on disk until the broker has them."""

    state_dir: Path = Field(default_factory=default_state_dir)
    max_bytes: int = Field(default=64 * 2**20, ge=2**20)
    """Beyond it the oldest events are given up and told as a gap."""
    window: int = Field(default=20, ge=1, le=1000)
    """Messages on their way to the broker at once."""
    keep_seconds: Seconds = 3600.0
    """Delivered events are kept this long for a replay; 0: not at all."""
    keep_bytes: int = Field(default=4 * 2**20, ge=0)
    """Beyond it the oldest of those are dropped. At most a quarter of ``max_bytes`` is used."""


class HomeAssistantSettings(Settings):
    """Discovery by Home Assistant."""

    enabled: bool = True
    """False takes the device out of Home Assistant again."""
    discovery_prefix: str = Field(default="homeassistant", pattern=r"^[^#+\s\x00/]+(/[^#+\s\x00/]+)*$", max_length=128)
