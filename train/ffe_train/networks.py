"""The networks by name: plain, face and lean ResNets in three sizes, and what is put on them to tell expressions.

All take RGB (B, 3, 112, 112) in [-1, 1], as ``to_input`` makes it of crops; ``channels_last`` and autocast are left to
the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ffe_edge.align import CROP_PX
from ffe_edge.errors import ConfigError
from ffe_edge.types import ImageArray
from ffe_train.face_resnet import Embedding, FaceResNet, Flavour
from ffe_train.lean_resnet import LeanResNet
from ffe_train.plain_resnet import PlainResNet

Imported = Literal["resnet18", "resnet50", "face-resnet18", "face-resnet50"]
"""Of which there are public weights."""
Architecture = Literal[Imported, "lean-resnet14"]
Preset = Literal["tiny", "small", "paper"]
Tap = Literal["embedding", "pooled"]

WIDTHS: dict[Preset, tuple[int, int, int, int]] = {
    "tiny": (16, 32, 64, 128),
    "small": (32, 64, 128, 256),
    "paper": (64, 128, 256, 512),
}
"""Channels of layer1 ... layer4; the stem is as wide as layer1. None below 16: with fewer, oneDNN hangs in the gradient
of a strided 1x1 convolution. Source: uxlfoundation/oneDNN, issue 6035."""
SIDE_PX: dict[Preset, int] = {"tiny": 56, "small": 112, "paper": 112}
"""Side of the picture that the first convolution sees: the crop's, or the half. A lean net always sees the half."""
DEPTHS: dict[Architecture, tuple[int, int, int, int]] = {
    "resnet18": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "face-resnet18": (2, 2, 2, 2),
    "face-resnet50": (3, 4, 14, 3),
    "lean-resnet14": (1, 2, 2, 1),
}
"""Blocks of layer1 ... layer4."""


@dataclass(frozen=True)
class NetworkSpec:
    """Which network: enough to build it again beside its weights."""

    architecture: Architecture
    preset: Preset = "paper"
    flavour: Flavour = "adaface"
    """Of a Face-ResNet; a plain ResNet has none."""
    embedding: bool = True
    """Whether a plain or a lean ResNet gets the BN-FC-BN embedding; a Face-ResNet always has it."""

    def __post_init__(self) -> None:
        if (
            self.architecture not in DEPTHS
            or self.preset not in WIDTHS
            or self.flavour not in {"adaface", "insightface"}
        ):
            raise ValueError(f"no such network: {self.architecture} {self.preset} {self.flavour}")

    @property
    def is_face(self) -> bool:
        """Whether it is a Face-ResNet."""
        return self.architecture.startswith("face-")

    @property
    def is_lean(self) -> bool:
        """Whether it is a net for the CPU of a device."""
        return self.architecture.startswith("lean-")

    @property
    def side_px(self) -> int:
        """Side of the picture that the first convolution sees."""
        return CROP_PX // 2 if self.is_lean else SIDE_PX[self.preset]

    @property
    def has_embedding(self) -> bool:
        """Whether an embedding follows the last maps."""
        return self.is_face or self.embedding


def network_spec(
    architecture: str, *, preset: str = "paper", flavour: str = "adaface", embedding: bool = True
) -> NetworkSpec:
    """A spec of words that a user wrote.

    Raises:
        ConfigError: one of them is unknown.
    """
    words = {"architecture": architecture, "preset": preset, "flavour": flavour}
    known = {"architecture": tuple(DEPTHS), "preset": tuple(WIDTHS), "flavour": get_args(Flavour)}
    for key, word in words.items():
        if word not in known[key]:
            raise ConfigError(f"{key}: {word!r} is none of {', '.join(known[key])}")
    return NetworkSpec(**words, embedding=embedding)  # type: ignore[arg-type]


class Backbone(nn.Module):
    """images (B, 3, 112, 112) float RGB in [-1, 1] -> features (B, ``dim``)."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        widths, depths = WIDTHS[spec.preset], DEPTHS[spec.architecture]
        self._shrink = CROP_PX // spec.side_px
        side = -(-spec.side_px // 16) if spec.is_face else 1
        self.body: FaceResNet | LeanResNet | PlainResNet
        if spec.is_face:
            self.body = FaceResNet(widths, depths, spec.flavour)
        elif spec.is_lean:
            self.body = LeanResNet(widths, depths)
        else:
            self.body = PlainResNet(widths, depths, bottleneck=spec.architecture == "resnet50")
        self.pooled_dim = self.body.channels
        self.dim = widths[-1] if spec.has_embedding else self.pooled_dim
        flavour = spec.flavour if spec.is_face else "adaface"
        self.embedding = Embedding(self.pooled_dim, side, self.dim, flavour) if spec.has_embedding else None

    def forward(self, images: Tensor) -> Tensor:
        """The embedding z (B, dim) before L2; of a plain ResNet without one, the pooled features."""
        if self.embedding is None:
            return self.pooled(images)
        z: Tensor = self.embedding(self._maps(images))
        return z

    def pooled(self, images: Tensor) -> Tensor:
        """Global average (B, pooled_dim) of the last maps: the features before the embedding."""
        return self._maps(images).mean(dim=(2, 3))

    def groups(self) -> list[list[nn.Parameter]]:
        """All parameters: stem, layer1 ... layer4, embedding where there is one."""
        layers = [self.body.get_submodule(f"layer{number}") for number in range(1, 5)]
        of_layers = [list(layer.parameters()) for layer in layers]
        known = {id(parameter) for group in of_layers for parameter in group}
        stem = [parameter for parameter in self.body.parameters() if id(parameter) not in known]
        last = [] if self.embedding is None else [list(self.embedding.parameters())]
        return [stem, *of_layers, *last]

    def _maps(self, images: Tensor) -> Tensor:
        if self._shrink > 1:
            images = nn.functional.avg_pool2d(images, self._shrink)
        maps: Tensor = self.body(images)
        return maps


def new_backbone(spec: NetworkSpec) -> Backbone:
    """A network with fresh weights, drawn from torch's global generator.

    Raises:
        ModelError: a plain ResNet without torchvision.
    """
    return Backbone(spec)


class ExpressionNetwork(nn.Module):
    """images (B, 3, 112, 112) float RGB in [-1, 1] -> logits (B, K): a linear layer on a backbone's features."""

    def __init__(self, backbone: Backbone, classes: int, tap: Tap = "embedding", dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = backbone
        self.tap = tap
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.dim if tap == "embedding" else backbone.pooled_dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K)."""
        logits: Tensor = self.head(self.dropout(self.features(images)))
        return logits

    def features(self, images: Tensor) -> Tensor:
        """What the head looks at: the embedding z or the pooled features (B, D)."""
        features: Tensor = self.backbone(images) if self.tap == "embedding" else self.backbone.pooled(images)
        return features


def to_input(crops: ImageArray | Tensor, device: torch.device | str | None = None) -> Tensor:
    """Crops (B, 112, 112, 3) uint8 BGR -> images (B, 3, 112, 112) float32 RGB, (x / 255 - 0.5) / 0.5.

    Args:
        crops: as stored; they travel to the device as bytes, and lie there in ``channels_last`` order.
        device: where to; None leaves a tensor where it is.
    """
    if not isinstance(crops, Tensor):
        crops = torch.from_numpy(np.require(crops, requirements=["C", "W"]))
    if crops.dtype != torch.uint8 or crops.ndim != 4 or crops.shape[3] != 3:
        raise ValueError(f"crops must be (B, H, W, 3) uint8, not {tuple(crops.shape)} {crops.dtype}")
    rgb = crops.to(device, non_blocking=True).flip(3)
    return rgb.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
