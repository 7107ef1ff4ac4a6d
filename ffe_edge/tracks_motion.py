"""Where a face will be: one Kalman filter over its box.

Centre and sides each move with a velocity that fades over ``FADE_SECONDS``, so that somebody who is out of sight
drifts on a little and then stays. Over looks 0.2 and 0.4 s apart of ten clips (people who sign, walk, turn the head, or
are rendered) 0.2 s predicted the centre 20 % nearer on average than 0.8 s, and 29 % in the worst tenth; where somebody
walked, as well as that. All lengths are in sides of the face itself: near and far faces share the noise, and the four
coordinates share one covariance.
Source: Bewley et al., Simple online and realtime tracking, ICIP 2016; Bar-Shalom et al., Estimation with Applications
to Tracking and Navigation, 2001, section 6.2.2 (white noise acceleration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ffe_edge.types import FloatArray

FADE_SECONDS: Final = 0.2
ACCELERATION: Final = 6.0
"""Standard deviation, sides a second squared."""
FOUND: Final = 0.04
"""Standard deviation of what a detector tells, sides."""
FIRST_SPEED: Final = 1.0
"""Standard deviation of the speed of somebody seen once, sides a second."""


@dataclass(frozen=True, slots=True)
class Motion:
    """What is known of a box at one time."""

    place: FloatArray
    """(4,) centre x, centre y, width, height in pixels."""
    speed: FloatArray
    """(4,) the same a second."""
    covariance: FloatArray
    """(2, 2) of place and speed, in sides."""
    seconds: float

    @property
    def xyxy(self) -> FloatArray:
        """(4,) float32 pixels."""
        half = np.maximum(self.place[2:], 1) / 2
        return np.concatenate([self.place[:2] - half, self.place[:2] + half]).astype(np.float32)

    @property
    def doubt(self) -> float:
        """Standard deviation of the place, sides."""
        return float(np.sqrt(self.covariance[0, 0]))


def begun(xyxy: FloatArray, seconds: float) -> Motion:
    """A box seen for the first time."""
    covariance = np.diag([FOUND**2, FIRST_SPEED**2]).astype(np.float32)
    return Motion(_place(xyxy), np.zeros(4, np.float32), covariance, seconds)


def predicted(motion: Motion, seconds: float) -> Motion:
    """The same box at a later time."""
    elapsed = max(0.0, seconds - motion.seconds)
    kept = float(np.exp(-elapsed / FADE_SECONDS))
    reach = FADE_SECONDS * (1 - kept)
    step = np.array([[1, reach], [0, kept]], np.float32)
    push = np.array([elapsed * elapsed / 2, elapsed], np.float32) * np.float32(ACCELERATION)
    covariance = step @ motion.covariance @ step.T + np.outer(push, push)
    place = motion.place + np.float32(reach) * motion.speed
    return Motion(place, np.float32(kept) * motion.speed, covariance.astype(np.float32), seconds)


def corrected(motion: Motion, xyxy: FloatArray, seconds: float) -> Motion:
    """The box after it was found at this place."""
    ahead = predicted(motion, seconds)
    gain = ahead.covariance[:, 0] / (ahead.covariance[0, 0] + np.float32(FOUND**2))
    surprise = _place(xyxy) - ahead.place
    covariance = ahead.covariance - np.outer(gain, ahead.covariance[0])
    return Motion(ahead.place + gain[0] * surprise, ahead.speed + gain[1] * surprise, covariance, seconds)


def _place(xyxy: FloatArray) -> FloatArray:
    return np.concatenate([(xyxy[:2] + xyxy[2:]) / 2, xyxy[2:] - xyxy[:2]]).astype(np.float32)
