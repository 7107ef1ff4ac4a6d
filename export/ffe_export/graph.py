"""The two graphs of a model: the bare network, and round it what turns crops into probabilities.

``images`` (B, 3, S, S) -> ``logits`` (B, K), ``embedding`` (B, D) is the bare network; ``crops`` (B, S, S, 3) uint8 BGR
-> ``probs``, ``embedding`` holds it between its preprocessing and its softmax. Either is made of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.engine.model_file import MAX_BYTES
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec

OPSET: Final = 17
"""Read by ONNX Runtime 1.12+, OpenVINO and TensorRT 8.5+."""
IR_VERSION: Final = 8
"""Of ONNX 1.12, which brought opset 17."""
CROPS, IMAGES, LOGITS, PROBS, EMBEDDING = "crops", "images", "logits", "probs", "embedding"
BATCH: Final = "batch"
GREY: Final = 127.5
"""Mean and deviation of grey levels: the host of an engine prepares crops by them (``ffe_edge.engine.images``)."""
MAX_PX: Final = 1024
"""A larger crop is none of ours, and would take all memory."""


def onnx_module() -> Any:
    """The package onnx.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError("export needs onnx: pip install 'ffe-edge[export]'") from error
    return onnx


def read_graph(path: Path) -> tuple[Any, ModelSpec]:
    """A checked ONNX model of ours and its spec.

    Raises:
        ModelError: absent, damaged, no valid ONNX, or without a spec.
    """
    onnx = onnx_module()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelError(f"{path}: is larger than {MAX_BYTES >> 20} MiB, no model of this program is")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read ({error.strerror}); give a stage's folder or an exported ONNX"
        ) from error
    model = parsed(data, str(path))
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if SPEC_KEY not in entries:
        raise ModelError(f"{path}: carries no model spec ({SPEC_KEY}); export its checkpoint with `ffe-edge export`")
    constants = (attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t"))
    if any(map(onnx.external_data_helper.uses_external_data, [*model.graph.initializer, *constants])):
        raise ModelError(f"{path}: keeps weights in other files; save it as one file")
    opsets = {entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}}
    if opsets != {OPSET}:
        raise ModelError(f"{path}: is of opset {sorted(opsets)}, not {OPSET}; export its checkpoint again")
    return model, ModelSpec.from_json(entries[SPEC_KEY], str(path))


def parsed(data: bytes, where: str) -> Any:
    """A model of bytes, checked.

    Raises:
        ModelError: they are damaged or break ONNX's rules.
    """
    onnx = onnx_module()
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - comes with onnx

    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model, full_check=True)
    except (
        DecodeError,
        UnicodeDecodeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        raise ModelError(f"{where}: is no valid ONNX model ({_first_line(error)}); export it again") from error
    return model


def serialized(model: Any, spec: ModelSpec) -> bytes:
    """The checked model's bytes, with this spec and no other metadata.

    Raises:
        ModelError: the model breaks ONNX's rules.
    """
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = SPEC_KEY, spec.to_json()
    data = bytes(model.SerializeToString())
    parsed(data, spec.name)
    return data


def crops_graph(bare: Any, spec: ModelSpec) -> tuple[Any, ModelSpec]:
    """A bare network with preprocessing, temperature and softmax round it."""
    onnx = onnx_module()
    helper, kinds = onnx.helper, onnx.TensorProto
    side, classes = spec.size_px, len(spec.labels)
    numbers = {
        "ffe.rgb": np.array([2, 1, 0], np.int64),
        "ffe.mean": np.float32(spec.mean[0]),
        "ffe.std": np.float32(spec.std[0]),
        "ffe.temperature": np.float32(spec.temperature),
    }
    before = [
        helper.make_node("Transpose", [CROPS], ["ffe.bgr_planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["ffe.bgr_planes", "ffe.rgb"], ["ffe.rgb_planes"], axis=1),
        helper.make_node("Cast", ["ffe.rgb_planes"], ["ffe.levels"], to=kinds.FLOAT),
        helper.make_node("Sub", ["ffe.levels", "ffe.mean"], ["ffe.centred"]),
        helper.make_node("Div", ["ffe.centred", "ffe.std"], [IMAGES]),
    ]
    after = [
        helper.make_node("Div", [LOGITS, "ffe.temperature"], ["ffe.calibrated"]),
        helper.make_node("Softmax", ["ffe.calibrated"], [PROBS], axis=1),
    ]
    graph = helper.make_graph(
        [*before, *bare.graph.node, *after],
        "ffe_edge",
        [helper.make_tensor_value_info(CROPS, kinds.UINT8, [BATCH, side, side, 3])],
        [helper.make_tensor_value_info(PROBS, kinds.FLOAT, [BATCH, classes]), _output(bare, EMBEDDING)],
        [*bare.graph.initializer, *(onnx.numpy_helper.from_array(value, name) for name, value in numbers.items())],
    )
    return model_of(graph), replace(spec, graph="crops")


def bare_graph(model: Any, spec: ModelSpec, where: str) -> tuple[Any, ModelSpec]:
    """The bare network of either graph, a copy.

    Raises:
        ModelError: the file is of an older export, or of somebody else: its network cannot be told apart, or takes or
            gives something else than its spec says.
    """
    onnx = onnx_module()
    if spec.size_px > MAX_PX:
        raise ModelError(f"{where}: takes crops of {spec.size_px} px, no model of this program does")
    if (spec.mean, spec.std) != ((GREY,), (GREY,)):
        raise ModelError(f"{where}: its spec has mean {spec.mean} and std {spec.std}, this program's have {GREY}")
    if spec.graph == "images":
        bare = model_of(model.graph)
        _check_interface(bare, spec, where)
        return bare, spec
    names = {name for node in model.graph.node for name in node.output}
    if not {IMAGES, LOGITS, EMBEDDING} <= names or EMBEDDING not in {output.name for output in model.graph.output}:
        raise ModelError(f"{where}: has no tensors {IMAGES}, {LOGITS} and {EMBEDDING}; export its checkpoint again")
    inside = _between(model.graph.node, IMAGES, (LOGITS, EMBEDDING))
    used = {name for node in inside for name in node.input}
    helper, kinds = onnx.helper, onnx.TensorProto
    embedding = _output(model, EMBEDDING)
    graph = helper.make_graph(
        inside,
        "ffe_network",
        [helper.make_tensor_value_info(IMAGES, kinds.FLOAT, [BATCH, 3, spec.size_px, spec.size_px])],
        [helper.make_tensor_value_info(LOGITS, kinds.FLOAT, [BATCH, len(spec.labels)]), embedding],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    bare = model_of(graph)
    _check_interface(bare, spec, where)
    return bare, replace(spec, graph="images")


def model_of(graph: Any) -> Any:
    """A model of one graph, of this program's opset."""
    helper = onnx_module().helper
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="ffe-edge"
    )


def _check_interface(bare: Any, spec: ModelSpec, where: str) -> None:
    """Raises ``ModelError`` where a bare network does not take and give what its spec says, for any batch."""
    weights = {tensor.name for tensor in bare.graph.initializer}
    inputs = [item for item in bare.graph.input if item.name not in weights]
    found = {item.name: _sides(item) for item in (*inputs, *bare.graph.output)}
    embedding = found.get(EMBEDDING, [])
    wanted = {
        IMAGES: [None, 3, spec.size_px, spec.size_px],
        LOGITS: [None, len(spec.labels)],
        EMBEDDING: [None, *embedding[1:]],
    }
    if found != wanted or len(embedding) != 2 or [item.name for item in inputs] != [IMAGES]:
        raise ModelError(
            f"{where}: has {_shapes(found)}, but its spec asks for {_shapes(wanted)}; export its checkpoint again"
        )
    parsed(bytes(bare.SerializeToString()), where)


def _sides(item: Any) -> list[int | None]:
    """Sides of a FLOAT input or output, None for one that may vary; nothing where it is no such tensor."""
    tensor = item.type.tensor_type
    if tensor.elem_type != onnx_module().TensorProto.FLOAT:
        return []
    return [side.dim_value if side.HasField("dim_value") else None for side in tensor.shape.dim]


def _shapes(found: Mapping[str, Sequence[int | None]]) -> str:
    sides = {name: ", ".join("B" if side is None else str(side) for side in shape) for name, shape in found.items()}
    return ", ".join(f"{name} ({text})" for name, text in sides.items())[:200]


def _between(nodes: Sequence[Any], start: str, ends: Sequence[str]) -> list[Any]:
    """The nodes that lead to ``ends``, up to ``start``; in the order they had."""
    maker = {name: index for index, node in enumerate(nodes) for name in node.output}
    needed: set[int] = set()
    asked = list(ends)
    while asked:
        name = asked.pop()
        if name == start or name not in maker or maker[name] in needed:
            continue
        needed.add(maker[name])
        asked += nodes[maker[name]].input
    return [node for index, node in enumerate(nodes) if index in needed]


def _output(model: Any, name: str) -> Any:
    return next(output for output in model.graph.output if output.name == name)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
