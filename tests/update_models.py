"""Clips and models for tests of model updates: the shipped model under another digest, and such as fail in one way."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from small_bundle import write_document

from ffe_edge.engine.golden import Golden, write_golden
from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.rendered.timeline import demo_timeline
from ffe_edge.types import Reading

CROPS: Final = np.random.default_rng(5).integers(0, 256, (4, 112, 112, 3), np.uint8)


def write_clip(path: Path, seconds: int) -> Path:
    """A rendered person of a dozen expressions, another one every half second."""
    images = [frame.image for frame in itertools.islice(demo_timeline(3, fps=0.4), 12)]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 8.0, (640, 480))
    for image in itertools.islice(itertools.cycle(images), 2 * seconds):
        for _ in range(4):
            writer.write(image)
    writer.release()
    return path


def changed_model(note: str) -> bytes:
    """The shipped model with a note in its metadata: another file that says the same of every face.

    Source: Protocol Buffers, Encoding: a message and another one behind it are one message.
    """
    key, value = b"note", note.encode()
    entry = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
    return SHIPPED_MODEL.read_bytes() + b"\x72" + bytes([len(entry)]) + entry


@cache
def _said() -> Reading:
    return load_onnxruntime(ModelFile.read(SHIPPED_MODEL)).read(CROPS)


def bundle(folder: Path, note: str, *, golden_is_good: bool = True, times: int = 1) -> Path:
    """A bundle of the changed model.

    Args:
        folder: to be made.
        note: in the model.
        golden_is_good: else its golden outputs are another model's.
        times: how often each golden crop stands in it, so that proving it takes long.
    """
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(changed_model(note))
    said, crops = _said(), np.repeat(CROPS, times, axis=0)
    probs = np.repeat(said.probs if golden_is_good else said.probs[:, ::-1], times, axis=0)
    write_golden(folder / "golden.npz", Golden(crops, {"fp32": Reading(probs, None)}))
    write_document(folder, name="ffe-small", engine=None)
    return folder


def shipped(folder: Path) -> Path:
    """The shipped model as a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(SHIPPED_MODEL, folder / "model.onnx"))


def blind_to_faces(path: Path) -> Path:
    """A model that passes every look at grey crops and gives no numbers for anything else."""
    nodes = (
        ("ReduceMax", "distance", "farthest", {"axes": [1, 2, 3], "keepdims": 0}),
        ("Neg", "farthest", "below", {}),
        ("Sqrt", "below", "poison", {}),
    )
    return _with_more(path, nodes)


def slow(path: Path, side: int = 1600) -> Path:
    """A model that says the same as a good one after much arithmetic that is for nothing."""
    nodes = (
        ("ReduceMean", "distance", "mean", {"axes": [0, 1, 2, 3], "keepdims": 0}),
        ("Expand", "mean side", "square", {}),
        ("MatMul", "square square", "twice", {}),
        ("MatMul", "twice square", "thrice", {}),
        ("ReduceMean", "thrice", "much", {"axes": [0, 1], "keepdims": 0}),
        ("Mul", "much nothing", "poison", {}),
    )
    return _with_more(path, nodes, side)


def _with_more(path: Path, nodes: Sequence[tuple[str, str, str, dict[str, Any]]], side: int = 1) -> Path:
    """The shipped model, to whose answers ``poison`` is added; ``distance`` is that of a crop from grey."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(SHIPPED_MODEL)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["clean" if name == "probs" else name for name in node.output]
    constants = {"grey": np.float32(127), "side": np.array([side, side]), "nothing": np.float32(0)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    first = (
        ("Cast", "crops", "as_numbers", {"to": TensorProto.FLOAT}),
        ("Sub", "as_numbers grey", "difference", {}),
        ("Abs", "difference", "distance", {}),
    )
    last = (("Reshape", "poison one_each", "column", {}), ("Add", "clean column", "probs", {}))
    graph.initializer.append(numpy_helper.from_array(np.array([-1, 1]), "one_each"))
    for kind, given, result, attributes in (*first, *nodes, *last):
        graph.node.append(helper.make_node(kind, given.split(), [result], **attributes))
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
