"""A bundle as `ffe-edge export` writes it, of a small model of ours."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from small_models import SPEC, bare, crops_graph

from ffe_edge.engine.golden import Golden, write_golden
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime

CROPS = np.random.default_rng(5).integers(0, 256, (12, 112, 112, 3), np.uint8)


def make_bundle(folder: Path, *, seed: int = 0, golden_seed: int | None = None, **changes: Any) -> Path:
    """Write a bundle in FP32.

    Args:
        folder: to be made.
        seed: of the weights.
        golden_seed: of the weights whose answers are the golden ones; None: the same.
        changes: entries of bundle.json that are other ones.
    """
    folder.mkdir(parents=True)
    spec = replace(SPEC, name="small")
    crops_graph(folder / "model.onnx", spec, seed)
    bare(folder / "network.onnx", spec, seed)
    said = crops_graph(folder / "said.onnx", spec, seed if golden_seed is None else golden_seed)
    write_golden(folder / "golden.npz", Golden(CROPS, {"fp32": load_onnxruntime(ModelFile.read(said)).read(CROPS)}))
    said.unlink()
    write_document(folder, **changes)
    return folder


def write_document(folder: Path, **changes: Any) -> None:
    """The bundle.json of what lies in the folder."""
    files = {path.name: record(path) for path in folder.iterdir() if path.suffix in (".onnx", ".npz")}
    document = {
        "version": 1,
        "name": "small",
        "precision": "fp32",
        "cpu": "model.onnx",
        "engine": "network.onnx",
        "reference": "model.onnx",
        "golden": "golden.npz",
        "files": files,
        "made": {"by": "a test"},
    }
    (folder / "bundle.json").write_text(json.dumps(document | changes), encoding="utf-8")


def record(path: Path) -> dict[str, Any]:
    """What bundle.json says of a file."""
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}
