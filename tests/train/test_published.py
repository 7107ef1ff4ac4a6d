"""Every number that the slides print or hide, worked out again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ffe_train import published
from ffe_train.bootstrap import interval
from ffe_train.metrics import CountArray
from ffe_train.published import HUMAN, LABELS, MODEL
from ffe_train.published_report import columns, published_report, published_result


def rounded(values: object) -> list[float]:
    return [float(value) for value in np.round(np.asarray(values), 3)]


def test_the_grid_is_that_of_768_images_but_for_two_cells_off_by_one_digit() -> None:
    right = published.right_answers()
    assert len(right) == 23
    assert published.misfits() == ("Scratch / Face-ResNet50", "AffectNet-8 / ResNet18")
    assert max(right.values()) == 281
    shown = [value for row in published.GRID.values() for value in row if value is not None]
    assert max(abs(k / 768 - value) for k, value in zip(right.values(), shown, strict=True)) < 1.01e-4


def test_the_table_by_class_has_one_solution_and_none_on_fewer_images() -> None:
    assert published.solutions() == {(768, 281, 768): 1}
    sums = np.sum(published.COUNTS, axis=0)
    assert sums.tolist() == [768, 281, 768]


@pytest.mark.parametrize("figure", ["precision", "recall", "f1"])
def test_the_models_table_comes_from_the_counts(figure: str) -> None:
    found = getattr(published.model_table(), figure)
    np.testing.assert_allclose(found, getattr(MODEL, figure), atol=5.01e-4)


def test_the_models_macro_averages_are_over_nine_labels() -> None:
    macro = published.model_table().macro()
    assert macro.over == LABELS
    np.testing.assert_allclose([macro.precision, macro.recall, macro.f1], MODEL.macro, atol=5.01e-4)


def test_the_raters_macro_averages_are_printed_over_ten_labels() -> None:
    assert rounded(published.human_macro(10)) == list(HUMAN.macro) == [0.298, 0.304, 0.290]
    assert rounded(published.human_macro(9, mended=False)) == [0.331, 0.340, 0.323]
    assert rounded(published.human_macro(9)) == [0.331, 0.338, 0.323]


def test_one_recall_of_the_raters_is_a_misprint_that_three_printed_figures_mend() -> None:
    assert published.contradictions(MODEL) == ()
    assert published.contradictions(HUMAN) == ("sadness",)
    place = LABELS.index("sadness")
    for mended in (False, True):
        recall, precision = published.human_recall(mended=mended)[place], HUMAN.precision[place]
        fits = [
            round(2 * precision * recall / (precision + recall), 3) == HUMAN.f1[place],
            round(published.human_macro(10, mended=mended)[1], 3) == HUMAN.macro[1],
            round(published.human_accuracy(mended=mended), 3) == HUMAN.accuracy,
        ]
        assert fits == [mended] * 3


def test_always_joy_is_right_one_time_in_six() -> None:
    assert round(published.always_joy(), 3) == 0.169


def test_the_best_models_interval_by_formula_and_by_bootstrap() -> None:
    found = published.model_interval()
    assert rounded([found.value, found.low, found.high]) == [0.366, 0.333, 0.401]
    right = np.stack([np.arange(768) < 281, np.ones(768)], axis=1).astype(float)

    def share(drawn: CountArray) -> CountArray:
        return drawn[:, 0] / drawn[:, 1]

    drawn = interval(right, share, resamples=4000)
    assert (drawn.low, drawn.high) == pytest.approx((found.low, found.high), abs=0.004)


def test_the_model_is_not_significantly_better_than_the_raters() -> None:
    tests = published.model_against_raters()
    assert round(tests["as many answers"].z, 1) == 1.0
    assert round(tests["known"].z, 2) == 1.45
    assert min(test.p for test in tests.values()) > 0.1


def test_twelve_other_cells_cannot_be_told_from_the_best_and_fifteen_after_holm() -> None:
    marks = published.grid_marks()
    assert [name for name, mark in marks.items() if mark.best] == ["CASIA + AdaFace / Face-ResNet18"]
    assert (len(published.tied()), len(published.tied("holm"))) == (12, 15)
    assert set(published.tied()) < set(published.tied("holm"))
    assert marks["AffectNet-8 / Face-ResNet18"].difference == pytest.approx(1 / 768)


def test_the_report_says_where_the_averages_differ_and_why() -> None:
    text = published_report()
    for expected in (
        "768 images", "21 of 23", "悲しみ", ".331  .338  .323", ".298  .304  .290", "divided by ten", "16.9%",
        "33.3% to 40.1%", "z = 1.0", "12 other cells", "15 in all", "failed",
    ):  # fmt: skip
        assert expected in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_report_is_also_json() -> None:
    told = json.loads(json.dumps(published_result(), allow_nan=False))
    assert told["test_set"] == {"images": 768, "right": 281, "misfits": list(published.misfits())}
    assert [row["true"] for row in told["model"]] == [count[1] for count in published.COUNTS]
    assert sum(mark["tied"] for mark in told["marks"]["none"].values()) == 13


def test_columns_stand_below_each_other_with_japanese_letters_too() -> None:
    assert columns([["喜び", "1"], ["joy", "10"]]) == ["喜び   1", "joy   10"]
