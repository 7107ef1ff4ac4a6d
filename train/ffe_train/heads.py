"""What is put on an embedding to learn identities: softmax, CosFace, ArcFace, AdaFace.

A head gives logits for cross entropy. Its margin is there in training mode only; in eval mode the logits are the scaled
cosines. All is computed in float32, whatever autocast says: a cosine of bfloat16 has no third digit.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

HeadKind = Literal["softmax", "cosface", "arcface", "adaface"]

COS_EPS = 1e-3
"""Cosines stay this far from +-1, where the gradient of the angle is infinite; angles as far from 0 and pi.
Source: Kim et al., AdaFace, CVPR 2022, the authors' ``head.py``."""
NORM_RANGE = (0.001, 100.0)
"""Norms of embeddings are clipped to this. Source: as above."""


class Head(nn.Module):
    """z (B, dim) before L2, class_id (B,) int64 -> logits (B, C) float32."""

    def forward(self, z: Tensor, class_id: Tensor) -> Tensor:
        """Logits for cross entropy."""
        with torch.autocast(z.device.type, enabled=False):
            return self.logits(z.float(), class_id)

    def logits(self, z: Tensor, class_id: Tensor) -> Tensor:
        """The same in float32, with autocast off."""
        raise NotImplementedError


class SoftmaxHead(Head):
    """A linear layer with bias; it needs no class."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def logits(self, z: Tensor, class_id: Tensor) -> Tensor:  # noqa: ARG002 - the seam of all heads
        """W z + b."""
        logits: Tensor = self.linear(z)
        return logits


class MarginHead(Head):
    """s cos(angle to each class's direction), with a margin against the true class while training."""

    clamp = 0.0
    """How far cosines are kept from +-1."""

    def __init__(self, dim: int, classes: int, *, margin: float, scale: float) -> None:
        super().__init__()
        self.margin = margin
        self.scale = scale
        self.weight = nn.Parameter(nn.functional.normalize(torch.rand(classes, dim) * 2 - 1))

    def logits(self, z: Tensor, class_id: Tensor) -> Tensor:
        """Scaled cosines, the true class's made smaller in training."""
        cosine = nn.functional.normalize(z) @ nn.functional.normalize(self.weight.float()).T
        cosine = cosine.clamp(-1 + self.clamp, 1 - self.clamp)
        if self.training:
            column = class_id.long().unsqueeze(1)
            target = self.with_margin(cosine.gather(1, column), z)
            cosine = cosine.scatter(1, column, target)
        return self.scale * cosine

    def with_margin(self, cosine: Tensor, z: Tensor) -> Tensor:
        """What training puts in place of the true class's cosine (B, 1)."""
        raise NotImplementedError


class CosFaceHead(MarginHead):
    """One margin on the cosine.

    Source: Wang et al., CosFace, CVPR 2018, eq. 4.
    """

    def with_margin(self, cosine: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002
        """Cos - m."""
        return cosine - self.margin


class ArcFaceHead(MarginHead):
    """Beyond an angle of pi - m a line goes on falling, as in insightface's code.

    Source: Deng et al., ArcFace, CVPR 2019, eq. 3.
    """

    clamp = COS_EPS

    def with_margin(self, cosine: Tensor, z: Tensor) -> Tensor:  # noqa: ARG002
        """cos(angle + m)."""
        falling = cosine - self.margin * math.sin(math.pi - self.margin)
        grown = torch.cos(cosine.acos() + self.margin)
        return torch.where(cosine > math.cos(math.pi - self.margin), grown, falling)


class AdaFaceHead(MarginHead):
    """A margin that asks more of faces with a long embedding, which are the clear ones.

    The running mean and deviation of the norms are buffers, moved by each training batch before it uses them. On
    several devices each has its own, unless they are broadcast (as ``DistributedDataParallel`` does from the first).

    Source: Kim et al., AdaFace, CVPR 2022, eq. 8 to 13.
    """

    clamp = COS_EPS
    norm_mean: Tensor
    norm_std: Tensor

    def __init__(self, dim: int, classes: int, *, margin: float, scale: float, h: float, alpha: float) -> None:
        super().__init__(dim, classes, margin=margin, scale=scale)
        self.h = h
        self.alpha = alpha
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    def with_margin(self, cosine: Tensor, z: Tensor) -> Tensor:
        """cos(angle - m k) - (m + m k), k the norm's place among the norms in [-1, 1]."""
        norm = torch.linalg.vector_norm(z.detach(), dim=1, keepdim=True).clamp(*NORM_RANGE)
        self._follow(norm)
        k = ((norm - self.norm_mean) / (self.norm_std + 1e-3) * self.h).clamp(-1.0, 1.0)
        angle = (cosine.acos() - self.margin * k).clamp(COS_EPS, math.pi - COS_EPS)
        target: Tensor = angle.cos() - (self.margin + self.margin * k)
        return target

    @torch.no_grad()
    def _follow(self, norm: Tensor) -> None:
        """Move the statistics towards a batch; a single face has no deviation, and moves nothing."""
        if len(norm) > 1:
            self.norm_mean.lerp_(norm.mean().to(self.norm_mean), self.alpha)
            self.norm_std.lerp_(norm.std().to(self.norm_std), self.alpha)


def new_head(
    kind: HeadKind,
    dim: int,
    classes: int,
    *,
    margin: float = 0.4,
    scale: float = 64.0,
    h: float = 0.333,
    alpha: float = 0.01,
) -> Head:
    """A head with fresh weights, drawn from torch's global generator.

    Args:
        kind: which.
        dim: size of the embedding.
        classes: identities.
        margin: m; CosFace's paper has 0.35, ArcFace's 0.5, AdaFace's 0.4. Softmax has none of the four.
        scale: s.
        h: AdaFace's concentration.
        alpha: weight of a new batch in AdaFace's statistics; 0.01 takes hundreds of steps to forget where they began.
    """
    if kind == "softmax":
        return SoftmaxHead(dim, classes)
    if kind == "cosface":
        return CosFaceHead(dim, classes, margin=margin, scale=scale)
    if kind == "arcface":
        return ArcFaceHead(dim, classes, margin=margin, scale=scale)
    if kind == "adaface":
        return AdaFaceHead(dim, classes, margin=margin, scale=scale, h=h, alpha=alpha)
    raise ValueError(f"no such head: {kind}")
