"""A running node follows the store: who is enrolled is recognised, who is forgotten no longer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edge.test_residents import MODEL, resident

from ffe_edge.baseline import Resting
from ffe_edge.config import Config
from ffe_edge.errors import DataError, ModelError, StoreError
from ffe_edge.people import People, open_store
from ffe_edge.residents import Resident
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray

SPEC = ModelSpec(
    "net", ("joy", "neutral"), metrics={"identity": {"threshold": 0.5, "tar": 0.95, "far": 0.001, "different": 2000}}
)
HANAKO, TARO = resident("Hanako", 1, 0, 0), resident("Taro", 0, 1, 0)


def config(folder: Path, **residents: Any) -> Config:
    return Config.model_validate(
        {
            "camera": [{"id": "lounge"}, {"id": "hall"}],
            "outbox": {"state_dir": str(folder)},
            "residents": {"recognise": True, **residents},
        }
    )


def enrol(settings: Config, *people: Resident) -> None:
    open_store(settings, create=True).change(lambda _: people)


def named(people: People, camera: str = "lounge", values: tuple[float, ...] = (1, 0, 0)) -> dict[int, str]:
    looks: FloatArray = np.array([values], np.float32)
    for _ in range(5):
        people.recognition(camera).look([1], looks, [0.9])
    return people.recognition(camera).named()


def test_those_enrolled_are_recognised_before_each_camera_by_itself(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    people = People(settings, SPEC, MODEL)
    assert named(people) == {1: HANAKO.id}
    assert people.recognition("hall").named() == {}


def test_with_nobody_enrolled_everybody_is_anonymous(tmp_path: Path) -> None:
    people = People(config(tmp_path), SPEC, MODEL)
    assert (people.enrolled, named(people)) == (0, {})


def test_what_the_command_line_changes_is_taken_over(tmp_path: Path) -> None:
    settings = config(tmp_path)
    people = People(settings, SPEC, MODEL)
    assert not people.refresh()
    enrol(settings, HANAKO)
    assert (people.refresh(), people.refresh(), people.enrolled) == (True, False, 1)
    assert named(people) == {1: HANAKO.id}


def test_a_forgotten_resident_is_unknown_at_once_and_gone_from_the_disk(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO, TARO)
    people = People(settings, SPEC, MODEL)
    assert named(people) == {1: HANAKO.id}
    people.forget(HANAKO.id)
    assert people.recognition("lounge").named() == {}
    assert named(people) == {}
    assert open_store(settings).load() == (TARO,)
    with pytest.raises(DataError, match="no such resident"):
        people.forget(HANAKO.id)


def test_a_store_that_is_damaged_while_running_leaves_those_known_known(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    people = People(settings, SPEC, MODEL)
    (tmp_path / "residents.ffe").write_bytes(b"damaged")
    with pytest.raises(StoreError):
        people.refresh()
    assert named(people) == {1: HANAKO.id}


def test_those_of_another_model_are_told_by_number_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    assert People(settings, SPEC, "cd" * 32).enrolled == 0
    assert "1 residents were enrolled with another model" in caplog.text
    assert not [secret for secret in ("Hanako", "signed", HANAKO.id) if secret in caplog.text]


def test_a_model_that_cannot_tell_people_apart_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot tell people apart"):
        People(config(tmp_path / "state"), ModelSpec("net", ("joy", "neutral")), MODEL)
    assert not (tmp_path / "state").exists()


def test_a_lost_key_is_refused_and_no_new_one_is_made(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    (tmp_path / "residents.key").unlink()
    with pytest.raises(StoreError, match=r"residents\.key: the residents' key cannot be read"):
        People(settings, SPEC, MODEL)
    assert not (tmp_path / "residents.key").exists()


def test_how_a_resident_reads_at_rest_is_kept_encrypted_and_goes_when_the_resident_does(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO, TARO)
    resting = Resting((-0.125, -2.25), 0.5, 600.0)
    People(settings, SPEC, MODEL).keep_resting({HANAKO.id: resting, "resident-00000000": resting})
    people = People(settings, SPEC, MODEL)
    assert people.resting() == {HANAKO.id: resting}
    assert not people.refresh()
    assert b"-0.125" not in (tmp_path / "residents.ffe").read_bytes()
    people.forget(HANAKO.id)
    assert people.resting() == {}


def test_a_rest_seen_by_another_model_is_left_aside(tmp_path: Path) -> None:
    settings = config(tmp_path)
    enrol(settings, HANAKO)
    People(settings, SPEC, MODEL).keep_resting({HANAKO.id: Resting((-0.1, -2.0), 0.5, 600.0)})
    assert People(settings, SPEC, "cd" * 32).resting() == {}
