"""All faces of a picture go to the model in one batch of aligned crops."""

from __future__ import annotations

import numpy as np

from ffe_edge.align import TEMPLATE, align
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.types import Faces, FloatArray, ImageArray


class RecordingRunner:
    """A ``Runner`` that keeps what it was given and numbers the faces."""

    backend, precision = "fake", "fp32"

    def __init__(self) -> None:
        self.batches: list[ImageArray] = []

    def __call__(self, crops: ImageArray) -> FloatArray:
        self.batches.append(crops)
        return np.eye(3, dtype=np.float32)[: len(crops)]


def test_faces_are_aligned_and_classified_in_one_batch() -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    landmarks = np.stack([TEMPLATE + 20, TEMPLATE + np.array([180, 90], np.float32)])
    faces = Faces(np.zeros((2, 4), np.float32), np.ones(2, np.float32), landmarks)
    runner = RecordingRunner()
    probs = ExpressionClassifier(runner, 3)(image, faces)
    np.testing.assert_array_equal(probs, [[1, 0, 0], [0, 1, 0]])
    (crops,) = runner.batches
    np.testing.assert_array_equal(crops, align(image, faces))


def test_nobody_is_not_shown_to_the_model() -> None:
    runner = RecordingRunner()
    probs = ExpressionClassifier(runner, 9)(np.zeros((48, 64, 3), np.uint8), Faces.none())
    assert (probs.shape, probs.dtype, runner.batches) == ((0, 9), np.float32, [])
