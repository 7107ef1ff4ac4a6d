"""Linear probe: the last layer learns on features that stand still, so that it does no harm when they may move.

Source: Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution, ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ffe_edge.types import FloatArray, ImageArray
from ffe_train.networks import ExpressionNetwork, to_input
from ffe_train.recipes import Probe

IntArray = npt.NDArray[np.int64]
Crops = Callable[[IntArray], ImageArray]
"""From indices (B,) to crops (B, 112, 112, 3) uint8 BGR."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, K) and targets (B, K) to a scalar."""

BATCH = 64


def probe(
    network: ExpressionNetwork, crops: Crops, targets: FloatArray, loss: Loss, settings: Probe, seed: int
) -> Iterator[float]:
    """Train the head alone, in place, by gradient descent with momentum and a rate that falls to zero along a cosine.

    The network sees every picture and its mirror image once; the epochs run over what it made of them, each feature
    with mean 0 and deviation 1, so that a rate means the same for every tap. The head is put in place at the end.

    Args:
        network: on its device; its batch norms keep their statistics.
        crops: of the training part.
        targets: (N, K) float32 of the training part.
        loss: of a batch.
        settings: epochs and learning rate.
        seed: of the order.

    Yields:
        The mean loss of each epoch.
    """
    device = network.head.weight.device
    features, mean, deviation = standardised(features_of(network, crops, len(targets)))
    goals = torch.from_numpy(targets).to(device)
    head = nn.Linear(features.shape[2], targets.shape[1]).to(device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.SGD(head.parameters(), settings.learning_rate, momentum=0.9)
    batches = max(round(len(targets) / BATCH), 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * batches)
    for _ in range(settings.epochs):
        total = 0.0
        for chunk in np.array_split(rng.permutation(len(targets)), batches):
            side = torch.from_numpy(rng.integers(0, 2, len(chunk))).to(device)
            index = torch.from_numpy(chunk).to(device)
            value = loss(head(features[side, index]), goals[index])
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(value.detach())
        yield total / batches
    with torch.no_grad():
        network.head.weight.copy_(head.weight / deviation)
        network.head.bias.copy_(head.bias - head.weight @ (mean / deviation))


def standardised(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features (2, N, D) with mean 0 and deviation 1 in each of D, and these means and deviations (D,).

    A feature that hardly moves, beside the others or beside what it is, is not blown up.
    """
    mean, deviation = features.mean(dim=(0, 1)), features.std(dim=(0, 1), correction=0)
    deviation = deviation.clamp(min=float(deviation.mean() / 100 + mean.abs().mean() / 1000) + 1e-12)
    return (features - mean) / deviation, mean, deviation


def features_of(network: ExpressionNetwork, crops: Crops, count: int, batch: int = 128) -> Tensor:
    """What the head is given, (2, N, D) float32 on the network's device: of the pictures, of their mirror images."""
    network.eval()
    backbone, device = network.backbone, network.head.weight.device
    tapped: nn.Module | Callable[[Tensor], Tensor] = backbone if network.tap == "embedding" else backbone.pooled
    rows = []
    with torch.no_grad():
        for start in range(0, count, batch):
            images = to_input(crops(np.arange(start, min(start + batch, count))), device)
            rows.append(torch.stack([tapped(images), tapped(images.flip(3))]).float())
    return torch.cat(rows, dim=1)
