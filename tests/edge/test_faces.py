"""Faces are found, in the pixels of the picture; a detector that cannot be had is named."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DetectorError
from ffe_edge.faces import YUNET_FILE, Haar, YuNet, find_yunet, load_detector
from ffe_edge.types import ImageArray


@pytest.fixture
def yunet(shared: Path) -> Path:
    return shared / "detector_yunet" / YUNET_FILE


@pytest.fixture
def two_people(shared: Path) -> ImageArray:
    return np.asarray(cv2.imread(str(shared / "stills" / "two_people.jpg")), np.uint8)


def rendered_face() -> tuple[ImageArray, tuple[float, ...]]:
    render = pytest.importorskip("ffe_edge.rendered.render")
    people = pytest.importorskip("ffe_edge.rendered.people")
    units = pytest.importorskip("ffe_edge.rendered.units").UNITS
    face = render.render_face(people.Person(), np.zeros(len(units), np.float32), size_px=448)
    return face.image, tuple(face.landmarks[2])


def test_yunet_finds_everybody_with_landmarks_in_order(yunet: Path, two_people: ImageArray) -> None:
    faces = YuNet(yunet, DetectorSettings())(two_people)
    assert len(faces) == 2
    assert faces.landmarks is not None
    left_eye, right_eye, nose, left_mouth, right_mouth = np.moveaxis(faces.landmarks, 1, 0)
    assert (left_eye[:, 0] < right_eye[:, 0]).all()
    assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
    assert (np.maximum(left_eye, right_eye)[:, 1] < nose[:, 1]).all()
    assert (nose[:, 1] < np.minimum(left_mouth, right_mouth)[:, 1]).all()
    assert ((faces.confidence >= 0.7) & (faces.confidence <= 1)).all()


def test_landmarks_lie_in_their_boxes_in_pixels_of_the_picture(yunet: Path, two_people: ImageArray) -> None:
    large = np.asarray(cv2.resize(two_people, None, fx=2, fy=2), np.uint8)
    small, big = (YuNet(yunet, DetectorSettings(long_side_px=480))(image) for image in (two_people, large))
    np.testing.assert_allclose(big.xyxy, small.xyxy * 2, atol=0.01 * max(large.shape))
    assert big.landmarks is not None
    for xyxy, landmarks in zip(big.xyxy, big.landmarks, strict=True):
        assert (landmarks > xyxy[:2]).all()
        assert (landmarks < xyxy[2:]).all()


def test_a_shrunk_picture_gives_the_boxes_of_the_whole_one(yunet: Path, two_people: ImageArray) -> None:
    whole = YuNet(yunet, DetectorSettings(long_side_px=4096))(two_people)
    shrunk = YuNet(yunet, DetectorSettings(long_side_px=320))(two_people)
    order = [found.xyxy[:, 0].argsort() for found in (whole, shrunk)]
    tolerance = 0.25 * float((whole.xyxy[:, 2] - whole.xyxy[:, 0]).min())
    np.testing.assert_allclose(shrunk.xyxy[order[1]], whole.xyxy[order[0]], atol=tolerance)


def test_a_known_face_is_found_again_where_it_is_expected(yunet: Path, two_people: ImageArray) -> None:
    detector = YuNet(yunet, DetectorSettings(long_side_px=4096))
    whole = detector(two_people)
    side = (whole.xyxy[:, 2] - whole.xyxy[:, 0]).min()
    near = detector.near(two_people, whole.xyxy + np.float32(0.15 * side))
    assert len(near) == 2
    assert whole.landmarks is not None
    assert near.landmarks is not None
    assert np.abs(near.landmarks - whole.landmarks).mean() < 0.05 * side
    np.testing.assert_allclose(near.xyxy, whole.xyxy, atol=0.2 * side)


def test_a_face_expected_twice_is_found_once(yunet: Path, two_people: ImageArray) -> None:
    detector = YuNet(yunet, DetectorSettings())
    box = detector(two_people).xyxy[:1]
    assert len(detector.near(two_people, np.concatenate([box, box + 3]))) == 1


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((200, 10, 260, 70), id="nobody-there"),
        pytest.param((-500, -500, -400, -400), id="left-of-the-picture"),
        pytest.param((5000, 5000, 5100, 5100), id="beyond-the-picture"),
        pytest.param((-30, -30, 30, 30), id="over-the-corner"),
        pytest.param((50, 50, 50, 50), id="no-size"),
    ],
)
def test_where_nobody_is_nobody_is_found(yunet: Path, box: tuple[float, ...]) -> None:
    room = np.full((480, 640, 3), 90, np.uint8)
    found = YuNet(yunet, DetectorSettings()).near(room, np.array([box], np.float32))
    assert (len(found), found.xyxy.shape) == (0, (0, 4))


def test_nobody_is_looked_for_in_vain(yunet: Path, two_people: ImageArray) -> None:
    assert len(YuNet(yunet, DetectorSettings()).near(two_people, np.zeros((0, 4), np.float32))) == 0


def test_far_faces_are_found_when_they_are_asked_for(yunet: Path, two_people: ImageArray) -> None:
    height, width = two_people.shape[:2]
    small = cv2.resize(two_people, (160, 160 * height // width), interpolation=cv2.INTER_AREA)
    far = np.full((720, 1280, 3), 110, np.uint8)
    far[300 : 300 + small.shape[0], 600:760] = small
    found = [len(YuNet(yunet, DetectorSettings(min_face_px=least))(far)) for least in (None, 16)]
    assert found == [0, 2]


@pytest.mark.parametrize("shape", [(480, 640, 3), (720, 405, 3), (3, 5, 3), (2, 640, 3), (32, 640, 3), (640, 2, 3)])
def test_an_empty_room_has_no_faces(yunet: Path, shape: tuple[int, ...]) -> None:
    room = np.full(shape, 90, np.uint8)
    by_yunet, by_haar = YuNet(yunet, DetectorSettings())(room), Haar(DetectorSettings())(room)
    assert (len(by_yunet), len(by_haar)) == (0, 0)
    assert by_haar.landmarks is None


def test_haar_finds_a_rendered_face_round_its_nose() -> None:
    image, (x, y) = rendered_face()
    faces = Haar(DetectorSettings())(image)
    assert faces.landmarks is None
    best = int(faces.confidence.argmax())
    x0, y0, x1, y1 = faces.xyxy[best]
    assert x0 < x < x1
    assert y0 < y < y1
    assert 0 < faces.confidence[best] < 1


def test_haar_gives_boxes_in_pixels_of_the_picture() -> None:
    image, (x, y) = rendered_face()
    faces = Haar(DetectorSettings(long_side_px=224))(image)
    x0, y0, x1, y1 = faces.xyxy[int(faces.confidence.argmax())]
    assert x1 - x0 > 112
    assert x0 < x < x1
    assert y0 < y < y1


def test_a_missing_detector_is_named(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"nowhere\.onnx"):
        load_detector(DetectorSettings(path=tmp_path / "nowhere.onnx"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is no detector\n", id="text"),
        pytest.param(b"\x08\x07\x12\x07pytorch" + bytes(500), id="bytes"),
    ],
)
def test_a_file_that_is_no_detector_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=r"notes\.onnx"):
        load_detector(DetectorSettings(path=path))


def test_half_a_detector_is_named(tmp_path: Path, yunet: Path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(yunet.read_bytes()[:150_000])
    with pytest.raises(DetectorError, match=r"half\.onnx"):
        load_detector(DetectorSettings(path=path))


def test_without_yunet_haar_stands_in_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FFE_MODELS", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        detector = load_detector(DetectorSettings())
    assert detector.name == "haar"
    assert "ffe-edge models fetch" in caplog.text


def test_yunet_is_found_in_ffe_models_without_a_word(
    tmp_path: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(yunet, tmp_path)
    monkeypatch.setenv("FFE_MODELS", str(tmp_path))
    assert load_detector(DetectorSettings()).name == "yunet"
    assert not caplog.records


def test_a_named_file_wins_over_a_fetched_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFE_MODELS", str(tmp_path))
    fetched, named = tmp_path / YUNET_FILE, tmp_path / "named.onnx"
    fetched.touch()
    named.touch()
    assert (find_yunet(None), find_yunet(named)) == (fetched, named)
