"""A crop is changed as the recipe says, by nothing but the generator's state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ffe_edge.types import ImageArray
from ffe_train import crop_augment
from ffe_train.recipes import Augment

NOTHING = {"flip": 0.0, "crop": 0.0, "low_resolution": 0.0, "photometric": 0.0, "jitter": 0.0, "erase": 0.0}


def faces(count: int = 4) -> ImageArray:
    """Smooth colourful pictures, so that a change of one is seen and interpolation is exact enough."""
    x, y = np.meshgrid(np.linspace(0, 200, 112), np.linspace(0, 200, 112))
    picture = np.stack([x, y, (x + y) / 2], axis=-1) + 20
    return np.stack([picture + shade for shade in range(count)]).astype(np.uint8)


def changed(seed: int = 0, count: int = 4, **changes: Any) -> ImageArray:
    augment = Augment(**{**NOTHING, **changes})
    return crop_augment.augmented(faces(count), augment, np.random.default_rng(seed))


def test_without_any_chance_a_crop_is_copied() -> None:
    crops = faces()
    copied = crop_augment.augmented(crops, Augment(**NOTHING), np.random.default_rng(0))
    np.testing.assert_array_equal(copied, crops)
    assert not np.shares_memory(copied, crops)


def test_a_flip_is_the_mirror_image() -> None:
    np.testing.assert_array_equal(changed(flip=1.0), faces()[:, :, ::-1])


@pytest.mark.parametrize("kind", NOTHING)
def test_every_change_changes_and_comes_back_with_its_seed(kind: str) -> None:
    first, again, other = (changed(seed, 4, **{kind: 1.0}) for seed in (1, 1, 2))
    assert first.shape == (4, 112, 112, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != faces()).any(axis=(1, 2, 3)).all()
    assert kind == "flip" or (first != other).any()


def test_a_change_comes_as_often_as_its_probability_says() -> None:
    same = (changed(count=400, photometric=0.2) == faces(400)).all(axis=(1, 2, 3))
    assert 1 - same.mean() == pytest.approx(0.2, abs=0.06)


def test_a_crop_stays_where_it_is_with_black_around_it() -> None:
    shares = []
    for seed in range(200):
        crop = crop_augment.cropped_in_place(faces(1)[0], np.random.default_rng(seed))
        kept = crop.max(axis=2) > 0
        np.testing.assert_array_equal(crop[kept], faces(1)[0][kept])
        shares.append(kept.mean())
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        assert kept[np.ix_(rows, columns)].all()
    assert min(shares) > 0.18
    assert max(shares) > 0.9
    assert np.mean(shares) == pytest.approx(0.6, abs=0.06)


def test_low_resolution_keeps_the_picture_and_loses_its_detail() -> None:
    rng = np.random.default_rng(0)
    noisy = rng.integers(0, 256, (112, 112, 3), np.uint8)
    detail = [crop_augment.at_low_resolution(noisy, np.random.default_rng(seed)).std() for seed in range(20)]
    assert min(detail) < noisy.std() / 2
    smooth = crop_augment.at_low_resolution(faces(1)[0], rng).astype(float)
    assert np.abs(smooth - faces(1)[0]).mean() < 8


@pytest.mark.parametrize(
    ("change", "naive"),
    [
        pytest.param("_bright", lambda x, f, grey: x * f, id="brightness"),
        pytest.param("_contrasted", lambda x, f, grey: f * x + (1 - f) * grey.mean(), id="contrast"),
        pytest.param("_saturated", lambda x, f, grey: f * x + (1 - f) * grey[..., None], id="saturation"),
    ],
)
@pytest.mark.parametrize("factor", [0.5, 0.9, 1.5])
def test_light_changes_as_its_equation_says(change: str, naive: Any, factor: float) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), np.uint8)
    luminance = crop.astype(float) @ np.array([0.114, 0.587, 0.299])
    expected = np.clip(naive(crop.astype(float), factor, luminance), 0, 255)
    found = getattr(crop_augment, change)(crop, factor)
    np.testing.assert_allclose(found, expected, atol=1.01)


def test_jitter_stays_small() -> None:
    shifts = np.abs(changed(jitter=1.0, count=50).astype(float) - faces(50))[:, 20:90, 20:90].mean(axis=(1, 2, 3))
    assert shifts.max() < 15


def test_erasing_leaves_most_of_the_face() -> None:
    shares = (changed(erase=1.0, count=100) != faces(100)).any(axis=3).mean(axis=(1, 2))
    assert shares.min() > 0.005
    assert shares.max() < 0.25
