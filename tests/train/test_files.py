"""A file is the new one or the old one, never half of one; what is damaged or foreign is refused."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from ffe_edge.errors import DataError, ModelError
from ffe_train import files

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(7)}


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


@contextmanager
def small_disk() -> Iterator[None]:
    """No file of this process may grow beyond 4 KiB: the kernel refuses the write as it does on a full disk.

    Round one call only: the test runner's own output may go to a file, too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_is_written_into_a_new_folder_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.bin"
    files.write_atomically(path, b"one")
    files.write_atomically(path, lambda file: file.write(b"two"))
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "resume.ckpt"
    files.save_resume({"step": 1}, path)
    with small_disk(), pytest.raises(DataError, match=r"resume\.ckpt: cannot be written .* untouched"):
        files.save_resume({"step": 2, "weight": torch.zeros(10_000)}, path)
    assert files.load_resume(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["resume.ckpt"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    files.write_atomically(path, b"old")

    def stopped(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, stopped)
    assert path.read_bytes() == b"old"


def test_weights_come_back_with_their_metadata(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    files.save_weights(TENSORS, path, {"labels": ["joy", "怒り"], "dim": 3})
    tensors, metadata = files.load_weights(path)
    assert metadata == {"labels": ["joy", "怒り"], "dim": 3}
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-5], id="cut short"),
        pytest.param(lambda data: b"\x00" * 20, id="zeros"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "weights.safetensors"
    files.save_weights(TENSORS, path, {})
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ModelError, match=r"weights\.safetensors: is damaged"):
        files.load_weights(path)


def test_absent_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"weights\.safetensors: cannot be read"):
        files.load_weights(tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps(Evil(), protocol=2), id="malicious pickle"),
        pytest.param(b"PK\x03\x04 half", id="half a file"),
        pytest.param(b"", id="empty"),
    ],
)
def test_a_foreign_resume_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "resume.ckpt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"resume\.ckpt: is damaged or not ours"):
        files.load_resume(path)


def test_json_comes_back(tmp_path: Path) -> None:
    files.write_json({"name": "喜び", "values": [1, 0.5]}, tmp_path / "stage.json")
    assert files.read_json(tmp_path / "stage.json") == {"name": "喜び", "values": [1, 0.5]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "is not valid JSON", id="cut short"),
        pytest.param("[]", "holds no JSON object", id="a list"),
        pytest.param(None, "cannot be read", id="absent"),
    ],
)
def test_bad_json_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "stage.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        files.read_json(path)


def test_the_commit_is_that_of_the_repository() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    assert files.commit().rstrip("+") == head
