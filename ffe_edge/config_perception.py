"""Settings of perception: detector, model, tracks, events, and how often is looked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ffe_edge.config_section import Seconds, Settings, Share

Backend = Literal["auto", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx"]


class DetectorSettings(Settings):
    """How faces are found."""

    path: Path | None = None
    """YuNet's ONNX; None searches ``$FFE_MODELS`` and the fetched models, then falls back to Haar."""
    confidence: Share = 0.7
    long_side_px: int = Field(default=320, ge=64, le=4096)
    """The image is shrunk to this long side before detection."""
    min_face_px: int | None = Field(default=None, ge=10, le=1000)
    """Faces of this side must be found, too. Where they would be too small in the shrunk image, the daemon also
    searches one tile after the other (``pipeline.tile_every_frames``); what has but one image shrinks it less."""


class ModelSettings(Settings):
    """How expressions are told."""

    path: Path | None = None
    """An exported ONNX, the folder that `ffe-edge export` wrote, or a name that `ffe-edge models list` tells, as
    ``ffe-r18``; a file or folder of that name wins. None is the shipped model."""
    threads: int = Field(default=1, ge=1, le=64)
    backend: Backend = "auto"
    """What runs it. ``auto``: TensorRT where the model, the GPU and the software are there, else the CPU runtime that
    measures faster: ONNX Runtime serves until a process beside the daemon has measured both, once for each model."""
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
    """Looks at each person's face a second ..."""
    settled_hz: float = Field(default=2.5, gt=0, le=240)
    """... and at one whose expression has not changed for a second; no less than ``classify_hz`` looks at all alike."""
    detect_every_frames: int = Field(default=6, ge=1, le=1000)
    """The whole picture is searched for faces this often while something moves, at once when somebody is lost ..."""
    detect_seconds: float = Field(default=1.0, gt=0, le=60)
    """... and at least this often. Between, known faces are looked for only where they are expected."""
    tile_every_frames: int = Field(default=2, ge=1, le=1000)
    """One tile of it is searched for far faces this often, where ``detector.min_face_px`` asks for that. A picture of
    1280x720 with faces of 16 px has 8 tiles, one of 1920x1080 has 18."""
