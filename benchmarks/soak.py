"""The daemon for an hour at 25 frames a second: does it leak, lose anything, stop to answer?

    python benchmarks/soak.py [--minutes 60] [--quick] [--disturb MINUTES] [--detector yunet_n_640_640.onnx]
        [--out runs/soak] [--plot docs/soak.png]

A real mosquitto, a real RTSP server that repeats a recording of a rendered person (encoded once, so that it costs
next to nothing), and the real `ffe-edge run`, each in a process of its own. Every few seconds the daemon and its camera
reader are looked at from outside. ``--disturb 5`` does every five minutes one of: SIGHUP, the camera hangs until its
reader is killed, the broker is away for 20 s. Memory may settle during the first ten minutes (a quarter of a shorter
run); what comes after is judged. The first SIGHUP belongs into that time: the C library keeps what the model's file
took while it was compared with the one that serves, and uses it again the next time.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import astuple
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from rich.console import Console
from soak_report import plot, table, verdict
from soak_watch import DaemonWatch, Sample

from ffe_edge.rendered.timeline import demo_timeline

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from e2e.mosquitto import Mosquitto, Subscriber, free_port  # noqa: E402 - the tests' real parts
from e2e.program import PROGRAM, environment  # noqa: E402
from e2e.rtsp_server import RtspServer, missing_rtsp, record  # noqa: E402

FPS = 25
RECORDED_SECONDS = 40
SETTINGS = """
[[camera]]
id = "day-room"
source = "{camera}"
[broker]
url = "{broker}"
[service]
health_port = {port}
"""


class Soak:
    """The daemon and what it needs, all running."""

    def __init__(self, folder: Path, options: argparse.Namespace, stack: ExitStack) -> None:
        self.camera = stack.enter_context(RtspServer(pictures=recording(options.out)))
        self.broker = stack.enter_context(Mosquitto(folder))
        self.subscriber = stack.enter_context(Subscriber(self.broker, "ffe/v1/#"))
        self._folder = folder
        self._seen = 0
        self._ids: set[str] = set()
        port = free_port()
        settings = SETTINGS.format(camera=self.camera.url, broker=self.broker.url, port=port) + options.settings
        (folder / "ffe.toml").write_text(settings)
        words = ["run", "--config", str(folder / "ffe.toml")]
        words += ["--detector", str(options.detector)] if options.detector else []
        log = stack.enter_context((options.out / "log").open("wb"))
        self.daemon = subprocess.Popen([*PROGRAM, *words], env=environment(folder / "state"), stderr=log)
        stack.callback(self._end)
        self.watch = DaemonWatch(self.daemon.pid, port, folder / "state")

    @property
    def delivered(self) -> int:
        """Different ids of events and summaries that came."""
        messages = self.subscriber.messages
        for message in itertools.islice(messages, self._seen, len(messages)):
            self._seen += 1
            if message.topic.endswith(("/emotion", "/summary")):
                self._ids.add(json.loads(message.payload)["id"])
        return len(self._ids)

    def disturb(self) -> Iterator[tuple[str, float, Callable[[], object], Callable[[], object]]]:
        """Over and over: what it is called, how long it lasts, how it begins and ends."""
        yield from itertools.cycle(
            [
                ("SIGHUP", 0.0, lambda: self.daemon.send_signal(signal.SIGHUP), nothing),
                ("camera hangs", 25.0, self.camera.hang, self.camera.go_on),
                ("broker away", 20.0, self.broker.kill, self.broker.start),
            ]
        )

    def _end(self) -> None:
        self.daemon.terminate()
        try:
            self.daemon.wait(10)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()


def nothing() -> None:
    """What is not undone."""


def recording(folder: Path) -> Path:
    """A rendered person, encoded; made when it is not there yet."""
    made = folder / "recording"
    if (made / "fps").is_file():
        return made
    made.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as images:
        for index, item in enumerate(itertools.islice(demo_timeline(3, fps=FPS), FPS * RECORDED_SECONDS)):
            cv2.imwrite(f"{images}/{index:05d}.jpg", item.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        record(Path(images), FPS, made, key_frames=FPS)
    return made


def samples(soak: Soak, options: argparse.Namespace) -> Iterator[Sample]:
    """One every few seconds, until the time is over; disturbances in between."""
    end = time.monotonic() + options.minutes * 60
    every = options.disturb * 60 if options.disturb else float("inf")
    next_at, end_at = time.monotonic() + every, float("inf")
    disturbances = soak.disturb()
    undo: Callable[[], object] = nothing
    while time.monotonic() < end and soak.daemon.poll() is None:
        time.sleep(options.every)
        told = ""
        if time.monotonic() > end_at:
            undo()
            end_at = float("inf")
        elif time.monotonic() > next_at and end - time.monotonic() > 60:
            told, lasts, begin, undo = next(disturbances)
            begin()
            next_at, end_at = time.monotonic() + every, time.monotonic() + lasts
        yield soak.watch.sample(soak.delivered, told)
    undo()


def arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="two minutes, to see whether this works")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two samples")
    parser.add_argument("--disturb", type=float, default=0.0, metavar="MINUTES", help="disturb something so often")
    parser.add_argument("--detector", type=Path, help="YuNet's ONNX")
    parser.add_argument("--settings", default="", help="more TOML for the daemon")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "soak", help="CSV, log and recording go here")
    parser.add_argument("--plot", type=Path, help="PNG; in --out where none is named")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.quick:
        options.minutes, options.every = 2.0, 2.0
    return options


def main() -> int:
    """Run, write, judge."""
    options, console = arguments(), Console(width=200)
    if missing := missing_rtsp():
        console.print(missing)
        return 2
    taken: list[Sample] = []
    with (
        TemporaryDirectory() as folder,
        ExitStack() as stack,
        (options.out / "soak.csv").open("w", newline="", buffering=1) as file,
    ):
        writer = csv.writer(file)
        writer.writerow(Sample.heads())
        soak = Soak(Path(folder), options, stack)
        for one in samples(soak, options):
            taken.append(one)
            writer.writerow(astuple(one))
        code = soak.daemon.poll()
    warm_up = min(600.0, options.minutes * 15)
    settled = [one for one in taken if one.seconds > warm_up]
    title = f"ffe-edge run, one RTSP camera, 640 x 480 at {FPS} fps, {options.minutes:g} minutes"
    plot(taken, warm_up, options.plot or options.out / "soak.png", title)
    console.print(table(taken, settled), verdict(taken, settled), sep="\n\n")
    if code is not None:
        console.print(f"the daemon ended with code {code}; see {options.out / 'log'}")
    return 0 if code is None else 1


if __name__ == "__main__":
    sys.exit(main())
