"""Faces of images -> what the model reads in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ffe_edge.align import CROP_PX, align
from ffe_edge.quality import quality, sharpness
from ffe_edge.types import FaceReadings, Faces, FloatArray, ImageArray, Reading, Runner


class ExpressionClassifier:
    """image (H, W, 3) and its N faces -> probs (N, K); many images at once, too, in one batch."""

    def __init__(self, run: Runner, classes: int, size_px: int = CROP_PX, *, with_embeddings: bool = False) -> None:
        """Take a model into use.

        Args:
            run: the model.
            classes: K.
            size_px: side of its crops.
            with_embeddings: also read embeddings, which tell residents apart.
        """
        self._run = run
        self._classes = classes
        self._size_px = size_px
        self._with_embeddings = with_embeddings
        self._crops = np.empty((0, size_px, size_px, 3), np.uint8)

    def __call__(self, image: ImageArray, faces: Faces) -> FloatArray:
        """Probabilities (N, K) float32; (0, K) when nobody is there."""
        return self.read([(image, faces)])[0].probs

    def read(self, pictures: Sequence[tuple[ImageArray, Faces]]) -> list[FaceReadings]:
        """Read all faces of several pictures, of several cameras, in one batch."""
        parts = list(itertools.starmap(slice, itertools.pairwise(_ends(len(faces) for _, faces in pictures))))
        crops = self._room(sum(len(faces) for _, faces in pictures))
        for (image, faces), part in zip(pictures, parts, strict=True):
            align(image, faces, self._size_px, out=crops[part])
        reading, sharp = self._reading(crops), sharpness(crops)
        values = [quality(faces) * sharp[part] for (_, faces), part in zip(pictures, parts, strict=True)]
        return [_part(reading, value, part) for value, part in zip(values, parts, strict=True)]

    def _room(self, count: int) -> ImageArray:
        """Memory for so many crops, the same again and again."""
        if len(self._crops) < count:
            self._crops = np.empty((count, self._size_px, self._size_px, 3), np.uint8)
        return self._crops[:count]

    def _reading(self, crops: ImageArray) -> Reading:
        if not len(crops):
            return Reading(np.zeros((0, self._classes), np.float32), None)
        return self._run.read(crops) if self._with_embeddings else Reading(self._run(crops), None)


def _ends(counts: Iterable[int]) -> Iterator[int]:
    """Where each part of a batch begins, and where the last one ends."""
    return itertools.accumulate(counts, initial=0)


def _part(reading: Reading, value: FloatArray, which: slice) -> FaceReadings:
    embeddings = None if reading.embedding is None else reading.embedding[which]
    return FaceReadings(reading.probs[which], value, embeddings)
