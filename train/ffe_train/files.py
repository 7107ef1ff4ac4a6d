"""Files that are whole or not there: weights, positions to resume from, JSON.

Torch is imported where tensors are meant, so that reports need none.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ffe_edge.errors import DataError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

METADATA_KEY: Final = "ffe"
"""Entry of a safetensors header that holds our JSON."""


def write_atomically(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, bring it to the disk, and only then give it its name.

    A crash or a full disk leaves the old file as it was.

    Args:
        path: the file; its folder is made where it is absent.
        data: its bytes, or a function that writes them to an open file.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                data(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        _discard(temporary)
        raise DataError(f"{path}: cannot be written ({error.strerror}); what was there is untouched") from error


def save_weights(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with metadata as JSON in the header.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    from safetensors.torch import save  # noqa: PLC0415 - reports do without it

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(metadata, sort_keys=True)
    write_atomically(path, save(plain, {METADATA_KEY: text, "format": "pt"}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and metadata of a safetensors file; the metadata is empty in a file of somebody else.

    Raises:
        ModelError: the file is absent or damaged.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - reports do without it

    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); train that stage or import the weights first") from error
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ModelError(f"{path}: is damaged or no safetensors file ({error}); make it again") from error
    return tensors, metadata


def save_resume(state: Mapping[str, Any], path: Path) -> None:
    """Write tensors, numbers, strings, lists and dictionaries for ``load_resume``.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    import torch  # noqa: PLC0415 - reports do without it

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(path, buffer.getvalue())


def load_resume(path: Path) -> dict[str, Any]:
    """What ``save_resume`` wrote, on the CPU; a pickle with anything else in it is refused.

    Raises:
        DataError: the file is absent, damaged, or holds more than tensors and plain values.
    """
    import torch  # noqa: PLC0415 - reports do without it

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(f"{path}: is damaged or not ours; start the stage afresh") from error
    if not isinstance(state, dict):
        raise DataError(f"{path}: holds no position of a stage; start the stage afresh")
    return state


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write an object as indented JSON.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """An object of a JSON file.

    Raises:
        DataError: it cannot be read, or holds no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON ({error}); make it again") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds no JSON object; make it again")
    return value


def commit() -> str:
    """The repository's commit, with ``+`` where files differ from it; empty outside a repository."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _sync_folder(folder: Path) -> None:
    """Bring a renamed file's name to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(temporary: Path) -> None:
    """Free the space of a half-written file, where it can be freed."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return
