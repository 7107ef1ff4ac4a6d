"""Face-ResNets: residual nets that keep the resolution of a small aligned face, and the embedding behind them.

Source: Deng et al., ArcFace, CVPR 2019, section 3.1 (improved residual unit, output BN-Dropout-FC-BN); the two flavours
are those of the public code of AdaFace (``net.py``) and of insightface (``iresnet.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Flavour = Literal["adaface", "insightface"]
"""Of a Face-ResNet: ``insightface`` has a learned shortcut in every first block, and a bias behind the embedding."""

INSIGHTFACE_STD = 0.1
"""Deviation of the convolutions' first weights. Source: insightface, ``iresnet.py``."""


class FaceBlock(nn.Module):
    """BN-conv3x3-BN-PReLU-conv3x3(stride)-BN plus the shortcut.

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: of the second convolution and of the shortcut.
        projected: the shortcut is conv1x1-BN; else every ``stride``-th pixel as it is.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, projected: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if projected
            else nn.MaxPool2d(1, stride)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride), rounded up."""
        residual = self.prelu(self.bn2(self.conv1(self.bn1(maps))))
        residual = self.bn3(self.conv2(residual))
        return torch.add(residual, self.downsample(maps))


class FaceResNet(nn.Module):
    """images (B, 3, H, W) float32 -> maps (B, ``channels``, H / 16, W / 16), rounded up."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], flavour: Flavour) -> None:
        super().__init__()
        self.channels = widths[-1]
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.prelu = nn.PReLU(widths[0])
        inputs = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            self.add_module(f"layer{number}", _layer(inputs, width, depth, flavour))
            inputs = width
        self.apply(_as_insightface if flavour == "insightface" else as_adaface)

    def forward(self, images: Tensor) -> Tensor:
        """The last maps (B, C, h, w)."""
        maps: Tensor = self.prelu(self.bn1(self.conv1(images)))
        for number in range(1, 5):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps


class Embedding(nn.Module):
    """BN-Dropout-FC-BN: maps (B, C, h, w) -> z (B, dim), before any L2 norm.

    Args:
        channels: of the maps.
        side: height and width of the maps; 1 takes their global average first, as behind a plain ResNet.
        dim: of z.
        flavour: insightface's has no dropout, and a bias (its scale stays 1) in the last norm.
    """

    def __init__(self, channels: int, side: int, dim: int, flavour: Flavour) -> None:
        super().__init__()
        self.averaged = side == 1
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(0.4 if flavour == "adaface" else 0.0)
        self.fc = nn.Linear(channels * side * side, dim)
        self.features = nn.BatchNorm1d(dim, affine=flavour == "insightface")
        if flavour == "insightface":
            self.features.weight.requires_grad_(False)
        else:
            as_adaface(self.fc)

    def forward(self, maps: Tensor) -> Tensor:
        """Embeddings (B, dim)."""
        if self.averaged:
            maps = maps.mean(dim=(2, 3), keepdim=True)
        z: Tensor = self.features(self.fc(torch.flatten(self.dropout(self.norm(maps)), 1)))
        return z


def _layer(inputs: int, outputs: int, depth: int, flavour: Flavour) -> nn.Sequential:
    projected = inputs != outputs or flavour == "insightface"
    first = FaceBlock(inputs, outputs, 2, projected=projected)
    return nn.Sequential(first, *(FaceBlock(outputs, outputs, 1, projected=False) for _ in range(depth - 1)))


def as_adaface(module: nn.Module) -> None:
    """Give a convolution or a linear layer its first weights as AdaFace's ``net.py`` does; others are left alone."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _as_insightface(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, INSIGHTFACE_STD)
