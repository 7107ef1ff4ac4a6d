"""Any source switches privacy on; what a command asked for survives a restart; what cannot be told is on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffe_edge.config_people import PrivacySettings
from ffe_edge.errors import StoreError
from ffe_edge.privacy import FileSource, LineSource, PrivacySource, PrivacySwitch, sources


class Lever:
    """A source on site that counts how often it is looked at."""

    name = "lever"

    def __init__(self) -> None:
        self.on = False
        self.looks = 0

    def is_on(self) -> bool:
        self.looks += 1
        return self.on


def switch(folder: Path, *found: PrivacySource, seconds: list[float] | None = None) -> PrivacySwitch:
    times = seconds if seconds is not None else [0.0]
    return PrivacySwitch(folder / "privacy.json", found, clock=lambda: times[-1])


def test_it_is_off_at_first(tmp_path: Path) -> None:
    assert switch(tmp_path).reasons("lounge") == ()


def test_a_command_holds_for_one_camera_or_for_all(tmp_path: Path) -> None:
    privacy = switch(tmp_path)
    privacy.set(on=True, camera_id="lounge")
    assert [privacy.is_on(name) for name in ("lounge", "hall")] == [True, False]
    privacy.set(on=True)
    assert [privacy.is_on(name) for name in ("lounge", "hall")] == [True, True]


def test_off_for_one_camera_does_not_end_what_holds_for_all(tmp_path: Path) -> None:
    privacy = switch(tmp_path)
    privacy.set(on=True)
    privacy.set(on=False, camera_id="lounge")
    assert privacy.reasons("lounge") == ("command",)


def test_off_for_all_ends_every_command(tmp_path: Path) -> None:
    privacy = switch(tmp_path)
    privacy.set(on=True, camera_id="lounge")
    privacy.set(on=False)
    assert not privacy.is_on("lounge")


def test_a_command_survives_a_restart(tmp_path: Path) -> None:
    switch(tmp_path).set(on=True, camera_id="lounge")
    after = switch(tmp_path)
    assert [after.is_on(name) for name in ("lounge", "hall")] == [True, False]
    after.set(on=False)
    assert not switch(tmp_path).is_on("lounge")
    assert (tmp_path / "privacy.json").stat().st_mode & 0o777 == 0o600


def test_a_pause_and_privacy_do_not_end_each_other(tmp_path: Path) -> None:
    privacy = switch(tmp_path)
    privacy.set(on=True)
    privacy.set(on=True, camera_id="lounge", why="pause")
    assert privacy.reasons("lounge") == ("command", "pause")
    privacy.set(on=False, why="pause")
    assert (privacy.reasons("lounge"), privacy.reasons("hall")) == (("command",), ("command",))
    privacy.set(on=True, why="pause")
    privacy.set(on=False)
    assert switch(tmp_path).reasons("lounge") == ("pause",)


def test_the_state_of_an_older_version_is_privacy_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "privacy.json").write_text('{"version": 1, "everywhere": false, "cameras": ["lounge"]}')
    privacy = switch(tmp_path)
    assert (privacy.reasons("lounge"), privacy.reasons("hall")) == (("command",), ())


def test_a_source_on_site_cannot_be_overruled_by_a_command(tmp_path: Path) -> None:
    lever = Lever()
    lever.on = True
    privacy = switch(tmp_path, lever)
    privacy.set(on=False)
    assert privacy.reasons("lounge") == ("lever",)
    privacy.set(on=True)
    assert privacy.reasons("lounge") == ("command", "lever")


def test_sources_are_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    lever, seconds = Lever(), [0.0]
    privacy = switch(tmp_path, lever, seconds=seconds)
    told = []
    for frame in range(76):
        seconds.append(frame / 25)
        lever.on = frame >= 30
        told.append(privacy.is_on("lounge"))
    assert lever.looks == 4
    assert told.index(True) == 50


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"version": 3, "everywhere": false, "cameras": []}', id="of-another-version"),
        pytest.param(b'{"version": 2, "command": {"everywhere": false, "cameras": []}}', id="without-the-pause"),
        pytest.param(b'{"version": 2, "command": [], "pause": {"everywhere": false, "cameras": []}}', id="half-a-list"),
        pytest.param(b'{"version": 1, "everywhere": 0, "cameras": []}', id="a-number"),
        pytest.param(b'{"version": 1, "everywhere": false, "cameras": [1]}', id="a-camera-that-is-none"),
        pytest.param(b'{"version": 1, "everywhere": false}', id="half"),
        pytest.param(b"[" * 70_000, id="deep"),
    ],
)
def test_a_state_that_cannot_be_read_means_privacy_until_a_command_ends_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "privacy.json").write_bytes(content)
    privacy = switch(tmp_path)
    assert privacy.is_on("lounge")
    privacy.set(on=False)
    assert not switch(tmp_path).is_on("lounge")


def test_where_nothing_can_be_written_on_holds_and_off_is_not_obeyed(tmp_path: Path) -> None:
    state = tmp_path / "privacy.json" / "below-a-file"
    (tmp_path / "privacy.json").write_text("")
    privacy = PrivacySwitch(state)
    assert privacy.is_on("lounge")
    with pytest.raises(StoreError, match="cannot be written"):
        privacy.set(on=False)
    assert privacy.is_on("lounge")


def test_a_file_switches_by_being_there(tmp_path: Path) -> None:
    path = tmp_path / "privacy"
    source = FileSource(path)
    assert not source.is_on()
    path.symlink_to("nowhere")
    assert source.is_on()
    path.unlink()
    path.mkdir()
    assert source.is_on()
    assert not FileSource(tmp_path / "nowhere" / "privacy").is_on()


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees everything")
def test_a_file_in_a_folder_that_cannot_be_seen_is_on(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    assert FileSource(folder / "privacy").is_on()


def test_a_path_that_no_system_takes_is_on(tmp_path: Path) -> None:
    assert FileSource(tmp_path / ("x" * 300)).is_on()


@pytest.mark.parametrize(
    ("level", "active_low", "on"),
    [
        pytest.param(b"1\n", False, True, id="high"),
        pytest.param(b"0\n", False, False, id="low"),
        pytest.param(b"1\n", True, False, id="high-active-low"),
        pytest.param(b"0\n", True, True, id="low-active-low"),
        pytest.param(b"", False, True, id="tells-nothing"),
        pytest.param(b"00000000000", False, True, id="tells-rubbish"),
        pytest.param(None, False, True, id="is-gone"),
    ],
)
def test_a_line_switches_by_its_level(tmp_path: Path, level: bytes | None, active_low: bool, on: bool) -> None:
    value = tmp_path / "value"
    if level is not None:
        value.write_bytes(level)
    assert LineSource(value, active_low=active_low).is_on() is on


def test_the_settings_name_the_sources(tmp_path: Path) -> None:
    assert sources(PrivacySettings()) == ()
    named = sources(PrivacySettings(file=tmp_path / "privacy", gpio_value=tmp_path / "value"))
    assert [source.name for source in named] == ["file", "gpio"]
