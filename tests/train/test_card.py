"""The card says every figure with its interval, what was missed near the top, and what the figures do not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from measured_sets import SPEC, channels_model, ferplus_like, lfw_like, london_like
from typer.testing import CliRunner, Result

from ffe_edge.cli import app
from ffe_edge.errors import DataError
from ffe_train.card import CardFacts, model_card
from ffe_train.card_failures import poor_classes
from ffe_train.card_tables import interval
from ffe_train.card_words import terms_of
from ffe_train.failures import CREDITS, MOST_BYTES, Failure, contact_sheet
from ffe_train.small_png import small_png

STAGE = {
    "recipe": {},
    "commit": SPEC.commit,
    "sets": ["lfw-identities", "ferplus", "lfw", "london"],
    "images": {"ferplus": 25_393, "lfw": 3318, "london": 102},
    "people": 28_000,
    "start": {"name": "adaface", "sha256": "0"},
}
ROW = {"set": "lfw", "n": 20, "accuracy": 0.75, "low": 0.5, "high": 0.9}
CLIP = {"seconds": 34.9, "people": 6, "flips_per_minute_raw": 4.2, "flips_per_minute_filtered": 2.1, "f1": 0.78}
CONDITIONS = [
    {**ROW, "name": "clean", "strength": "", "found": 1.0},
    {**ROW, "name": "jpeg", "strength": "quality 10", "found": 1.0},
    {**ROW, "name": "roll", "strength": "+30°", "set": "rendered-people", "found": 0.8},
    {**ROW, "name": "haar box", "strength": "", "set": "rendered-people", "found": 0.0, "accuracy": None},
]
INT8 = {
    "name": "INT8, ONNX Runtime", "precision": "int8", "device": "cpu", "outcome": "passed",
    "file": {"size_bytes": 1_999_258}, "real": {"top1": {"value": 0.992, "low": 0.988, "high": 0.994}},
    "accuracy": {
        "candidate": {"accuracy": {"value": 0.859, "low": 0.845, "high": 0.873}},
        "accuracy_lost": {"value": -0.0004, "low": -0.004, "high": 0.003},
    },
}  # fmt: skip
EXPORT = {"results": [INT8], "crops": {"labelled": {"images": 4000, "folder": "lfw", "people": 2429}}}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


CORRECTED = {
    "people": 29,
    "corrected people": 3,
    "recall of neutral": {
        "n": 358,
        "before": [0.86, 0.8, 0.9],
        "after": [0.88, 0.83, 0.91],
        "difference": [0.02, 0.0, 0.04],
    },
    "recall of anger": {"n": 0},
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage, its model measured against itself, and an export's report."""
    folder = tmp_path_factory.mktemp("run")
    model = channels_model(folder / "model.onnx")
    for make in (lfw_like, london_like, ferplus_like):
        make(folder / "sets")
    measured = ("--sets", folder / "sets", "-o", folder / "figures", "--resamples", 100, "--against", model)
    assert run("measure", model, *measured).exit_code == 0
    sha256 = figures_of(folder)["model"]["sha256"]
    robustness = {"version": 1, "model": {"sha256": sha256}, "conditions": CONDITIONS}
    (folder / "figures" / "robustness.json").write_text(json.dumps(robustness))
    clips = {"version": 1, "model": {"sha256": sha256}, "clips": [{"clip": "hall.mp4", **CLIP}], "total": CLIP}
    (folder / "figures" / "clips.json").write_text(json.dumps(clips))
    baseline = {"model": {"sha256": sha256}, "seed": 1, "LFW, 60 and more": CORRECTED}
    (folder / "figures" / "baseline.json").write_text(json.dumps(baseline))
    (folder / "figures" / "robustness.png").write_bytes((folder / "figures" / "failures.png").read_bytes())
    (folder / "stage").mkdir()
    (folder / "stage" / "stage.json").write_text(json.dumps(STAGE))
    (folder / "report.json").write_text(json.dumps(EXPORT))
    return folder


def figures_of(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((folder / "figures" / "figures.json").read_text("utf-8"))
    return figures


@pytest.fixture(scope="module")
def page(there: Path) -> str:
    out = there / "card" / "README.md"
    result = run("card", there / "stage", "--figures", there / "figures", "-o", out, "--export", there / "report.json")
    assert result.exit_code == 0, result.output
    return out.read_text("utf-8")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("| FER+ (paper) | 8 | not known | 0.875 (", id="images-where-nobody-is-named"),
        pytest.param("| LFW | 40 | 20 | 0.850 (", id="people"),
        pytest.param("| LFW | 60+ | 20 | 10 | 0.700 (", id="old"),
        pytest.param("| LFW | women | 20 | 10 | ", id="women"),
        pytest.param("| joy | 喜び | 20 | 0.77 (", id="class"),
        pytest.param("| contempt |  | 1 | 0.00 (0.00-0.00) | 0.00 (", id="contempt"),
        pytest.param("| LFW | 0.850 | 0.000 (0.000-0.000) |", id="against"),
        pytest.param("| FER+ | 25,393 | FER2013's web images", id="set"),
        pytest.param("| LFW, people | in a stage before |", id="set-before"),
        pytest.param("| hall.mp4 | 35 | 6 | 4.2 | 2.1 | 0.78 |", id="clips"),
        pytest.param(
            "| LFW, 60 and more | 29 (3) | recall of neutral | 358 | 0.860 (0.800-0.900) | 0.880 (0.830-0.910) |"
            " +0.020 (+0.000 to +0.040) |",
            id="baseline",
        ),
        pytest.param("| jpeg quality 10 | 0.75 (0.50-0.90) |", id="robustness"),
        pytest.param("| roll +30° | 0.75 (0.50-0.90), 80% found |", id="found"),
        pytest.param(
            "| INT8, ONNX Runtime | 2.0 | 0.992 (0.988-0.994) | 0.859 (0.845-0.873) | 0.000 (-0.004 to", id="i8"
        ),
    ],
)
def test_a_figure_stands_with_its_interval(page: str, row: str) -> None:
    assert row in page


def test_what_is_missed_stands_near_the_top(page: str) -> None:
    missed, *_ = [line for line in page.splitlines() if line.startswith("- London: accuracy, at least 0.92: it is")]
    assert page.index(missed) < page.index("## What it is for") < page.index("## Trained on")
    assert "| FER+ (paper): accuracy without learned pictures, at least 0.84 | 0.857" in page


@pytest.mark.parametrize(
    "fact",
    [
        "# channels\n",
        "(B, 112, 112, 3) uint8 BGR",
        "probabilities of 3 expressions: joy, surprise, neutral",
        "starts from the stage `adaface`. Commit `abc`",
        "1 of 8 pictures of FER+ (paper) were learned, too",
        "DeBruine & Jones 2017, [doi:10.6084/m9.figshare.5047666.v5]",
        "Every second person of London was learned from",
        "learned from rendered people alone",
        "No elderly Japanese people are in the data",
        "inferring emotions at the workplace is banned",
        "Diagnosis",
        "did not consent",
    ],
)
def test_the_card_says(page: str, fact: str) -> None:
    assert fact in page


def test_its_pictures_lie_beside_it(page: str, there: Path) -> None:
    for name in ("calibration", "robustness", "failures"):
        assert f"](channels-{name}.png)" in page
        assert cv2.imread(str(there / "card" / f"channels-{name}.png")) is not None


def test_without_the_rest_a_card_is_of_figures_alone(there: Path) -> None:
    text = model_card(CardFacts(STAGE, figures_of(there)))
    assert "## Robustness" not in text
    assert "## INT8" not in text
    assert "![" not in text


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        pytest.param("stage/stage.json", {"commit": "other"}, "is not of this stage", id="another-training"),
        pytest.param("figures/clips.json", {"model": {"sha256": "0"}}, "of another model file", id="another-clip"),
        pytest.param("figures/robustness.json", {"model": {"sha256": "0"}}, "of another model file", id="another-file"),
    ],
)
def test_figures_of_another_model_are_refused(there: Path, file: str, change: dict[str, Any], message: str) -> None:
    before = (there / file).read_text("utf-8")
    (there / file).write_text(json.dumps(json.loads(before) | change), "utf-8")
    try:
        result = run("card", there / "stage", "--figures", there / "figures", "-o", there / "none.md")
    finally:
        (there / file).write_text(before, "utf-8")
    assert isinstance(result.exception, DataError)
    assert message in str(result.exception)
    assert not (there / "none.md").exists()


@pytest.mark.parametrize(("stage", "figures"), [("none", "figures"), ("stage", "none")])
def test_what_is_not_there_is_told(there: Path, stage: str, figures: str) -> None:
    result = run("card", there / stage, "--figures", there / figures, "-o", there / "none.md")
    assert isinstance(result.exception, DataError)
    assert "is not there" in str(result.exception)


def test_terms_are_those_of_the_longest_beginning() -> None:
    assert terms_of("lfw-identities").name == "LFW, people"
    assert terms_of("rendered-3").terms == "this project, Apache-2.0"
    assert (terms_of("lfwx").name, terms_of("lfwx").terms) == ("lfwx", "not known to this page")


def test_an_interval_below_0_has_words_and_a_zero_no_sign() -> None:
    assert interval({"value": -0.0001, "low": -0.02, "high": 0.01}) == "0.000 (-0.020 to 0.010)"
    assert interval({"value": None, "low": None, "high": None}) == "–"


@pytest.mark.parametrize(
    ("images", "told"),
    [
        pytest.param(10, ["- LFW: joy is found in 50% of 10 faces, and called fear 40%, anger 10%."], id="poor"),
        pytest.param(4, [], id="a-handful"),
    ],
)
def test_labels_that_are_rarely_found_are_named(images: int, told: list[str]) -> None:
    row = {"label": "joy", "images": images, "recall": {"value": 0.5}}
    figures = {"classes": [row], "confusion": [[5, 4, 1]], "labels": ["joy", "fear", "anger"]}
    assert list(poor_classes({"lfw": figures})) == told


def test_a_contact_sheet_stays_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (11, 112, 112, 3), np.uint8)
    some = [Failure(crop, "joy", "neutral", 0.99) for crop in noise]
    sheet = contact_sheet({"london": some, "rendered": []})
    assert sheet is not None
    assert len(sheet) <= MOST_BYTES
    assert contact_sheet({source: [] for source in CREDITS}) is None


def test_a_large_picture_is_made_small() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    large = cv2.imencode(".png", noise)[1].tobytes()
    small = small_png(large, 20_000)
    assert len(small) <= 20_000
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR) is not None
    assert small_png(small, 20_000) == small
