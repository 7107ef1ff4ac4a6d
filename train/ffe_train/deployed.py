"""A trained network as a device runs it: images in, logits and a unit embedding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffe_train.model import LUMINANCE_BGR, SmallResNet
from ffe_train.networks import ExpressionNetwork

LEAST_NORM = 1e-6
"""Of an embedding; a shorter one is left short."""


class Deployed(nn.Module):
    """images (B, 3, S, S) float32 RGB in [-1, 1] -> logits (B, K) before the temperature, embedding (B, D).

    The embedding is what the head looks at, of L2 norm 1.
    """

    def __init__(self, network: ExpressionNetwork | SmallResNet) -> None:
        super().__init__()
        self.network = _InColour(network) if isinstance(network, SmallResNet) else network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding."""
        features = self.network.features(images)
        logits: Tensor = self.network.head(features)
        return logits, features / features.norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)


class _InColour(nn.Module):
    """The small network with its luminance inside the first convolution: both are linear, and the weights sum to 1."""

    def __init__(self, network: SmallResNet) -> None:
        super().__init__()
        first = network.stem[0]
        if not isinstance(first, nn.Conv2d):
            raise TypeError("the small network begins with a convolution")
        grey = first.weight.detach()
        self.stem = nn.Conv2d(3, first.out_channels, 3, 1, 1, bias=False)
        self.stem.weight = nn.Parameter(grey * torch.tensor(LUMINANCE_BGR[::-1]).view(1, 3, 1, 1))
        self.rest = nn.Sequential(*network.stem[1:], network.blocks)
        self.head = network.head

    def features(self, images: Tensor) -> Tensor:
        """(B, D) mean of the last maps."""
        maps: Tensor = self.rest(self.stem(nn.functional.avg_pool2d(images, 2)))
        return maps.mean(dim=(2, 3))
