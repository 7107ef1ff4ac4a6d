"""Changed copies that a seed brings back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ffe_edge.types import ImageArray
from ffe_train.augment import augmented


@pytest.fixture
def crops() -> ImageArray:
    noise = np.random.default_rng(0).normal(0, 1, (112, 112)).astype(np.float32)
    face = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)
    return np.repeat(np.asarray(face, np.uint8)[None], 64, axis=0)


def test_copies_have_the_shape_and_type_of_the_crops(crops: ImageArray) -> None:
    changed = augmented(crops, np.random.default_rng(1))
    assert (changed.shape, changed.dtype) == (crops.shape, np.uint8)


def test_every_copy_is_another(crops: ImageArray) -> None:
    changed = augmented(crops, np.random.default_rng(1))
    assert len({copy.tobytes() for copy in changed} | {crops[0].tobytes()}) == 65


def test_the_crops_stay_as_they_were(crops: ImageArray) -> None:
    before = crops.copy()
    augmented(crops, np.random.default_rng(1))
    np.testing.assert_array_equal(crops, before)


def test_a_seed_brings_the_same_copies_back(crops: ImageArray) -> None:
    first, again, other = (augmented(crops[:4], np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_copy_still_shows_the_face_half_of_them_mirrored(crops: ImageArray) -> None:
    def alike(one: ImageArray, other: ImageArray) -> float:
        return float(np.corrcoef(one[20:-20, 20:-20].ravel(), other[20:-20, 20:-20].ravel())[0, 1])

    changed = augmented(crops, np.random.default_rng(1))
    upright, mirrored = (np.array([alike(copy, face) for copy in changed]) for face in (crops[0], crops[0][:, ::-1]))
    assert 0.3 < (mirrored > upright).mean() < 0.7
    assert np.median(np.maximum(upright, mirrored)) > 0.5
