"""Settings: one TOML file, validated, read once, passed down as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from ffe_edge.config_delivery import (
    BrokerSettings,
    HomeAssistantSettings,
    OutboxSettings,
    checked_broker_url,
    default_state_dir,
)
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
from ffe_edge.config_perception import (
    DetectorSettings,
    EventSettings,
    ModelSettings,
    PipelineSettings,
    TrackerSettings,
)
from ffe_edge.config_section import Id, Settings
from ffe_edge.config_updates import ModelUpdateSettings
from ffe_edge.errors import ConfigError

__all__ = [
    "BrokerSettings", "CameraSettings", "Config", "DetectorSettings", "EventSettings", "HomeAssistantSettings",
    "LogFormat", "ModelSettings", "OutboxSettings", "PipelineSettings", "ServiceSettings", "TrackerSettings",
    "checked_broker_url", "default_state_dir", "load_config",
]  # fmt: skip

LogFormat = Literal["text", "json"]
MAX_CAMERAS = 32


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
    model_updates: ModelUpdateSettings = ModelUpdateSettings()

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

    @field_validator("model_updates")
    @classmethod
    def _check_hours(cls, section: ModelUpdateSettings, found: ValidationInfo) -> ModelUpdateSettings:
        schedule: ScheduleSettings | None = found.data.get("schedule")
        if section.hours and schedule is not None and schedule.time_zone is None:
            raise ValueError('hours need the site\'s schedule.time_zone, as "Asia/Tokyo"')
        return section

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
