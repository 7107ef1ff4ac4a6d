"""Engines without a GPU: a file in the cache is one, and a real child process writes it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_models import SPEC

from ffe_edge.engine.model import Model
from ffe_edge.engine.rebuild import Build
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading


class FixedRunner:
    """Sure of one class, whatever it sees."""

    def __init__(self, backend: str, class_id: int, precision: str = "fp32") -> None:
        self.backend, self.precision = backend, precision
        self.failure = ""
        self.closed = False
        self._row = np.full(len(SPEC.labels), 0.01, np.float32)
        self._row[class_id] = 1 - 0.01 * (len(SPEC.labels) - 1)

    def __call__(self, crops: ImageArray) -> FloatArray:
        if self.failure:
            raise ModelError(self.failure)
        return np.tile(self._row, (len(crops), 1))

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), None)

    def close(self) -> None:
        self.closed = True


def model(backend: str, class_id: int, precision: str = "fp32") -> Model:
    return Model(FixedRunner(backend, class_id, precision), SPEC, backend[:1] * 64, Path(backend))


@dataclass(frozen=True)
class FakeEngines:
    """The engine is there when ``good`` lies in the folder; it fails its golden check when ``bad`` does."""

    folder: Path
    name: str = "network-tensorrt"

    def load(self) -> Model:
        if (self.folder / "bad").exists():
            raise ModelError("tensorrt: failed the golden check")
        if not (self.folder / "good").exists():
            raise ModelError(f"{self.folder}: holds no engine for this machine")
        return model("tensorrt", 1, "int8")


def build(program: str, deadline_seconds: float = 30.0) -> Build:
    """A child process that runs this program in Python, with ``os``, ``sys``, ``time`` and ``Path`` at hand."""
    start = "import os, sys, time\nfrom pathlib import Path\n"
    return Build([sys.executable, "-c", start + program], {"FFE_TEST": "yes"}, deadline_seconds)
