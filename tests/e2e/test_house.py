"""When the house says no, nothing is told: privacy, a pause, the hours, a zone; the state topic says which it is."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, final

import pytest
from e2e.acting import EAGER, expressions, frames_seen, write_acting_clip
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.test_daemon import NODE, Daemon, asked, stop

from ffe_edge.config_people import DAYS

FRAMES = 24
"""So many frames are four seconds, in which somebody who may be looked at is told of several times."""
ONLINE = ("online", "frames arrive")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_acting_clip(tmp_path_factory.mktemp("clip") / "clip.avi", expressions(3))


@final
class House:
    """A daemon with one camera, before which somebody acts."""

    def __init__(self, folder: Path, clip: Path, broker: Mosquitto, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.switch = folder / "privacy"
        self.daemon = Daemon(folder, broker.url)
        self._camera = f'id = "hall"\nsource = "{clip}"\nrealtime = true'

    def configure(self, more: str = "") -> None:
        self.daemon.configure(self._camera, more=f'[privacy]\nfile = "{self.switch}"\ncheck_seconds = 0.1\n{more}')
        self.daemon.file.write_text(self.daemon.file.read_text().replace("hold_seconds = 0.3\n", EAGER))

    def reload(self, process: subprocess.Popen[bytes], more: str) -> None:
        self.configure(more)
        process.send_signal(signal.SIGHUP)
        self.daemon.notified("RELOADING=1")
        self.daemon.notified("READY=1")

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.daemon.running() as process:
            self.daemon.notified("READY=1")
            assert self.tells()
            yield process
            stop(process)

    def ask(self, name: str, **payload: Any) -> None:
        assert asked(self.subscriber, name, payload)["ok"]

    def told(self) -> list[str]:
        """What changed, by event."""
        events = [json.loads(payload) for payload in self.subscriber.payloads(f"{NODE}/camera/hall/emotion")]
        return [event["data"]["change"] for event in events]

    def tells(self) -> bool:
        """Whether an event more comes."""
        count = len(self.told())
        return wait_for(lambda: len(self.told()) > count, 20)

    def is_(self, state: str, reason: str) -> bool:
        """Whether the state topic comes to say so."""

        def said() -> tuple[str, str]:
            told = json.loads(self.subscriber.last(f"{NODE}/camera/hall/state") or b"{}")
            return told.get("state", ""), told.get("reason", "")

        return wait_for(lambda: said() == (state, reason), 10)

    def is_silent(self) -> bool:
        """Whether everybody told of is told as gone, and nothing more comes while frames do."""
        if not wait_for(lambda: self.told()[-1] == "end", 10):
            return False
        count, frames = len(self.told()), frames_seen(self.daemon, "hall")
        assert wait_for(lambda: frames_seen(self.daemon, "hall") >= frames + FRAMES, 30)
        time.sleep(0.2)
        return len(self.told()) == count


@pytest.fixture
def house(tmp_path: Path, clip: Path) -> Iterator[House]:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "#") as subscriber:
        one = House(tmp_path, clip, broker, subscriber)
        one.configure()
        yield one


def test_a_file_brings_privacy_for_as_long_as_it_is_there(house: House) -> None:
    with house.running():
        house.switch.touch()
        assert house.is_("privacy", "asked for by file")
        assert house.is_silent()
        house.switch.unlink()
        assert house.is_(*ONLINE)
        assert house.tells()


@pytest.mark.slow
def test_a_command_brings_privacy_and_the_end_of_a_pause_does_not_take_it_away(house: House) -> None:
    with house.running():
        house.ask("pause")
        assert house.is_("disabled", "paused by a command")
        house.ask("privacy", state="on", camera="hall")
        assert house.is_("privacy", "asked for by command")
        house.ask("resume")
        assert house.is_silent()
        assert house.is_("privacy", "asked for by command")
        house.ask("pause", camera="hall")
        house.ask("privacy", state="off")
        assert house.is_("disabled", "paused by a command")
        assert house.is_silent()
        house.ask("resume")
        assert house.is_(*ONLINE)
        assert house.tells()


@pytest.mark.slow
def test_no_command_takes_away_the_privacy_that_is_asked_for_on_site_and_a_pause_survives_a_restart(
    house: House, tmp_path: Path
) -> None:
    with house.running():
        house.switch.touch()
        house.ask("privacy", state="on")
        assert house.is_("privacy", "asked for by command, file")
        house.ask("privacy", state="off")
        house.ask("resume")
        assert house.is_("privacy", "asked for by file")
        assert house.is_silent()
        house.ask("pause")
        house.switch.unlink()
        assert house.is_("disabled", "paused by a command")
    told = len(house.told())
    assert json.loads(next(tmp_path.rglob("privacy.json")).read_text())["pause"]["everywhere"]
    states = len(house.subscriber.payloads(f"{NODE}/camera/hall/state"))
    with house.daemon.running() as process:
        assert wait_for(lambda: len(house.subscriber.payloads(f"{NODE}/camera/hall/state")) > states, 20)
        assert wait_for(lambda: frames_seen(house.daemon, "hall") >= FRAMES, 30)
        assert house.is_("disabled", "paused by a command")
        assert len(house.told()) == told
        stop(process)


@pytest.mark.slow
def test_outside_the_hours_nothing_is_told_and_when_they_begin_it_is_again(house: House) -> None:
    day = datetime.now(timezone.utc).weekday()
    hours = '[schedule]\ntime_zone = "Asia/Tokyo"\ntrust_clock = true\nhours = [{{days = {}}}]\n'
    with house.running() as process:
        house.reload(process, hours.format([DAYS[(day + 3) % 7]]))
        assert house.is_("disabled", "outside the hours of the schedule")
        assert house.is_silent()
        house.reload(process, hours.format([*DAYS]))
        assert house.is_(*ONLINE)
        assert house.tells()


@pytest.mark.slow
def test_who_is_in_an_excluded_zone_is_not_told_of_while_the_camera_is_online(house: House) -> None:
    everything = "[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]"
    with house.running() as process:
        house.reload(process, f"[zones.hall]\nexclude = {everything}\n")
        assert house.is_silent()
        assert house.is_(*ONLINE)
        house.reload(process, f"[zones.hall]\ninclude = {everything}\n")
        assert house.tells()
