"""Each way to spoil a face does what its name says, and does it again with the same seed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from ffe_edge.align import CROP_PX, TEMPLATE, align
from ffe_edge.quality import sharpness
from ffe_edge.types import Faces, ImageArray
from ffe_train import robust_cover as cover
from ffe_train import robust_photo as photo
from ffe_train.robust_faces import CROP_BOX, Shot, crop_shot, rendered_scenes

LABELS = ("joy", "neutral")


@pytest.fixture(scope="module")
def shot() -> Shot:
    """A rendered face as a crop."""
    (first, *_) = rendered_scenes(("joy",), 1, 0, None, lambda _: None).shots
    return crop_shot(align(first.image, first.faces)[0])


def grey(shot: Shot) -> Shot:
    one = cv2.cvtColor(shot.image, cv2.COLOR_BGR2GRAY)
    return crop_shot(np.repeat(one[..., None], 3, axis=2))


def detail(image: ImageArray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F)[30:90, 30:82].std())


def is_covered(shot: Shot, spoiled: Shot, point: tuple[float, float], reach: int = 3) -> bool:
    """Whether nearly all of what lies round a point has changed."""
    x, y = round(point[0]), round(point[1])
    part = np.s_[y - reach : y + reach + 1, x - reach : x + reach + 1]
    changed = np.abs(shot.image[part].astype(int) - spoiled.image[part]).max(axis=2) > 8
    return bool(changed.mean() > 0.8)


EYES, NOSE, MOUTH = TEMPLATE[:2].tolist(), TEMPLATE[2].tolist(), TEMPLATE[3:].tolist()


def test_a_mask_covers_mouth_and_nose_and_leaves_the_eyes(shot: Shot) -> None:
    masked = cover.mask(shot)
    assert all(is_covered(shot, masked, tuple(point)) for point in (NOSE, *MOUTH))
    assert not any(is_covered(shot, masked, tuple(point)) for point in EYES)


def test_sunglasses_cover_the_eyes_and_leave_the_mouth(shot: Shot) -> None:
    shaded = cover.sunglasses(shot)
    assert all(is_covered(shot, shaded, tuple(point)) for point in EYES)
    assert not any(is_covered(shot, shaded, tuple(point)) for point in MOUTH)


def test_glasses_leave_eyes_to_be_seen_behind_their_rims(shot: Shot) -> None:
    worn = cover.glasses(shot)
    lenses = [np.s_[round(y) - 4 : round(y) + 5, round(x) - 8 : round(x) + 9] for x, y in EYES]
    alike = [np.corrcoef(shot.image[lens].ravel(), worn.image[lens].ravel())[0, 1] for lens in lenses]
    assert min(alike) > 0.7
    changed = np.abs(shot.image.astype(int) - worn.image).max(axis=2) > 40
    assert 0.02 < changed.mean() < 0.15


def test_a_hand_covers_much_of_the_face_and_has_its_colour(shot: Shot) -> None:
    for seed in range(8):
        held = cover.hand(shot, np.random.default_rng(seed))
        left, top, right, bottom = map(round, CROP_BOX)
        changed = np.abs(shot.image.astype(int) - held.image).max(axis=2)[top:bottom, left:right] > 8
        assert 0.08 < changed.mean() < 0.6


@pytest.mark.parametrize("drawn", [cover.mask, cover.glasses, cover.sunglasses])
def test_what_is_drawn_on_a_grey_picture_is_grey(shot: Shot, drawn: Callable[[Shot], Shot]) -> None:
    assert np.ptp(drawn(grey(shot)).image.astype(int), axis=2).max() == 0


def test_a_face_in_the_dark_wears_a_dark_mask(shot: Shot) -> None:
    dark = crop_shot(shot.image // 4)
    place = np.s_[82:85, 50:60]
    assert cover.mask(dark).image[place].mean() < 0.6 * cover.mask(shot).image[place].mean()


def test_a_stronger_blur_leaves_less_detail(shot: Shot) -> None:
    out_of_focus = [detail(photo.gaussian_blur(shot, sigma).image) for sigma in (1.5, 3.0, 5.0)]
    moved = [detail(photo.motion_blur(shot, px, np.random.default_rng(0)).image) for px in (7, 13, 21)]
    assert [detail(shot.image), *out_of_focus] == sorted([detail(shot.image), *out_of_focus], reverse=True)
    assert [detail(shot.image), *moved] == sorted([detail(shot.image), *moved], reverse=True)


def test_motion_smears_a_dot_along_a_line_of_its_length() -> None:
    dot = np.zeros((CROP_PX, CROP_PX, 3), np.uint8)
    dot[56, 56] = 255
    seen = photo.motion_blur(crop_shot(dot), 13, np.random.default_rng(3)).image[..., 0]
    rows, columns = np.nonzero(seen > seen.max() * 0.3)
    assert np.hypot(np.ptp(rows), np.ptp(columns)) == pytest.approx(12, abs=2)


def test_less_light_is_darker_and_relatively_noisier() -> None:
    even = crop_shot(np.full((CROP_PX, CROP_PX, 3), 160, np.uint8))
    seen = [photo.low_light(even, share, np.random.default_rng(0)).image.astype(float) for share in (1, 1 / 2, 1 / 8)]
    means, noises = [image.mean() for image in seen], [image.std() / image.mean() for image in seen]
    assert means == pytest.approx([160, 160 * 0.5 ** (1 / 2.2), 160 * 0.125 ** (1 / 2.2)], rel=0.03)
    assert noises == sorted(noises)


def test_a_grey_picture_stays_grey_in_the_dark(shot: Shot) -> None:
    seen = photo.low_light(grey(shot), 1 / 8, np.random.default_rng(0)).image
    assert np.ptp(seen.astype(int), axis=2).max() == 0


def test_jpeg_of_a_low_quality_is_further_from_the_picture(shot: Shot) -> None:
    off = [np.abs(photo.jpeg(shot, quality).image.astype(int) - shot.image).mean() for quality in (90, 50, 30, 10)]
    assert off == sorted(off)


def test_a_face_of_24_px_is_that_wide_and_comes_back_at_its_place_with_less_detail(shot: Shot) -> None:
    small = photo.small_face(shot, 24)
    assert small.faces.xyxy[0, 2] - small.faces.xyxy[0, 0] == pytest.approx(24, abs=1)
    again = align(small.image, small.faces)[0]
    assert detail(again) < 0.5 * detail(shot.image)
    assert sharpness(again[None])[0] <= sharpness(shot.image[None])[0]
    coarse = cv2.GaussianBlur(shot.image, (0, 0), 4).astype(int)
    shifts = [
        np.abs(np.roll(cv2.GaussianBlur(again, (0, 0), 4), dx, 1).astype(int) - coarse).mean() for dx in (-2, 0, 2)
    ]
    assert shifts[1] == min(shifts)


def test_landmarks_miss_by_their_share_of_the_distance_of_the_eyes(shot: Shot) -> None:
    rng = np.random.default_rng(0)
    off = [photo.missed_landmarks(shot, 0.05, rng).faces.landmarks - TEMPLATE for _ in range(200)]  # type: ignore[operator]
    assert np.std(off) == pytest.approx(0.05 * (TEMPLATE[1, 0] - TEMPLATE[0, 0]), rel=0.1)


def test_a_face_without_landmarks_has_none_to_miss(shot: Shot) -> None:
    bare = Shot(shot.image, Faces(shot.faces.xyxy, shot.faces.confidence, None))
    with pytest.raises(ValueError, match="landmarks"):
        photo.missed_landmarks(bare, 0.05, np.random.default_rng(0))


def test_a_roll_turns_clockwise_about_the_face_and_looks_for_it_again(shot: Shot) -> None:
    seen: list[ImageArray] = []

    def detect(image: ImageArray) -> Faces:
        seen.append(image)
        return Faces.none()

    marked = crop_shot(np.zeros((CROP_PX, CROP_PX, 3), np.uint8))
    marked.image[10:14, 53:57] = 255
    turned = photo.rolled(marked, 30, detect)
    assert not len(turned.faces)
    rows, columns = np.nonzero(seen[0][..., 0] > 128)
    assert columns.mean() > 70
    assert rows.mean() < 30
