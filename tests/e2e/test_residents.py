"""Residents from the camera to the broker: enrolled with consent, named in events, forgotten by a command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import cv2
import pytest
from e2e.acting import EAGER, expressions, frames_seen, write_acting_clip
from e2e.colour_model import write_colour_model
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.program import ffe_edge
from e2e.test_daemon import NODE, Daemon, asked, stop

CONSENT = "herself, 2026-11-24, signed form 12"
RESIDENTS = """
[residents]
recognise = true
policy = "{policy}"
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_model(tmp_path_factory.mktemp("model") / "colours.onnx")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of two people, ``hall.avi`` and ``lounge.avi``, and photos of the first one."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "photos").mkdir()
    for seed, name in ((3, "hall"), (5, "lounge")):
        images = expressions(seed)
        write_acting_clip(folder / f"{name}.avi", images)
        for number, image in enumerate(images if name == "hall" else []):
            cv2.imwrite(str(folder / "photos" / f"{number}.png"), image)
    return folder


@final
class Home:
    """A daemon with the person in the hall enrolled, and what a subscriber gets."""

    def __init__(self, folder: Path, model: Path, people: Path, broker: Mosquitto, subscriber: Subscriber) -> None:
        self.folder = folder
        self.subscriber = subscriber
        self.daemon = Daemon(folder, broker.url)
        self._model, self._people = model, people
        self.configure("everyone", "hall")
        added = ffe_edge(
            "resident", "add", "Hanako Sato", "--from", str(people / "photos"), "--consent", CONSENT,
            "--config", str(self.daemon.file), state=folder / "state",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        self.resident = added.stdout.split()[0]

    def configure(self, policy: str, *cameras: str) -> None:
        clips = [f'id = "{name}"\nsource = "{self._people / name}.avi"\nrealtime = true' for name in cameras]
        self.daemon.configure(*clips, more=RESIDENTS.format(policy=policy))
        text = self.daemon.file.read_text().replace("hold_seconds = 0.3\n", EAGER)
        self.daemon.file.write_text(text.replace("[model]", f'[model]\npath = "{self._model}"'))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.daemon.running() as process:
            yield process
            stop(process)

    def named(self, camera: str) -> list[str | None]:
        """Whom the camera's events name, in order."""
        told = [json.loads(payload) for payload in self.subscriber.payloads(f"{NODE}/camera/{camera}/emotion")]
        return [event["data"]["resident"] for event in told if "resident" in event["data"]]

    def tells(self, condition: Callable[[], bool]) -> bool:
        return wait_for(condition, 30)

    def bytes_of(self, pattern: str) -> bytes:
        return b"".join(path.read_bytes() for path in self.folder.rglob(pattern) if path.is_file())


@pytest.fixture
def home(tmp_path: Path, model: Path, people: Path) -> Iterator[Home]:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "#") as subscriber:
        yield Home(tmp_path, model, people, broker, subscriber)


@pytest.mark.slow
def test_a_resident_is_named_until_a_command_forgets_them(home: Home) -> None:
    home.configure("everyone", "hall")
    with home.running():
        assert home.tells(lambda: home.resident in home.named("hall"))
        outbox = home.folder / "state" / "ffe-edge" / "home.edge-01.sqlite"
        assert home.tells(lambda: home.resident.encode() in home.bytes_of(f"{outbox.name}*"))
        answer = asked(home.subscriber, "forget", {"resident": home.resident})
        assert (answer["ok"], answer["count"] > 0) == (True, True)
        assert home.resident.encode() not in home.bytes_of(f"{outbox.name}*")
        told = len(home.named("hall"))
        assert home.tells(lambda: len(home.named("hall")) >= told + 2)
        assert set(home.named("hall")[told:]) == {None}
        assert "no such resident" in asked(home.subscriber, "forget", {"resident": home.resident})["reason"]
    assert home.resident.encode() not in home.bytes_of("*.sqlite*") + home.bytes_of("log")


@pytest.mark.slow
def test_who_is_not_enrolled_forms_no_event_until_the_policy_says_everyone(home: Home) -> None:
    home.configure("enrolled_only", "hall", "lounge")
    with home.running() as process:
        assert home.tells(lambda: len(home.named("hall")) >= 4)
        assert wait_for(lambda: frames_seen(home.daemon, "lounge") > 40, 20)
        assert home.named("lounge") == []
        assert set(home.named("hall")) == {home.resident}
        home.configure("everyone", "hall", "lounge")
        assert asked(home.subscriber, "reload", {})["ok"]
        assert home.tells(lambda: len(home.named("lounge")) >= 2)
        assert set(home.named("lounge")) == {None}
        hall = len(home.named("hall"))
        assert home.tells(lambda: home.resident in home.named("hall")[hall:])
        assert process.poll() is None
    summaries = home.subscriber.payloads(f"{NODE}/camera/lounge/summary")
    assert json.loads(summaries[0])["data"]["people"] >= 1


@pytest.mark.slow
def test_whom_the_command_line_forgets_is_named_no_more_after_some_seconds(home: Home) -> None:
    home.configure("enrolled_only", "hall")
    with home.running():
        assert home.tells(lambda: home.resident in home.named("hall"))
        forgot = ffe_edge(
            "resident", "forget", "Hanako Sato", "--config", str(home.daemon.file), state=home.folder / "state"
        )
        assert forgot.returncode == 0
        assert wait_for(lambda: home.resident.encode() not in home.bytes_of("home.edge-01.sqlite*"), 10)
        told = len(home.named("hall"))
        frames = frames_seen(home.daemon, "hall")
        assert wait_for(lambda: frames_seen(home.daemon, "hall") > frames + 40, 30)
        assert set(home.named("hall")[told:]) <= {None}
        assert len(home.named("hall")) <= told + 1  # the end of the track that had the name


def test_a_model_that_cannot_tell_people_apart_is_refused_before_a_camera_is_opened(tmp_path: Path) -> None:
    file, more = tmp_path / "ffe.toml", RESIDENTS.format(policy="enrolled_only")
    file.write_text(f'[camera]\nsource = "{tmp_path}/nowhere.mp4"\n[model]\nbackend = "onnxruntime"\n{more}')
    result = ffe_edge("run", "--print", "--config", str(file), state=tmp_path / "state")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert (result.returncode, len(errors)) == (2, 1)
    assert "cannot tell people apart" in errors[0]
    assert not (tmp_path / "state").exists()
