"""How a person is seen: pose, gaze and light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ffe_edge.rendered.pose import rotation
from ffe_edge.rendered.shading import Light
from ffe_edge.types import FloatArray


@dataclass(frozen=True, slots=True)
class View:
    """Pose, gaze, light and background of one picture."""

    yaw_degrees: float = 0.0
    """Face turned to the image's right (+)."""
    pitch_degrees: float = 0.0
    """Head bowed (+)."""
    roll_degrees: float = 0.0
    """Head tilted clockwise (+)."""
    shift_mm: tuple[float, float] = (0.0, 0.0)
    """Head moved to the right and down."""
    gaze_mm: tuple[float, float] = (0.0, 0.0)
    """Irises moved to the right and down."""
    light_azimuth_degrees: float = -30.0
    """Lamp at the image's right (+) or left (-)."""
    light_elevation_degrees: float = 38.0
    """Lamp above the eyes (+)."""
    light_strength: float = 0.95
    ambient: float = 0.36
    warmth: float = 0.0
    """Lamp's colour: bluish (-1) to yellowish (+1)."""
    exposure: float = 1.0
    background: int = 0
    """Which room is behind."""

    @property
    def turn(self) -> FloatArray:
        """(3, 3) rotation of the head."""
        return rotation(self.yaw_degrees, self.pitch_degrees, self.roll_degrees)

    def light(self, turn: FloatArray) -> Light:
        """The lamp as seen by something turned by ``turn`` (3, 3)."""
        azimuth, elevation = np.radians([self.light_azimuth_degrees, self.light_elevation_degrees])
        flat = np.cos(elevation)
        towards = np.array([np.sin(azimuth) * flat, -np.sin(elevation), np.cos(azimuth) * flat], np.float32)
        colour = np.array([1.0 - 0.16 * self.warmth, 1.0 - 0.02 * self.warmth, 1.0 + 0.08 * self.warmth], np.float32)
        return Light(turn.T @ towards, self.light_strength, self.ambient, colour)


def sample_view(rng: np.random.Generator, *, spread: float = 1.0) -> View:
    """Draw a view as a camera in a living room sees it; ``spread`` scales how far the head turns."""
    yaw, pitch, roll = np.clip(rng.normal(0.0, 1.0, 3), -2.0, 2.0) * np.array([9.0, 5.0, 4.0]) * spread
    gaze = np.clip(rng.normal(0.0, 0.8, 2), -2.0, 2.0) * np.array([1.0, 0.5])
    shift = np.clip(rng.normal(0.0, 3.0, 2), -7.0, 7.0)
    strength = float(rng.uniform(0.5, 1.0))
    return View(
        yaw_degrees=float(yaw),
        pitch_degrees=float(pitch),
        roll_degrees=float(roll),
        shift_mm=(float(shift[0]), float(shift[1])),
        gaze_mm=(float(gaze[0]), float(gaze[1])),
        light_azimuth_degrees=float(rng.uniform(-60.0, 60.0)),
        light_elevation_degrees=float(rng.uniform(10.0, 60.0)),
        light_strength=strength,
        ambient=float(rng.uniform(0.9, 1.15) - 0.65 * strength),
        warmth=float(rng.normal(0.15, 0.5)),
        exposure=float(np.clip(rng.normal(1.0, 0.14), 0.7, 1.35)),
        background=int(rng.integers(2**31)),
    )
