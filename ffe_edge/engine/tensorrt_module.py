"""NVIDIA's runtime on this machine: how to get it where it is not, and what it complains of."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any, Final

from ffe_edge.engine.cuda_memory import find_gpu
from ffe_edge.engine.engine_key import Machine, RuntimeName, l4t_release
from ffe_edge.errors import ModelError

MODULES: Final[dict[RuntimeName, str]] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_VENV: Final = "sudo apt install python3-libnvinfer, and make the venv with --system-site-packages"
logger = logging.getLogger(__name__)


def load_api(runtime: RuntimeName) -> Any:
    """The runtime's module.

    Raises:
        ModelError: it is not installed or its libraries cannot be loaded; says what to install on this machine.
    """
    try:
        return importlib.import_module(MODULES[runtime])
    except (ImportError, OSError) as error:
        told = plain(str(error))
        raise ModelError(f"{MODULES[runtime]} cannot be loaded ({told}); {install_hint(runtime)}") from error


def install_hint(runtime: RuntimeName, root: Path = Path("/")) -> str:
    """How this machine gets the runtime."""
    release = l4t_release(root).partition(".")[0]
    if runtime == "tensorrt-rtx":
        return "it knows no Jetson: use tensorrt" if release else "pip install 'ffe-edge[rtx]' (x86-64 only)"
    if not release:
        return "it comes with a Jetson's JetPack; on a PC: pip install 'ffe-edge[rtx]' and use tensorrt-rtx"
    if int(release) < 36:
        return "JetPack 5 has it for Python 3.8 only, which is too old: bring the board to JetPack 6"
    return f"JetPack {'6' if release == '36' else '7'} brings it: {_VENV} of the system's Python"


def this_machine(runtime: RuntimeName) -> Machine:
    """What is known of this machine; what cannot be found out stays empty."""
    try:
        version = str(load_api(runtime).__version__)
    except ModelError:
        version = ""
    try:
        gpu = find_gpu()
    except ModelError:
        return Machine(runtime, version, l4t=l4t_release())
    return Machine(runtime, version, plain(gpu.name), gpu.compute_capability, l4t_release())


class Messages:
    """What a runtime complained of, the worst first in ``reason``."""

    def __init__(self) -> None:
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def add(self, severity: str, text: str) -> None:
        """One message of the runtime's logger."""
        kept = {"INTERNAL_ERROR": self._errors, "ERROR": self._errors, "WARNING": self._warnings}.get(severity)
        if kept is not None and len(kept) < 20:
            kept.append(plain(text))
        logger.debug("%s: %s", severity, plain(text))

    def reason(self) -> str:
        """The first error, else the last warning: the first is the cause of those that follow."""
        return (self._errors[:1] or self._warnings[-1:] or ["it gives no reason"])[0]


def plain(text: str, limit: int = 300) -> str:
    """A text of somebody else as one printable line."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:limit]
