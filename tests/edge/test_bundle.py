"""A bundle is read as it was exported, or refused; nothing in its JSON is trusted."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_bundle import CROPS, make_bundle, write_document
from small_models import SPEC, crops_graph

from ffe_edge.engine.bundle import read_bundle
from ffe_edge.engine.model import SHIPPED_MODEL, load_model, load_spec, source_digest
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ModelError

HASH = "0" * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "exported")


@pytest.mark.parametrize("name", ["", "bundle.json"])
def test_a_bundle_is_named_by_its_folder_or_its_document(folder: Path, name: str) -> None:
    bundle = read_bundle(folder / name)
    assert (bundle.name, bundle.precision, bundle.cpu) == ("small", "fp32", folder / "model.onnx")
    assert (bundle.engine, bundle.golden) == (folder / "network.onnx", folder / "golden.npz")
    assert bundle.read(bundle.cpu).sha256 == bundle.sha256(bundle.cpu) == ModelFile.read(bundle.cpu).sha256


def test_the_digest_of_what_would_serve_is_read_in_pieces(folder: Path) -> None:
    assert source_digest(folder) == source_digest(folder / "model.onnx") == ModelFile.read(folder / "model.onnx").sha256
    assert source_digest(None) == ModelFile.read(SHIPPED_MODEL).sha256
    with pytest.raises(ModelError, match="cannot be read"):
        source_digest(folder / "gone.onnx")


def test_a_bundle_serves_like_its_file(folder: Path) -> None:
    model = load_model(folder, backend="onnxruntime")
    alone = load_model(folder / "model.onnx", backend="onnxruntime")
    assert (model.spec, model.sha256, model.path) == (alone.spec, alone.sha256, folder / "model.onnx")
    np.testing.assert_array_equal(model.run(CROPS), alone.run(CROPS))
    assert load_spec(folder).name == SPEC.name


def test_a_bundle_without_engine_and_golden_inputs_is_one(folder: Path) -> None:
    write_document(folder, engine=None, golden=None)
    bundle = read_bundle(folder)
    assert (bundle.engine, bundle.golden) == (None, None)
    assert load_model(folder, backend="onnxruntime").run(CROPS).shape == (12, 9)


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz"])
def test_a_file_of_other_bytes_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        load_model(folder, backend="onnxruntime")


@pytest.mark.parametrize("name", ["model.onnx", "network.onnx", "golden.npz"])
def test_a_file_that_is_not_there_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: is not there"):
        read_bundle(folder)


def test_a_folder_without_a_document_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no bundle\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": 2}, id="version"),
        pytest.param({"version": "1"}, id="version-as-text"),
        pytest.param({"cpu": "../model.onnx"}, id="parent-folder"),
        pytest.param({"cpu": "/etc/passwd"}, id="absolute"),
        pytest.param({"cpu": ".."}, id="parent"),
        pytest.param({"cpu": "a\\..\\b.onnx"}, id="backslash"),
        pytest.param({"cpu": "model.onnx\0"}, id="nul"),
        pytest.param({"cpu": "model.onnx\n"}, id="newline"),
        pytest.param({"cpu": "other.onnx"}, id="not-among-its-files"),
        pytest.param({"golden": 3}, id="number-as-name"),
        pytest.param({"precision": "int4"}, id="precision"),
        pytest.param({"files": {}}, id="no-files"),
        pytest.param({"files": {"model.onnx": {"sha256": "abc", "bytes": 1}}}, id="no-digest"),
        pytest.param({"files": {"model.onnx": {"sha256": HASH, "bytes": -1}}}, id="negative-size"),
        pytest.param({"files": []}, id="list-of-files"),
        pytest.param({"extra": 1}, id="unknown-entry"),
        pytest.param({"name": ""}, id="no-name"),
    ],
)
def test_a_document_that_says_something_else_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    write_document(folder, **changes)
    with pytest.raises(ModelError) as caught:
        read_bundle(folder)
    assert str(caught.value).startswith(f"{folder / 'bundle.json'}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"\xff\xfe", id="not-utf-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * (2**20 + 1), id="large"),
        pytest.param(json.dumps({"version": 1}).encode(), id="lacks-everything"),
    ],
)
def test_a_document_that_is_none_is_refused(folder: Path, data: bytes) -> None:
    (folder / "bundle.json").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


def test_a_file_that_says_something_else_here_gives_way_to_fp32(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_bundle(tmp_path / "exported")
    crops_graph(folder / "model.int8.onnx", SPEC, seed=1)
    write_document(folder, cpu="model.int8.onnx")
    with caplog.at_level(logging.WARNING, "ffe_edge"):
        model = load_model(folder, backend="onnxruntime")
    assert model.path == folder / "model.onnx"
    assert "model.onnx serves instead of model.int8.onnx" in caplog.text


def test_a_model_that_fails_its_golden_check_does_not_serve(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "exported", golden_seed=1)
    with pytest.raises(ModelError, match="failed the golden check"):
        load_model(folder, backend="onnxruntime")
