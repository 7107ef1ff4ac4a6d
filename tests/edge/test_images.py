"""What stands round a bare network says the same as the equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ffe_edge.engine.images import to_images, to_probs

CROPS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def naive(crops: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    images = np.zeros((len(crops), 3, *crops.shape[1:3]))
    for number, crop in enumerate(crops):
        for channel in range(3):
            images[number, channel] = (crop[:, :, 2 - channel].astype(float) - 127.5) / 127.5
    return images


def test_images_are_red_first_scaled_and_channels_first() -> None:
    images = to_images(CROPS)
    np.testing.assert_allclose(images, naive(CROPS), atol=1e-7)
    assert (images.dtype.name, images.flags.c_contiguous) == ("float32", True)
    assert to_images(np.array([[[[0, 127, 255]]]], np.uint8)).ravel().tolist() == pytest.approx([1, -0.5 / 127.5, -1])


def test_images_go_where_they_are_wanted() -> None:
    room = np.full((4, 3, 16, 16), np.nan, np.float32)
    assert np.shares_memory(to_images(CROPS, out=room[:3]), room)
    np.testing.assert_array_equal(room[:3], to_images(CROPS))
    assert np.isnan(room[3]).all()


def test_no_crops_are_no_images() -> None:
    assert to_images(CROPS[:0]).shape == (0, 3, 16, 16)
    assert to_probs(np.zeros((0, 9), np.float32), 1.0).shape == (0, 9)


@pytest.mark.parametrize(
    ("crops", "out"),
    [
        pytest.param(CROPS.astype(np.float32), None, id="float-crops"),
        pytest.param(CROPS[0], None, id="no-batch"),
        pytest.param(CROPS.transpose(0, 3, 1, 2), None, id="channels-first"),
        pytest.param(CROPS, np.zeros((2, 3, 16, 16), np.float32), id="room-for-two"),
        pytest.param(CROPS, np.zeros((3, 3, 16, 16)), id="room-for-doubles"),
    ],
)
def test_other_shapes_are_a_wrong_argument(crops: Any, out: Any) -> None:
    with pytest.raises(ValueError, match=r"float32|uint8"):
        to_images(crops, out)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_probs_are_the_softmax_of_cooled_logits(temperature: float) -> None:
    logits = np.random.default_rng(1).normal(0, 5, (4, 9)).astype(np.float32)
    powers = np.exp(logits.astype(float) / temperature)
    probs = to_probs(logits, temperature)
    np.testing.assert_allclose(probs, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    assert probs.dtype == np.float32


def test_large_logits_do_not_overflow() -> None:
    np.testing.assert_array_equal(to_probs(np.array([[2e4, 0, -2e4]], np.float32), 0.1), [[1, 0, 0]])
