"""What an engine was built of and for: it fits no other network, runtime or machine."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from ffe_edge.spec import PRECISIONS

RuntimeName = Literal["tensorrt", "tensorrt-rtx"]
RUNTIMES: Final[tuple[RuntimeName, ...]] = get_args(RuntimeName)
MAX_BATCH: Final = 1024
_RELEASE: Final = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
_TEXT: Final = re.compile(r"[\w .,+:()/\[\]-]{0,120}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an engine runs."""

    runtime: RuntimeName
    runtime_version: str
    gpu_name: str = ""
    """As the driver says it; empty where there is no GPU."""
    compute_capability: str = ""
    """``8.7``, say; several with commas between them for an engine of TensorRT-RTX, none for all it knows."""
    l4t: str = ""
    """NVIDIA's Linux for Jetson, ``36.4.3`` say; empty elsewhere."""


@dataclass(frozen=True, slots=True)
class EngineKey:
    """What makes an engine the one that is wanted."""

    onnx_sha256: str
    """Of the bare network's file."""
    precision: str
    machine: Machine
    min_batch: int = 1
    opt_batch: int = 4
    """The batch it is quickest at."""
    max_batch: int = 16
    dla_core: int | None = None
    """The deep-learning accelerator of an Orin or Xavier that runs it, None for the GPU."""

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.onnx_sha256) or self.precision not in PRECISIONS:
            raise ValueError(f"no SHA-256 or no such precision: {self.onnx_sha256!r}, {self.precision!r}")
        if not 1 <= self.min_batch <= self.opt_batch <= self.max_batch <= MAX_BATCH:
            raise ValueError(f"batches must rise from 1 to {MAX_BATCH}, not {self.batches}")
        if self.dla_core is not None and not 0 <= self.dla_core < 16:
            raise ValueError(f"there is no DLA core {self.dla_core}")
        if self.machine.runtime not in RUNTIMES:
            raise ValueError(f"there is no runtime {self.machine.runtime!r}")
        for name in ("runtime_version", "gpu_name", "compute_capability", "l4t"):
            if not _TEXT.fullmatch(getattr(self.machine, name)):
                raise ValueError(f"{name} is no plain text")

    @property
    def batches(self) -> tuple[int, int, int]:
        """Smallest, best and largest batch."""
        return self.min_batch, self.opt_batch, self.max_batch

    @property
    def digest(self) -> str:
        """16 hexadecimal digits for the file's name."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The key as one flat mapping."""
        values = asdict(self)
        return values | cast("dict[str, Any]", values.pop("machine"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EngineKey:
        """The key of a sidecar, which may hold anything.

        Raises:
            ValueError: it is no key.
        """
        texts = [field.name for field in fields(Machine)]
        numbers = ["min_batch", "opt_batch", "max_batch"]
        kinds: dict[str, tuple[type, ...]] = dict.fromkeys(["onnx_sha256", "precision", *texts], (str,))
        kinds |= dict.fromkeys(numbers, (int,)) | {"dla_core": (int, type(None))}
        if set(values) != set(kinds):
            raise ValueError(f"a key has the entries {', '.join(sorted(kinds))}")
        if wrong := [name for name, kind in kinds.items() if type(values[name]) not in kind]:
            raise ValueError(f"the key's {wrong[0]} is of the wrong type")
        machine = Machine(**{name: values[name] for name in texts})
        batches = {name: values[name] for name in numbers}
        return cls(values["onnx_sha256"], values["precision"], machine, dla_core=values["dla_core"], **batches)


def misfits(built: EngineKey, wanted: EngineKey) -> list[str]:
    """Why an engine is not the wanted one; empty where it is."""
    return [*machine_misfits(built.machine, wanted.machine), *_other_network(built, wanted)]


def machine_misfits(built: Machine, here: Machine) -> list[str]:
    """Why an engine cannot run here; empty where it can.

    An engine of TensorRT-RTX is built for compute capabilities, not for one GPU, and also where there is none.
    """
    told = [
        ("runtime", built.runtime, here.runtime),
        ("runtime's version", built.runtime_version, here.runtime_version),
        ("L4T release", built.l4t, here.l4t),
    ]
    if built.runtime == "tensorrt":
        told.append(("GPU", built.gpu_name, here.gpu_name))
    if not _reaches(built, here):
        told.append(("compute capability", built.compute_capability, here.compute_capability))
    return [
        f"it was built for the {what} {theirs or 'none'}, here it is {ours or 'none'}"
        for what, theirs, ours in told
        if theirs != ours
    ]


def _reaches(built: Machine, here: Machine) -> bool:
    if built.runtime == "tensorrt" or not built.compute_capability:
        return built.compute_capability in ("", here.compute_capability)
    return set(here.compute_capability.split(",")) <= {*built.compute_capability.split(","), ""}


def _other_network(built: EngineKey, wanted: EngineKey) -> Iterator[str]:
    if built.onnx_sha256 != wanted.onnx_sha256:
        yield f"it was built of another ONNX ({built.onnx_sha256[:12]}, not {wanted.onnx_sha256[:12]})"
    if built.precision != wanted.precision:
        yield f"it is {built.precision}, not {wanted.precision}"
    if built.batches != wanted.batches:
        yield f"it takes batches {built.batches}, not {wanted.batches}"
    if built.dla_core != wanted.dla_core:
        yield f"it is for {_device(built.dla_core)}, not for {_device(wanted.dla_core)}"


def _device(core: int | None) -> str:
    return "the GPU" if core is None else f"DLA core {core}"


def l4t_release(root: Path = Path("/")) -> str:
    """The Jetson's Linux release, ``36.4.3`` say; empty where this is no Jetson."""
    try:
        text = (root / "etc/nv_tegra_release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = _RELEASE.search(text)
    return f"{found[1]}.{found[2]}" if found else ""
