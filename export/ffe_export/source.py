"""What is exported: a trained stage, an ONNX file or a bundle of ours."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ffe_edge.engine.bundle import is_bundle, read_bundle
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_export.graph import bare_graph, read_graph
from ffe_export.tidy import tidied
from ffe_export.to_onnx import to_onnx

if TYPE_CHECKING:
    from ffe_train.deployed import Deployed

WEIGHTS: Final = "weights.safetensors"


@dataclass(frozen=True)
class Source:
    """A model in FP32, wherever it comes from."""

    network: Any
    """The tidied bare ONNX network."""
    spec: ModelSpec
    """Of the bare network."""
    original: Deployed | None
    """The torch network, where it comes from a checkpoint."""


def open_source(path: Path, name: str | None = None) -> Source:
    """Read a model and trace it where it is a checkpoint.

    Args:
        path: folder of a stage, a crops graph or bare network in FP32, or a bundle.
        name: for the spec; None takes what the model is called already.

    Raises:
        ModelError: it is none of these, damaged, not FP32, or its network cannot be traced.
    """
    if (path / WEIGHTS).is_file():
        _need_torch()
        return _of_stage(path, name)
    if path.is_dir() and not (path / "bundle.json").is_file():
        raise ModelError(f"{path}: holds neither {WEIGHTS} of a stage nor a bundle.json")
    if path.suffix in {".ckpt", ".pth", ".pt", ".pkl", ".safetensors"}:
        raise ModelError(f"{path}: give the folder of its stage; `ffe-edge train import` makes one of public weights")
    if is_bundle(path):
        bundle = read_bundle(path)
        path = bundle.read(bundle.reference).path
    return _of_graph(path, name)


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ModelError("a checkpoint is exported with torch: pip install 'ffe-edge[train,export]'") from error


def _of_graph(path: Path, name: str | None) -> Source:
    model, spec = read_graph(path)
    if spec.precision != "fp32":
        raise ModelError(f"{path}: is {spec.precision} already; give the FP32 file that it was made of")
    network, spec = bare_graph(model, spec, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(tidied(network), replace(spec, name=name or spec.name, parent_sha256=digest), None)


def _of_stage(folder: Path, name: str | None) -> Source:
    from ffe_train.checkpoint import load_expression_network, read_stored, weights_digest
    from ffe_train.deployed import Deployed
    from ffe_train.files import read_json

    about = read_stored(folder).about
    network = Deployed(load_expression_network(folder)).eval()
    record = read_json(folder / "stage.json") if (folder / "stage.json").is_file() else {}
    licence = [f"terms: {about['licence']}"] if about.get("licence") else []
    try:
        spec = ModelSpec(
            name=name or _plain(str(about.get("name") or about.get("stage") or folder.name)),
            labels=tuple(about["labels"]),
            temperature=float(about.get("temperature", 1.0)),
            metrics=record.get("metrics", {}),
            data=(*map(str, about.get("sets", ())), *licence),
            recipe=json.dumps(record.get("recipe", {})),
            commit=str(record.get("commit", "")),
            graph="images",
            parent_sha256=weights_digest(folder),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{folder / WEIGHTS}: what stands beside the weights is damaged ({error}); train again"
        ) from error
    return Source(tidied(to_onnx(network, spec)), spec, network)


def _plain(name: str) -> str:
    """A stage's name as a model's: it stands on the wire."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-") or "model"
