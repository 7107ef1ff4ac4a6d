"""L2-SP: weights are pulled towards where they started, not towards zero.

Source: Li et al., Explicit inductive bias for transfer learning with convolutional networks, ICML 2018, eq. 2:
alpha / 2 |w - w0|^2 for the layers that were taken over, the usual decay towards zero for the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


class Anchor:
    """Remembers where parameters start, and adds the pull back to their gradients."""

    def __init__(self, parameters: Iterable[nn.Parameter], strength: float) -> None:
        self._parameters = list(parameters)
        self._start = [parameter.detach().clone() for parameter in self._parameters]
        self._strength = strength

    def pull(self) -> None:
        """Add alpha (w - w0) to the gradients; a parameter that the loss does not reach has none, and stays.

        To be called after clipping, as an optimiser adds its decay: the pull is no part of the loss.
        """
        with torch.no_grad():
            for parameter, start in zip(self._parameters, self._start, strict=True):
                if parameter.grad is not None:
                    parameter.grad.add_(parameter - start, alpha=self._strength)
