"""Whether the cameras may look, as the settings of now want it: privacy, hours, zones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from ffe_edge.config import Config
from ffe_edge.errors import ConfigError
from ffe_edge.gate import HomeGate
from ffe_edge.messages import CameraState
from ffe_edge.people import open_switch
from ffe_edge.privacy import PAUSE, Why
from ffe_edge.types import Faces

Hidden = tuple[CameraState, str]
"""What a camera that may not look is told as, and why."""

DISABLED: Final = {
    "pause": "paused by a command",
    "hours": "outside the hours of the schedule",
    "clock": "the clock is not set, so the hours are not known",
}
"""The reason that is told, by the gate's."""


class House:
    """A gate that stays the same for the pipeline while settings change. ``set`` is for any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._switch = open_switch(config)
        self._gate = HomeGate(config, self._switch)
        self._mutex = threading.Lock()

    def use(self, config: Config) -> None:
        """Other settings hold from the next frame on."""
        with self._mutex:
            if config.privacy != self._config.privacy:
                self._switch = open_switch(config)
            self._config, self._gate = config, HomeGate(config, self._switch, before=self._gate)

    def allows(self, camera_id: str, captured_at: datetime) -> bool:
        """Whether a frame taken then may be looked at."""
        return self._gate.allows(camera_id, captured_at)

    def keep(self, camera_id: str, faces: Faces, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) which of the N faces count."""
        return self._gate.keep(camera_id, faces, shape)

    def hidden(self, camera_id: str) -> Hidden | None:
        """Why the camera does not look now; None while it does."""
        why = self._gate.why_not_now(camera_id)
        if why == "privacy":
            asking = [reason for reason in self._switch.reasons(camera_id) if reason != PAUSE]
            return "privacy", f"asked for by {', '.join(asking) or 'the switch'}"
        return ("disabled", DISABLED[why]) if why else None

    def set(self, *, on: bool, camera_id: str | None, why: Why) -> None:
        """Obey a command for one camera, or for all.

        Raises:
            ConfigError: there is no such camera.
            StoreError: it would not survive a restart.
        """
        with self._mutex:
            if camera_id is not None and camera_id not in [camera.id for camera in self._config.cameras]:
                raise ConfigError("there is no camera of this id")
            self._switch.set(on=on, camera_id=camera_id, why=why)
