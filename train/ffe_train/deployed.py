"""A trained network as a device runs it: images in, logits and a unit embedding out."""

from __future__ import annotations

from torch import Tensor, nn

from ffe_train.networks import ExpressionNetwork

LEAST_NORM = 1e-6
"""Of an embedding; a shorter one is left short."""


class Deployed(nn.Module):
    """images (B, 3, S, S) float32 RGB in [-1, 1] -> logits (B, K) before the temperature, embedding (B, D).

    The embedding is what the head looks at, of L2 norm 1.
    """

    def __init__(self, network: ExpressionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding."""
        features = self.network.features(images)
        logits: Tensor = self.network.head(features)
        return logits, features / features.norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)
