"""The machine that figures were taken on, and the programs that took them."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import Any, Final

CPU_INFO: Final = Path("/proc/cpuinfo")
BOARD: Final = Path("/proc/device-tree/model")
"""Names a Jetson."""
FLAGS: Final = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
"""What decides how fast INT8 is: without VNNI (x86) or dot products (ARM) products of eight bits saturate in 16."""
PACKAGES: Final = ("ffe-edge", "numpy", "onnx", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx", "torch")


def machine() -> dict[str, Any]:
    """JSON-able: CPU, its cores and flags, the board if it says, the system."""
    text = _text(CPU_INFO)
    present = set(re.findall(r"\w+", " ".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)[:1])))
    name = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return {
        "cpu": name.group(1).strip() if name else platform.processor() or platform.machine(),
        "board": _text(BOARD).strip("\0\n "),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "flags": [flag for flag in FLAGS if flag in present],
        "has_int8_dot_products": bool(present & {"avx_vnni", "avx512_vnni", "amx_int8", "asimddp"}),
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Versions of the programs that are installed here."""
    found = {package: _version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **{name: version for name, version in found.items() if version}}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
