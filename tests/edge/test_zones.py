"""A face counts where its centre lies in an included zone and in no excluded one."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ffe_edge.config_people import Corners, ZoneSettings
from ffe_edge.types import Faces
from ffe_edge.zones import Zones, inside

SQUARE: Corners = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
HORSESHOE: Corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.75, 1.0), (0.75, 0.25), (0.25, 0.25), (0.25, 1.0), (0, 1))


def faces(*centres: tuple[float, float], side: float = 40) -> Faces:
    middle = np.array(centres, np.float32).reshape(-1, 2)
    return Faces(np.concatenate([middle - side / 2, middle + side / 2], 1), np.ones(len(middle), np.float32), None)


def kept(zones: ZoneSettings, *centres: tuple[float, float]) -> list[bool]:
    return [bool(value) for value in Zones(zones).keep(faces(*centres), (100, 200, 3))]


def test_without_zones_every_face_counts() -> None:
    assert kept(ZoneSettings(), (0, 0), (100, 50), (200, 100)) == [True, True, True]


def test_an_empty_room_gives_an_empty_answer() -> None:
    answer = Zones(ZoneSettings(include=(SQUARE,), exclude=(SQUARE,))).keep(Faces.none(), (100, 200))
    assert (answer.shape, str(answer.dtype)) == ((0,), "bool")


def test_only_faces_whose_centre_is_included_count() -> None:
    assert kept(ZoneSettings(include=(SQUARE,)), (100, 50), (40, 50), (100, 20)) == [True, False, False]


def test_what_is_excluded_counts_nowhere() -> None:
    desk: Corners = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
    zones = ZoneSettings(include=(SQUARE,), exclude=(desk,))
    assert kept(zones, (80, 50), (120, 50), (180, 50)) == [True, False, False]


def test_one_of_several_included_zones_is_enough() -> None:
    corner: Corners = ((0.0, 0.0), (0.1, 0.0), (0.0, 0.1))
    assert kept(ZoneSettings(include=(SQUARE, corner)), (4, 2), (100, 50), (190, 95)) == [True, True, False]


def test_a_side_is_part_of_its_zone() -> None:
    on_sides = [(50, 50), (100, 25), (150, 75), (50, 25)]
    assert kept(ZoneSettings(include=(SQUARE,)), *on_sides) == [True] * 4
    assert kept(ZoneSettings(exclude=(SQUARE,)), *on_sides) == [False] * 4


def test_a_face_that_leaves_the_picture_is_judged_at_its_edge() -> None:
    left: Corners = ((0.0, 0.0), (0.2, 0.0), (0.2, 1.0), (0.0, 1.0))
    assert kept(ZoneSettings(include=(left,)), (-10, 50), (210, 50)) == [True, False]


def test_the_notch_of_a_horseshoe_is_outside() -> None:
    points = np.array([[0.1, 0.9], [0.5, 0.9], [0.9, 0.9], [0.5, 0.1]])
    assert inside(points, np.array(HORSESHOE)).tolist() == [True, False, True, True]


@pytest.mark.parametrize("polygon", [SQUARE, HORSESHOE, ((0.1, 0.9), (0.5, 0.1), (0.9, 0.9), (0.5, 0.6))])
def test_points_are_found_as_by_the_sum_of_angles(polygon: Corners) -> None:
    points = np.random.default_rng(0).uniform(0, 1, (500, 2))
    corners = np.array(polygon)
    towards = np.angle((corners[None] - points[:, None]) @ np.array([1, 1j]))
    turns = np.angle(np.exp(1j * (np.roll(towards, -1, 1) - towards))).sum(1)
    np.testing.assert_array_equal(inside(points, corners), np.abs(turns) > np.pi)


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        pytest.param(((0, 0), (1, 1)), "3 to 64", id="two-corners"),
        pytest.param(tuple((i / 100, (i / 100) ** 2) for i in range(65)), "3 to 64", id="65-corners"),
        pytest.param(((0, 0), (1, 0), (1, 1), (0, 0)), "all different", id="closed-by-hand"),
        pytest.param(((0, 0), (0.5, 0.5), (1, 1)), "one line", id="flat"),
        pytest.param(((0, 0), (1, 1), (1, 0), (0, 1)), "cross", id="bow-tie"),
        pytest.param(((0, 0), (1, 0), (0.5, 0), (0.5, 1)), "cross", id="spike"),
        pytest.param(((0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)), "cross", id="touches-itself"),
        pytest.param(((0, 0), (0.9, 0.1), (0.1, 0.5), (0.9, 0.9), (0.8, 0.05)), "cross", id="crossing"),
        pytest.param(((0, 0), (1.2, 0), (1, 1)), "less than or equal to 1", id="outside-the-picture"),
        pytest.param(((0, 0), (float("nan"), 0), (1, 1)), "less than or equal|greater than", id="not-a-number"),
        pytest.param(((0, 0, 0), (1, 0, 0), (1, 1, 0)), "at most 2", id="three-numbers"),
    ],
)
def test_what_is_no_polygon_is_refused_with_the_reason(corners: Corners, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ZoneSettings(include=(corners,))
