"""Rendered people: the same seed gives the same picture, and a detector and a person can read it."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.emotions import Emotion
from ffe_edge.rendered.camera import camera_noise
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import RenderedFace, View, render_face, sample_view
from ffe_edge.rendered.sheet import contact_sheet
from ffe_edge.rendered.timeline import TimelineFrame, demo_timeline
from ffe_edge.rendered.units import LIMIT, UNITS, acted_units, expression_units, variants
from ffe_edge.types import ImageArray

CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
YUNET = Path(__file__).parents[3] / "shared" / "detector_yunet" / "yunet_n_640_640.onnx"


def _face(emotion: Emotion = Emotion.NEUTRAL, seed: int = 3, variant: int = 0) -> RenderedFace:
    person = sample_person(np.random.default_rng(seed))
    return render_face(person, expression_units(emotion, variant), View(background=seed))


def _frames(seed: int, count: int, fps: float) -> list[TimelineFrame]:
    return list(itertools.islice(demo_timeline(seed, fps=fps), count))


def _haar_finds(image: ImageArray) -> bool:
    cascade = cv2.CascadeClassifier(str(CASCADE))
    return len(cascade.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 4, minSize=(60, 60))) > 0


def test_the_same_seed_gives_the_same_picture() -> None:
    first, second = _face(Emotion.JOY), _face(Emotion.JOY)
    np.testing.assert_array_equal(first.image, second.image)
    assert np.abs(first.image.astype(int) - _face(Emotion.JOY, seed=4).image).mean() > 5.0


@pytest.mark.parametrize("size_px", [112, 224, 301])
def test_a_portrait_has_the_size_asked_for(size_px: int) -> None:
    face = render_face(Person(), expression_units(Emotion.NEUTRAL), size_px=size_px)
    shapes = [part.shape for part in (face.image, face.landmarks, face.xyxy)]
    assert shapes == [(size_px, size_px, 3), (5, 2), (4,)]
    assert [part.dtype.name for part in (face.image, face.landmarks, face.xyxy)] == ["uint8", "float32", "float32"]


@pytest.mark.parametrize("seed", range(4))
def test_landmarks_lie_in_the_face_in_the_order_of_the_template(seed: int) -> None:
    rng = np.random.default_rng(seed)
    face = render_face(sample_person(rng), acted_units(Emotion.FEAR, rng), sample_view(rng))
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert (face.landmarks > face.xyxy[:2]).all()
    assert (face.landmarks < face.xyxy[2:]).all()


def test_every_expression_and_variant_looks_different() -> None:
    faces = [_face(e, variant=v).image.astype(np.float32) for e in Emotion for v in range(variants(e))]
    assert len(faces) == 12
    for one, other in itertools.combinations(faces, 2):
        assert np.abs(one - other)[60:200, 50:174].mean() > 1.0


@pytest.mark.parametrize("emotion", list(Emotion))
def test_an_attempt_stays_within_what_a_face_can_do(emotion: Emotion) -> None:
    units = acted_units(emotion, np.random.default_rng(1))
    assert units.shape == (len(UNITS),)
    assert units.dtype == np.float32
    assert 0.0 <= units.min() <= units.max() <= LIMIT


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match="no variant 1"):
        expression_units(Emotion.FEAR, 1)


def test_turning_the_head_moves_the_nose_between_the_eyes() -> None:
    ahead, turned = (
        render_face(Person(), expression_units(Emotion.NEUTRAL), View(yaw_degrees=yaw)).landmarks for yaw in (0.0, 15.0)
    )
    assert turned[2, 0] - turned[:2, 0].mean() > ahead[2, 0] - ahead[:2, 0].mean() + 3.0


def test_ages_stay_in_the_range_asked_for() -> None:
    rng = np.random.default_rng(0)
    assert all(20.0 <= sample_person(rng, age_years=(20.0, 30.0)).age_years <= 30.0 for _ in range(20))


def test_the_timeline_tells_all_nine_emotions() -> None:
    frames = _frames(seed=1, count=90, fps=2.0)
    assert {frame.emotion for frame in frames} == set(Emotion)
    assert frames[0].emotion is Emotion.NEUTRAL
    assert frames[1].seconds - frames[0].seconds == pytest.approx(0.5)
    assert frames[0].image.shape == (480, 640, 3)


def test_the_truth_changes_in_the_middle_of_an_onset() -> None:
    frames = _frames(seed=1, count=90, fps=15.0)
    change = next(i for i, frame in enumerate(frames) if frame.emotion is not Emotion.NEUTRAL)
    before, at, after = (frames[i].landmarks for i in (change - 7, change, change + 7))
    assert np.abs(at - before).max() > 0.0
    assert np.abs(after - at).max() > 0.0


def test_the_haar_cascade_finds_the_person_of_the_demo() -> None:
    frames = _frames(seed=0, count=40, fps=1.0)
    assert np.mean([_haar_finds(frame.image) for frame in frames]) >= 0.9


@pytest.mark.skipif(not YUNET.exists(), reason=f"the YuNet detector is not at {YUNET}")
def test_yunet_finds_the_face_where_the_renderer_says() -> None:
    detector = cv2.FaceDetectorYN.create(str(YUNET), "", (640, 480))
    for frame in _frames(seed=0, count=40, fps=1.0)[::4]:
        _, found = detector.detect(frame.image)
        assert found is not None
        apart = np.linalg.norm(found[0, 4:14].reshape(5, 2) - frame.landmarks, axis=1)
        assert np.median(apart) < 0.12 * np.linalg.norm(frame.landmarks[0] - frame.landmarks[1])


def test_camera_noise_leaves_the_picture_readable() -> None:
    image = _face().image
    noisy = camera_noise(image, np.random.default_rng(0))
    assert noisy.shape == image.shape
    assert 0.5 < np.abs(noisy.astype(int) - image).mean() < 10.0


def test_a_contact_sheet_has_a_row_a_person() -> None:
    assert contact_sheet(0, 2, size_px=64).shape == (128, 12 * 64, 3)
