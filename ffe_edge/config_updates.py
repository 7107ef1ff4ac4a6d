"""Settings of model updates that come over the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, model_validator

from ffe_edge.config_people import HoursSettings
from ffe_edge.config_section import Settings, Share

MAX_KEYS: Final = 16
PublicKeyText = Annotated[str, Field(pattern=r"^RW[QRST][A-Za-z0-9+/]{53}$")]


class ModelUpdateSettings(Settings):
    """Signed models that a topic of the broker names, see docs/updates.md."""

    enabled: bool = False
    """Follow the topics `model/desired` of this node and of the site; an updated model wins over `model.path`."""
    public_keys: tuple[PublicKeyText, ...] = Field(default=(), max_length=MAX_KEYS)
    """Whose signatures count: the last line of `release.pub` of `ffe-edge models keygen`, or of minisign's own."""
    hours: tuple[HoursSettings, ...] = Field(default=(), max_length=64)
    """When an update may begin, as in `schedule.hours`, by `schedule.time_zone`; none: at any time."""
    max_bytes: int = Field(default=128 * 2**20, ge=1024, le=2 * 2**30)
    """Of all files of an update together; a larger one is refused."""
    allow_http: bool = False
    """Fetch without TLS, too: others can then see what is fetched, not change it. From this machine always."""
    ca_file: Path | None = None
    """Certificate authority (PEM) of the server that models are fetched from; None: the system's."""
    shadow_looks: int = Field(default=20, ge=0, le=10_000)
    """Faces that the new model reads beside the old one before it serves; after 10 s without a face it need not."""
    probation_seconds: float = Field(default=300.0, ge=1, le=86_400)
    """For so long the old model stands by, and takes over at the first thing that is wrong ..."""
    probation_looks: int = Field(default=50, ge=0, le=1_000_000)
    """... and until the new one has read so many batches of faces."""
    min_fps_share: Share = 0.5
    """Of the frames a second before the update; with fewer on probation the old model comes back."""

    @model_validator(mode="after")
    def _check_keys(self) -> ModelUpdateSettings:
        if self.enabled and not self.public_keys:
            raise ValueError("public_keys are needed: without them nobody could sign a model for this node")
        return self
