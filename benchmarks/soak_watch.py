"""What a running daemon uses and does, read from outside: /proc of it and its children, and its ``/metrics``."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20
FIGURE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of the CSV."""

    seconds: float
    """Since the daemon was started."""
    rss_mib: float
    """Of the daemon."""
    pss_mib: float
    """Of the daemon; pages that it shares count in part."""
    anonymous_mib: float
    """Of the daemon: what it has allocated itself."""
    children_pss_mib: float
    """Of its camera readers."""
    children: int
    descriptors: int
    threads: int
    cpu_percent: float
    """Of the daemon since the last sample; 100 is one core."""
    children_cpu_percent: float
    fps: float
    """Frames looked at a second since the last sample."""
    events: int
    """Events and summaries stored since the start."""
    delivered: int
    """Different ids of them that the subscriber got."""
    waiting: int
    """Entries of the outbox that the broker does not have."""
    gaps: int
    outbox_kib: float
    """The outbox's files."""
    answers: bool
    """Whether ``/healthz`` said ok."""
    disturbance: str = ""

    @classmethod
    def heads(cls) -> tuple[str, ...]:
        """Column names."""
        return tuple(field.name for field in fields(cls))


class DaemonWatch:
    """Takes samples of one daemon."""

    def __init__(self, pid: int, port: int, state: Path) -> None:
        self._pid = pid
        self._port = port
        self._state = state
        self._began = self._last = time.monotonic()
        self._frames = 0.0
        self._ticks: dict[int, int] = {}

    def sample(self, delivered: int, disturbance: str = "") -> Sample:
        """How it is now; FileNotFoundError when it has ended."""
        now = time.monotonic()
        elapsed, self._last = max(1e-3, now - self._last), now
        children = list(descendants(self._pid))
        own, theirs = self._cpu([self._pid]), self._cpu(children)
        figures = self._figures()
        frames = figures.get("ffe_camera_frames_total", self._frames)
        fps, self._frames = (frames - self._frames) / elapsed, frames
        memory = memory_mib(self._pid)
        return Sample(
            seconds=round(now - self._began, 1),
            rss_mib=memory["Rss"],
            pss_mib=memory["Pss"],
            anonymous_mib=memory["Anonymous"],
            children_pss_mib=round(sum(memory_mib(pid).get("Pss", 0.0) for pid in children), 2),
            children=len(children),
            descriptors=entries(f"/proc/{self._pid}/fd"),
            threads=entries(f"/proc/{self._pid}/task"),
            cpu_percent=round(100 * own / elapsed, 1),
            children_cpu_percent=round(100 * theirs / elapsed, 1),
            fps=round(fps, 2),
            events=int(figures.get("ffe_events_total", 0)),
            delivered=delivered,
            waiting=int(figures.get("ffe_outbox_entries", 0)),
            gaps=int(figures.get("ffe_gaps_total", 0)),
            outbox_kib=round(sum(path.stat().st_size for path in self._state.rglob("*.sqlite*")) / 1024, 1),
            answers=self._get("/healthz") == "ok\n",
            disturbance=disturbance,
        )

    def _cpu(self, pids: list[int]) -> float:
        """Seconds of CPU since the last call, of these processes."""
        used = 0
        for pid in pids:
            ticks = cpu_ticks(pid)
            used += max(0, ticks - self._ticks.get(pid, 0 if self._ticks else ticks))
            self._ticks[pid] = ticks
        return used / TICKS

    def _figures(self) -> dict[str, float]:
        """Metrics by name, summed over their labels."""
        figures: dict[str, float] = {}
        for name, _, value in FIGURE.findall(self._get("/metrics")):
            figures[name] = figures.get(name, 0.0) + float(value)
        return figures

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, TimeoutError):
            return ""


def entries(folder: str) -> int:
    """How many things are in it."""
    return sum(1 for _ in Path(folder).iterdir())


def descendants(pid: int) -> Iterator[int]:
    """Children and theirs."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield child
            yield from descendants(child)


def memory_mib(pid: int) -> dict[str, float]:
    """Rss, Pss and Anonymous; nothing of a process that has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    found = re.findall(r"^(Rss|Pss|Anonymous): +(\d+) kB", text, re.MULTILINE)
    return {name: round(int(kib) / 1024, 2) for name, kib in found}


def cpu_ticks(pid: int) -> int:
    """Of user and system together; 0 of a process that has just ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(words[11]) + int(words[12])
