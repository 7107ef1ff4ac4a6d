"""Settings: one TOML file, validated, read once, passed down as frozen values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from ffe_edge.config_file import mistakes, one_line, override, read_toml
from ffe_edge.config_people import (
    BaselineSettings,
    Named,
    PrivacySettings,
    ResidentSettings,
    ScheduleSettings,
    ZoneSettings,
    checked_cameras,
)
from ffe_edge.config_section import Id, Seconds, Settings, Share
from ffe_edge.errors import ConfigError

Backend = Literal["auto", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx"]
LogFormat = Literal["text", "json"]
MAX_CAMERAS = 32


def default_state_dir() -> Path:
    """Where the outbox lives: systemd's state directory, else the user's."""
    if folder := os.environ.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ffe-edge"


class CameraSettings(Settings):
    """Where pictures come from."""

    id: Id = "camera"
    """Its name on the wire. Of several cameras each has its own."""
    enabled: bool = True
    """A camera that is switched off is told as ``disabled`` and not opened."""
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
    long_side_px: int = Field(default=320, ge=64, le=4096)
    """The image is shrunk to this long side before detection ..."""
    min_face_px: int | None = Field(default=None, ge=10, le=1000)
    """... unless faces of this side must be found, which would then be too small: the image is shrunk less."""


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
    """A person not seen for this long has left ..."""
    occluded_seconds: Seconds = 4.0
    """... or for this long, where somebody else stands in front."""
    smoothing_seconds: Seconds = 0.3
    """Time constant of the exponential filter on the probabilities."""


class EventSettings(Settings):
    """When a change is worth telling."""

    hold_seconds: Seconds = 0.8
    """An emotion must last this long before it is told."""
    min_probability: Share = 0.4
    """Below it the model abstains: ``uncertain``."""
    min_quality: Share = 0.3
    """Faces below it form no event."""
    hysteresis: Share = 0.05
    """By so much another emotion must be likelier than the present one, and the present one fall below
    ``min_probability``, before it counts."""
    min_frames: int = Field(default=3, ge=2)
    """No event is formed from fewer frames."""


class PipelineSettings(Settings):
    """How often is looked."""

    classify_hz: float = Field(default=5.0, gt=0, le=240)
    """Looks at each person's face a second."""
    detect_every_frames: int = Field(default=6, ge=1, le=1000)
    """The whole picture is searched for faces this often while something moves, at once when somebody is lost ..."""
    detect_seconds: float = Field(default=1.0, gt=0, le=60)
    """... and at least this often. Between, known faces are looked for only where they are expected."""


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
    keep_seconds: Seconds = 3600.0
    """Delivered events are kept this long for a replay; 0: not at all."""
    keep_bytes: int = Field(default=4 * 2**20, ge=0)
    """Beyond it the oldest of those are dropped. At most a quarter of ``max_bytes`` is used."""


class HomeAssistantSettings(Settings):
    """Discovery by Home Assistant."""

    enabled: bool = True
    """False takes the device out of Home Assistant again."""
    discovery_prefix: str = Field(default="homeassistant", pattern=r"^[^#+\s\x00/]+(/[^#+\s\x00/]+)*$", max_length=128)


class ServiceSettings(Settings):
    """The daemon itself."""

    health_port: int = Field(default=0, ge=0, le=65535)
    """``/metrics``, ``/healthz`` and ``/readyz`` on 127.0.0.1; 0: none."""
    log_format: LogFormat = "text"
    """``json`` writes one object a line."""
    hang_seconds: float = Field(default=60.0, ge=45, le=3600)
    """Capture, inference or publishing without progress for this long is hung: systemd's watchdog is let expire."""


class Config(Settings):
    """Everything the daemon needs to know."""

    site: Id = "home"
    node: Id = "edge-01"
    cameras: tuple[CameraSettings, ...] = Field(default=(CameraSettings(),), alias="camera")
    """``[camera]`` for one, ``[[camera]]`` once for each of several."""
    detector: DetectorSettings = DetectorSettings()
    model: ModelSettings = ModelSettings()
    tracker: TrackerSettings = TrackerSettings()
    events: EventSettings = EventSettings()
    pipeline: PipelineSettings = PipelineSettings()
    broker: BrokerSettings = BrokerSettings()
    outbox: OutboxSettings = Field(default_factory=OutboxSettings)
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    service: ServiceSettings = ServiceSettings()
    zones: dict[Id, ZoneSettings] = Field(default_factory=dict)
    """By the camera's id."""
    schedule: ScheduleSettings = ScheduleSettings()
    privacy: PrivacySettings = PrivacySettings()
    residents: ResidentSettings = ResidentSettings()
    baseline: BaselineSettings = BaselineSettings()

    @field_validator("cameras", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, cameras: object) -> object:
        return (cameras,) if isinstance(cameras, (dict, CameraSettings)) else cameras

    @field_validator("cameras")
    @classmethod
    def _check_ids(cls, cameras: tuple[CameraSettings, ...]) -> tuple[CameraSettings, ...]:
        if not 1 <= len(cameras) <= MAX_CAMERAS:
            raise ValueError(f"a node has 1 to {MAX_CAMERAS} cameras, not {len(cameras)}")
        ids = [camera.id for camera in cameras]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"several cameras are called {', '.join(twice)}; give each an id of its own")
        return cameras

    @field_validator("zones", "schedule")
    @classmethod
    def _check_cameras(cls, section: Named, found: ValidationInfo) -> Named:
        return checked_cameras(section, [camera.id for camera in found.data.get("cameras", ())])

    @property
    def camera(self) -> CameraSettings:
        """The first one."""
        return self.cameras[0]

    @property
    def source_topic(self) -> str:
        """Topic prefix and CloudEvents ``source`` of the first camera."""
        return self.camera_topic(self.camera.id)

    def camera_topic(self, camera_id: str) -> str:
        """Topic prefix and CloudEvents ``source`` of a camera."""
        return f"{self.node_topic}/camera/{camera_id}"

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
    values = read_toml(path) if path else {}
    override(values, overrides or {})
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(one_line(mistakes(error, values), str(path or "command line"))) from error
