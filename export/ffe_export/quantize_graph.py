"""Writes Q/DQ pairs into a network, for engines, ONNX Runtime or OpenVINO, out of one calibration.

``engine``: S8 activations, biases stay FP32. ``cpu`` and ``openvino``: U8 activations, and for ``cpu`` INT32 biases; a
tensor that cannot be negative has its zero at 0, so that a ReLU comes for free, any other has the very steps of S8 with
its zero at 128. Weights are S8 in all, per output channel and symmetric.

Rounded weights shift what a layer gives on average; its bias takes the shift back.
Source: Nagel et al., Data-free quantization through weight equalization and bias correction, ICCV 2019, section 4.2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ffe_export.graph import model_of, onnx_module
from ffe_export.points import Placement, Points, Reader, points_of, wires

HIGHEST: Final = {8: 127, 7: 64}
"""Largest weight by its bits. 255 * 64 * 2 fits into 16 bits, which is where x86 without VNNI adds two products."""
MOST_BIAS: Final = 2**30
"""Units of an INT32 bias: half of what fits, so that products can be added to it. A channel of weights so small that
its bias had more gets larger steps."""
SMALLEST: Final = 1e-8
"""Scale of a channel, or of a tensor, that is all zeros."""


def quantized(
    model: Any,
    cuts: Mapping[str, float],
    placement: Placement,
    *,
    weight_bits: int = 8,
    left_alone: Collection[str] = (),
    means: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> Any:
    """A new, quantized network.

    Args:
        model: the tidied bare network.
        cuts: magnitude at which each tensor of ``points.ranged`` is clipped.
        placement: who reads it.
        weight_bits: 8, or 7 where two products are added in 16 bits (x86 without VNNI).
        left_alone: names of layers that stay FP32.
        means: (C,) mean of each channel of what layers read, by tensor; biases are corrected where it is known.

    Raises:
        ValueError: no such number of bits.
    """
    if weight_bits not in HIGHEST:
        raise ValueError(f"weights have 7 or 8 bits, not {weight_bits}")
    return _Writer(model, cuts, placement, HIGHEST[weight_bits], means or {}).written(points_of(model, left_alone))


class _Writer:
    """Copies nodes one after the other and puts pairs between them."""

    def __init__(
        self,
        model: Any,
        cuts: Mapping[str, float],
        placement: Placement,
        highest: int,
        means: Mapping[str, npt.NDArray[np.float64]],
    ) -> None:
        onnx = onnx_module()
        self._onnx, self._graph, self._reader = onnx, model.graph, Reader(model)
        self._cuts, self._placement, self._highest, self._means = cuts, placement, highest, means
        self._numbers: dict[str, npt.NDArray[Any]] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self._nodes: list[Any] = []
        self._behind: dict[str, str] = {}

    def written(self, points: Points) -> Any:
        """The whole network."""
        cut = wires(self._reader, points, self._placement)
        for original in self._reader.nodes:
            node = self._onnx.NodeProto()
            node.CopyFrom(original)
            for place, name in enumerate(original.input):
                if (original.name, place) in cut:
                    node.input[place] = self._pair(name)
            if original.name in points.layers:
                self._quantize_weights(node, original.input[0])
            self._nodes.append(node)
        return self._model()

    def _steps(self, name: str) -> tuple[float, int]:
        """Scale and zero of a tensor."""
        cut = max(self._cuts[self._reader.source(name)], SMALLEST)
        if self._placement == "engine":
            return cut / 127, 0
        return (cut / 255, 0) if self._reader.is_positive(name) else (cut / 127, 128)

    def _pair(self, name: str) -> str:
        """The tensor behind its Q/DQ pair, which is written when it is first asked for."""
        if name not in self._behind:
            scale, zero = self._steps(name)
            kind = np.int8 if self._placement == "engine" else np.uint8
            steps = [self._add(f"{name}.scale", np.float32(scale)), self._add(f"{name}.zero", np.array(zero, kind))]
            self._node("QuantizeLinear", [name, *steps], f"{name}.q")
            self._behind[name] = self._node("DequantizeLinear", [f"{name}.q", *steps], f"{name}.dq")
        return self._behind[name]

    def _quantize_weights(self, node: Any, source: str) -> None:
        """INT8 weights by output channel, and a bias that takes back what rounding them shifts.

        For the CPU the bias is INT32 in the units of the products' sum.
        """
        input_scale, is_cpu = self._steps(source)[0], self._placement == "cpu"
        weight = self._numbers[node.input[1]]
        bias = self._numbers[node.input[2]] if len(node.input) > 2 else None
        largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
        scale = np.maximum(largest / self._highest, SMALLEST).astype(np.float32)
        if bias is not None and is_cpu:
            scale = np.maximum(scale, np.abs(bias) / (input_scale * MOST_BIAS)).astype(np.float32)
        by_channel = scale.reshape(-1, *[1] * (weight.ndim - 1))
        rounded = np.clip(np.round(weight / by_channel), -self._highest, self._highest).astype(np.int8)
        node.input[1] = self._by_channel(self._add(f"{node.name}.weight", rounded), scale)
        if source in self._means:
            error = rounded * by_channel.astype(np.float64) - weight
            bias = (0 if bias is None else bias) - _shift(error, self._means[source])
        if bias is None:
            return
        own = f"{node.name}.bias"
        if is_cpu:
            units = (input_scale * scale.astype(np.float64)).astype(np.float32)
            self._add(own, np.round(bias / units.astype(np.float64)).astype(np.int32))
            own = self._by_channel(own, units)
        else:
            self._add(own, np.asarray(bias, np.float32))
        node.input[2:] = [own]

    def _by_channel(self, name: str, scale: npt.NDArray[np.float32]) -> str:
        steps = self._add(f"{name}.scale", scale)
        zero = self._add(f"{name}.zero", np.zeros(len(scale), self._numbers[name].dtype))
        return self._node("DequantizeLinear", [name, steps, zero], f"{name}.dq", axis=0)

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: int) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=f"{output}.{kind}", **attributes))
        return output

    def _add(self, name: str, value: npt.NDArray[Any] | np.generic) -> str:
        self._numbers[name] = np.asarray(value)
        return name

    def _model(self) -> Any:
        used = {name for node in self._nodes for name in node.input}
        tensors = [
            self._onnx.numpy_helper.from_array(value, name) for name, value in self._numbers.items() if name in used
        ]
        graph = self._onnx.helper.make_graph(
            self._nodes, self._graph.name, self._graph.input, self._graph.output, tensors
        )
        return model_of(graph)


def _shift(error: npt.NDArray[np.float64], means: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What an error of weights (O, I, ...) adds to the O outputs on average, by the means of the inputs' channels.

    A grouped convolution's output reads its own group of channels only; borders are taken to be like the middle.
    """
    outputs, inputs = error.shape[:2]
    groups = means.reshape(-1, inputs)
    of_output = np.arange(outputs) * len(groups) // outputs
    return np.asarray((error.reshape(outputs, inputs, -1).sum(axis=2) * groups[of_output]).sum(axis=1))
