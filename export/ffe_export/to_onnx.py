"""A trained network -> the bare ONNX network, held against the original."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FloatArray, ImageArray, Reading
from ffe_export.graph import BATCH, EMBEDDING, IMAGES, LOGITS, OPSET, onnx_module, parsed

if TYPE_CHECKING:
    from ffe_train.deployed import Deployed

MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability, or of a number of the embedding, between torch and ONNX Runtime."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a file is from the network it was made of."""

    probs: float
    """Largest difference of a probability."""
    embedding: float
    """Largest difference of a number of the embedding."""
    crops: int
    """On how many crops."""


def to_onnx(network: Deployed, spec: ModelSpec) -> Any:
    """Trace the bare network.

    Args:
        network: in eval mode; ``images`` (B, 3, S, S) -> ``logits`` (B, K), ``embedding`` (B, D).
        spec: of the file to be; its labels are the network's.

    Returns:
        The checked model, opset 17, any batch.

    Raises:
        ModelError: onnx or torch is not installed, or the network has another number of classes.
    """
    onnx_module()
    import torch

    images = torch.zeros(2, 3, spec.size_px, spec.size_px)
    with torch.inference_mode():
        classes = network.eval()(images)[0].shape[1]
    if classes != len(spec.labels):
        raise ModelError(f"{spec.name}: the network has {classes} classes, its spec {len(spec.labels)} labels")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the tracing exporter is quick and its graphs are plain
        # torch's own modules check sizes, which do not change with the batch; an instance norm has no other mode
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python", module=r"torch\.nn\.")
        warnings.filterwarnings("ignore", message=".*operator 'instance_norm' is set to train=True")
        torch.onnx.export(
            network,
            (images,),
            buffer,  # type: ignore[arg-type]
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[LOGITS, EMBEDDING],
            dynamic_axes={name: {0: BATCH} for name in (IMAGES, LOGITS, EMBEDDING)},
            dynamo=False,
        )
    return parsed(buffer.getvalue(), spec.name)


class TorchRunner:
    """The network itself, on the CPU, at its temperature."""

    backend = "torch"
    precision = "fp32"

    def __init__(self, network: Deployed, temperature: float) -> None:
        self._network, self._temperature = network.eval(), temperature

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K)."""
        return self.read(crops).probs

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities (B, K) and embeddings (B, D) of crops (B, S, S, 3) uint8 BGR."""
        import torch

        from ffe_train.networks import to_input

        with torch.inference_mode():
            logits, embedding = self._network(to_input(crops))
            probs = torch.softmax(logits / self._temperature, dim=1)
        return Reading(probs.numpy(), embedding.numpy())


def difference(reference: Reading, other: Reading) -> Difference:
    """How far two readings of the same crops are apart."""
    if reference.embedding is None or other.embedding is None:
        raise ValueError("both readings must have embeddings")
    return Difference(
        float(np.abs(reference.probs - other.probs).max()),
        float(np.abs(reference.embedding - other.embedding).max()),
        len(reference.probs),
    )


def check_same(found: Difference, name: str) -> None:
    """Refuse a file that says something else than its network.

    Raises:
        ModelError: the difference is above ``MAX_DIFFERENCE``, or no number.
    """
    if not (found.probs <= MAX_DIFFERENCE and found.embedding <= MAX_DIFFERENCE):
        raise ModelError(
            f"{name}: not written, its probabilities differ by {found.probs:.2g} and its embeddings by"
            f" {found.embedding:.2g} from the network's (at most {MAX_DIFFERENCE:g})"
        )
