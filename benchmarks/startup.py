"""How soon the daemon tells its first event, and how much memory it takes.

    python benchmarks/startup.py --detector yunet_n_640_640.onnx [--cameras 1 4] [--rtsp] [--backends auto openvino]

The real `ffe-edge run`, started anew for every figure, on a rendered person whose face is there from the first frame:
a file played at its own speed, decoded in the daemon, or with ``--rtsp`` a live camera, decoded by a reader process.
Seconds count from the start of the program: to the first frame that was looked at (``/metrics``, asked 20 times a
second), and to the first line on standard output, which is the first emotion event. In that an expression must have
lasted for ``hold_seconds``, 0.8 s; what remains is start-up. CPU is what the daemon has used until then. Cold means a
new state folder: which CPU runtime is faster is not known, and is found out beside. Warm is a second start with the
same folder. Memory is what /proc says after ``--seconds``: of the daemon alone (RSS, PSS, the highest RSS ever), and
PSS of all its children, which are the readers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from events import rendered
from rich.console import Console
from soak import recording
from soak_watch import FIGURE, TICKS, descendants

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from e2e.mosquitto import free_port  # the tests' real parts
from e2e.program import PROGRAM, environment
from e2e.rtsp_server import RtspServer

STEP_SECONDS = 0.05
MIB = 2**20


@dataclass
class Start:
    """One start of the daemon."""

    frame_seconds: float = float("nan")
    event_seconds: float = float("nan")
    cpu_seconds: float = float("nan")
    rss_mib: float = float("nan")
    pss_mib: float = float("nan")
    peak_mib: float = float("nan")
    children_pss_mib: float = float("nan")
    runtime: str = ""


@dataclass
class Case:
    """The same start several times."""

    name: str
    starts: list[Start] = field(default_factory=list)

    def cells(self) -> Iterator[str]:
        """Medians, and the range of the seconds."""
        for index, values in enumerate(zip(*(astuple(start)[:-1] for start in self.starts), strict=True)):
            if index < 3:
                yield f"{np.nanmedian(values):.2f} ({np.nanmin(values):.2f}-{np.nanmax(values):.2f})"
            else:
                yield f"{np.nanmedian(values):.0f}"
        yield ", ".join(sorted({start.runtime for start in self.starts}))


def observed(sources: list[str], backend: str, state: Path, options: argparse.Namespace) -> Start:
    """Start the daemon, watch it, end it."""
    port, found = free_port(), Start()
    settings = state / "ffe-edge.toml"
    cameras = [f'[[camera]]\nid = "camera-{index}"\nsource = {json.dumps(source)}\nrealtime = true'
               for index, source in enumerate(sources)]  # fmt: skip
    settings.write_text("\n".join([*cameras, f'[model]\nbackend = "{backend}"\n[service]\nhealth_port = {port}']))
    flags = ["--config", str(settings), "--print", "--detector", str(options.detector)]
    began = time.monotonic()
    daemon = subprocess.Popen(
        [*PROGRAM, "run", *flags], env=environment(state), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        while (elapsed := time.monotonic() - began) < options.seconds and daemon.poll() is None:
            look(daemon, port, elapsed, found)
        weigh(daemon.pid, found)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=20)
    return found


def look(daemon: subprocess.Popen[bytes], port: int, elapsed: float, found: Start) -> None:
    """For a moment."""
    if np.isnan(found.frame_seconds) and frames_looked_at(port):
        found.frame_seconds = elapsed
    out = daemon.stdout
    if out is not None and select.select([out], [], [], STEP_SECONDS)[0] and (said := os.read(out.fileno(), MIB)):
        if np.isnan(found.event_seconds):
            found.event_seconds, found.cpu_seconds = elapsed, cpu_seconds(daemon.pid)
        found.runtime = json.loads(said.splitlines()[0])["data"]["model"]["backend"]


def frames_looked_at(port: int) -> float:
    """Of all cameras; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
            text = answer.read().decode()
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return 0.0
    return sum(float(value) for name, _, value in FIGURE.findall(text) if name == "ffe_camera_frames_total")


def weigh(pid: int, found: Start) -> None:
    """What it holds now."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found.rss_mib, found.pss_mib = kib_of("Rss", rollup) / 1024, kib_of("Pss", rollup) / 1024
    found.peak_mib = kib_of("VmHWM", Path(f"/proc/{pid}/status").read_text()) / 1024
    rollups = [Path(f"/proc/{child}/smaps_rollup").read_text() for child in descendants(pid)]
    found.children_pss_mib = sum(kib_of("Pss", text) for text in rollups) / 1024


def cpu_seconds(pid: int) -> float:
    """Of the process, over all threads."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / TICKS


def kib_of(name: str, text: str) -> float:
    """The line of this name."""
    line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
    return float(line.split()[1])


def cases(options: argparse.Namespace, sources: list[str]) -> Iterator[Case]:
    """Cold and warm starts of each kind, one after the other in every run, so that noise meets all."""
    kinds = list(itertools.product(options.backends, options.cameras))
    found = {(*kind, heat): Case(" | ".join((*map(str, kind), heat))) for kind in kinds for heat in ("cold", "warm")}
    for _, (backend, cameras) in itertools.product(range(options.runs), kinds):
        with TemporaryDirectory() as folder:
            for heat in ("cold", "warm"):
                start = observed(sources * cameras, backend, Path(folder), options)
                found[backend, cameras, heat].starts.append(start)
    yield from found.values()


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True, help="YuNet's ONNX")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--backends", nargs="+", default=["auto", "onnxruntime", "openvino"])
    parser.add_argument("--rtsp", action="store_true", help="live cameras instead of files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="that each start is watched")
    parser.add_argument("--cache", type=Path, default=Path("runs/events"), help="where rendered clips are kept")
    options = parser.parse_args()
    options.detector = options.detector.resolve()
    columns = ("model.backend", "cameras", "start", "first frame s", "first event s", "CPU s", "RSS MiB", "PSS MiB",
               "peak RSS MiB", "readers' PSS MiB", "runtime at the end")  # fmt: skip
    console = Console(width=200)
    console.print(f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", sep="\n")
    with ExitStack() as stack:
        if options.rtsp:
            sources = [stack.enter_context(RtspServer(pictures=recording(options.cache))).url]
        else:
            sources = [str(rendered(101, 40, options.cache).resolve())]
        for case in cases(options, sources):
            console.print(f"| {case.name} | {' | '.join(case.cells())} |", highlight=False)


if __name__ == "__main__":
    main()
