"""A network of MobileFaceNet's size with random weights: the yardstick's, for `speed.py`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ffe_edge.types import FloatArray, ImageArray, Reading

BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, channels, repeats, first stride.
Source: Chen et al., MobileFaceNets, CCBR 2018, table 1."""


class Layers:
    """Nodes and random weights of an ONNX graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._rng = np.random.default_rng(0)
        self._numbers = itertools.count()

    def weight(self, shape: tuple[int, ...], scale: float) -> str:
        """A new tensor's name."""
        from onnx import numpy_helper

        name = f"weight{next(self._numbers)}"
        values = (self._rng.standard_normal(shape) * scale).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, names: list[str], out: str | None = None, **attributes: Any) -> str:
        """A new node's output."""
        from onnx import helper

        out = out or f"{kind.lower()}{next(self._numbers)}"
        self.nodes.append(helper.make_node(kind, names, [out], **attributes))
        return out

    def conv(
        self, x: str, ins: int, outs: int, kernel: int, stride: int = 1, groups: int = 1, *, is_linear: bool = False
    ) -> str:
        """Convolution with a folded norm, and PReLU."""
        fan = ins // groups * kernel * kernel
        names = [x, self.weight((outs, ins // groups, kernel, kernel), (2 / fan) ** 0.5), self.weight((outs,), 0.01)]
        pad = 0 if kernel == 7 else kernel // 2
        out = self.node("Conv", names, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, group=groups)
        return out if is_linear else self.node("PRelu", [out, self.weight((outs, 1, 1), 0.25)])

    def bottleneck(self, x: str, ins: int, outs: int, expansion: int, stride: int) -> str:
        """Wide, by channel, narrow; added to what came in where that fits."""
        wide = ins * expansion
        inner = self.conv(self.conv(x, ins, wide, 1), wide, wide, 3, stride, wide)
        out = self.conv(inner, wide, outs, 1, is_linear=True)
        return self.node("Add", [x, out]) if stride == 1 and ins == outs else out


def mobilefacenet(path: Path) -> int:
    """Write a network of MobileFaceNet's layers with random weights, (N, 3, 112, 112) -> (N, 9); its parameters."""
    import onnx
    from onnx import TensorProto, helper

    net, ins = Layers(), 64
    x = net.conv(net.conv("images", 3, 64, 3, 2), 64, 64, 3, 1, 64)
    for expansion, outs, repeats, first in BOTTLENECKS:
        for index in range(repeats):
            x = net.bottleneck(x, ins, outs, expansion, first if index == 0 else 1)
            ins = outs
    x = net.conv(net.conv(x, ins, 512, 1), 512, 512, 7, 1, 512, is_linear=True)
    embedding = net.node("Flatten", [net.conv(x, 512, 128, 1, is_linear=True)])
    logits = net.node("Gemm", [embedding, net.weight((128, 9), 0.05)])
    net.node("Softmax", [logits], "probs")
    begin = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 112, 112])]
    end = [helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["batch", 9])]
    graph = helper.make_graph(net.nodes, "mobilefacenet", begin, end, net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return sum(int(np.prod(tensor.dims)) for tensor in net.weights)


class Yardstick:
    """That network as a ``Runner``."""

    backend, precision = "onnxruntime", "fp32"

    def __init__(self, path: Path, threads: int, *, spins: bool = True) -> None:
        """With the runtime's own settings; threads that do not spin between runs, as ours, where that is asked for."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, crops: ImageArray) -> FloatArray:
        """(B, 112, 112, 3) uint8 BGR -> (B, 9)."""
        images = np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        images -= 127.5
        images /= 127.5
        return np.asarray(self._session.run(["probs"], {"images": images})[0], np.float32)

    def read(self, crops: ImageArray) -> Reading:
        """As above."""
        return Reading(self(crops), None)
