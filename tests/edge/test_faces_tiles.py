"""Far faces are found tile by tile, wherever they are, and nobody twice."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DetectorError
from ffe_edge.faces import YUNET_FILE, YuNet
from ffe_edge.faces_tiles import OVERLAP_PX, TILE_PX, Tiles, tiles
from ffe_edge.types import FloatArray, ImageArray

FAR = DetectorSettings(min_face_px=16)


@pytest.fixture
def yunet(shared: Path) -> Path:
    return shared / "detector_yunet" / YUNET_FILE


@pytest.fixture
def two_people(shared: Path) -> ImageArray:
    return np.asarray(cv2.imread(str(shared / "stills" / "two_people.jpg")), np.uint8)


def room(two_people: ImageArray, x: int, y: int, width: int = 160) -> ImageArray:
    """The two, with faces of some 20 px, in a large grey picture."""
    height = width * two_people.shape[0] // two_people.shape[1]
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[y : y + height, x : x + width] = cv2.resize(two_people, (width, height), interpolation=cv2.INTER_AREA)
    return picture


def seen(found: Tiles, picture: ImageArray) -> FloatArray:
    """(N, 4) of a whole turn."""
    return np.concatenate([found.tile(picture, turn).xyxy for turn in range(8)])


@pytest.mark.parametrize("shape", [(540, 960), (810, 1440), (320, 320), (90, 160), (321, 1000)])
def test_every_face_lies_in_some_tile_as_a_whole(shape: tuple[int, int]) -> None:
    corners = list(tiles(shape))
    assert len(set(corners)) == len(corners)
    for length, starts in zip(shape, ({y for _, y in corners}, {x for x, _ in corners}), strict=True):
        ordered = sorted(starts)
        assert (ordered[0], ordered[-1]) == (0, max(0, length - TILE_PX))
        assert all(after - before <= TILE_PX - OVERLAP_PX for before, after in itertools.pairwise(ordered))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (250, 230), (400, 200), (600, 300), (1120, 600)])
def test_far_faces_are_found_where_the_search_at_full_size_finds_them(
    yunet: Path, two_people: ImageArray, x: int, y: int
) -> None:
    picture = room(two_people, x, y)
    whole, boxes = YuNet(yunet, FAR)(picture).xyxy, seen(Tiles(yunet, FAR), picture)
    assert len(whole) == 2
    nearest = [np.abs(boxes - box).max(axis=1).min() for box in whole]
    assert max(nearest) < 5
    others = [np.abs(whole - box).max(axis=1).min() for box in boxes]
    assert max(others) < 5


def test_near_faces_are_left_to_the_search_of_the_whole_picture(yunet: Path, two_people: ImageArray) -> None:
    picture = room(two_people, 100, 50, 900)
    assert len(YuNet(yunet, FAR).near_enough(picture)) == 2
    assert len(seen(Tiles(yunet, FAR), picture)) == 0


@pytest.mark.parametrize(
    ("least", "shape", "reach"),
    [
        pytest.param(None, (720, 1280, 3), 0, id="nothing-asked-for"),
        pytest.param(48, (720, 1280, 3), 0, id="seen-anyway"),
        pytest.param(16, (720, 1280, 3), 64, id="far"),
        pytest.param(16, (240, 320, 3), 0, id="small-picture"),
    ],
)
def test_tiles_are_for_what_the_shrunk_picture_does_not_show(
    yunet: Path, least: int | None, shape: tuple[int, ...], reach: float
) -> None:
    assert Tiles(yunet, DetectorSettings(min_face_px=least)).reach_px(shape) == reach


def test_a_file_that_is_no_detector_is_named(tmp_path: Path) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(DetectorError, match="is not a YuNet detector"):
        Tiles(path, FAR)
