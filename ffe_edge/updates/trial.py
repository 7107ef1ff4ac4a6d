"""Runners for the time between two models: one lends what it sees, one checks what it says; and who keeps up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

import numpy as np

from ffe_edge.engine.onnxruntime_runner import ort_errors
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading, Runner

SUM_TOLERANCE: Final = 0.01
"""Of probabilities that were computed with eight or sixteen bits."""
KEPT_SECONDS: Final = 90.0


class Lending:
    """The model that serves, which lends a copy of its crops to whoever asked for some."""

    def __init__(self, run: Runner) -> None:
        self.backend, self.precision = run.backend, run.precision
        self._run = run
        self._lent: ImageArray | None = None
        self._news = threading.Condition()

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of the crops."""
        self._lend(crops)
        return self._run(crops)

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities and embeddings of the crops."""
        self._lend(crops)
        return self._run.read(crops)

    def borrow(self, timeout_seconds: float) -> ImageArray | None:
        """(B, S, S, 3) crops of real faces, to be given to nobody else; None where nobody came into view."""
        with self._news:
            self._news.wait_for(lambda: self._lent is not None, timeout_seconds)
            lent, self._lent = self._lent, None
        return lent

    def _lend(self, crops: ImageArray) -> None:
        if self._lent is None:
            with self._news:
                self._lent = crops.copy()
                self._news.notify_all()


class Checked:
    """A model on probation: whatever goes wrong in it is a ``ModelError``, and so is an answer that cannot be one."""

    def __init__(self, run: Runner, classes: int) -> None:
        """Take a model on.

        Args:
            run: the model.
            classes: K.
        """
        self.backend, self.precision = run.backend, run.precision
        self.looks = 0
        """Batches that were answered well."""
        self._run = run
        self._classes = classes

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of the crops.

        Raises:
            ModelError: it failed, or answers anything else.
        """
        return self._checked(lambda: Reading(self._run(crops), None), len(crops)).probs

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities and embeddings of the crops.

        Raises:
            ModelError: it failed, or answers anything else.
        """
        return self._checked(lambda: self._run.read(crops), len(crops))

    def _checked(self, answer: Callable[[], Reading], count: int) -> Reading:
        try:
            reading = answer()
        except self._failures as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(f"it failed on faces in view ({first[:120]})") from error
        probs = reading.probs
        wanted = (count, self._classes)
        if probs.shape != wanted or not np.isfinite(probs).all():
            raise ModelError("it gave no probabilities for faces in view")
        if (probs < -SUM_TOLERANCE).any() or (np.abs(probs.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            raise ModelError("it gave probabilities that do not sum to 1 for faces in view")
        self.looks += 1
        return reading

    @cached_property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (ModelError, MemoryError, *ort_errors())


class Rates:
    """Frames a second that the loop takes of cameras which give pictures."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque()

    def add(self, seconds: float, frames: Mapping[str, int]) -> None:
        """Note frames taken so far.

        Args:
            seconds: clock.
            frames: by camera, of those only that give pictures and may be looked at.
        """
        self._samples.append((seconds, frames))
        while seconds - self._samples[0][0] > KEPT_SECONDS:
            self._samples.popleft()

    def over(self, window_seconds: float) -> dict[str, float]:
        """Frames a second by camera over the last so many seconds; of cameras that gave pictures all the while."""
        if not self._samples:
            return {}
        last, now = self._samples[-1]
        window = [sample for sample in self._samples if last - sample[0] <= window_seconds]
        began, first = window[0]
        if last - began < 0.8 * window_seconds:
            return {}
        steady = set(now).intersection(*(frames for _, frames in window))
        same = [camera for camera in steady if now[camera] >= first[camera]]  # less: it was opened anew
        return {camera: (now[camera] - first[camera]) / (last - began) for camera in same}

    def clear(self) -> None:
        """What was before does not count any more."""
        self._samples.clear()


def collapsed(before: Mapping[str, float], now: Mapping[str, float], min_share: float) -> str | None:
    """Why the loop does not keep up any more; None where it does, or nothing can be compared."""
    common = before.keys() & now.keys()
    was, are = (sum(rates[camera] for camera in common) for rates in (before, now))
    if was <= 0 or are >= min_share * was:
        return None
    return f"it is too slow here: {are:.1f} frames a second where there were {was:.1f}"
