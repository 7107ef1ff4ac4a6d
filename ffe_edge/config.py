"""Settings: one TOML file, validated, read once, passed down as frozen values."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ffe_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Backend = Literal["auto", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx"]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


def default_state_dir() -> Path:
    """Where the outbox lives: systemd's state directory, else the user's."""
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ffe-edge"


class Settings(BaseModel):
    """A section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraSettings(Settings):
    """Where pictures come from."""

    id: Id = "camera"
    """Its name on the wire."""
    source: str = "demo:"
    """Video file, image folder, ``rtsp://…``, ``/dev/video0`` or an index, ``csi://0``, ``demo:``."""
    width_px: int = Field(default=1280, ge=64, le=7680)
    """Asked of V4L2 and CSI cameras."""
    height_px: int = Field(default=720, ge=64, le=4320)
    fps: float = Field(default=15.0, gt=0, le=240)
    """Asked of V4L2 and CSI cameras; the rate of image folders and ``demo:``."""
    realtime: bool = False
    """Play a file or folder at its own speed instead of as fast as possible."""
    timeout_seconds: float = Field(default=10.0, ge=1, le=3600)
    """A live camera that gives no frame for this long is opened again."""


class DetectorSettings(Settings):
    """How faces are found."""

    path: Path | None = None
    """YuNet's ONNX; None searches ``$FFE_MODELS`` and the fetched models, then falls back to Haar."""
    confidence: Share = 0.7
    long_side_px: int = Field(default=640, ge=64, le=4096)
    """The image is shrunk to this long side before detection."""


class ModelSettings(Settings):
    """How expressions are told."""

    path: Path | None = None
    """An exported ONNX, or the folder that `ffe-edge export` wrote; None is the shipped model."""
    threads: int = Field(default=1, ge=1, le=64)
    backend: Backend = "auto"
    """What runs it. ``auto``: TensorRT where the model, the GPU and the software are there, else the CPU runtime that
    measures faster."""
    engine_dir: Path | None = None
    """Where engines of this machine are kept; None: ``engines`` in the state folder."""
    dla_core: int | None = Field(default=None, ge=0, le=3)
    """Deep-learning accelerator of an Orin or Xavier instead of its GPU."""


class TrackerSettings(Settings):
    """Who is who between frames."""

    min_iou: Share = 0.3
    lost_seconds: Seconds = 1.5
    """A person not seen for this long has left."""
    smoothing_seconds: Seconds = 0.6
    """Time constant of the exponential filter on the probabilities."""


class EventSettings(Settings):
    """When a change is worth telling."""

    hold_seconds: Seconds = 0.8
    """An emotion must last this long before it is told."""
    min_probability: Share = 0.4
    """Below it the model abstains: ``uncertain``."""
    min_quality: Share = 0.3
    """Faces below it form no event."""
    min_frames: int = Field(default=3, ge=2)
    """No event is formed from fewer frames."""


class BrokerSettings(Settings):
    """The MQTT broker."""

    url: str | None = None
    """``mqtt://host:1883`` or ``mqtts://host:8883``; None: no broker. Credentials do not belong here."""
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """Certificate authority for ``mqtts``; None: the system's."""
    certificate_file: Path | None = None
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


class Config(Settings):
    """Everything the daemon needs to know."""

    site: Id = "home"
    node: Id = "edge-01"
    camera: CameraSettings = CameraSettings()
    detector: DetectorSettings = DetectorSettings()
    model: ModelSettings = ModelSettings()
    tracker: TrackerSettings = TrackerSettings()
    events: EventSettings = EventSettings()
    broker: BrokerSettings = BrokerSettings()
    outbox: OutboxSettings = Field(default_factory=OutboxSettings)

    @property
    def source_topic(self) -> str:
        """Topic prefix and CloudEvents ``source`` of the camera."""
        return f"{self.node_topic}/camera/{self.camera.id}"

    @property
    def node_topic(self) -> str:
        """Topic prefix of this node."""
        return f"{self.broker.root_topic}/{self.site}/{self.node}"


BrokerScheme = Literal["mqtt", "mqtts"]


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


def load_config(path: Path | None, overrides: Mapping[str, Mapping[str, Any] | Any] | None = None) -> Config:
    """Read the settings; ``overrides`` (from flags) win over the file, the file over the defaults.

    Args:
        path: a TOML file, or None for the defaults.
        overrides: values by section, as ``{"site": "kiso", "camera": {"source": "0"}}``; None values are ignored.

    Raises:
        ConfigError: the file cannot be read, or a key is unknown, of the wrong type or out of range.
    """
    values = _read_toml(path) if path else {}
    for key, value in (overrides or {}).items():
        if isinstance(value, Mapping):
            section = values.setdefault(key, {})
            if isinstance(section, dict):
                section.update({name: given for name, given in value.items() if given is not None})
        elif value is not None:
            values[key] = value
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, str(path or "command line"))) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give --config an existing TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error


def _one_line(error: ValidationError, where: str) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    unknown = first["type"] == "extra_forbidden"
    reason = "unknown key; see the keys in README.md" if unknown else first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {key}: {reason}{more}"
