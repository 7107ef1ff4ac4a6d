"""What the pipeline asks before it looks: may this camera be looked at now, and which of the faces count?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ffe_edge.clock import clock_is_synchronised
from ffe_edge.config import Config
from ffe_edge.privacy import PAUSE, PrivacySwitch
from ffe_edge.schedule import Schedule
from ffe_edge.types import Faces
from ffe_edge.zones import Zones

WhyNot = Literal["privacy", "pause", "hours", "clock"]

STALE_SECONDS: Final = 60.0
"""So long after privacy has ended, older frames may still come out of a buffer."""
ANY_LATER: Final = datetime.max.replace(tzinfo=timezone.utc)
CLOCK_SECONDS: Final = 10.0
"""How often an unsynchronised clock is asked again."""


@dataclass(slots=True)
class Seen:
    """What is remembered of one camera."""

    was_private: bool = False
    changes: int = 0
    resumed: tuple[datetime, float] | None = None
    """Time and clock when privacy was last found to have ended."""


class HomeGate:
    """Privacy, hours and zones of all cameras of a node."""

    def __init__(
        self,
        config: Config,
        switch: PrivacySwitch,
        *,
        before: HomeGate | None = None,
        is_synchronised: Callable[[], bool] = clock_is_synchronised,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put together.

        Args:
            config: zones, hours and cameras.
            switch: the privacy switch.
            before: the gate of the settings before; frames that it would refuse as taken in privacy stay refused.
            is_synchronised: whether the machine's clock can be believed.
            now: the wall clock.
            clock: the monotonic clock.
        """
        self._switch = switch
        self._zones = {name: Zones(zones) for name, zones in config.zones.items()}
        self._schedules = {camera.id: Schedule(config.schedule, camera.id) for camera in config.cameras}
        known: Mapping[str, Seen] = before.seen if before else {}
        self.seen: dict[str, Seen] = {
            camera.id: known.get(camera.id) or Seen(changes=switch.changes) for camera in config.cameras
        }
        """By camera."""
        self._clock_trust = _ClockTrust(is_synchronised, clock)
        self._now = now
        self._clock = clock

    def allows(self, camera_id: str, captured_at: datetime) -> bool:
        """Whether a frame may be looked at: decided before anything is found in it."""
        return self.why_not(camera_id, captured_at) is None

    def why_not(self, camera_id: str, captured_at: datetime) -> WhyNot | None:
        """Why a frame may not be looked at; privacy is told before a pause, and that before the hours.

        A frame that was taken in privacy or a pause is never looked at, however late it comes out of a buffer.

        Args:
            camera_id: of the settings.
            captured_at: when the frame was taken.
        """
        return self._asked_for(camera_id, captured_at) or self._closed(camera_id, captured_at)

    def why_not_now(self, camera_id: str) -> WhyNot | None:
        """Why a frame that is taken from now on may not be looked at."""
        return self._asked_for(camera_id, ANY_LATER) or self._closed(camera_id, self._now())

    def keep(self, camera_id: str, faces: Faces, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) bool, which of the N faces count, by the camera's zones."""
        zones = self._zones.get(camera_id)
        return np.ones(len(faces), bool) if zones is None else zones.keep(faces, shape)

    def _asked_for(self, camera_id: str, captured_at: datetime) -> WhyNot | None:
        if not self._is_private(camera_id, captured_at):
            return None
        return "pause" if self._switch.reasons(camera_id) == (PAUSE,) else "privacy"

    def _closed(self, camera_id: str, moment: datetime) -> WhyNot | None:
        is_sure = self._clock_trust.is_synchronised()
        return self._schedules[camera_id].why_not(moment, clock_is_synchronised=is_sure)

    def _is_private(self, camera_id: str, captured_at: datetime) -> bool:
        seen = self.seen[camera_id]
        changes = self._switch.changes
        if self._switch.is_on(camera_id):
            seen.was_private = True
            return True
        if seen.was_private or changes != seen.changes:
            seen.was_private, seen.changes = False, changes
            seen.resumed = self._now(), self._clock()
        if seen.resumed is not None and self._clock() - seen.resumed[1] >= STALE_SECONDS:
            seen.resumed = None
        return seen.resumed is not None and captured_at < seen.resumed[0]


class _ClockTrust:
    """A clock that was synchronised once in this run is believed from then on: it drifts by seconds a day."""

    def __init__(self, is_synchronised: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._ask = is_synchronised
        self._clock = clock
        self._is_synchronised = False
        self._asked_seconds = -float("inf")

    def is_synchronised(self) -> bool:
        now = self._clock()
        if not self._is_synchronised and now - self._asked_seconds >= CLOCK_SECONDS:
            self._is_synchronised, self._asked_seconds = self._ask(), now
        return self._is_synchronised
