"""A report holds every figure, stands alone as one file, and shows Japanese names where it can."""

from __future__ import annotations

import csv
import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffe_edge.errors import DataError
from ffe_train import figures
from ffe_train.answers import Answers
from ffe_train.predictions import Predictions, averaged
from ffe_train.report import evaluate, write_report
from ffe_train.tasks import Task

PAIN = Task("pain", ("none", "mild", "strong"), ("なし", "軽い", "強い <b>"), (0, 0, 0), (0, 0, 0))
PNG = b"\x89PNG\r\n\x1a\n"


def predictions_of(*, repeats: int = 2, rated: bool = True) -> Predictions:
    rng = np.random.default_rng(0)
    count, persons = 120, 24
    image = np.tile(np.arange(count), repeats)
    truth = rng.integers(0, 3, count)[image]
    probs = rng.dirichlet(np.ones(3), len(image)) * 0.6 + np.eye(3)[truth] * 0.4
    votes = rng.multinomial(5, [0.4, 0.3, 0.2, 0.1], count) * rated
    person = image % persons
    return Predictions(
        PAIN.labels, np.array([f"{n}.png" for n in image]), np.array([f"p{n}" for n in person]),
        np.full(len(image), "rendered & co"), truth, probs.astype(np.float32), person % 4,
        np.repeat(np.arange(repeats), count), (62 + person).astype(np.float32), np.array(["f", "m"])[person % 2],
        votes.astype(np.float32)[image],
    )  # fmt: skip


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return evaluate(predictions_of(), task=PAIN, resamples=200)


def test_figures_are_those_of_the_predictions(result: dict[str, Any]) -> None:
    one = predictions_of()
    right = one.predicted == one.truth
    assert result["set"] == {"images": 120, "subjects": 24, "repeats": 2, "folds": 4, "sources": ["rendered & co"]}
    assert result["accuracy"]["value"] == pytest.approx(right.mean())
    assert result["repeats"]["accuracy"] == pytest.approx([right[:120].mean(), right[120:].mean()])
    mean = averaged(one)
    assert result["repeats"]["ensemble_accuracy"] == pytest.approx((mean.predicted == mean.truth).mean())
    assert np.sum(result["confusion"]) == pytest.approx(120)
    assert result["always"]["accuracy"] == pytest.approx(np.bincount(mean.truth).max() / 120)
    assert result["macro"]["over"] == list(PAIN.labels)


def test_every_figure_of_a_class_has_its_interval(result: dict[str, Any]) -> None:
    for row in result["classes"]:
        for figure in ("precision", "recall", "f1"):
            found = row[figure]
            assert found["low"] <= found["value"] <= found["high"]
    assert result["macro_f1"]["value"] == pytest.approx(np.mean([row["f1"]["value"] for row in result["classes"]]))


def test_bins_of_confidence_have_intervals_over_people(result: dict[str, Any]) -> None:
    for one_bin in result["calibration"]["bins"]:
        assert one_bin["accuracy_low"] <= one_bin["accuracy"] <= one_bin["accuracy_high"]
    assert sum(one_bin["images"] for one_bin in result["calibration"]["bins"]) == 240


def test_raters_sets_and_groups_are_there_and_all_is_json(result: dict[str, Any]) -> None:
    told = json.loads(json.dumps(result, allow_nan=False))
    assert told["raters"]["answers"] == 600
    assert [row["who"] for row in told["raters"]["table"]] == ["model"] * 3 + ["human"] * 3
    assert {(entry["kind"], entry["alpha"]) for entry in told["conformal"]} == {
        ("lac", 0.1), ("lac", 0.2), ("aps", 0.1), ("aps", 0.2)
    }  # fmt: skip
    assert [group["name"] for group in told["groups"]] == ["60-69", "70-79", "80+", "women", "men"]


def test_without_raters_there_is_no_comparison_and_with_answers_there_is() -> None:
    one = predictions_of(repeats=1, rated=False)
    assert evaluate(one, task=PAIN, resamples=20)["raters"] is None
    answers = Answers(one.path[:10], np.full(10, "r"), np.zeros(10, np.int64))
    assert evaluate(one, task=PAIN, raters=answers, resamples=20)["raters"]["images"] == 10


def test_a_label_without_image_and_one_never_predicted_are_named(tmp_path: Path) -> None:
    one = predictions_of(repeats=1)
    truth = np.minimum(one.truth, 1)
    probs = np.full((len(one), 3), [0.1, 0.2, 0.7], np.float32)
    found = evaluate(replace(one, truth=truth, probs=probs), task=PAIN, resamples=20)
    assert (found["without_images"], found["never_predicted"]) == (["strong"], ["none", "mild"])
    assert found["macro"]["over"] == ["none", "mild"]
    assert "left out of macro averages: strong" in write_report(tmp_path, found).read_text(encoding="utf-8")


def test_the_folder_holds_html_json_and_csv(tmp_path: Path, result: dict[str, Any]) -> None:
    path = write_report(tmp_path / "report", result)
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "confusion.csv", "per_class.csv", "report.html", "report.json"
    ]  # fmt: skip
    assert json.loads((path.parent / "report.json").read_text(encoding="utf-8")) == json.loads(json.dumps(result))
    with (path.parent / "per_class.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["japanese"] for row in rows] == list(PAIN.japanese)
    assert float(rows[0]["recall_low"]) == result["classes"][0]["recall"]["low"]
    with (path.parent / "confusion.csv").open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.reader(file)) == ["truth", *PAIN.labels]


def test_the_page_stands_alone_and_names_are_escaped(tmp_path: Path, result: dict[str, Any]) -> None:
    html = write_report(tmp_path, result).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 4
    assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", html)) == []
    assert "<script" not in html
    assert "強い &lt;b&gt;" in html
    assert "rendered &amp; co" in html
    assert "nan" not in re.sub(r"base64,[^\"]*", "", html)


def test_pictures_are_pngs_and_leave_no_trace_in_matplotlib(result: dict[str, Any]) -> None:
    import matplotlib as mpl
    from matplotlib import _pylab_helpers

    before = dict(mpl.rcParams)
    drawn = figures.figures_of(result)
    assert sorted(drawn) == ["classes", "confusion", "reliability", "risk_coverage"]
    for png in drawn.values():
        width, height = struct.unpack(">II", png[16:24])
        assert png.startswith(PNG)
        assert 600 < width < 2500 > height > 300
    assert dict(mpl.rcParams) == before
    assert not _pylab_helpers.Gcf.figs


def test_the_grid_is_drawn_with_failed_cells() -> None:
    cells = {
        ("Scratch", "ResNet18"): {"value": 0.24, "best": False, "tied": False},
        ("Scratch", "ResNet50"): {"value": 0.36, "best": True, "tied": True, "low": 0.33, "high": 0.4},
        ("AdaFace", "ResNet18"): {"value": 0.35, "best": False, "tied": True},
    }
    assert figures.grid_figure(["Scratch", "AdaFace"], ["ResNet18", "ResNet50"], cells).startswith(PNG)
    same = {key: {"value": 0.3, "best": False, "tied": True} for key in cells}
    assert figures.grid_figure(["Scratch", "AdaFace"], ["ResNet18", "ResNet50"], same).startswith(PNG)


def test_without_a_japanese_font_names_are_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_FONTS", ())
    assert figures.names_of(PAIN.labels, PAIN.japanese) == list(PAIN.labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"labels": ("none", "some", "strong")}, "labels", id="another-task"),
        pytest.param({"fold": np.arange(120) // 60}, "two folds", id="people-in-two-folds"),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(replace(predictions_of(repeats=1), **change), task=PAIN)


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(DataError, match="no image"):
        evaluate(predictions_of().select(np.zeros(0, np.int64)), task=PAIN)
