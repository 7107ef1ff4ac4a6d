"""A trained network -> one self-contained ONNX file that carries its spec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec

if TYPE_CHECKING:
    from ffe_train.model import Deployed

OPSET: Final = 17
"""Read by ONNX Runtime 1.12+, OpenVINO and TensorRT 8.5+."""
MAX_DIFFERENCE: Final = 1e-4
"""Largest difference of a probability between torch and ONNX Runtime."""


def to_onnx(network: Deployed, spec: ModelSpec, path: Path) -> float:
    """Write the file and prove that it says the same as the network.

    Args:
        network: crops (B, S, S, 3) uint8 BGR -> probs (B, K).
        spec: goes into ``metadata_props``.
        path: of the new file; an old one stays until the new one is whole.

    Returns:
        The largest difference of a probability on random crops, torch against ONNX Runtime.

    Raises:
        ModelError: onnx is not installed, or the file says something else than the network.
    """
    classes = network.network.head.out_features
    if classes != len(spec.labels):
        raise ModelError(f"{path}: not written, the network has {classes} classes, its spec {len(spec.labels)} labels")
    data = with_metadata(_graph(network.eval(), spec), {SPEC_KEY: spec.to_json()})
    difference = _largest_difference(network, data, spec)
    if difference > MAX_DIFFERENCE:
        raise ModelError(f"{path}: not written, its probabilities differ by {difference:.2g} from the network's")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    return difference


def with_metadata(model: Any, entries: Mapping[str, str]) -> bytes:
    """The checked model's bytes with these entries in ``metadata_props``."""
    import onnx

    for key, value in entries.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _graph(network: Deployed, spec: ModelSpec) -> Any:
    try:
        import onnx
        import torch
    except ImportError as error:
        raise ModelError(f"export needs {error.name}: pip install 'ffe-edge[train,export]'") from error
    import io  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    crops = torch.zeros(2, spec.size_px, spec.size_px, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the tracing exporter is quick and its graphs are plain
        torch.onnx.export(
            network,
            (crops,),
            buffer,  # type: ignore[arg-type]
            opset_version=OPSET,
            input_names=["crops"],
            output_names=["probs"],
            dynamic_axes={"crops": {0: "batch"}, "probs": {0: "batch"}},
            dynamo=False,
        )
    return onnx.load_model_from_string(buffer.getvalue())


def _largest_difference(network: Deployed, data: bytes, spec: ModelSpec) -> float:
    import numpy as np  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415
    import torch

    crops = np.random.default_rng(0).integers(0, 256, (16, spec.size_px, spec.size_px, 3), np.uint8)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    ours = np.asarray(session.run(["probs"], {"crops": crops})[0])
    with torch.inference_mode():
        theirs = network(torch.from_numpy(crops)).numpy()
    return float(np.abs(ours - theirs).max())
