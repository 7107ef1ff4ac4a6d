"""The nine labels, as the contract has them."""

from __future__ import annotations

import pytest

from ffe_edge.emotions import AFFECT, LABELS, UNCERTAIN, Emotion, affect, japanese

CONTRACT = (
    "joy 喜び, sadness 悲しみ, fear 恐怖, surprise 驚き, anger 怒り, disgust 嫌悪, "
    "excitement 興奮, relaxation リラックス, neutral 無感情"
)


def test_labels_and_names_stand_in_the_order_of_the_contract() -> None:
    assert ", ".join(f"{label} {japanese(label)}" for label in LABELS) == CONTRACT
    assert tuple(Emotion) == LABELS


def test_uncertain_is_no_class_of_a_model() -> None:
    assert UNCERTAIN not in LABELS
    assert (japanese(UNCERTAIN), affect(UNCERTAIN)) == ("不明", (0.0, 0.0))


@pytest.mark.parametrize("label", ["contempt", "pain", ""])
def test_a_label_of_another_task_is_given_back(label: str) -> None:
    assert (japanese(label), affect(label)) == (label, (0.0, 0.0))


@pytest.mark.parametrize(
    ("label", "pleasant", "aroused"),
    [
        pytest.param("joy", 1, 1, id="joy"),
        pytest.param("sadness", -1, -1, id="sadness"),
        pytest.param("fear", -1, 1, id="fear"),
        pytest.param("anger", -1, 1, id="anger"),
        pytest.param("disgust", -1, 1, id="disgust"),
        pytest.param("excitement", 1, 1, id="excitement"),
        pytest.param("relaxation", 1, -1, id="relaxation"),
        pytest.param("neutral", 0, 0, id="neutral"),
    ],
)
def test_every_emotion_lies_in_its_quadrant_of_the_circumplex(label: str, pleasant: int, aroused: int) -> None:
    valence, arousal = affect(label)
    assert ((valence > 0) - (valence < 0), (arousal > 0) - (arousal < 0)) == (pleasant, aroused)


def test_every_affect_is_within_its_scale() -> None:
    assert set(AFFECT) == set(Emotion)
    assert all(-1 <= value <= 1 for label in LABELS for value in affect(label))
