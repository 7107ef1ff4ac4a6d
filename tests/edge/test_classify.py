"""All faces of a picture go to the model in one batch of aligned crops."""

from __future__ import annotations

import cv2
import numpy as np

from ffe_edge.align import TEMPLATE, align
from ffe_edge.classify import ExpressionClassifier
from ffe_edge.types import Faces, FloatArray, ImageArray, Reading


class RecordingRunner:
    """A ``Runner`` that keeps what it was given and numbers the faces."""

    backend, precision = "fake", "fp32"

    def __init__(self) -> None:
        self.batches: list[ImageArray] = []

    def __call__(self, crops: ImageArray) -> FloatArray:
        self.batches.append(crops)
        return np.eye(3, dtype=np.float32)[: len(crops)]

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), np.eye(4, dtype=np.float32)[: len(crops)])


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


def picture(seed: int, *corners: tuple[float, float]) -> tuple[ImageArray, Faces]:
    image = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)
    landmarks = np.array([TEMPLATE + np.array(corner, np.float32) for corner in corners], np.float32).reshape(-1, 5, 2)
    return image, Faces(np.zeros((len(corners), 4), np.float32), np.ones(len(corners), np.float32), landmarks)


def test_faces_of_several_pictures_are_read_in_one_batch_and_given_back_apart() -> None:
    runner, pictures = RecordingRunner(), [picture(0, (20, 20)), picture(1), picture(2, (0, 0), (180, 90))]
    readings = ExpressionClassifier(runner, 3).read(pictures)
    assert [reading.probs.argmax(axis=1).tolist() for reading in readings] == [[0], [], [1, 2]]
    assert [len(reading.quality) for reading in readings] == [1, 0, 2]
    (crops,) = runner.batches
    np.testing.assert_array_equal(crops, np.concatenate([align(image, found) for image, found in pictures]))


def test_embeddings_are_read_only_when_they_are_asked_for() -> None:
    one = picture(0, (20, 20))
    (without,), (with_them,) = (
        ExpressionClassifier(RecordingRunner(), 3, with_embeddings=asked).read([one]) for asked in (False, True)
    )
    assert without.embeddings is None
    np.testing.assert_array_equal(with_them.embeddings, np.eye(4)[:1])


def test_the_same_memory_is_used_again() -> None:
    runner = RecordingRunner()
    classifier = ExpressionClassifier(runner, 3)
    for seed in range(3):
        classifier.read([picture(seed, (20, 20))])
    assert all(np.shares_memory(batch, runner.batches[0]) for batch in runner.batches)


def test_a_blurred_face_has_less_quality_than_a_sharp_one() -> None:
    image, found = picture(0, (60, 60))
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 12), np.uint8)
    found = Faces(np.array([[60, 60, 172, 172]], np.float32), found.confidence, found.landmarks)
    sharp, dull = ExpressionClassifier(RecordingRunner(), 3).read([(image, found), (blurred, found)])
    assert sharp.quality[0] > 0.9
    assert dull.quality[0] < 0.5 * sharp.quality[0]
