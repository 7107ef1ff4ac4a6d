"""Why a camera does not look, as it is told, and that no change of settings lets a frame of that time through."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ffe_edge.config import Config
from ffe_edge.config_people import DAYS
from ffe_edge.errors import ConfigError
from ffe_edge.service_house import House


def config(folder: Path, **sections: Any) -> Config:
    cameras = [{"id": "hall"}, {"id": "lounge"}]
    return Config.model_validate({"camera": cameras, "outbox": {"state_dir": str(folder)}, **sections})


def test_privacy_is_told_before_a_pause_and_a_pause_before_the_hours(tmp_path: Path) -> None:
    another_day = DAYS[(datetime.now(timezone.utc).weekday() + 3) % 7]
    hours = {"hours": [{"days": [another_day]}], "time_zone": "Asia/Tokyo", "trust_clock": True}
    house = House(config(tmp_path, schedule=hours))
    assert house.hidden("hall") == ("disabled", "outside the hours of the schedule")
    house.set(on=True, camera_id="hall", why="pause")
    assert house.hidden("hall") == ("disabled", "paused by a command")
    house.set(on=True, camera_id=None, why="command")
    assert house.hidden("hall") == ("privacy", "asked for by command")
    house.set(on=False, camera_id=None, why="pause")
    assert house.hidden("hall") == ("privacy", "asked for by command")
    house.set(on=False, camera_id=None, why="command")
    assert house.hidden("lounge") == ("disabled", "outside the hours of the schedule")


def test_a_camera_that_there_is_not_cannot_be_paused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no camera of this id"):
        House(config(tmp_path)).set(on=True, camera_id="attic", why="pause")


@pytest.mark.parametrize("privacy", [{}, {"check_seconds": 0.5}], ids=["same-switch", "another-switch"])
def test_a_frame_taken_in_privacy_is_refused_after_other_settings_came(tmp_path: Path, privacy: dict[str, Any]) -> None:
    house = House(config(tmp_path))
    house.set(on=True, camera_id=None, why="command")
    taken = datetime.now(timezone.utc)
    assert not house.allows("hall", taken)
    house.use(config(tmp_path, privacy=privacy))
    assert house.hidden("hall") == ("privacy", "asked for by command")
    house.set(on=False, camera_id=None, why="command")
    assert not house.allows("hall", taken)
    assert house.allows("hall", datetime.now(timezone.utc) + timedelta(seconds=1))
