"""Runners and crops for tests of what verify says: fakes at the Protocol, with known answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading


def some_crops(count: int, seed: int = 0, size: int = 112) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def some_probs(count: int, classes: int = 9, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), count).astype(np.float32)


def write_crops(folder: Path, crops: ImageArray, names: list[str] | None = None) -> list[str]:
    names = names or [f"{number:04d}.png" for number in range(len(crops))]
    for name, crop in zip(names, crops, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), crop)
    return names


@dataclass
class FakeClock:
    """Nanoseconds that pass only where a runner says so."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


@dataclass
class FakeRunner:
    """Reads probabilities that depend on a crop's first pixel, moved by a shift of the logits."""

    precision: str = "fp32"
    backend: str = "onnxruntime"
    shift: float = 0.0
    milliseconds: list[float] = field(default_factory=lambda: [10.0])
    """Of each call in turn, from the start again at the end."""
    clock: FakeClock = field(default_factory=FakeClock)
    broken: str = ""
    """``nan`` or ``fails``."""
    batches: list[int] = field(default_factory=list)
    calls: int = 0

    def __call__(self, crops: ImageArray) -> FloatArray:
        self.clock.now += int(1e6 * self.milliseconds[self.calls % len(self.milliseconds)])
        self.calls += 1
        return self._probs(crops)

    def read(self, crops: ImageArray) -> Reading:
        self.batches.append(len(crops))
        if self.broken == "fails":
            raise ModelError("engine.bin: does not run")
        probs = self._probs(crops)
        if self.broken == "nan":
            probs[0, 0] = np.nan
        return Reading(probs, np.asarray(probs / np.linalg.norm(probs, axis=1, keepdims=True), np.float32))

    def _probs(self, crops: ImageArray) -> FloatArray:
        seen = crops[:, 0, 0, :].astype(np.float64) / 64
        logits = np.concatenate([seen, (seen * 7) % 3, np.cos(seen * 5)], axis=1)
        logits[:, 0] += self.shift
        powers = np.exp(logits)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


class BusyRunner(FakeRunner):
    """Takes real time: as many turns of a loop as its milliseconds say, about."""

    def __call__(self, crops: ImageArray) -> FloatArray:
        for _ in range(int(self.milliseconds[0])):
            np.sort(np.random.default_rng(0).random(20_000))
        return super().__call__(crops)
