"""Nothing is looked at in privacy or outside the hours, and no frame of that time afterwards either."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ffe_edge.config import Config
from ffe_edge.gate import HomeGate
from ffe_edge.privacy import FileSource, PrivacySwitch
from ffe_edge.types import Faces

NOON = datetime(2026, 11, 23, 3, 0, tzinfo=timezone.utc)
DAYTIME = {"time_zone": "Asia/Tokyo", "hours": [{"start": "08:00", "end": "20:00"}]}


@dataclass
class Home:
    """A gate whose clocks stand still until told."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    is_synchronised: bool = True
    seconds: float = 0.0
    asked: int = 0

    def __post_init__(self) -> None:
        config = Config.model_validate({"camera": [{"id": "lounge"}, {"id": "hall"}], **self.settings})
        file = FileSource(self.folder / "privacy")
        self.switch = PrivacySwitch(self.folder / "privacy.json", [file], clock=lambda: self.seconds)
        self.gate = HomeGate(
            config, self.switch, is_synchronised=self._ask, now=lambda: self.now, clock=lambda: self.seconds
        )

    def _ask(self) -> bool:
        self.asked += 1
        return self.is_synchronised

    @property
    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def why_not(self, age_seconds: float = 0.0, camera: str = "lounge") -> str | None:
        return self.gate.why_not(camera, self.now - timedelta(seconds=age_seconds))


def test_without_settings_everything_is_looked_at(tmp_path: Path) -> None:
    home = Home(tmp_path, is_synchronised=False)
    assert home.gate.allows("lounge", NOON)
    assert home.gate.keep("lounge", Faces.none(), (480, 640, 3)).shape == (0,)


def test_privacy_holds_for_the_camera_that_it_was_asked_for(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.switch.set(on=True, camera_id="hall")
    assert (home.why_not(), home.why_not(camera="hall")) == (None, "privacy")


def test_privacy_is_told_before_the_hours(tmp_path: Path) -> None:
    home = Home(tmp_path, {"schedule": DAYTIME})
    night = NOON + timedelta(hours=12)
    assert home.gate.why_not("lounge", night) == "hours"
    home.switch.set(on=True)
    assert home.gate.why_not("lounge", night) == "privacy"


def test_a_pause_is_told_after_privacy_and_before_the_hours(tmp_path: Path) -> None:
    home = Home(tmp_path, {"schedule": DAYTIME})
    night = NOON + timedelta(hours=12)
    home.switch.set(on=True, why="pause")
    assert home.gate.why_not("lounge", night) == "pause"
    home.switch.set(on=True)
    assert home.gate.why_not("lounge", night) == "privacy"
    home.switch.set(on=False)
    assert home.gate.why_not("lounge", night) == "pause"


def test_what_is_taken_from_now_on_may_be_looked_at_the_moment_that_privacy_ends(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.switch.set(on=True)
    assert home.gate.why_not_now("lounge") == "privacy"
    home.switch.set(on=False)
    assert (home.gate.why_not_now("lounge"), home.why_not(0.1)) == (None, "privacy")


def test_a_frame_taken_in_privacy_is_not_looked_at_afterwards(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.switch.set(on=True)
    assert home.why_not() == "privacy"
    home.seconds = 5
    home.switch.set(on=False)
    assert [home.why_not(age) for age in (4, 0.1, 0)] == ["privacy", "privacy", None]


def test_privacy_between_two_frames_of_a_stalled_camera_is_not_missed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.why_not() is None
    home.switch.set(on=True)
    home.seconds = 20
    home.switch.set(on=False)
    home.seconds = 21
    assert [home.why_not(age) for age in (10, 0)] == ["privacy", None]


def test_a_file_that_is_taken_away_ends_privacy_for_new_frames_only(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "privacy").touch()
    assert home.why_not() == "privacy"
    (tmp_path / "privacy").unlink()
    home.seconds = 2
    assert [home.why_not(1), home.why_not(0)] == ["privacy", None]


def test_a_frame_taken_in_privacy_stays_refused_when_other_settings_come(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.switch.set(on=True)
    assert home.why_not() == "privacy"
    home.seconds = 5
    home.switch.set(on=False)
    config = Config.model_validate({"camera": [{"id": "lounge"}, {"id": "garden"}]})
    after = HomeGate(config, home.switch, before=home.gate, now=lambda: home.now, clock=lambda: home.seconds)
    assert [after.allows("lounge", home.now - timedelta(seconds=age)) for age in (4, 0)] == [False, True]
    assert after.allows("garden", home.now)


def test_a_clock_that_is_set_back_does_not_keep_a_camera_shut(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.switch.set(on=True)
    home.switch.set(on=False)
    assert home.why_not(3600) == "privacy"
    home.seconds = 60
    assert home.why_not(3660) is None


def test_until_the_clock_is_synchronised_a_camera_with_hours_stays_shut(tmp_path: Path) -> None:
    home = Home(tmp_path, {"schedule": DAYTIME}, is_synchronised=False)
    assert [home.why_not(), home.why_not()] == ["clock", "clock"]
    assert home.asked == 1
    home.is_synchronised, home.seconds = True, 10
    assert home.why_not() is None
    home.is_synchronised, home.seconds = False, 100
    assert home.why_not() is None


def test_zones_are_those_of_the_camera(tmp_path: Path) -> None:
    left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    home = Home(tmp_path, {"zones": {"lounge": {"include": [left]}}})
    faces = Faces(np.array([[10, 10, 30, 30], [90, 10, 110, 30]], np.float32), np.ones(2, np.float32), None)
    assert home.gate.keep("lounge", faces, (100, 120)).tolist() == [True, False]
    assert home.gate.keep("hall", faces, (100, 120)).tolist() == [True, True]
