"""Both graphs are made of each other; a file that is damaged, foreign or other than its spec says is refused."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_models import SPEC, bare, crops_graph, network

from ffe_edge.engine.model_file import ModelFile
from ffe_edge.engine.onnxruntime_runner import load_onnxruntime
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec
from ffe_export import graph
from ffe_export.runs import NetworkRunner

CROPS = np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), np.uint8)


def changed(path: Path, change: Callable[[Any], None], spec: ModelSpec = SPEC, *, whole: bool = False) -> Path:
    """A model file with one thing in it that is other; nothing checks it when it is written."""
    model, spec = graph.crops_graph(network(), spec) if whole else (network(), spec)
    entry = model.metadata_props.add()
    entry.key, entry.value = SPEC_KEY, spec.to_json()
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def opened(path: Path) -> tuple[Any, ModelSpec]:
    return graph.bare_graph(*graph.read_graph(path), str(path))


def test_the_bare_network_of_a_crops_graph_is_the_one_it_was_made_of(tmp_path: Path) -> None:
    found, spec = opened(crops_graph(tmp_path / "model.onnx"))
    assert [node.name for node in found.graph.node] == [node.name for node in network().graph.node]
    assert {tensor.name for tensor in found.graph.initializer} == {t.name for t in network().graph.initializer}
    assert spec == replace(SPEC, graph="images")
    again, spec = opened(bare(tmp_path / "network.onnx"))
    assert (again.graph.node, spec) == (found.graph.node, SPEC)


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_both_graphs_say_the_same_for_any_batch(tmp_path: Path, batch: int) -> None:
    crops = np.resize(CROPS, (batch, 112, 112, 3))
    whole = load_onnxruntime(ModelFile.read(crops_graph(tmp_path / "model.onnx"))).read(crops)
    alone = NetworkRunner(network(), SPEC).read(crops)
    assert whole.embedding is not None
    assert alone.embedding is not None
    assert np.abs(whole.probs - alone.probs).max() < 1e-6
    assert np.abs(whole.embedding - alone.embedding).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(whole.embedding, axis=1), 1, atol=1e-5)


def test_written_files_carry_the_spec_and_nothing_else(tmp_path: Path) -> None:
    model = network()
    helper.set_model_props(model, {"camera": "bedroom 3"})
    (tmp_path / "network.onnx").write_bytes(graph.serialized(model, SPEC))
    found, spec = graph.read_graph(tmp_path / "network.onnx")
    assert [entry.key for entry in found.metadata_props] == [SPEC_KEY]
    assert spec == SPEC


def set_output(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        ports = [*model.graph.input, *model.graph.output]
        next(port for port in ports if port.name == name).CopyFrom(helper.make_tensor_value_info(name, kind, shape))

    return change


def drop_output(name: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.graph.output.remove(next(port for port in model.graph.output if port.name == name))

    return change


def set_opset(model: Any) -> None:
    model.opset_import[0].version = 13


def keep_elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "passwords")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL


def rename_operator(model: Any) -> None:
    model.graph.node[0].op_type = "Blur"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(set_output("images", ["batch", 3, 96, 96]), "", id="other-size-than-its-spec"),
        pytest.param(set_output("images", ["batch", 1, 112, 112]), "", id="grey"),
        pytest.param(set_output("images", [1, 3, 112, 112]), "images .1, 3, 112, 112.", id="batch-of-one"),
        pytest.param(set_output("images", ["batch", 3, 112, 112], TensorProto.FLOAT16), "", id="half-input"),
        pytest.param(set_output("logits", ["batch", 7]), "", id="fewer-classes-than-labels"),
        pytest.param(drop_output("embedding"), "its spec asks for .*embedding", id="no-embedding"),
        pytest.param(drop_output("logits"), "its spec asks for .*logits", id="no-logits"),
        pytest.param(set_opset, r"opset \[13\], not 17", id="other-opset"),
        pytest.param(keep_elsewhere, "", id="weights-in-another-file"),
        pytest.param(rename_operator, "Blur", id="unknown-operator"),
        pytest.param(lambda model: model.ClearField("metadata_props"), "carries no model spec", id="no-spec"),
        pytest.param(lambda model: model.ClearField("graph"), "", id="no-graph"),
    ],
)
def test_a_network_that_is_not_what_its_spec_says_is_refused(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    with pytest.raises(ModelError, match=rf"network\.onnx: .*{said}"):
        opened(changed(tmp_path / "network.onnx", change))


@pytest.mark.parametrize("name", ["images", "logits", "embedding"])
def test_a_crops_graph_whose_network_cannot_be_told_apart_is_refused(tmp_path: Path, name: str) -> None:
    def change(model: Any) -> None:
        for node in model.graph.node:
            node.input[:] = ["x" if other == name else other for other in node.input]
            node.output[:] = ["x" if other == name else other for other in node.output]
        for port in model.graph.output:
            port.name = "x" if port.name == name else port.name

    with pytest.raises(ModelError, match="has no tensors images, logits and embedding"):
        opened(changed(tmp_path / "model.onnx", change, whole=True))


def test_a_crops_graph_that_keeps_its_embedding_to_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="embedding"):
        opened(changed(tmp_path / "model.onnx", drop_output("embedding"), whole=True))


@pytest.mark.parametrize("spec", [replace(SPEC, mean=(0.0,)), replace(SPEC, std=(255.0,)), replace(SPEC, mean=())])
def test_another_preprocessing_than_the_hosts_is_refused(tmp_path: Path, spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match=r"mean .* and std"):
        opened(changed(tmp_path / "network.onnx", lambda _model: None, spec))


def is_refused(path: Path) -> bool:
    """Whether it is refused; a few changed bytes may still be a model."""
    try:
        opened(path)
    except ModelError as error:
        return "\n" not in str(error)
    return False


def test_crops_that_would_take_all_memory_are_refused(tmp_path: Path) -> None:
    spec = replace(SPEC, size_px=10**8)
    with pytest.raises(ModelError, match="takes crops of 100000000 px"):
        opened(changed(tmp_path / "network.onnx", set_output("images", ["batch", 3, 10**8, 10**8]), spec))


def test_damaged_files_are_refused_in_a_line(tmp_path: Path) -> None:
    path, rng = tmp_path / "model.onnx", np.random.default_rng(0)
    data = crops_graph(path).read_bytes()
    refused = 0
    for end in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(ModelError, match=r"model\.onnx: "):
            opened(path)
    for _ in range(60):
        hurt = np.frombuffer(data, np.uint8).copy()
        hurt[rng.integers(0, 3000, 2)] = rng.integers(0, 256, 2)
        path.write_bytes(hurt.tobytes())
        refused += is_refused(path)
    assert refused > 20


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("run",)


def test_a_pickle_is_no_model_and_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError, match="is no valid ONNX model"):
        opened(Path("model.onnx"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["absent", "folder"])
def test_a_path_that_is_no_file_is_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: cannot be read"):
        graph.read_graph(tmp_path / "model.onnx")


def test_a_file_too_large_to_be_a_model_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(graph.MAX_BYTES + 1)
    with pytest.raises(ModelError, match="larger than 512 MiB"):
        graph.read_graph(tmp_path / "model.onnx")
