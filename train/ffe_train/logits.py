"""What a network says about a prepared set."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ffe_edge.types import FloatArray
from ffe_train.networks import to_input
from ffe_train.prepared import PreparedSet


@torch.inference_mode()
def logits_of(
    network: nn.Module, faces: PreparedSet, device: torch.device, *, flip: bool = False, batch: int = 256
) -> FloatArray:
    """Logits (N, K) float32 of every face; the network is left in eval mode.

    Args:
        network: images (B, 3, 112, 112) -> logits (B, K), on the device.
        faces: N of them.
        device: where the network is.
        flip: take the mean of the picture's and its mirror image's.
        batch: faces at a time.
    """
    network.eval()
    rows = []
    for start in range(0, len(faces), batch):
        images = to_input(faces.crops(np.arange(start, min(start + batch, len(faces)))), device)
        logits = network(images)
        if flip:
            logits = (logits + network(images.flip(3))) / 2
        rows.append(logits.float().cpu().numpy())
    return np.concatenate(rows)
