"""The folder of a finished `ffe-edge train shipped`, of a tiny network that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ffe_train.model import SmallResNet


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


def finished_run(folder: Path) -> Path:
    torch.manual_seed(3)
    (folder / "stages").mkdir(parents=True)
    save_file(SmallResNet(9, (16, 32)).state_dict(), folder / "stages" / "mixed.safetensors")
    (folder / "stages" / "mixed.json").write_text(json.dumps({"recipe": EVALUATION["recipe"]}), encoding="utf-8")
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION), encoding="utf-8")
    return folder
