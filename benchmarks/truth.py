"""Who shows what in a clip, and how events compare with that: for `events.py`."""

from __future__ import annotations

import csv
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ffe_edge.emotions import UNCERTAIN
from ffe_edge.tracks import IouTracker, iou
from ffe_edge.types import EmotionEvent, Faces, FloatArray, Track

FPS = 15
LATE_SECONDS = 1.0


@dataclass(frozen=True)
class Stretch:
    """One label of one person without a break, in seconds."""

    subject: str
    label: str
    begin: float
    end: float


@dataclass(frozen=True)
class Truth:
    """Who shows what, where."""

    boxes: dict[int, list[tuple[str, str, tuple[float, ...]]]]
    """By frame: subject, label, box."""

    @classmethod
    def read(cls, path: Path) -> Truth:
        """From a CSV."""
        boxes = defaultdict(list)
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
                boxes[int(row["frame"])].append((row["subject"], row["label"], (x, y, x + w, y + h)))
        return cls(dict(boxes))

    def stretches(self) -> list[Stretch]:
        """All but the transitions."""
        labels: dict[str, dict[int, str]] = defaultdict(dict)
        for frame, people in self.boxes.items():
            for subject, label, _ in people:
                labels[subject][frame] = label
        found = []
        for subject, shown in labels.items():
            for label, frames in itertools.groupby(sorted(shown), key=shown.__getitem__):
                run = list(frames)
                found.append(Stretch(subject, label, run[0] / FPS, (run[-1] + 1) / FPS))
        return [stretch for stretch in found if stretch.label != "transition"]

    def whose(self, xyxy: Sequence[float], seconds: float) -> str | None:
        """The person whose box lies there; the last one who did, where nobody is any more."""
        for frame in range(round(seconds * FPS), max(-1, round(seconds * FPS) - 2 * FPS), -1):
            people = self.boxes.get(frame, [])
            if people:
                overlap = iou(np.array([xyxy], np.float32), np.array([box for *_, box in people], np.float32))[0]
                return people[int(overlap.argmax())][0] if overlap.max() > 0.2 else None
        return None


class NotingTracker(IouTracker):
    """Keeps what was read of each person."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.looks: dict[int, list[tuple[float, Track]]] = defaultdict(list)
        """By person: seconds, and the track with the look's own probabilities."""
        self.beliefs: dict[int, list[int]] = defaultdict(list)

    def read(
        self,
        track_ids: Sequence[int],
        faces: Faces,
        probs: FloatArray,
        values: FloatArray,
        seconds: float,
        residents: Sequence[str | None] | None = None,
    ) -> None:
        """As the tracker does."""
        super().read(track_ids, faces, probs, values, seconds, residents)
        present = {track.track_id: track for track in self.present(seconds)}
        for index, track_id in enumerate(track_ids):
            self.looks[track_id].append((seconds, replace(present[track_id], probs=probs[index])))
            self.beliefs[track_id].append(int(present[track_id].probs.argmax()))


@dataclass
class Score:
    """Counts over clips."""

    right: int = 0
    wrong: int = 0
    missing: int = 0
    delays: list[float] = field(default_factory=list)
    raw_flips: int = 0
    flips: int = 0
    told: int = 0
    seconds: float = 0.0
    """For which somebody was followed, summed over people."""
    people: int = 0
    """Tracks: somebody who left and came back counts again."""
    looks: int = 0
    """Faces that were read."""

    @property
    def f1(self) -> float | None:
        """Of told changes; None where nothing was to be told or there is no truth."""
        counted = 2 * self.right + self.wrong + self.missing
        return 2 * self.right / counted if counted else None

    @property
    def minutes(self) -> float:
        """For which somebody was followed."""
        return max(self.seconds, 1e-9) / 60

    def add(self, events: Iterable[EmotionEvent], truth: Truth | None, hold_seconds: float) -> None:
        """Events of one clip; without truth they are only counted."""
        if truth is None:
            self.told += sum(event.change == "change" for event in events)
            return
        stretches = [stretch for stretch in truth.stretches() if stretch.end - stretch.begin >= hold_seconds]
        told = [event for event in events if event.change != "end"]
        left = [(event, truth.whose(event.xyxy, event.seconds)) for event in told]
        for stretch in stretches:
            match = next((item for item in left if _tells(*item, stretch)), None)
            if match is None:
                self.missing += 1
            else:
                left.remove(match)
                self.right += 1
                self.delays.append(match[0].seconds - stretch.begin)
        self.wrong += sum(event.emotion != UNCERTAIN for event, _ in left)
        self.told += sum(event.change == "change" for event in told)

    def add_flips(self, tracker: NotingTracker) -> None:
        """Of one clip."""
        for track_id, looks in tracker.looks.items():
            raw = [int(track.probs.argmax()) for _, track in looks]
            self.raw_flips += _flips(raw)
            self.flips += _flips(tracker.beliefs[track_id])
            self.seconds += looks[-1][0] - looks[0][0]
            self.people += 1
            self.looks += len(looks)

    def as_json(self) -> dict[str, float | int | None]:
        """Counts and figures."""
        return {
            "people": self.people, "faces": self.looks, "person_seconds": round(self.seconds, 2),
            "flips_raw": self.raw_flips, "flips_filtered": self.flips,
            "flips_per_minute_raw": round(self.raw_flips / self.minutes, 2),
            "flips_per_minute_filtered": round(self.flips / self.minutes, 2),
            "told_per_minute": round(self.told / self.minutes, 2),
            "f1": self.f1, "right": self.right, "wrong": self.wrong, "missing": self.missing,
            "delay_seconds": float(np.median(self.delays)) if self.delays else None,
        }  # fmt: skip

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        minutes, f1 = self.minutes, self.f1
        delay = f"{np.median(self.delays):.2f} ({np.percentile(self.delays, 90):.2f})" if self.delays else "-"
        return (
            "-" if f1 is None else f"{f1:.3f}", f"{self.right} / {self.wrong} / {self.missing}", delay,
            f"{self.raw_flips / minutes:.1f}", f"{self.flips / minutes:.1f}", f"{self.told / minutes:.1f}",
        )  # fmt: skip


def _tells(event: EmotionEvent, subject: str | None, stretch: Stretch) -> bool:
    is_timely = stretch.begin <= event.seconds <= stretch.end + LATE_SECONDS
    return subject == stretch.subject and event.emotion == stretch.label and is_timely


def _flips(values: Sequence[int]) -> int:
    return sum(before != after for before, after in itertools.pairwise(values))
