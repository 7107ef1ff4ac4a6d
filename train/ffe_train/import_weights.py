"""Public weights as ours: a folder with ``weights.safetensors`` and, beside it, where they came from.

Whatever they were trained on, the result takes RGB in [-1, 1]: AdaFace's BGR is folded into the first convolution, and
so are the mean and deviation of ImageNet. None are shipped: their terms are for the user to read, and to name.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ffe_edge.errors import ConfigError, ModelError
from ffe_train.face_resnet import Flavour
from ffe_train.files import load_weights, save_weights, write_json
from ffe_train.networks import NetworkSpec
from ffe_train.people import SOMEBODY, write_people
from ffe_train.stage_folder import TOLD, kind_of
from ffe_train.weight_names import Layout, find_layout, find_spec, renamed

Kind = Literal["adaface", "cvlface", "insightface", "torchvision"]
ColourOrder = Literal["RGB", "BGR"]

LAYOUTS: dict[Kind, tuple[Layout, ...]] = {
    "adaface": ("ir",),
    "cvlface": ("ir", "iresnet"),
    "insightface": ("iresnet",),
    "torchvision": ("torchvision",),
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of RGB in [0, 1]. Source: torchvision, ``ImageClassification`` preset."""

LEFT_OUT = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "numpy.", "argparse.Namespace")
"""Classes in Lightning's checkpoints beside the weights: ``LeftOut`` is put in their place, so none of them is run."""
DAMAGED = (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError, struct.error)
"""What torch.load raises on bytes that are no checkpoint."""


class LeftOut:
    """Stands for a value that is not wanted; it does nothing."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was imported, and from what."""

    folder: Path
    spec: NetworkSpec
    kind: Kind
    licence: str
    colour_order: ColourOrder
    """That of the source; the result is RGB."""
    source_sha256: str
    sha256: str
    """Of ``weights.safetensors``."""
    dropped: tuple[str, ...]
    """Names in the source that are no part of the backbone: heads."""


def import_weights(path: Path, out_folder: Path, *, spec: NetworkSpec | None, kind: str, licence: str) -> ImportReport:
    """Write ``weights.safetensors``, ``weights.json`` and ``people.txt`` into a folder that recipes can start from.

    Whom public weights have learned is not known, and ``people.txt`` says so.

    Args:
        path: AdaFace's Lightning ``.ckpt``, CVLface's ``model.pt``, insightface's ``backbone.pth`` or torchvision's
            weights; safetensors with such names too.
        out_folder: made where it is absent.
        spec: the network that is wanted, None for what the file holds. Flavour and embedding are the file's: a stage
            that wants an embedding behind torchvision's weights draws one.
        kind: where the file comes from, a ``Kind``; ``auto`` tells it by the names in it.
        licence: terms of the weights, as the user read them; ``none stated`` is an answer, nothing is not.

    Raises:
        ConfigError: the licence is empty, the kind unknown, or the folder that of a trained stage.
        ModelError: the file cannot be read, could run a program, or does not fit the network.
        DataError: the disk is full or the folder cannot be written.
    """
    if kind not in {"auto", *LAYOUTS}:
        raise ConfigError(f"kind: {kind!r} is none of auto, {', '.join(LAYOUTS)}")
    if not licence.strip():
        raise ConfigError("licence: name the terms of these weights, as 'MIT' or 'none stated'")
    if (found_there := kind_of(out_folder)) in {"pretrain", "transfer", "aware"}:
        raise ConfigError(f"{out_folder}: holds {TOLD[str(found_there)]}; import into another folder")
    try:
        found = _found(_read(path), kind)
        network = _network(found, spec)
        ours = renamed(found.tensors, network, found.layout)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    order = _colour_order(path, found.kind)
    _fold(ours, found.kind, order)
    source = hashlib.sha256(path.read_bytes()).hexdigest()
    write_people(SOMEBODY, out_folder)
    save_weights(ours, out_folder / "weights.safetensors", {"network": asdict(network), "source_sha256": source})
    result = hashlib.sha256((out_folder / "weights.safetensors").read_bytes()).hexdigest()
    report = ImportReport(out_folder, network, found.kind, licence.strip(), order, source, result, found.dropped)
    write_json(_json(report, path.name), out_folder / "weights.json")
    return report


def _json(report: ImportReport, name: str) -> dict[str, Any]:
    return {
        "spec": asdict(report.spec),
        "kind": report.kind,
        "licence": report.licence,
        "input": "RGB in [-1, 1]",
        "source": {"name": name, "sha256": report.source_sha256, "colour_order": report.colour_order},
        "sha256": report.sha256,
        "dropped": list(report.dropped),
    }


def _read(path: Path) -> Mapping[str, Any]:
    """The names and values of a checkpoint; nothing in it is run."""
    if path.suffix == ".safetensors":
        return load_weights(path)[0]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_stand_ins(path)):
            warnings.simplefilter("ignore", UserWarning)  # on the pickle protocol of a file that is then refused
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror or error})") from error
    except (pickle.UnpicklingError, *DAMAGED) as error:
        raise ModelError(_refusal(error)) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise ModelError(f"holds a {type(loaded).__name__}, no weights by name")
    return loaded


def _refusal(error: Exception) -> str:
    """What torch.load will not read without running it, or that it is no checkpoint at all."""
    if not isinstance(error, pickle.UnpicklingError):
        return "is damaged or no checkpoint of tensors; fetch it again"
    if named := re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error)):
        return f"holds {named[1]} beside tensors and could run a program; ask for its weights alone"
    return "is no checkpoint that can be read without running what is in it; ask for its weights alone"


def _stand_ins(path: Path) -> list[Any]:
    """Pairs that let torch.load put ``LeftOut`` where a checkpoint names one of Lightning's classes."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except DAMAGED:
        return []
    return [(LeftOut, name) for name in names if name.startswith(LEFT_OUT)]


@dataclass(frozen=True, slots=True)
class _Found:
    tensors: dict[str, Tensor]
    """By name, without prefix and heads."""
    layout: Layout
    kind: Kind
    dropped: tuple[str, ...]


def _found(loaded: Mapping[str, Any], kind: str) -> _Found:
    tensors = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    layout, prefix = find_layout(tensors)
    heads = f"{prefix}fc." if layout == "torchvision" else f"{prefix}head."
    used = {name for name in tensors if name.startswith(prefix) and not name.startswith(heads)}
    kept = {name.removeprefix(prefix): tensors[name] for name in sorted(used)}
    return _Found(kept, layout, _kind(layout, prefix, kind), tuple(sorted(set(tensors) - used)))


def _network(found: _Found, spec: NetworkSpec | None) -> NetworkSpec:
    """What the file holds, or what is wanted in the file's flavour."""
    if spec is None:
        return find_spec(found.tensors, found.layout)
    flavour: Flavour = "insightface" if found.layout == "iresnet" else "adaface"
    return replace(spec, flavour=flavour, embedding=found.layout != "torchvision")


def _kind(layout: Layout, prefix: str, kind: str) -> Kind:
    """The kind that was named, or the one that the names tell; never a guess, since colours hang on it."""
    for known, layouts in LAYOUTS.items():
        if kind == known and layout in layouts:
            return known
    if kind != "auto":
        raise ModelError(f"its names are those of {layout}, not of {kind}")
    if layout == "torchvision":
        return "torchvision"
    if prefix == "net.":
        return "cvlface"
    if layout == "iresnet":
        return "insightface"
    if prefix == "model.":
        return "adaface"
    raise ModelError("may be AdaFace's (BGR) or CVLface's (RGB): say which kind, a wrong colour order goes unseen")


def _colour_order(path: Path, kind: Kind) -> ColourOrder:
    """AdaFace's own networks see BGR; CVLface's see RGB unless the ``model.yaml`` beside them says otherwise."""
    if kind == "adaface":
        return "BGR"
    told = path.with_name("model.yaml")
    if kind == "cvlface" and told.is_file():
        match = re.search(
            r"^\s*color_space:\s*['\"]?(\w+)", told.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
        )
        return "BGR" if match and match[1].upper() == "BGR" else "RGB"
    return "RGB"


def _fold(ours: dict[str, Tensor], kind: Kind, order: ColourOrder) -> None:
    """Make the first layers see RGB in [-1, 1].

    ImageNet's offset goes into the first norm's mean; the padding of the picture thereby turns from ImageNet's mean to
    the middle grey of our input, a difference of less than a tenth in [-1, 1].
    """
    weight = ours["body.conv1.weight"]
    if order == "BGR":
        ours["body.conv1.weight"] = weight.flip(1)
    if kind == "torchvision":
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        ours["body.conv1.weight"] = weight * (0.5 / std)
        ours["body.bn1.running_mean"] = ours["body.bn1.running_mean"] - (weight * (0.5 - mean) / std).sum(dim=(1, 2, 3))
