"""A daemon of two cameras: to ``door`` things happen, ``hall`` goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from e2e.daemon import NODE, Daemon, counted, everything_came
from e2e.fault_table import Counts, Fault
from e2e.mosquitto import Mosquitto, Subscriber, wait_for


@final
class Home:
    """A daemon with the camera ``door``, to which things happen, and ``hall``, to which nothing does."""

    def __init__(self, daemon: Daemon, subscriber: Subscriber) -> None:
        self.daemon = daemon
        self.subscriber = subscriber

    def states(self, camera: str = "door") -> list[tuple[str, str]]:
        """What the state topic told, in order."""
        told = [json.loads(payload) for payload in self.subscriber.payloads(f"{NODE}/camera/{camera}/state")]
        return [(one["state"], one["reason"]) for one in told]

    def events(self, camera: str) -> int:
        return len(self.subscriber.payloads(f"{NODE}/camera/{camera}/emotion"))

    def has_left(self) -> bool:
        """Whether everybody whom ``door`` told of was told to have left."""
        told = self.subscriber.payloads(f"{NODE}/camera/door/emotion")
        changes = {(data := json.loads(payload)["data"])["track"]: data["change"] for payload in told}
        return set(changes.values()) == {"end"}

    def boxes(self) -> list[tuple[float, ...]]:
        """Where the events of ``door`` saw a face."""
        told = self.subscriber.payloads(f"{NODE}/camera/door/emotion")
        return [tuple(json.loads(payload)["data"]["face"]["xyxy"]) for payload in told]

    def comes(self, state: str, after: int, seconds: float = 40.0) -> str:
        """The reason of the first such state of ``door`` beyond the first ``after`` states."""
        assert wait_for(lambda: state in dict(self.states()[after:]), seconds), (self.states(), self.daemon.log())
        return dict(reversed(self.states()[after:]))[state]

    def tells(self, camera: str, seconds: float = 40.0) -> bool:
        """Whether the camera tells something from now on."""
        before = self.events(camera)
        return wait_for(lambda: self.events(camera) > before, seconds)

    def settle(self) -> None:
        """Both cameras tell events."""
        assert self.tells("door"), self.daemon.log()
        assert self.tells("hall"), self.daemon.log()

    def row(self, fault: str, did: str, saw: str) -> Fault:
        """Everything came: so many events."""
        assert everything_came(self.daemon, self.subscriber)
        counts = settled(self.daemon, self.subscriber)
        assert (counts.holes, self.states("hall")[-1][0]) == ((), "online")
        return Fault(fault, did, saw, counts.produced, counts.delivered, counts.duplicates, counts.gaps)


def settled(daemon: Daemon, subscriber: Subscriber) -> Counts:
    """Counted at a moment at which no event is on its way."""
    counts: list[Counts] = []

    def is_settled() -> bool:
        counts.append(counted(daemon, subscriber))
        return counts[-1].produced == counts[-1].delivered

    assert wait_for(is_settled, 20)
    return counts[-1]


@contextmanager
def home(folder: Path, door: str, hall: Path) -> Iterator[Home]:
    with Mosquitto(folder) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(folder, broker.url)
        daemon.configure(
            f'id = "door"\ntimeout_seconds = 2\n{door}', f'id = "hall"\nsource = "{hall}"\nrealtime = true'
        )
        with daemon:
            yield Home(daemon, subscriber)
            assert daemon.stop() == 0


def readers(daemon: Daemon) -> set[int]:
    """Process ids of the daemon's camera readers."""
    found = set()
    for task in Path(f"/proc/{daemon.pid}/task").glob("*/children"):
        for child in task.read_text().split():
            if b"camera.reader" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.add(int(child))
    return found
