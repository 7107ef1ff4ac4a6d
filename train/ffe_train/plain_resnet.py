"""ResNet18 and ResNet50 at any width, under torchvision's module names: its weights load as they are.

Source: He et al., Deep residual learning for image recognition, CVPR 2016, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ffe_edge.errors import ModelError


class PlainResNet(nn.Module):
    """images (B, 3, H, W) float32 -> maps (B, ``channels``, H / 32, W / 32), rounded up.

    ``conv1``, ``bn1``, ``layer1`` ... ``layer4`` are torchvision's; the pooling and ``fc`` behind them are left out.
    """

    def __init__(self, widths: Sequence[int], depths: Sequence[int], *, bottleneck: bool) -> None:
        super().__init__()
        block = _block(bottleneck)
        self.channels: int = widths[-1] * block.expansion
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            self.add_module(f"layer{number}", _layer(block, inputs, width, depth, stride=1 if number == 1 else 2))
            inputs = width * block.expansion
        self.apply(as_he)

    def forward(self, images: Tensor) -> Tensor:
        """The last maps (B, C, h, w), none below 0."""
        maps = torch.relu(self.bn1(self.conv1(images)))
        maps = nn.functional.max_pool2d(maps, kernel_size=3, stride=2, padding=1)
        for number in range(1, 5):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps


def basic_layer(inputs: int, width: int, depth: int) -> nn.Sequential:
    """``depth`` basic blocks, of which the first halves the maps: (B, inputs, H, W) -> (B, width, H / 2, W / 2).

    Raises:
        ModelError: without torchvision.
    """
    return _layer(_block(False), inputs, width, depth, stride=2)


def _block(bottleneck: bool) -> Any:
    try:
        from torchvision.models.resnet import BasicBlock, Bottleneck  # noqa: PLC0415 - Face-ResNets do without it
    except ImportError as error:
        raise ModelError("plain and lean ResNets need torchvision: pip install 'ffe-edge[train]'") from error
    return Bottleneck if bottleneck else BasicBlock


def _layer(block: Any, inputs: int, width: int, depth: int, *, stride: int) -> nn.Sequential:
    outputs = width * block.expansion
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(block(inputs, width, stride, shortcut), *(block(outputs, width) for _ in range(depth - 1)))


def as_he(module: nn.Module) -> None:
    """Give a convolution its first weights; norms begin at 1 and 0 by themselves.

    Source: He et al., Delving deep into rectifiers, ICCV 2015.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
