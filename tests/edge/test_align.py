"""Crops lie on the template, however the face lay in the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ffe_edge.align import CROP_PX, HAAR_CENTRE, HAAR_SIDE, TEMPLATE, align, box_similarity, similarity, warp
from ffe_edge.types import Faces, FloatArray, ImageArray

points = arrays(np.float32, (5, 2), elements=st.floats(0, 2000, width=32))


def naive_similarity(landmarks: FloatArray, template: FloatArray) -> FloatArray:
    """Least squares on a, b, tx, ty of u = ax - by + tx, v = bx + ay + ty."""
    rows, right = [], []
    for (x, y), (u, v) in zip(landmarks.astype(float), template.astype(float), strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        right += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.array([[a, -b, tx], [b, a, ty]], np.float32)


def moved(landmarks: FloatArray, matrix: FloatArray) -> FloatArray:
    return np.asarray(landmarks @ matrix[:, :2].T + matrix[:, 2], np.float32)


def turn(degrees: float, scale: float, shift: tuple[float, float]) -> FloatArray:
    a, b = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[a, -b, shift[0]], [b, a, shift[1]]], np.float32)


def faces(landmarks: FloatArray | None, xyxy: tuple[float, ...] = (0, 0, 1, 1)) -> Faces:
    rows = None if landmarks is None else landmarks[None].astype(np.float32)
    return Faces(np.array([xyxy], np.float32), np.ones(1, np.float32), rows)


def blobs(side_px: int) -> ImageArray:
    noise = np.random.default_rng(0).normal(0, 1, (side_px, side_px, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 12)
    return np.asarray(cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX), np.uint8)


@given(points)
def test_the_similarity_is_the_least_squares_one(landmarks: FloatArray) -> None:
    assume(landmarks.std(axis=0).max() > 5)
    ours = moved(landmarks, similarity(landmarks[None])[0])
    np.testing.assert_allclose(ours, moved(landmarks, naive_similarity(landmarks, TEMPLATE)), atol=0.05)


@given(st.floats(-180, 180), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_landmarks_that_are_a_similarity_of_the_template_land_on_it(
    degrees: float, scale: float, x: float, y: float
) -> None:
    landmarks = moved(TEMPLATE, turn(degrees, scale, (x, y)))
    assume(scale > 0.2 or abs(x) + abs(y) < 100)
    np.testing.assert_allclose(moved(landmarks, similarity(landmarks[None])[0]), TEMPLATE, atol=0.05)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = TEMPLATE * np.array([-1, 1], np.float32)
    rotation = similarity(mirrored[None])[0, :, :2]
    assert np.linalg.det(rotation) > 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(turn(0, 1, (37.5, -20)), id="shift"),
        pytest.param(turn(25, 1, (120, -60)), id="rotation"),
        pytest.param(turn(0, 1.6, (-100, -100)), id="scale"),
        pytest.param(turn(-40, 1.3, (-120, 120)), id="all"),
    ],
)
def test_a_face_that_moved_gives_the_same_crop(change: FloatArray) -> None:
    image, landmarks = blobs(500), TEMPLATE * 1.5 + 170
    elsewhere = np.asarray(cv2.warpAffine(image, change, (700, 700)), np.uint8)
    (crop,), (other,) = align(image, faces(landmarks)), align(elsewhere, faces(moved(landmarks, change)))
    assert crop.std() > 20
    assert np.abs(crop.astype(int) - other).mean() < 2


@pytest.mark.parametrize("times", [2, 3, 8])
def test_a_large_face_is_shrunk_without_aliasing(times: int) -> None:
    rows, columns = np.mgrid[: CROP_PX * times, : CROP_PX * times]
    board = np.repeat((((rows + columns) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    (crop,) = align(board, faces(TEMPLATE * times))
    np.testing.assert_allclose(crop.astype(float), 127.5, atol=2)


@pytest.mark.parametrize("side_px", [pytest.param(896, id="even"), pytest.param(903, id="odd")])
def test_shrinking_moves_nothing(side_px: int) -> None:
    rows, columns = np.mgrid[:side_px, :side_px]
    spot = 255 * np.exp(-((columns - 400) ** 2 + (rows - 520) ** 2) / (2 * 60**2))
    crop = warp(np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2), turn(0, 1 / 8, (0, 0)))[..., 0]
    weights = crop.astype(float) / crop.sum()
    y, x = np.mgrid[:CROP_PX, :CROP_PX]
    assert ((weights * x).sum(), (weights * y).sum()) == pytest.approx((400 / 8, 520 / 8), abs=0.05)


@pytest.mark.parametrize("size_px", [56, 224])
def test_a_crop_of_another_size_shows_the_same(size_px: int) -> None:
    image, matrix = blobs(400), turn(10, 0.7, (-20, 5))
    usual = cv2.resize(warp(image, matrix), (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    assert np.abs(warp(image, matrix, size_px).astype(int) - usual).mean() < 4


@pytest.mark.parametrize(
    "nobody",
    [
        pytest.param(Faces.none(), id="landmarks"),
        pytest.param(Faces(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), None), id="boxes"),
    ],
)
def test_nobody_gives_no_crop(nobody: Faces) -> None:
    crops = align(blobs(50), nobody)
    assert (crops.shape, crops.dtype) == ((0, CROP_PX, CROP_PX, 3), np.uint8)


def test_every_face_gets_its_own_crop_in_order() -> None:
    image = np.zeros((300, 600, 3), np.uint8)
    image[:, 300:] = (10, 120, 240)
    landmarks = np.stack([TEMPLATE + 50, TEMPLATE + np.array([400, 50], np.float32)])
    crops = align(image, Faces(np.zeros((2, 4), np.float32), np.ones(2, np.float32), landmarks))
    assert crops[0].max() == 0
    np.testing.assert_array_equal(crops[1, 56, 56], (10, 120, 240))


def test_a_box_is_cropped_upright_round_the_middle_of_the_face() -> None:
    (matrix,) = box_similarity(np.array([[100, 50, 200, 170]], np.float32))
    middle = np.array([100 + 100 * HAAR_CENTRE[0], 50 + 120 * HAAR_CENTRE[1]], np.float32)
    corner = middle - 120 * HAAR_SIDE / 2
    np.testing.assert_allclose(moved(np.stack([middle, corner]), matrix), [[56, 56], [0, 0]], atol=1e-3)


def test_without_landmarks_the_box_decides() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    middle = 100 + 100 * np.array(HAAR_CENTRE)
    cv2.circle(image, middle.round().astype(int).tolist(), 4, (255, 255, 255), -1)
    (crop,) = align(image, faces(None, (100, 100, 200, 200)))
    rows, columns = np.nonzero(crop[..., 0] > 127)
    assert (rows.mean(), columns.mean()) == pytest.approx((56, 56), abs=0.6)


def test_crops_can_be_written_into_given_memory() -> None:
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    faces = Faces(np.array([[20, 20, 120, 120]], np.float32), np.ones(1, np.float32), None)
    memory = np.zeros((1, CROP_PX, CROP_PX, 3), np.uint8)
    assert align(image, faces, out=memory) is memory
    np.testing.assert_array_equal(memory, align(image, faces))
