"""Weights in a folder, with what is needed to build their network: of a stage, or imported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from ffe_edge.errors import ModelError
from ffe_train.files import load_weights, read_json, save_weights
from ffe_train.networks import Backbone, ExpressionNetwork, NetworkSpec

WEIGHTS: Final = "weights.safetensors"
IMPORTED: Final = "weights.json"
"""Stands beside weights that were imported: where they come from, and under which licence."""
BACKBONE_PREFIX: Final = "backbone."
COUNTER: Final = "num_batches_tracked"
"""Public weights may lack it, and nothing here uses it."""
NAMED: Final = 5
"""Keys, or differences, that an error lists before it only counts."""


@dataclass(frozen=True)
class Stored:
    """Weights as they lie in a folder."""

    path: Path
    tensors: dict[str, Tensor]
    spec: NetworkSpec
    about: Mapping[str, Any]
    """All metadata; has ``labels`` and ``tap`` where a whole expression network lies there."""

    @property
    def of_backbone(self) -> dict[str, Tensor]:
        """The backbone's tensors by its own names."""
        if "labels" not in self.about:
            return self.tensors
        names = [name for name in self.tensors if name.startswith(BACKBONE_PREFIX)]
        return {name.removeprefix(BACKBONE_PREFIX): self.tensors[name] for name in names}


def save_backbone(tensors: Mapping[str, Tensor], folder: Path, spec: NetworkSpec, about: Mapping[str, Any]) -> None:
    """Write a backbone's state as the weights of a stage.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    save_weights(tensors, folder / WEIGHTS, {**about, "network": asdict(spec)})


def save_expression_network(
    tensors: Mapping[str, Tensor],
    folder: Path,
    spec: NetworkSpec,
    labels: tuple[str, ...],
    about: Mapping[str, Any],
    *,
    tap: str = "embedding",
) -> None:
    """Write the state of a whole expression network as the weights of a stage.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    more = {"network": asdict(spec), "labels": list(labels), "tap": tap}
    save_weights(tensors, folder / WEIGHTS, {**about, **more})


def load_backbone(folder: Path, spec: NetworkSpec | None = None) -> Backbone:
    """The backbone of a stage, whatever it learned, or of imported weights.

    Args:
        folder: of the stage or of the import.
        spec: the network asked for; None takes what lies there. A plain ResNet that is asked for with an embedding
            may start from weights without one (ImageNet's): its embedding is then fresh.

    Raises:
        ModelError: absent, damaged, of another network than asked for, or names and shapes do not fit.
    """
    stored = read_stored(folder)
    wanted = spec or stored.spec
    is_fresh = wanted.has_embedding and not stored.spec.has_embedding
    same = replace(stored.spec, embedding=True) if is_fresh else stored.spec
    if _essence(wanted) != _essence(same):
        raise ModelError(f"{stored.path}: holds {_told(stored.spec)}, but {_told(wanted)} is asked for")
    backbone = Backbone(wanted)
    fill(backbone, stored.of_backbone, stored.path, fresh="embedding." if is_fresh else None)
    return backbone


def load_expression_network(folder: Path) -> ExpressionNetwork:
    """The network of a stage that learned expressions, in eval mode; ``read_stored`` tells its labels.

    Raises:
        ModelError: absent, damaged, only a backbone, or names and shapes do not fit.
    """
    stored = read_stored(folder)
    labels = stored.about.get("labels")
    if not labels:
        raise ModelError(f"{stored.path}: holds a backbone that tells no expressions; train a stage that learns them")
    network = ExpressionNetwork(Backbone(stored.spec), len(labels), stored.about.get("tap", "embedding"))
    fill(network, stored.tensors, stored.path)
    return network.eval()


def read_stored(folder: Path) -> Stored:
    """Tensors and metadata of a folder, before any network is made of them.

    Raises:
        ModelError: absent or damaged, or nothing says of which network they are.
    """
    path = folder / WEIGHTS
    tensors, about = load_weights(path)
    if (folder / IMPORTED).is_file():
        about = {**read_json(folder / IMPORTED), **about}
    try:
        return Stored(path, tensors, NetworkSpec(**about["network"]), about)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: nothing says of which network these weights are; `ffe-edge train import` does"
        ) from error


def fill(module: nn.Module, tensors: Mapping[str, Tensor], where: Path, *, fresh: str | None = None) -> None:
    """Copy tensors into a module; names and shapes must be the module's.

    Args:
        module: what is filled.
        tensors: by the module's names.
        where: for the error.
        fresh: names that begin with it may be absent.

    Raises:
        ModelError: lists what is absent, unknown or of another shape.
    """
    asked = module.state_dict()
    problems = [f"{name} is absent" for name in asked if name not in tensors and not _may_lack(name, fresh)]
    problems += [f"{name} is unknown" for name in tensors if name not in asked]
    problems += [
        f"{name} is {tuple(value.shape)}, not {tuple(asked[name].shape)}"
        for name, value in tensors.items()
        if name in asked and value.shape != asked[name].shape
    ]
    if problems:
        raise ModelError(f"{where}: does not fit the network: {listed(problems)}")
    module.load_state_dict(dict(tensors), strict=False)


def weights_digest(folder: Path) -> str:
    """sha256 of the weights in a folder.

    Raises:
        ModelError: they cannot be read.
    """
    try:
        with (folder / WEIGHTS).open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(
            f"{folder / WEIGHTS}: cannot be read ({error.strerror or error}); run that stage first"
        ) from error
    return digest.hexdigest()


def listed(problems: list[str]) -> str:
    """The first few, and how many more there are."""
    more = len(problems) - NAMED
    return "; ".join(problems[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def _may_lack(name: str, fresh: str | None) -> bool:
    return name.endswith(COUNTER) or (fresh is not None and name.startswith(fresh))


def _essence(spec: NetworkSpec) -> tuple[str, str, str, bool]:
    """What makes two specs the same network."""
    return spec.architecture, spec.preset, spec.flavour if spec.is_face else "", spec.has_embedding


def _told(spec: NetworkSpec) -> str:
    architecture, preset, flavour, has_embedding = _essence(spec)
    return (
        f"{architecture} {preset}{' ' + flavour if flavour else ''} {'with' if has_embedding else 'without'} embedding"
    )
