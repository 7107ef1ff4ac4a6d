"""What every CPU runtime has in common: crops in, probabilities and embeddings out, of either kind of graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.engine.images import to_images, to_probs
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray, Reading

Compute = Callable[[ImageArray | FloatArray, tuple[str, ...]], list[FloatArray]]
"""The graph's one input and the names of the outputs that are wanted -> those outputs."""

NAMES: Final = {"crops": ("crops", "probs"), "images": ("images", "logits")}
"""Input and first output of a graph; the second is ``embedding``, which files of before the engines lack."""
CHECKED: Final = 2
"""Crops of the trial run: with one, an output that forgets the batch would pass."""


class GraphRunner:
    """Crops (B, S, S, 3) uint8 BGR -> probs (B, K) float32, by a runtime that computes a graph."""

    def __init__(self, backend: str, compute: Compute, spec: ModelSpec, *, has_embedding: bool) -> None:
        self.backend = backend
        self.precision = spec.precision
        self.spec = spec
        self._compute = compute
        self._first = NAMES[spec.graph][1]
        self._outputs = (self._first, "embedding") if has_embedding else (self._first,)

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of aligned crops (B, S, S, 3)."""
        (first,) = self._compute(self._input(crops), (self._first,))
        return self._probs(first)

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities (B, K), and embeddings (B, D) where the file gives them."""
        first, *rest = self._compute(self._input(crops), self._outputs)
        return Reading(self._probs(first), np.asarray(rest[0], np.float32) if rest else None)

    def _input(self, crops: ImageArray) -> ImageArray | FloatArray:
        wanted = (self.spec.size_px, self.spec.size_px, 3)
        if crops.shape[1:] != wanted or crops.dtype != np.uint8:
            raise ValueError(f"the model takes crops (B, {wanted}) uint8, not {crops.shape} {crops.dtype}")
        return to_images(crops) if self.spec.graph == "images" else crops

    def _probs(self, first: FloatArray) -> FloatArray:
        if self.spec.graph == "images":
            return to_probs(first, self.spec.temperature)
        return np.asarray(first, np.float32)


def check_outputs(runner: GraphRunner, path: Path) -> None:
    """A trial run on grey crops: probabilities that sum to 1, embeddings of length 1, a row for each crop.

    Raises:
        ModelError: they are not.
    """
    spec = runner.spec
    reading = runner.read(np.full((CHECKED, spec.size_px, spec.size_px, 3), 127, np.uint8))
    probs, embedding = reading.probs, reading.embedding
    wanted = (CHECKED, len(spec.labels))
    if probs.shape != wanted or (probs < 0).any() or not np.allclose(probs.sum(axis=1), 1, atol=1e-3):
        raise ModelError(f"{path}: gives {probs.shape} that are no probabilities of its {len(spec.labels)} labels")
    if embedding is None:
        return
    if embedding.ndim != 2 or len(embedding) != CHECKED or not _are_unit(embedding):
        raise ModelError(f"{path}: gives embeddings {embedding.shape} that are not of length 1; export it again")


def _are_unit(embedding: FloatArray) -> bool:
    return bool(np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-2))
