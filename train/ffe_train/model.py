"""The small network: a grey residual net, quick on a CPU, whose graph holds its own preprocessing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

LUMINANCE_BGR = (0.114, 0.587, 0.299)
"""Weights of blue, green and red. Source: ITU-R BT.601-7, 2.5.1."""


class Residual(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN plus the shortcut. Source: He et al., CVPR 2016, fig. 5 left."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        return torch.relu(self.body(maps) + self.shortcut(maps))


class SmallResNet(nn.Module):
    """Luminance (B, 1, 112, 112) in [0, 255] -> logits (B, K).

    The picture is halved first: FER's 48 px hold no more, and a face across a room has no more either.
    """

    def __init__(self, classes: int, widths: Sequence[int] = (32, 64, 128, 192), dropout: float = 0.3) -> None:
        super().__init__()
        first = widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(1, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        blocks: list[nn.Module] = [Residual(first, first, 2)]
        for inputs, outputs in itertools.pairwise(widths):
            blocks += [Residual(inputs, outputs, 2), Residual(outputs, outputs, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, luminance: Tensor) -> Tensor:
        """Logits (B, K)."""
        halved = nn.functional.avg_pool2d(luminance, 2)
        maps = self.blocks(self.stem((halved - 127.5) / 127.5))
        logits: Tensor = self.head(self.dropout(maps.mean(dim=(2, 3))))
        return logits


class Deployed(nn.Module):
    """The graph that a device runs: crops (B, 112, 112, 3) uint8 BGR -> probs (B, K) float32, calibrated."""

    weights: Tensor

    def __init__(self, network: SmallResNet, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("weights", torch.tensor(LUMINANCE_BGR).view(3, 1))

    def forward(self, crops: Tensor) -> Tensor:
        """Probabilities (B, K), each row sums to 1."""
        luminance = (crops.float() @ self.weights).permute(0, 3, 1, 2)
        return torch.softmax(self.network(luminance) / self.temperature, dim=1)
