"""Golden inputs: what was written is read, what was not is refused, and a runner that says something else too."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffe_edge.engine.golden import Golden, check_golden, load_golden, write_golden
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading

RNG = np.random.default_rng(0)
CROPS = RNG.integers(0, 256, (20, 16, 16, 3), np.uint8)
PROBS: FloatArray = RNG.dirichlet(np.full(5, 0.2), 20).astype(np.float32)
EMBEDDING = np.eye(20, 8, dtype=np.float32)
GOLDEN = Golden(CROPS, {"fp32": Reading(PROBS, EMBEDDING), "int8": Reading(PROBS, None)})


class Fake:
    """Says what it is told to say of the golden crops."""

    backend = "tensorrt"

    def __init__(self, probs: FloatArray, precision: str = "fp32") -> None:
        self.precision = precision
        self._probs = probs
        self.batches: list[int] = []

    def __call__(self, crops: ImageArray) -> FloatArray:
        self.batches.append(len(crops))
        start = sum(self.batches[:-1])
        return self._probs[start : start + len(crops)]

    def read(self, crops: ImageArray) -> Reading:
        return Reading(self(crops), None)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_golden(tmp_path / "golden.npz", GOLDEN)
    read = load_golden(tmp_path / "golden.npz")
    np.testing.assert_array_equal(read.crops, CROPS)
    np.testing.assert_array_equal(read.readings["fp32"].probs, PROBS)
    np.testing.assert_array_equal(read.readings["fp32"].embedding, EMBEDDING)
    assert read.readings["int8"].embedding is None
    assert list(tmp_path.iterdir()) == [tmp_path / "golden.npz"]


def arrays(**changes: Any) -> bytes:
    buffer = io.BytesIO()
    given = {"crops": CROPS, "probs_fp32": PROBS} | changes
    np.savez(buffer, **{name: value for name, value in given.items() if value is not None})
    return buffer.getvalue()


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def header(shape: str, kind: str = "|u1") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a zip", id="text"),
        pytest.param(arrays()[:400], id="truncated"),
        pytest.param(arrays(crops=None), id="no-crops"),
        pytest.param(arrays(probs_fp32=None), id="no-outputs"),
        pytest.param(arrays(crops=CROPS[0]), id="one-crop-without-batch"),
        pytest.param(arrays(crops=CROPS[:0], probs_fp32=PROBS[:0]), id="no-crop"),
        pytest.param(arrays(crops=CROPS.astype(np.float32)), id="float-crops"),
        pytest.param(arrays(crops=np.asfortranarray(CROPS)), id="column-by-column"),
        pytest.param(arrays(probs_fp32=PROBS.astype(np.float64)), id="double-outputs"),
        pytest.param(arrays(probs_fp32=PROBS[:7]), id="fewer-outputs"),
        pytest.param(arrays(probs_fp32=PROBS[:, :1]), id="one-class"),
        pytest.param(arrays(probs_fp32=PROBS * np.nan), id="not-numbers"),
        pytest.param(arrays(embedding_fp32=EMBEDDING[:, 0]), id="flat-embedding"),
        pytest.param(arrays(embedding_int8=EMBEDDING), id="embedding-alone"),
        pytest.param(arrays(extra=PROBS), id="unknown-array"),
        pytest.param(arrays(extra=np.array([Trap()], dtype=object)), id="pickle"),
        pytest.param(archive(crops=b"\x93NUMPY\x03\x00" + bytes(200)), id="other-format"),
        pytest.param(archive(crops=header("(4000000000, 4000, 4000, 3)")), id="shape-without-data"),
        pytest.param(archive(crops=header("(-1, 16, 16, 3)") + bytes(768)), id="negative-shape"),
        pytest.param(archive(crops=header("(1, 16, 16, 3", "|O")), id="header-that-is-none"),
        pytest.param(archive(crops=bytes(300 * 2**20)), id="zip-bomb"),
    ],
)
def test_a_file_with_anything_else_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "golden.npz").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        load_golden(tmp_path / "golden.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'golden.npz'}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"golden\.npz: golden inputs cannot be read"):
        load_golden(tmp_path / "golden.npz")


def test_a_runner_that_says_the_same_passes_in_small_batches() -> None:
    run = Fake(PROBS + np.float32(0.005))
    check_golden(run, GOLDEN)
    assert run.batches == [8, 8, 4]


@pytest.mark.parametrize(
    ("precision", "difference", "passes"),
    [
        pytest.param("fp32", 0.009, True, id="tf32"),
        pytest.param("fp32", 0.02, False, id="fp32"),
        pytest.param("int8", 0.14, True, id="int8"),
        pytest.param("int8", 0.2, False, id="int8-too-far"),
        pytest.param("fp32", float("nan"), False, id="not-a-number"),
    ],
)
def test_the_precision_decides_how_far_is_too_far(precision: str, difference: float, passes: bool) -> None:
    probs = PROBS.copy()
    probs[3, PROBS[3].argmax()] -= np.float32(difference)
    if passes:
        check_golden(Fake(probs, precision), GOLDEN)
    else:
        with pytest.raises(ModelError, match="failed the golden check"):
            check_golden(Fake(probs, precision), GOLDEN)


def test_another_likeliest_class_is_refused_where_the_answer_was_clear() -> None:
    clear = np.tile(np.array([0.6, 0.4, 0, 0, 0], np.float32), (20, 1))
    other = np.tile(np.array([0.49, 0.51, 0, 0, 0], np.float32), (20, 1))
    golden = Golden(CROPS, {"fp32": Reading(clear, None), "int8": Reading(clear, None)})
    with pytest.raises(ModelError, match="likeliest class the same in 0%"):
        check_golden(Fake(other, "int8"), golden)


def test_another_likeliest_class_is_no_matter_where_none_was_clear() -> None:
    close = np.tile(np.array([0.52, 0.48, 0, 0, 0], np.float32), (20, 1))
    golden = Golden(CROPS, {"fp32": Reading(close, None), "int8": Reading(close, None)})
    check_golden(Fake(close[:, [1, 0, 2, 3, 4]], "int8"), golden)


def test_outputs_of_another_shape_or_precision_are_refused() -> None:
    with pytest.raises(ModelError, match="gives"):
        check_golden(Fake(PROBS[:, :3]), GOLDEN)
    with pytest.raises(ModelError, match="no outputs in fp16"):
        check_golden(Fake(PROBS, "fp16"), GOLDEN)
