"""Which CPU runtime a measurement on this machine has chosen, remembered for the next start.

It is believed only while everything that it depends on is the same, and only where this installation has sealed it: a
file that OpenVINO reads has then been through ONNX Runtime, which refuses weights in other files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, cast

from ffe_edge import __version__
from ffe_edge.engine.sealed_file import read_sealed, read_sidecar, write_sealed
from ffe_edge.errors import ModelError

CpuRuntime = Literal["onnxruntime", "openvino"]

NAME: Final = "cpu-runtime"
"""Of the file in the state folder; its sidecar names what it depends on."""
CPU_INFO: Final = Path("/proc/cpuinfo")
TELLING: Final = frozenset({
    "vendor_id", "cpu family", "model", "model name", "stepping", "flags",
    "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
})  # fmt: skip
"""Its lines that say what a CPU can do, on x86 and ARM."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, and why it is this one, with the figures."""

    backend: CpuRuntime
    why: str


def circumstances(sha256: str, openvino_sha256: str | None, threads: int) -> dict[str, str | int]:
    """What a choice depends on.

    Args:
        sha256: of the file that ONNX Runtime loads.
        openvino_sha256: of OpenVINO's own file, where there is one.
        threads: of the runtime.
    """
    return {
        "model": sha256,
        "openvino_model": openvino_sha256 or sha256,
        "threads": threads,
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu(),
        "onnxruntime": _version("onnxruntime"),
        "openvino": _version("openvino"),
        "ffe_edge": __version__,
    }


def remember(choice: Choice, depends_on: Mapping[str, str | int], state_dir: Path) -> None:
    """Keep a choice.

    Raises:
        ModelError: the state folder cannot be written.
    """
    text = json.dumps({"backend": choice.backend, "why": choice.why})
    write_sealed(state_dir / NAME, text.encode(), depends_on, state_dir)


def remembered(depends_on: Mapping[str, str | int], state_dir: Path) -> Choice | None:
    """The choice that was made under these circumstances; None where there is none that can be believed."""
    path = state_dir / NAME
    try:
        sidecar = read_sidecar(path)
        if dict(sidecar.facts) != dict(depends_on):
            return None
        return _choice(json.loads(read_sealed(path, sidecar, state_dir)))
    except (ModelError, ValueError, KeyError, TypeError):
        return None


def _choice(values: Mapping[str, Any]) -> Choice:
    if values["backend"] not in ("onnxruntime", "openvino"):
        raise ValueError("no such runtime")
    return Choice(cast("CpuRuntime", values["backend"]), str(values["why"]))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _cpu() -> str:
    """Digest of what the system tells of its first core; empty where it tells nothing."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = text.partition("\n\n")[0].splitlines()
    return hashlib.sha256(
        "\n".join(line for line in lines if line.partition(":")[0].strip() in TELLING).encode()
    ).hexdigest()
