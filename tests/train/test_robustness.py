"""Figures under each condition are those of plain counting; the command says what is wrong with what it is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured_sets import LABELS, SPEC, channels_model, lfw_like, london_like
from typer.testing import CliRunner

from ffe_edge.align import align
from ffe_edge.cli import app
from ffe_edge.errors import FfeError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FaceReadings, Faces, FloatArray, ImageArray
from ffe_train.commands_robustness import in_words
from ffe_train.prepared import open_prepared
from ffe_train.robust_conditions import CLEAN, Condition, Detectors, asked_of, shots_of
from ffe_train.robust_faces import FaceSet, crop_shot, crops_of, largest, rendered_scenes
from ffe_train.robust_figure import blocks_of, examples
from ffe_train.robustness import Readers, measure

NOBODY = Detectors(None, None)
FIGURES = ("accuracy", "low", "high", "difference", "difference_low", "difference_high")


def by_brightness(pictures: Sequence[tuple[ImageArray, Faces]]) -> list[FaceReadings]:
    """Class 0 for dark crops, class 1 for bright ones; nothing where no face was found."""
    return [readings(np.array([crop.mean() > 100 for crop in align(image, faces)], int)) for image, faces in pictures]


def always(label: int) -> Any:
    return lambda pictures: [readings(np.full(len(faces), label)) for _, faces in pictures]


def readings(said: np.ndarray[Any, np.dtype[np.int_]]) -> FaceReadings:
    probs: FloatArray = np.eye(2, dtype=np.float32)[said].reshape(len(said), 2)
    return FaceReadings(probs, np.ones(len(said), np.float32))


@pytest.fixture
def bright() -> FaceSet:
    """Six bright faces of three people, five of them of class 1."""
    crop = np.random.default_rng(0).integers(150, 170, (112, 112, 3), np.uint8)
    truth, person = np.array([1, 1, 1, 1, 1, 0]), np.array([0, 0, 1, 1, 2, 2])
    return FaceSet("lfw", ("crops",), truth, person, [crop_shot(crop)] * 6)


def rows_of(readers: Readers, faces: FaceSet, detectors: Detectors = NOBODY) -> dict[tuple[str, str], dict[str, Any]]:
    rows = measure(readers, [faces], detectors, seed=0, step=lambda _: None)
    return {(row["name"], row["strength"]): row for row in rows}


def test_untouched_faces_differ_from_themselves_by_nothing(bright: FaceSet) -> None:
    clean = rows_of(Readers(by_brightness), bright)[CLEAN, ""]
    assert [clean[name] for name in ("n", "people", "found", "accuracy")] == [6, 3, 1.0, 5 / 6]
    assert [clean[name] for name in FIGURES[3:]] == [0, 0, 0]


def test_what_darkness_costs_is_paired_with_the_untouched_faces(bright: FaceSet) -> None:
    rows = rows_of(Readers(by_brightness), bright)
    dark = rows["low light", "1/8"]
    assert dark["accuracy"] == pytest.approx(1 / 6)
    assert dark["difference"] == pytest.approx(1 / 6 - 5 / 6)
    assert dark["difference_low"] <= dark["difference"] <= dark["difference_high"] <= 0
    assert rows["jpeg", "quality 50"]["difference"] == 0


def test_another_model_is_asked_of_the_same_faces(bright: FaceSet) -> None:
    dark = rows_of(Readers(by_brightness, always(1)), bright)["low light", "1/8"]
    assert dark["against"]["accuracy"] == pytest.approx(5 / 6)
    assert dark["against"]["difference"] == pytest.approx(1 / 6 - 5 / 6)


def test_a_face_that_is_lost_has_no_answer_and_is_told_as_not_found() -> None:
    faces = rendered_scenes(("joy", "anger"), 2, 0, None, lambda _: None)
    lost = iter([True, False, True, False])

    def boxes(image: ImageArray) -> Faces:
        return (
            Faces.none()
            if next(lost)
            else Faces(np.array([[40.0, 40, 190, 190]], np.float32), np.ones(1, np.float32), None)
        )

    haar = rows_of(Readers(always(0)), faces, Detectors(None, boxes))["haar box", ""]
    assert [haar[name] for name in ("n", "found", "people", "accuracy", "difference")] == [2, 0.5, 2, 0, 0]


def test_where_no_face_is_found_there_are_no_figures() -> None:
    faces = rendered_scenes(("joy",), 1, 0, None, lambda _: None)
    rows = rows_of(Readers(always(0)), faces, Detectors(None, lambda _: Faces.none()))
    haar = rows["haar box", ""]
    assert [haar[name] for name in ("n", "people", *FIGURES)] == [0, 0, *[None] * 6]
    (line,) = in_words(list(rows.values()))
    assert line.startswith("rendered-people: 1 faces of 1 people, untouched 1.000 (1.000-1.000)")


def test_the_same_seed_spoils_in_the_same_way(bright: FaceSet) -> None:
    def images(condition: Condition, seed: int) -> ImageArray:
        return np.concatenate([shot.image for shot in shots_of(bright, condition, NOBODY, seed)])

    for condition in asked_of(bright, NOBODY):
        assert np.array_equal(images(condition, 3), images(condition, 3)), condition.name
    (dark,) = [one for one in asked_of(bright, NOBODY) if one.strength == "1/8"]
    assert not np.array_equal(images(dark, 3), images(dark, 4))


def test_without_a_detector_nothing_is_rolled() -> None:
    faces = rendered_scenes(("joy",), 1, 0, None, lambda _: None)
    assert {one.name for one in asked_of(faces, NOBODY)} == {CLEAN, "glasses", "yaw", "landmark noise"}
    assert "roll" in {one.name for one in asked_of(faces, Detectors(largest, None))}  # type: ignore[arg-type]


def test_a_turned_head_is_seen_from_that_side() -> None:
    faces = rendered_scenes(("neutral",), 1, 0, None, lambda _: None)
    yaws = [one for one in asked_of(faces, NOBODY) if one.name == "yaw"]
    noses = []
    for condition in yaws:
        ((points,),) = [shot.faces.landmarks for shot in shots_of(faces, condition, NOBODY, 0)]  # type: ignore[misc]
        noses.append(float((points[2, 0] - points[0, 0]) / (points[1, 0] - points[0, 0])))
    assert [one.strength for one in yaws] == ["-30°", "-15°", "+15°", "+30°"]
    assert noses == sorted(noses)
    assert noses[0] < 0.35
    assert noses[-1] > 0.65


def test_only_faces_of_the_test_split_with_a_known_label_are_drawn_by_lot(tmp_path: Path) -> None:
    prepared = open_prepared(lfw_like(tmp_path))
    few, again = (crops_of(prepared, ("joy", "anger"), 5, 1) for _ in range(2))
    assert len(few) == 5
    assert set(few.truth.tolist()) == {0}
    assert all(np.array_equal(a.image, b.image) for a, b in zip(few.shots, again.shots, strict=True))


def test_faces_of_other_sets_are_never_shown(tmp_path: Path, bright: FaceSet) -> None:
    london = crops_of(open_prepared(london_like(tmp_path)), LABELS, 9, 0)
    rows = measure(Readers(always(0)), [london, bright], NOBODY, seed=0, step=lambda _: None)
    (block,) = blocks_of(rows, [(CLEAN, ""), ("mask", "")])
    assert block.sets == ("london", "lfw")
    shown = examples(block, [london, bright], NOBODY, 0)
    assert np.array_equal(shown, examples(block, [london], NOBODY, 0))
    assert (examples(block, [bright], NOBODY, 0) == 255).all()


def run(tmp_path: Path, *more: str, model: Path | None = None) -> Any:
    model = model or channels_model(tmp_path / "model.onnx")
    given = ["train", "robustness", str(model), "--sets", str(tmp_path / "sets"), "--out", str(tmp_path / "out"), *more]
    return CliRunner().invoke(app, given)


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFE_MODELS", str(tmp_path / "none"))


def test_the_command_writes_figures_and_a_picture(tmp_path: Path) -> None:
    london_like(tmp_path / "sets")
    other = channels_model(tmp_path / "other.onnx")
    result = run(tmp_path, "--people", "1", "--against", str(other))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "robustness.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert told["model"]["file"] == "model.onnx"
    assert told["landmarks"] == "renderer"
    assert {row["set"] for row in told["conditions"]} == {"london", "rendered-people"}
    keys = {"name", "strength", "set", "n", "found", "people", *FIGURES, "against"}
    assert all(set(row) == keys for row in told["conditions"])
    (clean, *_) = told["conditions"]
    assert (clean["name"], clean["n"], clean["accuracy"], clean["difference"]) == (CLEAN, 6, pytest.approx(4 / 6), 0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        pytest.param(["--people", "0"], "no face is left", id="nobody"),
        pytest.param(["--london", "."], "needs YuNet", id="london-without-a-detector"),
        pytest.param(["--detector", "none.onnx"], "no such detector file", id="no-detector-file"),
        pytest.param(["--against", "none.onnx"], "none.onnx", id="no-other-model"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, more: list[str], words: str) -> None:
    result = run(tmp_path, *more)
    assert isinstance(result.exception, FfeError)
    assert words in str(result.exception)


def test_models_of_other_labels_cannot_be_compared(tmp_path: Path) -> None:
    other = ModelSpec("other", ("a", "b", "c"), data=SPEC.data, recipe=SPEC.recipe, commit=SPEC.commit)
    result = run(tmp_path, "--against", str(channels_model(tmp_path / "other.onnx", other)))
    assert "other labels" in str(result.exception)
