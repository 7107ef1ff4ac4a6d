"""What public checkpoints call the weights of our networks, and which network a checkpoint holds.

Layouts: ``ir`` is AdaFace's and CVLface's ``net.py`` (``input_layer``, ``body.i``, ``output_layer``), ``iresnet`` is
insightface's ``iresnet.py``, ``torchvision`` its ResNet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor

from ffe_edge.errors import ModelError
from ffe_train.networks import DEPTHS, WIDTHS, Architecture, NetworkSpec, new_backbone

Layout = Literal["ir", "iresnet", "torchvision"]

STEMS: dict[Layout, str] = {"ir": "input_layer.0.weight", "iresnet": "conv1.weight", "torchvision": "conv1.weight"}
"""Name of the first convolution."""

IR_BODY = {"conv1": "input_layer.0", "bn1": "input_layer.1", "prelu": "input_layer.2"}
IR_BLOCK = {
    "bn1": "res_layer.0", "conv1": "res_layer.1", "bn2": "res_layer.2", "prelu": "res_layer.3", "conv2": "res_layer.4",
    "bn3": "res_layer.5", "downsample.0": "shortcut_layer.0", "downsample.1": "shortcut_layer.1",
}  # fmt: skip
IR_EMBEDDING = {"norm": "output_layer.0", "fc": "output_layer.3", "features": "output_layer.4"}
IRESNET_EMBEDDING = {"norm": "bn2", "fc": "fc", "features": "features"}
IR_UNITS: dict[int, Architecture] = {8: "face-resnet18", 24: "face-resnet50"}
"""Blocks of a whole ``ir`` body."""

SHOWN = 8
"""Mismatches named in an error."""

OURS = re.compile(
    r"(?:body\.(?:layer(?P<layer>\d)\.(?P<block>\d+)\.)?|(?P<last>embedding)\.)(?P<module>.+)\.(?P<leaf>\w+)"
)
"""A name in the state of a ``Backbone``."""


def find_layout(names: Iterable[str]) -> tuple[Layout, str]:
    """Layout and prefix of a checkpoint's names, as ``("ir", "model.")``.

    Raises:
        ModelError: no layout fits.
    """
    known = set(names)
    if prefix := _prefix(known, "input_layer.0.weight"):
        return "ir", prefix[0]
    if prefix := _prefix(known, "conv1.weight"):
        return ("iresnet" if f"{prefix[0]}prelu.weight" in known else "torchvision"), prefix[0]
    seen = ", ".join(sorted(known)[:3]) or "nothing"
    raise ModelError(f"neither AdaFace's, CVLface's, insightface's nor torchvision's names are in it, but {seen} ...")


def _prefix(names: set[str], stem: str) -> list[str]:
    """What stands before the first convolution's name; of several the shortest, since blocks have a ``conv1`` too."""
    found = [name.removesuffix(stem) for name in names if name == stem or name.endswith(f".{stem}")]
    return sorted(found, key=len)[:1]


def find_spec(tensors: Mapping[str, Tensor], layout: Layout) -> NetworkSpec:
    """The network that tensors without prefix belong to.

    Raises:
        ModelError: it is none of ours.
    """
    architecture = _architecture(tensors, layout)
    width = len(tensors[STEMS[layout]])
    for preset, widths in WIDTHS.items():
        if architecture is not None and widths[0] == width:
            flavour: Literal["adaface", "insightface"] = "insightface" if layout == "iresnet" else "adaface"
            return NetworkSpec(architecture, preset, flavour, embedding=layout != "torchvision")
    raise ModelError(
        f"a network of {_count(tensors, r'(?:body|layer[1-4])')} blocks behind {width} channels is none of "
        f"{', '.join(DEPTHS)}: only these can be imported"
    )


def _architecture(tensors: Mapping[str, Tensor], layout: Layout) -> Architecture | None:
    if layout == "ir":
        return IR_UNITS.get(_count(tensors, "body"))
    depths = tuple(_count(tensors, f"layer{number}") for number in range(1, 5))
    bottleneck = "layer1.0.conv3.weight" in tensors
    for architecture, known in DEPTHS.items():
        face = architecture.startswith("face-")
        if architecture.startswith("lean-"):
            continue
        if depths == known and face == (layout == "iresnet") and bottleneck == (architecture == "resnet50"):
            return architecture
    return None


def _count(names: Iterable[str], parent: str) -> int:
    return len({match[0] for name in names if (match := re.match(rf"{parent}\.\d+\.", name))})


def foreign_names(spec: NetworkSpec, layout: Layout) -> dict[str, str | None]:
    """Of each tensor of our backbone the name in a checkpoint of this layout, None where the layout has no such."""
    return {name: _foreign(name, spec, layout) for name in expected(spec)}


def expected(spec: NetworkSpec) -> dict[str, Tensor]:
    """The state of our backbone without memory: names, shapes and types."""
    with torch.device("meta"):
        return new_backbone(spec).state_dict()


def renamed(tensors: Mapping[str, Tensor], spec: NetworkSpec, layout: Layout) -> dict[str, Tensor]:
    """Our backbone's state from a checkpoint's.

    Args:
        tensors: by the checkpoint's names without prefix, floats of any precision.
        spec: the network to fill.
        layout: of the names.

    Raises:
        ModelError: names or shapes do not fit, or a value is not finite; it names the first eight and their count.
    """
    wanted, names = expected(spec), foreign_names(spec, layout)
    known = set(names.values())
    problems = [f"unexpected {name}" for name in tensors if name not in known]
    ours: dict[str, Tensor] = {}
    for name, value in wanted.items():
        theirs = names[name]
        if theirs is not None and theirs in tensors:
            ours[name] = tensors[theirs].to(value.dtype, copy=True)
            problems += _misfit(theirs, ours[name], value)
        elif name.endswith("num_batches_tracked"):
            ours[name] = torch.zeros((), dtype=value.dtype)
        else:
            problems.append(f"missing {theirs or name}")
    if problems:
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        told = "; ".join(problems[:SHOWN])
        raise ModelError(f"does not fit {spec.architecture} {spec.preset}, mismatches {len(problems)}: {told}{more}")
    return ours


def _misfit(name: str, value: Tensor, wanted: Tensor) -> list[str]:
    if value.shape != wanted.shape:
        return [f"{name} is {tuple(value.shape)}, not {tuple(wanted.shape)}"]
    return [] if value.isfinite().all() else [f"{name} is not finite"]


def _foreign(name: str, spec: NetworkSpec, layout: Layout) -> str | None:
    part = OURS.fullmatch(name)
    if part is None:
        raise ValueError(f"{name} is no tensor of a backbone")
    if layout == "ir":
        return _ir(part, DEPTHS[spec.architecture])
    if part["last"]:
        return None if layout == "torchvision" else f"{IRESNET_EMBEDDING[part['module']]}.{part['leaf']}"
    return name.removeprefix("body.")


def _ir(part: re.Match[str], depths: tuple[int, ...]) -> str | None:
    """Plain ResNets have modules that this layout does not know."""
    if part["last"]:
        return f"{IR_EMBEDDING[part['module']]}.{part['leaf']}"
    if part["layer"] is None:
        return f"{IR_BODY[part['module']]}.{part['leaf']}"
    unit = sum(depths[: int(part["layer"]) - 1]) + int(part["block"])
    module = IR_BLOCK.get(part["module"])
    return None if module is None else f"body.{unit}.{module}.{part['leaf']}"
