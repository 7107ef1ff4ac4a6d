"""The pipeline is told who is known and what a face says against its rest; the forgotten are strangers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.test_people import HANAKO, SPEC, TARO, enrol
from edge.test_people import config as people_config
from edge.test_residents import MODEL, NOW

from ffe_edge.acquaintance import Acquaintances
from ffe_edge.config import Config
from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError, ModelError
from ffe_edge.people import open_store
from ffe_edge.pipeline import Cameras
from ffe_edge.residents_enrol import forgotten
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FaceReadings, Faces, FloatArray, Frame

IDENTITY = SPEC.metrics
NINE = ModelSpec("net", LABELS, metrics=IDENTITY)
GRIM = np.array([0.02, 0.02, 0.02, 0.02, 0.45, 0.02, 0.02, 0.03, 0.40], np.float32)


def config(folder: Path, *, recognise: bool = True, baseline: bool = False) -> Config:
    settings = people_config(folder, recognise=recognise).model_dump(by_alias=True)
    return Config.model_validate({**settings, "baseline": {"enabled": baseline}})


def known(settings: Config, spec: ModelSpec = NINE) -> Acquaintances:
    found = Acquaintances.from_config(settings, spec, MODEL)
    assert found is not None
    return found


def readings(*embeddings: tuple[float, ...], sharpness: float = 0.9) -> FaceReadings:
    count = len(embeddings)
    rows: FloatArray = np.array(embeddings, np.float32)
    return FaceReadings(np.tile(GRIM, (count, 1)), np.full(count, sharpness, np.float32), rows)


def meet(people: Acquaintances, times: int, *embeddings: tuple[float, ...], begin: float = 0.0, **more: Any) -> Any:
    for index in range(times):
        tracks = list(range(1, len(embeddings) + 1))
        told = people.meet("lounge", tracks, readings(*embeddings, **more), begin + index / 2)
    return told


def test_where_nobody_is_to_be_known_there_is_nothing(tmp_path: Path) -> None:
    assert Acquaintances.from_config(config(tmp_path, recognise=False), NINE, MODEL) is None


def test_a_model_that_cannot_tell_people_apart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot tell people apart"):
        Acquaintances.from_config(config(tmp_path), ModelSpec("net", LABELS), MODEL)


def test_residents_are_named_after_some_looks_and_strangers_are_not(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    people = known(settings)
    assert meet(people, 4, (1, 0, 0), (0, 0, 1))[1] == [None, None]
    probs, residents = meet(people, 1, (1, 0, 0), (0, 0, 1), begin=2.0)
    assert residents == [HANAKO.id, None]
    np.testing.assert_array_equal(probs, np.tile(GRIM, (2, 1)))


def test_without_embeddings_everybody_is_anonymous(tmp_path: Path) -> None:
    people = known(config(tmp_path, recognise=False, baseline=True))
    bare = FaceReadings(GRIM[None], np.ones(1, np.float32))
    assert people.meet("lounge", [1], bare, 0.0)[1] == [None]


def test_a_grim_face_at_rest_is_told_as_neutral_after_some_minutes(tmp_path: Path) -> None:
    people = known(config(tmp_path, recognise=False, baseline=True))
    assert LABELS[int(meet(people, 1, (1, 0, 0))[0][0].argmax())] == "anger"
    assert LABELS[int(meet(people, 300, (1, 0, 0))[0][0].argmax())] == "neutral"


def test_looks_at_blurred_faces_count_for_nothing(tmp_path: Path) -> None:
    settings = config(tmp_path, baseline=True)
    enrol(settings, HANAKO)
    probs, residents = meet(known(settings), 300, (1, 0, 0), sharpness=0.1)
    assert (residents, probs[0].tolist()) == ([None], GRIM.tolist())


def test_who_left_is_a_stranger_again(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    people = known(settings)
    assert meet(people, 20, (1, 0, 0))[1] == [HANAKO.id]
    assert meet(people, 1, (1, 0, 0), begin=60.0)[1] == [None]


def test_a_forgotten_resident_is_a_stranger_at_once(tmp_path: Path) -> None:
    settings = config(tmp_path, baseline=True)
    enrol(settings, HANAKO, TARO)
    people = known(settings)
    assert meet(people, 10, (1, 0, 0))[1] == [HANAKO.id]
    people.forget(HANAKO.id)
    assert meet(people, 20, (1, 0, 0), begin=5.0)[1] == [None]
    people.close()
    assert open_store(settings).load() == (TARO,)
    with pytest.raises(DataError):
        people.forget(HANAKO.id)


def test_the_command_lines_changes_are_followed_within_seconds(tmp_path: Path) -> None:
    settings = config(tmp_path, baseline=True)
    people = known(settings)
    people.tend(100.0)
    enrol(settings, HANAKO)
    people.tend(101.0)
    assert meet(people, 10, (1, 0, 0))[1] == [None]
    people.tend(102.0)
    assert meet(people, 10, (1, 0, 0), begin=5.0)[1] == [HANAKO.id]
    open_store(settings).change(lambda residents: forgotten(residents, HANAKO.id))
    people.tend(104.0)
    people.close()
    assert open_store(settings).load() == ()


def test_a_residents_rest_outlives_the_program(tmp_path: Path) -> None:
    settings = config(tmp_path, baseline=True)
    enrol(settings, HANAKO)
    before = known(settings)
    meet(before, 300, (1, 0, 0))
    before.close()
    probs, residents = meet(known(settings), 5, (1, 0, 0))
    assert (residents, LABELS[int(probs[0].argmax())]) == ([HANAKO.id], "neutral")


def test_a_store_that_fails_is_told_once_and_those_known_stay_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    people = known(settings)
    (tmp_path / "residents.ffe").write_bytes(b"damaged")
    for second in range(20):
        people.tend(float(second))
    assert len(caplog.records) == 1
    assert meet(people, 5, (1, 0, 0))[1] == [HANAKO.id]


def lines(people: Acquaintances, settings: Config, *embeddings: tuple[float, ...]) -> Cameras:
    boxes = np.array([(5 + 80 * index, 20, 75 + 80 * index, 90) for index in range(len(embeddings))], np.float32)
    seen = Faces(boxes, np.ones(len(boxes), np.float32), None)
    return Cameras.from_config(
        settings, LABELS, lambda _: seen, lambda pictures: [readings(*embeddings)] * len(pictures), acquaintance=people
    )


@pytest.mark.parametrize(
    ("policy", "told"),
    [pytest.param("everyone", [HANAKO.id, None]), pytest.param("enrolled_only", [HANAKO.id])],
)
def test_events_carry_the_residents_number_and_nothing_else_of_them(
    tmp_path: Path, policy: str, told: list[str | None]
) -> None:
    given = people_config(tmp_path, policy=policy).model_dump(by_alias=True)
    settings = Config.model_validate({**given, "events": {"hold_seconds": 2.0}})
    enrol(settings, HANAKO)
    cameras = lines(known(settings), settings, (1, 0, 0), (0, 0, 1))
    events = []
    for index in range(120):
        frame = Frame(np.zeros((120, 180, 3), np.uint8), index, index / 15, NOW)
        events += [event for _, event in cameras.step([("lounge", frame)])]
    assert sorted((event.resident for event in events), key=str, reverse=True) == sorted(told, key=str, reverse=True)
    assert "Hanako" not in repr(events)
