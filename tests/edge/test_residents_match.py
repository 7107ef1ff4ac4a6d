"""Nobody is named by one look, by a model that cannot tell people apart, or in two places at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edge.test_residents import resident

from ffe_edge.config_people import ResidentSettings
from ffe_edge.engine.model import load_spec
from ffe_edge.errors import ModelError
from ffe_edge.residents_match import Gallery, Recognition, embedding_space, identity_threshold
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray

GOOD = {"threshold": 0.4, "tar": 0.97, "far": 0.001, "different": 3000}
HANAKO, TARO = resident("Hanako", 1, 0, 0), resident("Taro", 0, 1, 0)
STRANGER = (0, 0, 1)


def spec(**identity: Any) -> ModelSpec:
    return ModelSpec("net", ("joy", "neutral"), metrics={"identity": {**GOOD, **identity}})


def rows(*values: tuple[float, ...]) -> FloatArray:
    found = np.array(values, np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def gallery(margin: float = 0.05) -> Gallery:
    return Gallery([HANAKO, TARO], space=HANAKO.model, threshold=0.5, margin=margin)


def recognition(**settings: Any) -> Recognition:
    return Recognition(gallery(), ResidentSettings(recognise=True, **settings), min_quality=0.3)


def see(people: Recognition, count: int, *values: float, track: int = 1, quality: float = 0.9) -> dict[int, str]:
    for _ in range(count):
        people.look([track], rows(values), [quality])
    return people.named()


def test_the_shipped_model_says_that_it_cannot_tell_people_apart() -> None:
    with pytest.raises(ModelError, match="ffe-small: cannot tell people apart, so nobody can be enrolled"):
        identity_threshold(load_spec(None))


def test_a_model_that_measured_well_declares_its_threshold() -> None:
    assert identity_threshold(spec()) == 0.4


@pytest.mark.parametrize(
    "identity",
    [
        pytest.param({"tar": 0.89}, id="misses-too-many"),
        pytest.param({"far": 0.01}, id="takes-too-many-strangers"),
        pytest.param({"different": 900}, id="on-too-few-pairs"),
        pytest.param({"threshold": 1.0}, id="no-threshold"),
        pytest.param({"threshold": "0.4"}, id="a-text"),
        pytest.param({"tar": None}, id="nothing"),
        pytest.param({"tar": True}, id="a-truth"),
        pytest.param({"far": float("nan")}, id="not-a-number"),
    ],
)
def test_a_model_that_declares_too_little_is_refused(identity: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="well enough"):
        identity_threshold(spec(**identity))


def test_embeddings_belong_to_the_fp32_model_whatever_precision_serves() -> None:
    assert embedding_space(ModelSpec("net", ("a", "b")), "aa") == "aa"
    assert embedding_space(ModelSpec("net", ("a", "b"), parent_sha256="bb"), "aa") == "aa"
    assert embedding_space(ModelSpec("net", ("a", "b"), precision="int8", parent_sha256="bb"), "aa") == "bb"


def test_an_embedding_is_the_nearest_residents_or_nobodys() -> None:
    found = gallery().match(rows((0.9, 0.1, 0), (0.1, 0.9, 0), (0, 0, 1), (0.5, 0.1, 0.9)))
    assert found == [HANAKO.id, TARO.id, None, None]


def test_between_two_residents_nobody_is_named() -> None:
    between = rows((1, 0.97, 0))
    assert gallery(margin=0.05).match(between) == [None]
    assert gallery(margin=0.0).match(between) == [HANAKO.id]


def test_an_embedding_that_is_no_number_is_nobodys() -> None:
    assert gallery().match(np.full((1, 3), np.nan, np.float32)) == [None]


def test_residents_of_another_model_are_counted_and_not_compared() -> None:
    other = Gallery([HANAKO, TARO], space="cd" * 32, threshold=0.5, margin=0)
    assert (len(other), other.outdated, other.match(rows((1, 0, 0)))) == (0, 2, [None])


def test_no_single_look_names_anybody() -> None:
    people = recognition(min_looks=5)
    assert see(people, 4, 1, 0, 0) == {}
    assert see(people, 1, 1, 0, 0) == {1: HANAKO.id}


def test_looks_at_a_poor_face_do_not_count() -> None:
    assert see(recognition(), 50, 1, 0, 0, quality=0.2) == {}


def test_a_stranger_stays_nobody_in_spite_of_a_few_mistaken_looks() -> None:
    people = recognition()
    for _ in range(10):
        see(people, 2, *STRANGER)
        assert see(people, 1, 1, 0, 0) == {}


def test_a_name_is_lost_when_looks_no_longer_say_so() -> None:
    people = recognition(min_looks=5, min_share=0.7)
    assert see(people, 20, 1, 0, 0) == {1: HANAKO.id}
    assert see(people, 6, 0, 1, 0) == {1: HANAKO.id}
    assert see(people, 1, 0, 1, 0) == {}
    assert see(people, 7, 0, 1, 0) == {1: TARO.id}


def test_two_tracks_of_one_name_are_nobodys() -> None:
    people = recognition()
    see(people, 5, 1, 0, 0, track=1)
    see(people, 5, 0, 1, 0, track=2)
    assert see(people, 5, 1, 0, 0, track=3) == {2: TARO.id}
    people.leave(1)
    assert people.named() == {2: TARO.id, 3: HANAKO.id}


def test_who_left_is_looked_at_anew() -> None:
    people = recognition()
    see(people, 20, 1, 0, 0)
    people.leave(1)
    assert see(people, 4, 1, 0, 0) == {}
