"""The card says every figure with its interval, and what the figures do not say."""

from __future__ import annotations

from typing import Any

import pytest

from ffe_edge.emotions import LABELS
from ffe_edge.spec import ModelSpec
from ffe_export.card import model_card


def result(images: int, subjects: int, accuracy: float) -> dict[str, Any]:
    row = {"images": 20, "precision": 0.518, "recall": 0.454, "recall_95": [0.36, 0.55], "f1": 0.484}
    return {
        "images": images,
        "subjects": subjects,
        "accuracy": {"value": accuracy, "low": 0.333, "high": 0.401},
        "macro_f1": {"value": 0.355, "low": 0.321, "high": 0.388},
        "macro_over": ["joy", "neutral"],
        "ece": 0.0412,
        "classes": {"joy": row, "neutral": row},
        "confusion": [[1]],
    }


EVALUATION: dict[str, Any] = {
    "stage": "mixed",
    "temperature": 1.2345,
    "commit": "abc123+",
    "recipe": {"name": "mixed", "widths": [16, 32], "epochs": 5},
    "images": {"ferplus": 25678, "lfw": 3000},
    "data": ["FER+ (research)", "rendered people (this project, Apache-2.0)"],
    "test": {
        "ferplus": result(3400, 3400, 0.77),
        "lfw 60+": result(350, 120, 0.366),
        "london": result(204, 102, 0.9),
    },
}

SPEC = ModelSpec("small", LABELS, temperature=1.2345, data=tuple(EVALUATION["data"]), recipe="{}", commit="abc123+")


@pytest.fixture(scope="module")
def card() -> str:
    return model_card(SPEC, EVALUATION, size_bytes=2_340_000)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            "| lfw 60+ | 350 | 120 | 0.366 (0.333-0.401) | 0.355 (0.321-0.388) | 2 labels | 0.041 |", id="lfw"
        ),
        pytest.param(
            "| london | 204 | 102 | 0.900 (0.333-0.401) | 0.355 (0.321-0.388) | 2 labels | 0.041 |", id="london"
        ),
        pytest.param("| ferplus | 3400 | not known | 0.770 (0.333-0.401) |", id="ferplus-knows-no-subjects"),
        pytest.param("| joy | 喜び | 20 | 0.52 | 0.45 (0.36-0.55) | 0.48 |", id="class"),
    ],
)
def test_a_figure_stands_with_its_interval(card: str, row: str) -> None:
    assert row in card


def test_every_test_set_has_a_table_of_its_classes(card: str) -> None:
    assert [line[4:] for line in card.splitlines() if line.startswith("### ")] == list(EVALUATION["test"])
    assert card.count("| joy | 喜び |") == card.count("| neutral | 無感情 |") == 3


@pytest.mark.parametrize(
    "warning",
    [
        "learned from rendered people alone",
        "No elderly Japanese people are in the data",
        "FER+ names no people",
        "a figure on them says that the pipeline works",
        "inferring emotions at the workplace is banned",
        "Diagnosis",
        "did not consent",
    ],
)
def test_the_card_warns(card: str, warning: str) -> None:
    assert warning in " ".join(card.split())


@pytest.mark.parametrize(
    "fact",
    [
        "# small\n",
        "(B, 112, 112, 3) uint8 BGR",
        "probabilities of 9 expressions: joy, sadness,",
        "2.3 MB, fp32; temperature 1.234",
        "- FER+ (research)",
        "ferplus 25,678, lfw 3,000",
        "stage `mixed`",
        "commit `abc123+`",
    ],
)
def test_the_card_says_what_the_model_is_and_where_it_comes_from(card: str, fact: str) -> None:
    assert fact in card
