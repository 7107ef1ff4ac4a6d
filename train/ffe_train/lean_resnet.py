"""A residual net for the CPU of a device: grey, half resolution, and multiplications where a CPU does them well.

It is He's ResNet with what a face of FER's 48 px asks for: a 3 x 3 stem that keeps every pixel of the halved crop, no
pooling behind it, and few channels as long as the maps are large. Before it stands what makes a camera like another:
luminance alone, and each crop with mean 0 and deviation 1, so that neither colour nor exposure tells where a picture
came from.

Source: He et al., Deep residual learning for image recognition, CVPR 2016, sections 3.3 and 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ffe_train.plain_resnet import as_he, basic_layer

LUMINANCE_RGB = (0.299, 0.587, 0.114)
"""Weights of red, green and blue. Source: ITU-R BT.601-7, 2.5.1."""
FEWEST_CHANNELS = 16
"""Of the stem: with fewer, oneDNN hangs. Source: uxlfoundation/oneDNN, issue 6035."""
FLAT = 1e-4
"""Added to a crop's variance, for values in [-1, 1]: a picture of one grey stays one, and its noise is not blown up."""


class LeanResNet(nn.Module):
    """images (B, 3, H, W) float32 -> maps (B, ``channels``, H / 16, W / 16), rounded up, none below 0.

    Args:
        widths: channels of layer1 ... layer4; the stem has half as many as layer1.
        depths: basic blocks of each; the first halves the maps.
    """

    luminance: Tensor

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.channels = widths[-1]
        inputs = max(widths[0] // 2, FEWEST_CHANNELS)
        self.register_buffer("luminance", torch.tensor(LUMINANCE_RGB).view(1, 3, 1, 1), persistent=False)
        self.norm = nn.InstanceNorm2d(1, eps=FLAT)
        self.conv1 = nn.Conv2d(1, inputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            self.add_module(f"layer{number}", basic_layer(inputs, width, depth))
            inputs = width
        self.apply(as_he)

    def forward(self, images: Tensor) -> Tensor:
        """The last maps (B, C, h, w)."""
        grey = self.norm((images * self.luminance).sum(dim=1, keepdim=True))
        maps: Tensor = torch.relu(self.bn1(self.conv1(grey)))
        for number in range(1, 5):
            maps = self.get_submodule(f"layer{number}")(maps)
        return maps
