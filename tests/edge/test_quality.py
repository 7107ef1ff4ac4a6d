"""Small, doubtful and averted faces are trusted less."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ffe_edge.align import TEMPLATE
from ffe_edge.quality import quality, sharpness
from ffe_edge.types import Faces, FloatArray, ImageArray


def face(side_px: float = 100, confidence: float = 1, landmarks: FloatArray | None = None) -> Faces:
    rows = None if landmarks is None else landmarks[None].astype(np.float32)
    return Faces(np.array([[10, 20, 10 + side_px, 220]], np.float32), np.array([confidence], np.float32), rows)


def averted(along: float, degrees: float = 0) -> FloatArray:
    """Eyes 40 px apart, the nose at this share of the way from the left to the right one."""
    points = np.array([[0, 0], [40, 0], [40 * along, 25], [8, 40], [32, 40]], float)
    turn = np.deg2rad(degrees)
    return points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        pytest.param(face(), 1.0, id="near"),
        pytest.param(face(64), 1.0, id="just-large-enough"),
        pytest.param(face(16), 0.25, id="far"),
        pytest.param(face(0), 0.0, id="no-width"),
        pytest.param(face(confidence=0.6), 0.6, id="doubtful"),
        pytest.param(face(32, 0.8), 0.4, id="far-and-doubtful"),
        pytest.param(face(landmarks=averted(0.5)), 1.0, id="frontal"),
        pytest.param(face(landmarks=averted(0.75)), 0.75, id="turned"),
        pytest.param(face(landmarks=averted(0.25)), 0.75, id="turned-the-other-way"),
        pytest.param(face(landmarks=averted(1.0)), 0.0, id="profile"),
        pytest.param(face(landmarks=averted(1.8)), 0.0, id="beyond-profile"),
        pytest.param(face(landmarks=averted(0.5, degrees=0)[[0, 0, 0, 0, 0]]), 0.0, id="eyes-in-one-point"),
        pytest.param(face(32, 0.8, averted(0.75)), 0.3, id="everything"),
    ],
)
def test_quality_is_the_product_of_its_reasons(faces: Faces, expected: float) -> None:
    values = quality(faces)
    assert (values.shape, values.dtype) == ((1,), np.float32)
    assert values[0] == pytest.approx(expected, abs=1e-5)


def test_a_tilted_head_is_still_frontal() -> None:
    tilted = np.array([[0, 0], [40, 40], [7.5, 32.5], [-10, 35], [15, 60]], float)
    assert quality(face(landmarks=tilted))[0] == pytest.approx(1 - (2 * 0.0) ** 2, abs=1e-5)


def test_the_template_is_nearly_frontal() -> None:
    assert quality(face(landmarks=TEMPLATE))[0] > 0.99


def test_nobody_has_no_quality() -> None:
    assert quality(Faces.none()).shape == (0,)


def test_each_face_has_its_own_quality() -> None:
    xyxy = np.array([[0, 0, 100, 100], [0, 0, 32, 90]], np.float32)
    values = quality(Faces(xyxy, np.array([0.9, 1], np.float32), None))
    np.testing.assert_allclose(values, [0.9, 0.5])


def rendered_crop(blur_px: float, noise: float = 0) -> ImageArray:
    render = pytest.importorskip("ffe_edge.rendered.render")
    people = pytest.importorskip("ffe_edge.rendered.people")
    units = pytest.importorskip("ffe_edge.rendered.units").UNITS
    crop = render.render_face(people.Person(), np.zeros(len(units), np.float32), size_px=112).image
    crop = cv2.GaussianBlur(crop, (0, 0), blur_px) if blur_px else crop
    grain = np.random.default_rng(0).normal(0, noise, crop.shape)
    return np.asarray(np.clip(crop + grain, 0, 255), np.uint8)


def test_the_more_blurred_a_face_the_less_sharp_it_is() -> None:
    values = sharpness(np.stack([rendered_crop(blur) for blur in (0, 4, 5, 6)]))
    assert values.dtype == np.float32
    assert values[0] == 1
    assert (np.diff(values) < 0).all()
    assert values[-1] < 0.3


def test_noise_does_not_make_a_blurred_face_sharp() -> None:
    clean, noisy = sharpness(np.stack([rendered_crop(5), rendered_crop(5, noise=4)]))
    assert noisy == pytest.approx(clean, abs=0.15)


def test_a_grey_wall_is_not_sharp() -> None:
    assert sharpness(np.full((1, 112, 112, 3), 90, np.uint8)) == 0


def test_no_crops_have_no_sharpness() -> None:
    assert sharpness(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0,)
