"""A network that computes in FP32 with the numbers that its INT8 export will have.

Weights are rounded per output channel, the input of every convolution and linear layer and the skip branch of every
residual sum per tensor, all symmetrically: where export puts Q/DQ for engines, and as it does. The head stays FP32 here
and there. Source: Jacob et al., Quantization
and training of neural networks for efficient integer-arithmetic-only inference, CVPR 2018, section 3; Krishnamoorthi,
Quantizing deep convolutional networks for efficient inference, arXiv:1806.08342, section 3.

**Norms.** Export folds them before it quantizes, so a weight counts as it is when folded:

- Behind a convolution or a linear layer a norm in eval mode multiplies each output channel by one number k. Rounding
  with one symmetric step per output channel commutes with that: the largest |k w| of a channel is |k| times the largest
  |w|, so k w / step stays the same integer (its sign turns with k's), and k round(w) = round(k w). Rounding the weights
  as they stand *is* rounding the folded ones; nothing needs folding, and the architecture stays what it is.
- In front of the embedding's linear layer a norm scales inputs, which does not commute: that one is folded here, too.
- In front of a padded convolution a norm cannot be folded and stays FP32, here and in the export.

Statistics stand still throughout, as folding freezes them (Jacob et al., section 3.2; Krishnamoorthi, section 3.2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.hooks import RemovableHandle

from ffe_train.face_resnet import Embedding
from ffe_train.networks import ExpressionNetwork

WEIGHT_LEVELS: Final = {8: 127, 7: 64, 6: 31, 5: 15, 4: 7}
"""Largest integer of a weight by its bits. Of 7 bits it is ONNX Runtime's ``reduce_range``, whose products do not
overflow where a CPU adds them up in 16 bits; fewer are for experiments, no runtime here computes with them."""
ACTIVATION_LEVELS: Final = 127
SMALLEST: Final = 1e-12
"""Step of what is zero everywhere."""

Forward = Callable[[Tensor], Tensor]
"""images (B, 3, 112, 112) -> logits (B, K)."""


def fake_quantize(values: Tensor, step: Tensor, levels: int) -> Tensor:
    """Values as their integers tell them: step * clip(round(values / step), -levels, levels), half to even.

    The gradient passes where no integer is clipped, and is zero elsewhere. Source: Jacob et al., eq. 12, with zero
    point 0; Bengio et al., Estimating or propagating gradients through stochastic neurons, arXiv:1308.3432.

    Args:
        values: any shape.
        step: one, or one for each output channel in a shape that broadcasts; above zero.
        levels: largest integer.
    """
    scaled = (values / step).clamp(-levels - 0.5, levels + 0.5)
    return (scaled + (scaled.round().clamp(-levels, levels) - scaled).detach()) * step


def fake_quantized_weight(weight: Tensor, bits: int) -> Tensor:
    """(out, ...) weights with one step for each output channel: its largest magnitude over the largest integer."""
    largest = weight.detach().abs().flatten(1).amax(dim=1)
    step = (largest / WEIGHT_LEVELS[bits]).clamp(min=SMALLEST)
    return fake_quantize(weight, step.view(-1, *[1] * (weight.ndim - 1)), WEIGHT_LEVELS[bits])


@contextmanager
def fake_quantized(network: ExpressionNetwork, bits: int, images: Iterable[Tensor]) -> Iterator[Forward]:
    """The network as its integers will compute; gradients reach its own parameters.

    Inside the context only the function given may be called: layers carry hooks. Afterwards the network is plain, and
    as before but for what an optimizer has moved.

    Args:
        network: in eval mode, on its device.
        bits: of the weights, a key of ``WEIGHT_LEVELS``; activations have 8.
        images: batches (B, 3, 112, 112) that activations are measured on: their largest magnitude in the folded FP32
            network is the largest that has an integer, as when export calibrates by minimum and maximum.
    """
    if bits not in WEIGHT_LEVELS or network.training:
        raise ValueError(f"{bits} bits of a network in {'training' if network.training else 'eval'} mode")
    activations, handles = _watched(network)
    try:
        with torch.no_grad():
            for batch in images:
                functional_call(network, folded(network), (batch,))
        for activation in activations:
            activation.is_measured = True
        yield lambda batch: functional_call(network, quantized(network, bits), (batch,))
    finally:
        for handle in handles:
            handle.remove()


def folded(network: ExpressionNetwork) -> dict[str, Tensor]:
    """Tensors by name, in place of the network's own: the norm before the embedding's linear layer is inside it."""
    tensors: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, Embedding):
            tensors |= {f"{name}.{inner}": tensor for inner, tensor in _folded_embedding(module).items()}
    return tensors


def quantized(network: ExpressionNetwork, bits: int) -> dict[str, Tensor]:
    """Tensors by name, in place of the network's own: ``folded``, and the weights of layers fake-quantized."""
    tensors = folded(network)
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module is not network.head:
            weight = tensors.get(f"{name}.weight", module.weight)
            tensors[f"{name}.weight"] = fake_quantized_weight(weight, bits)
    return tensors


def _folded_embedding(embedding: Embedding) -> dict[str, Tensor]:
    """W (k x + c) + b = (W k) x + (W c + b); the norm is left to do nothing."""
    norm, fc = embedding.norm, embedding.fc
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("the embedding's norm keeps no statistics")
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    pixels = fc.in_features // len(scale)
    scales = scale.repeat_interleave(pixels)
    shifts = (norm.bias - mean * scale).repeat_interleave(pixels)
    return {
        "norm.weight": torch.ones_like(scale),
        "norm.bias": torch.zeros_like(scale),
        "norm.running_mean": torch.zeros_like(mean),
        "norm.running_var": torch.ones_like(variance) - norm.eps,
        "fc.weight": fc.weight * scales,
        "fc.bias": fc.bias + fc.weight @ shifts,
    }


class _Activation:
    """A tensor on its way: measured first, then fake-quantized."""

    def __init__(self) -> None:
        self.largest: Tensor | None = None
        self.is_measured = False

    def __call__(self, values: Tensor) -> Tensor:
        if not self.is_measured:
            now = values.detach().abs().amax()
            self.largest = now if self.largest is None else torch.maximum(self.largest, now)
            return values
        if self.largest is None:
            raise ValueError("activations are measured on one batch or more")
        return fake_quantize(values, (self.largest / ACTIVATION_LEVELS).clamp(min=SMALLEST), ACTIVATION_LEVELS)


def _watched(network: ExpressionNetwork) -> tuple[list[_Activation], list[RemovableHandle]]:
    """An activation before every layer but the head, and one on the skip branch of every residual block.

    A skip without layers is rounded where it comes in. Where it is the block's own input, the first layer takes it
    too: one tensor, rounded once. Pooling every other pixel changes no number, but fewer pixels would have another
    range than export, which measures before the pooling, finds.
    """
    activations, handles = [], []
    for module in network.modules():
        activation = _Activation()
        skip = getattr(module, "downsample", None)
        is_layer = isinstance(module, (nn.Conv2d, nn.Linear)) and module is not network.head
        if isinstance(skip, nn.Sequential):
            handles.append(skip.register_forward_hook(partial(_behind, activation)))
        elif isinstance(skip, nn.MaxPool2d):
            handles.append(skip.register_forward_pre_hook(partial(_before, activation)))
        elif is_layer or hasattr(module, "downsample"):
            handles.append(module.register_forward_pre_hook(partial(_before, activation)))
        else:
            continue
        activations.append(activation)
    return activations, handles


def _before(activation: _Activation, _module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return activation(inputs[0]), *inputs[1:]


def _behind(activation: _Activation, _module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return activation(output)
