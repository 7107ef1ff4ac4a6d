"""What a model file needs to be used, carried inside the ONNX itself (``metadata_props``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ffe_edge.errors import ModelError

SPEC_KEY = "ffe_model_spec"
"""Key of the JSON in the ONNX's ``metadata_props``."""
SPEC_VERSION = 1
PRECISIONS = ("fp32", "fp16", "int8")
GRAPHS = ("crops", "images")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model's labels, input and history. The graph itself normalises, applies the temperature and the softmax."""

    name: str
    labels: tuple[str, ...]
    """(K,) in the order of the output ``probs``."""
    size_px: int = 112
    """Side of the square crop, aligned to the ArcFace template."""
    colour: str = "BGR"
    """Colour order of the crops that the graph takes."""
    mean: tuple[float, ...] = (127.5,)
    """Subtracted inside the graph, in grey levels: for reading, never applied again."""
    std: tuple[float, ...] = (127.5,)
    """Divided by inside the graph."""
    temperature: float = 1.0
    """Divides the logits inside the graph."""
    precision: str = "fp32"
    graph: str = "crops"
    """``crops``: uint8 crops in, ``probs`` out, everything inside. ``images``: the bare network that engines are built
    of, float32 RGB (B, 3, S, S) = (x - mean) / std in, ``logits`` before the temperature out."""
    quantization: Mapping[str, Any] = field(default_factory=dict)
    """How numbers were made smaller: calibration, ranges, layers left alone. Empty for FP32."""
    parent_sha256: str = ""
    """Of the FP32 file that this one was made of."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Held-out results, each with n and its 95 % interval."""
    data: tuple[str, ...] = ()
    """What it was trained on, with terms."""
    recipe: str = ""
    commit: str = ""
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        are_names = all(isinstance(label, str) for label in self.labels)
        if not are_names or len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a model needs two or more different labels, not {list(self.labels)}")
        if self.size_px != int(self.size_px) or self.size_px < 16 or not 0 < self.temperature < float("inf"):
            raise ValueError(f"size_px {self.size_px} or temperature {self.temperature} is out of range")
        if self.precision not in PRECISIONS or self.graph not in GRAPHS:
            raise ValueError(f"no such precision or graph: {self.precision}, {self.graph}")
        if self.colour != "BGR":
            raise ValueError(f"crops are BGR, not {self.colour}; turn the channels round inside the graph")

    def to_json(self) -> str:
        """JSON text for ``metadata_props[SPEC_KEY]``."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelSpec:
        """Read a spec that came with a model file.

        Args:
            text: the JSON.
            where: the file, for the error message.

        Raises:
            ModelError: the text is no spec of this version.
        """
        try:
            values = json.loads(text)
            if values.get("version") != SPEC_VERSION:
                raise ModelError(
                    f"{where}: its spec has version {values.get('version')}, this program reads {SPEC_VERSION}"
                )
            tuples = {key: _tuple(values[key]) for key in ("labels", "mean", "std", "data") if key in values}
            return cls(**{**values, **tuples})
        except (json.JSONDecodeError, AttributeError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{where}: its model spec cannot be read ({error}); export it again") from error


def _tuple(values: object) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise TypeError("labels, mean, std and data are lists")
    return tuple(values)
