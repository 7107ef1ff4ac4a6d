"""Held-out faces alone are measured, with their own labels, and every figure is that of plain counting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measured_sets import LABELS, face, ferplus_like, lfw_like, london_like, written

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray, ImageArray, Reading
from ffe_train.calibration import expected_calibration_error
from ffe_train.manifest import Row
from ffe_train.measured import answers, held_out_sets
from ffe_train.measured_age import age_names, neutral_by_age
from ffe_train.measured_figures import against, calibration_error, figures_of_set
from ffe_train.measured_reach import reach
from ffe_train.measured_twins import without_twins
from ffe_train.predictions import Predictions


class Channels:
    """Says the brightest channel, always as sure."""

    backend = "onnxruntime"
    precision = "fp32"

    def __call__(self, crops: ImageArray) -> FloatArray:
        best = crops.mean(axis=(1, 2)).argmax(axis=1)
        return np.asarray(np.full((len(crops), 3), 0.1) + 0.7 * np.eye(3)[best], np.float32)

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), None)


def said(folder: Path, name: str) -> Predictions:
    (held,) = held_out_sets(folder, [name], LABELS)
    return answers(Channels(), held)


def test_only_labelled_faces_of_the_test_part_are_measured(tmp_path: Path) -> None:
    rows = [Row("a.png", "a", "joy", split="train"), Row("b.png", "b", "joy", split="test"),
            Row("c.png", "c", "", split="test"), Row("d.png", "d", "other", split="test")]  # fmt: skip
    written(tmp_path / "some", [face(row, "joy", n) for n, row in enumerate(rows)])
    assert said(tmp_path, "some").path.tolist() == ["b.png"]


def test_all_sets_with_held_out_faces_are_found(tmp_path: Path) -> None:
    for make in (lfw_like, london_like, ferplus_like):
        make(tmp_path)
    assert [held.name for held in held_out_sets(tmp_path, (), LABELS)] == ["ferplus-paper", "lfw", "london"]


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        pytest.param(["none"], LABELS, "none: holds no finished prepared set", id="no-set"),
        pytest.param(["ferplus"], LABELS, "has no labelled face in the split test", id="nothing-held-out"),
        pytest.param(["lfw"], ("joy", "pain"), "its label 'neutral' is none of the model's: joy, pain", id="labels"),
        pytest.param([], ("pain", "none"), "no prepared set in it has a face", id="nothing-at-all"),
    ],
)
def test_what_cannot_be_measured_on_is_told(
    tmp_path: Path, names: list[str], labels: tuple[str, ...], message: str
) -> None:
    lfw_like(tmp_path)
    ferplus_like(tmp_path)
    with pytest.raises(DataError, match=message):
        held_out_sets(tmp_path, names, labels)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder of prepared sets"):
        held_out_sets(tmp_path / "none", (), LABELS)


def test_contempt_counts_as_wrong(tmp_path: Path) -> None:
    ferplus_like(tmp_path)
    figures = figures_of_set(said(tmp_path, "ferplus-paper"), threshold=0.4, resamples=100)
    assert figures["accuracy"]["value"] == pytest.approx(7 / 8)
    assert (figures["images"], figures["subjects"], figures["drawn"]) == (8, None, "images")
    assert figures["macro"]["over"] == ["joy", "surprise", "neutral", "contempt"]
    assert figures["macro_f1"]["value"] == pytest.approx((6 / 7 + 1 + 1 + 0) / 4)


def test_a_picture_that_is_learned_too_is_counted(tmp_path: Path) -> None:
    ferplus_like(tmp_path)
    (held,) = held_out_sets(tmp_path, ["ferplus-paper"], LABELS)
    found = without_twins(held, answers(Channels(), held), tmp_path, 100)
    assert found["images"] == 1
    assert found["accuracy"]["value"] == pytest.approx(6 / 7)


def test_groups_have_their_own_figures(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    figures = figures_of_set(said(tmp_path, "lfw"), threshold=0.4, resamples=200)
    groups = {group["name"]: group for group in figures["groups"]}
    assert list(groups) == ["60+", "under 60", "women", "men"]
    assert groups["60+"]["accuracy"]["value"] == pytest.approx(14 / 20)
    assert groups["under 60"]["accuracy"]["value"] == 1
    assert (groups["60+"]["images"], groups["60+"]["subjects"]) == (20, 10)
    recall = {row["label"]: row["recall"]["value"] for row in groups["60+"]["classes"]}
    assert recall == {"joy": 1, "surprise": None, "neutral": pytest.approx(0.4)}


def test_the_gap_of_neutral_faces_is_young_minus_old(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    found = neutral_by_age(said(tmp_path, "lfw"), 500, 0)
    assert found is not None
    assert [found[name]["value"] for name in ("old", "young", "gap")] == pytest.approx([0.4, 1, 0.6])
    assert found["gap"]["low"] < 0.6 < found["gap"]["high"] <= 1
    assert (found["old_subjects"], found["young_images"]) == (10, 10)


def test_without_old_people_there_is_no_gap(tmp_path: Path) -> None:
    london_like(tmp_path)
    assert neutral_by_age(said(tmp_path, "london"), 100, 0) is None


def test_an_age_that_is_not_known_is_under_60_only_where_the_set_marks_the_old(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    marked = said(tmp_path, "lfw")
    assert set(age_names(marked).tolist()) == {"60+", "under 60"}
    some = replace(marked, age=np.where(np.isnan(marked.age), marked.age, np.linspace(80, 20, len(marked))))
    assert set(age_names(some).tolist()) == {"60+", "under 60", "age not known"}


def test_few_people_give_counts_alone(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    some = said(tmp_path, "lfw")
    figures = figures_of_set(some.select(some.person < 4), threshold=0.4, resamples=100)
    assert (figures["too_few"], figures["subjects"]) == (True, 4)
    assert "accuracy" not in figures


def test_calibration_is_the_known_error_with_an_interval_and_what_chance_makes_of_it(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    some = said(tmp_path, "lfw")
    found = calibration_error(some, 500, 0)
    assert found["value"] == pytest.approx(expected_calibration_error(some.probs, some.truth))
    assert found["low"] <= found["value"] <= found["high"]
    assert 0 < found["chance"] < 0.1


def test_abstaining_is_told_at_the_threshold_of_the_daemon(tmp_path: Path) -> None:
    london_like(tmp_path)
    some = said(tmp_path, "london")
    never = figures_of_set(some, threshold=0.9, resamples=100)["abstaining"]["default"]
    always = figures_of_set(some, threshold=0.4, resamples=100)["abstaining"]["default"]
    assert (never["coverage"]["value"], never["accuracy"]["value"]) == (0, None)
    assert (always["coverage"]["value"], always["accuracy"]["value"]) == (1, pytest.approx(4 / 6))


def test_two_models_are_compared_on_the_same_faces(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    ours = said(tmp_path, "lfw")
    theirs = replace(ours, probs=np.eye(3, dtype=np.float32)[np.zeros(len(ours), int)])
    found = against(ours, theirs, resamples=200)["accuracy"]
    assert (found["other"], found["difference"]["value"]) == (0.5, pytest.approx(34 / 40 - 0.5))
    with pytest.raises(ValueError, match="same faces"):
        against(ours, theirs.select(np.arange(len(ours))[::-1]))


def test_verdicts_name_what_is_reached_what_is_sure_and_what_was_not_measured(tmp_path: Path) -> None:
    lfw_like(tmp_path)
    figures = figures_of_set(said(tmp_path, "lfw"), threshold=0.4, resamples=200)
    verdicts = {(one["set"], one["figure"]): one for one in reach({"lfw": {**figures, "against": None}})}
    old = verdicts["lfw", "neutral recall, 60+"]
    assert (old["value"], old["reached"], old["sure"]) == (pytest.approx(0.4), False, False)
    assert (verdicts["lfw", "accuracy"]["reached"], verdicts["lfw", "accuracy"]["sure"]) == (True, False)
    assert verdicts["london", "accuracy"]["reached"] is None
    assert verdicts["lfw", "macro F1 minus the previous model's"]["reached"] is None


@pytest.mark.parametrize("images", [pytest.param(0, id="none-learned"), pytest.param(3, id="some-learned")])
def test_accuracy_without_learned_pictures_is_told_where_none_was_learned_too(images: int, tmp_path: Path) -> None:
    lfw_like(tmp_path)
    figures = figures_of_set(said(tmp_path, "lfw"), threshold=0.4, resamples=200)
    twins = {"images": images, "accuracy": figures["accuracy"]}

    def verdict(**more: object) -> object:
        verdicts = reach({"ferplus-paper": {**figures, "against": None, **more}})
        return next(one["value"] for one in verdicts if one["figure"] == "accuracy without learned pictures")

    assert verdict(learned_twins=twins) == figures["accuracy"]["value"]
    assert verdict() is None
