"""A training run -> the ONNX file and the model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_edge.spec import ModelSpec
from ffe_export.card import model_card
from ffe_export.to_onnx import to_onnx


def export_run(run_folder: Path, out: Path, *, name: str, card: Path | None = None) -> float:
    """Write the ONNX of a run's last stage, and its card.

    Args:
        run_folder: where ``ffe-edge train`` put ``evaluation.json`` and ``stages/``.
        out: the ONNX file.
        name: in the spec.
        card: the model card to write.

    Returns:
        The largest difference of a probability, torch against ONNX Runtime.

    Raises:
        DataError: the run is not there or not finished.
        ModelError: the file says something else than the network.
    """
    from ffe_train.model import Deployed
    from ffe_train.stages import Stage, load_network

    evaluation = _read_json(run_folder / "evaluation.json")
    if "stage" not in evaluation:
        raise DataError(f"{run_folder / 'evaluation.json'}: is no record of a run; run `ffe-edge train` first")
    weights = run_folder / "stages" / f"{evaluation['stage']}.safetensors"
    stage = Stage(weights, _read_json(weights.with_suffix(".json")))
    if not weights.is_file():
        raise DataError(f"{weights}: is not there; run `ffe-edge train` first")
    spec = _spec(name, evaluation)
    difference = to_onnx(Deployed(load_network(stage), spec.temperature).eval(), spec, out)
    if card:
        card.write_text(model_card(spec, evaluation, size_bytes=out.stat().st_size), encoding="utf-8")
    return difference


def _spec(name: str, evaluation: dict[str, Any]) -> ModelSpec:
    figures = ("images", "subjects", "accuracy", "macro_f1", "macro_over", "ece")
    return ModelSpec(
        name=name,
        labels=LABELS,
        temperature=evaluation["temperature"],
        metrics={test: {key: result[key] for key in figures} for test, result in evaluation["test"].items()},
        data=tuple(evaluation["data"]),
        recipe=json.dumps(evaluation["recipe"]),
        commit=evaluation["commit"],
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run `ffe-edge train` first") from error
    if not isinstance(values, dict):
        raise DataError(f"{path}: is no record of a run; run `ffe-edge train` first")
    return values
