"""Golden inputs show rendered people and noise, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest

from ffe_edge.emotions import Emotion
from ffe_export.golden_crops import NOISE, PEOPLE, golden_crops


def test_every_rendered_person_shows_every_emotion_and_noise_follows() -> None:
    crops = golden_crops()
    assert crops.shape == (PEOPLE * len(Emotion) + NOISE, 112, 112, 3)
    assert crops.dtype == np.uint8
    assert len({crop.tobytes() for crop in crops}) == len(crops)
    assert crops[:-NOISE].std() > 20


def test_the_same_seed_gives_the_same_crops() -> None:
    again = golden_crops.__wrapped__()
    np.testing.assert_array_equal(again, golden_crops())
    assert again is not golden_crops()
    assert (golden_crops(seed=4) != golden_crops()).any()
    with pytest.raises(ValueError, match="read-only"):
        golden_crops()[0] = 0


@pytest.mark.parametrize("side", [32])
def test_crops_are_as_wide_as_the_model_asks(side: int) -> None:
    assert golden_crops(side).shape[1:] == (side, side, 3)
