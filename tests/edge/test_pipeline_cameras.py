"""Several cameras: own people each, one batch for all, looked at only as often and where it is worth it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt
import pytest

from ffe_edge.config import Config
from ffe_edge.pipeline import Cameras, Far, Told
from ffe_edge.types import FaceReadings, Faces, FloatArray, Frame, ImageArray

FPS = 15
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LABELS = ("joy", "sadness")
EVEN = Config.model_validate({"pipeline": {"settled_hz": 5}})
"""All faces are looked at alike."""
STILL = np.zeros((120, 160, 3), np.uint8)


def faces(*lefts: float) -> Faces:
    boxes = [(left, 20, left + 70, 90) for left in lefts]
    return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), None)


def frame(index: int, image: ImageArray = STILL) -> Frame:
    return Frame(image, index, index / FPS, NOON + timedelta(seconds=index / FPS))


class Home:
    """Cameras with a detector and a model that count how often they are asked."""

    def __init__(self, seen: Faces, *, near: bool = True, config: Config | None = None, **parts: object) -> None:
        self.seen = seen
        self.searched = 0
        self.near_looks: list[int] = []
        self.batches: list[list[int]] = []
        self.probs = [1.0, 0.0]
        self.quality = 1.0
        self.cameras = Cameras.from_config(
            config or Config(), LABELS, self._detect, self._read,
            near=self._near if near else None, **parts,  # type: ignore[arg-type]
        )  # fmt: skip

    def run(self, frames: int, cameras: Sequence[str] = ("a",), begin: int = 0) -> Told:
        told = []
        for index in range(begin, begin + frames):
            told += self.cameras.step([(camera, frame(index)) for camera in cameras])
        return told

    def _detect(self, _image: ImageArray) -> Faces:
        self.searched += 1
        return self.seen

    def _near(self, _image: ImageArray, xyxy: FloatArray) -> Faces:
        self.near_looks.append(len(xyxy))
        middles = (xyxy[:, 0] + xyxy[:, 2]) / 2
        inside = [((box[0] < middles) & (middles < box[2])).any() for box in self.seen.xyxy]
        return self.seen.taken(np.array(inside, bool))

    def _read(self, pictures: Sequence[tuple[ImageArray, Faces]]) -> list[FaceReadings]:
        self.batches.append([len(found) for _, found in pictures])
        return [
            FaceReadings(
                np.tile(np.array(self.probs, np.float32), (len(found), 1)),
                np.full(len(found), self.quality, np.float32),
            )
            for _, found in pictures
        ]


def said(told: Told) -> list[tuple[str, str, int, str]]:
    return [(camera, event.change, event.track_id, event.emotion) for camera, event in told]


def test_each_camera_has_its_own_people() -> None:
    told = Home(faces(10)).run(20, ("a", "b"))
    assert said(told) == [("a", "start", 1, "joy"), ("b", "start", 1, "joy")]


def test_the_faces_of_all_cameras_are_read_in_one_batch() -> None:
    home = Home(faces(5, 85))
    home.run(1, ("a", "b", "c"))
    assert home.batches == [[2, 2, 2]]


def test_a_face_is_read_five_times_a_second() -> None:
    home = Home(faces(10), config=EVEN)
    home.run(3 * FPS)
    assert len(home.batches) == 15
    assert home.cameras.progress("a").read == 15


def test_a_face_that_has_not_changed_for_a_second_is_read_half_as_often_until_it_does() -> None:
    home = Home(faces(10))
    home.run(FPS)
    assert len(home.batches) == 5
    home.run(4 * FPS, begin=FPS)
    assert 5 + 10 <= len(home.batches) <= 5 + 12
    home.probs, before = [0.2, 0.8], len(home.batches)
    home.run(FPS, begin=5 * FPS)
    assert len(home.batches) - before >= 4


def test_a_change_is_told_no_later_than_by_as_many_looks_as_before() -> None:
    seconds = []
    for config in (EVEN, Config()):
        home = Home(faces(10), config=config)
        home.run(4 * FPS)
        home.probs = [0.0, 1.0]
        ((_, event),) = home.run(2 * FPS, begin=4 * FPS)
        seconds.append(event.seconds)
    assert seconds[1] - seconds[0] <= 0.4 - 0.2 + 1e-6


def test_a_face_that_is_soon_due_is_read_where_the_picture_is_searched_anyway() -> None:
    home = Home(faces(10), config=Config.model_validate({"pipeline": {"detect_seconds": 0.3}}))
    home.run(3 * FPS)
    assert sum(home.near_looks) <= 5  # those of the first second


def test_a_still_room_is_searched_once_a_second_and_faces_are_looked_for_where_they_are() -> None:
    home = Home(faces(10), config=EVEN)
    home.run(3 * FPS)
    assert (home.searched, home.near_looks) == (3, [1] * 12)


def test_without_near_looks_the_whole_picture_is_searched_when_a_face_is_due() -> None:
    home = Home(faces(10), near=False, config=EVEN)
    home.run(3 * FPS)
    assert home.searched == 15


def test_many_faces_are_found_by_searching_the_whole_picture() -> None:
    home = Home(faces(*range(0, 400, 80)))
    home.run(FPS)
    assert (home.searched, home.near_looks) == (5, [])


def test_an_empty_room_is_searched_and_nothing_is_read() -> None:
    home = Home(faces())
    assert home.run(2 * FPS) == []
    assert (home.searched, home.near_looks, home.batches) == (2, [], [])


def test_whoever_is_lost_is_searched_for_at_once_and_ends_after_a_while() -> None:
    home = Home(faces(10))
    home.run(16)
    before, home.seen = home.searched, faces()
    told = home.run(7, begin=16)
    assert home.searched == before + 1
    told += home.run(3 * FPS, begin=23)
    assert said(told) == [("a", "end", 1, "joy")]


def test_a_poor_face_forms_no_event() -> None:
    home = Home(faces(10))
    home.quality = 0.1
    assert home.run(2 * FPS) == []


def test_a_camera_that_ends_loses_its_people_and_begins_anew() -> None:
    home = Home(faces(10))
    home.run(20, ("a", "b"))
    assert said(home.cameras.finish("a")) == [("a", "end", 1, "joy")]
    assert home.cameras.finish("a") == []
    assert (home.cameras.progress("a").people, home.cameras.progress("b").people) == (0, 1)
    assert said(home.run(20, ("a",), begin=30)) == [("a", "start", 2, "joy")]


def test_of_a_camera_that_never_came_nothing_is_known() -> None:
    home = Home(faces())
    assert (home.cameras.finish("z"), home.cameras.progress("z").frames) == ([], 0)


class Distant:
    """Four tiles, in one of which somebody far is; a search of the whole picture finds nobody of less than 100 px."""

    def __init__(self) -> None:
        self.home = Home(faces(10), far=Far(self.tile, lambda _shape: 100.0))
        self.home.cameras._detect = self.search
        self.turns: list[int] = []
        self.searched = 0

    def search(self, _image: ImageArray) -> Faces:
        self.searched += 1
        return faces()

    def tile(self, _image: ImageArray, turn: int) -> Faces:
        self.turns.append(turn)
        return self.home.seen if turn % 4 == 2 else faces()


def test_who_is_far_is_found_by_tiles_in_turns_and_then_looked_for_where_expected() -> None:
    distant = Distant()
    told = distant.home.run(3 * FPS)
    assert said(told) == [("a", "start", 1, "joy")]
    assert distant.turns == list(range(len(distant.turns)))
    assert 3 * FPS / 2 - 4 <= len(distant.turns) <= 3 * FPS / 2
    assert 7 <= len(distant.home.batches) <= 13
    assert distant.searched <= 4


def test_who_is_far_is_not_lost_because_the_whole_picture_does_not_show_them_and_is_when_gone() -> None:
    distant = Distant()
    distant.home.run(5 * FPS)
    assert distant.home.cameras.progress("a").people == 1
    distant.home.seen = faces()
    told = distant.home.run(3 * FPS, begin=5 * FPS)
    assert said(told) == [("a", "end", 1, "joy")]


def test_many_far_faces_are_all_read() -> None:
    distant = Distant()
    distant.home.seen = faces(*range(0, 480, 80))
    told = distant.home.run(4 * FPS)
    assert sorted(event.track_id for _, event in told) == [1, 2, 3, 4, 5, 6]


class NoonGate:
    """Closed from one second on for camera a; of faces, only those on the left count."""

    def allows(self, camera_id: str, captured_at: datetime) -> bool:
        return camera_id != "a" or captured_at < NOON + timedelta(seconds=2)

    def keep(self, camera_id: str, faces: Faces, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
        return np.asarray(faces.xyxy[:, 2] < shape[1] / 2 + 1)


def test_a_camera_that_may_not_be_looked_at_is_not_and_its_people_end_with_the_last_frame_that_was() -> None:
    home = Home(faces(10), gate=NoonGate())
    told = home.run(3 * FPS)
    end = told[-1][1]
    assert (end.change, end.captured_at) == ("end", frame(2 * FPS - 1).captured_at)
    searched = home.searched
    assert home.run(FPS, begin=3 * FPS) == []
    assert home.searched == searched


def test_faces_outside_the_zones_are_neither_read_nor_people() -> None:
    home = Home(faces(5, 85), gate=NoonGate())
    told = home.run(20, ("b",))
    assert said(told) == [("b", "start", 1, "joy")]
    assert {tuple(batch) for batch in home.batches} == {(1,)}


class Friend:
    """Believes the opposite of what was read, and knows everybody."""

    def meet(
        self, camera_id: str, track_ids: Sequence[int], readings: FaceReadings, seconds: float
    ) -> tuple[FloatArray, Sequence[str | None]]:
        return readings.probs[:, ::-1], [f"{camera_id}-{track_id}" for track_id in track_ids]


def test_an_acquaintance_corrects_what_was_read_and_names_who_it_is() -> None:
    ((_, event),) = Home(faces(10), acquaintance=Friend()).run(20)
    assert (event.emotion, event.resident) == ("sadness", "a-1")


class Stranger(Friend):
    """Recognises whoever has the number one, after a second."""

    def meet(
        self, camera_id: str, track_ids: Sequence[int], readings: FaceReadings, seconds: float
    ) -> tuple[FloatArray, Sequence[str | None]]:
        names = ["mrs-sato" if track_id == 1 and seconds >= 1 else None for track_id in track_ids]
        return readings.probs, names


def test_where_only_those_enrolled_count_nobody_else_forms_an_event() -> None:
    config = Config.model_validate({"residents": {"recognise": True, "policy": "enrolled_only"}})
    told = Home(faces(5, 85), config=config, acquaintance=Stranger()).run(3 * FPS)
    assert [(event.change, event.track_id, event.resident) for _, event in told] == [("start", 1, "mrs-sato")]
    assert told[0][1].seconds >= 1 + config.events.hold_seconds


def test_where_only_those_enrolled_count_and_nobody_recognises_there_are_no_events() -> None:
    config = Config.model_validate({"residents": {"recognise": True, "policy": "enrolled_only"}})
    assert Home(faces(10), config=config).run(2 * FPS) == []


@pytest.mark.parametrize("fps", [2, 5, 25, 60])
def test_the_rate_of_reading_does_not_depend_on_the_cameras(fps: int) -> None:
    home = Home(faces(10), config=EVEN)
    for index in range(4 * fps):
        home.cameras.step([("a", Frame(STILL, index, index / fps, NOON))])
    assert min(fps, 5) * 4 <= len(home.batches) <= min(fps, 5.6) * 4
