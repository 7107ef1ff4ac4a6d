"""`ffe-edge train measure` from the command line: files, verdicts, and errors of one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from measured_sets import LABELS, SPEC, channels_model, ferplus_like, lfw_like, london_like
from typer.testing import CliRunner, Result

from ffe_edge.cli import app
from ffe_edge.errors import ConfigError, FfeError, ModelError
from ffe_train.predictions import read_predictions


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "measure", *map(str, arguments)])


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A model and three sets."""
    channels_model(tmp_path / "model.onnx")
    for make in (lfw_like, london_like, ferplus_like):
        make(tmp_path / "sets")
    return tmp_path


def test_figures_predictions_and_failures_are_written(there: Path) -> None:
    model, out = there / "model.onnx", there / "figures"
    result = run(model, "--sets", there / "sets", "-o", out, "--resamples", 100, "--against", model)
    assert result.exit_code == 0, result.output
    figures = json.loads((out / "figures.json").read_text("utf-8"))
    assert list(figures["sets"]) == ["ferplus-paper", "lfw", "london"]
    assert (figures["model"]["file"], figures["model"]["bytes"]) == ("model.onnx", model.stat().st_size)
    assert figures["sets"]["lfw"]["against"]["accuracy"]["difference"] == {"value": 0, "low": 0, "high": 0}
    assert figures["sets"]["ferplus-paper"]["learned_twins"]["images"] == 1
    assert read_predictions(out / "predictions-lfw.csv").labels == LABELS
    assert cv2.imread(str(out / "failures.png")).shape[1] > 6 * 112
    assert "lfw: accuracy 0.850" in result.output
    assert "wanted >= 0.92: MISSED" in result.output


def test_one_set_alone_is_measured_and_old_pictures_do_not_stay(there: Path) -> None:
    (there / "failures.png").write_bytes(b"")
    result = run(there / "model.onnx", "--sets", there / "sets", "-o", there, "--resamples", 100, "--set", "lfw")
    assert result.exit_code == 0, result.output
    assert list(json.loads((there / "figures.json").read_text("utf-8"))["sets"]) == ["lfw"]
    assert not (there / "failures.png").exists(), "faces of LFW are never written"


def failed(result: Result, kind: type[FfeError]) -> str:
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_another_size_or_other_labels_are_told(there: Path) -> None:
    small = channels_model(there / "small.onnx", replace(SPEC, size_px=16))
    assert "takes crops of 16 px" in failed(run(small, "--sets", there / "sets", "-o", there), ModelError)
    other = channels_model(there / "other.onnx", replace(SPEC, labels=("joy", "pain", "neutral")))
    result = run(there / "model.onnx", "--sets", there / "sets", "-o", there, "--against", other)
    assert "tells other labels than model.onnx: joy, pain, neutral" in failed(result, ConfigError)


def test_no_model_is_told(there: Path) -> None:
    (there / "bad.onnx").write_bytes(b"no model")
    for name in ("bad.onnx", "none.onnx"):
        assert name in failed(run(there / name, "--sets", there / "sets", "-o", there), ModelError)
