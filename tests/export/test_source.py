"""Whatever a model comes from, what is exported says the same; what cannot be exported is refused in a line."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_bundle import make_bundle
from small_models import SPEC, bare, crops_graph, network
from toy_faces import LABELS, expressions, identities, pictures, recipe_of

from ffe_edge.errors import FfeError, ModelError
from ffe_edge.types import ImageArray
from ffe_export.runs import NetworkRunner
from ffe_export.source import Source, open_source
from ffe_train.checkpoint import load_expression_network, read_stored
from ffe_train.devices import Options
from ffe_train.files import read_json
from ffe_train.networks import to_input
from ffe_train.pretrain import pretrain
from ffe_train.recipes import Transfer
from ffe_train.tasks import Task
from ffe_train.transfer import transfer

TWO = Task("two", LABELS, LABELS, (1.0, -1.0), (0.0, 0.0))
CROPS: ImageArray = pictures(np.arange(6) % 2, seed=5)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A pretraining on expressions, one on identities, and a transfer that ships, all tiny."""
    folder = tmp_path_factory.mktemp("stages")
    sets = {"faces": expressions(folder / "faces", count=24), "toy": identities(folder / "toy", 4, 2, strangers=2)}
    once = {"schedule": {"epochs": 1, "batch": 8}, "network": {"architecture": "lean-resnet14"}}
    found = {}
    for learn in ("expression", "identity"):
        recipe = recipe_of(learn, name=learn, **once)
        found[learn] = pretrain(recipe, sets, folder, task=TWO, options=Options(accelerator="cpu")).folder
    values: dict[str, Any] = {
        "stage": "transfer",
        "name": "elderly",
        "data": "faces",
        "network": {"architecture": "resnet18", "preset": "tiny"},
        "folds": {"outer": 2, "inner": 2},
        "fine_tune": {"epochs": 1, "batch": 8},
        "ship": True,
    }
    found["transfer"] = transfer(Transfer.model_validate(values), sets["faces"], folder, task=TWO, device="cpu").folder
    return found


def said(source: Source, crops: ImageArray = CROPS) -> Any:
    return NetworkRunner(source.network, source.spec).read(crops)


@pytest.mark.parametrize("stage", ["expression", "transfer"])
def test_a_trained_stage_says_what_its_network_says(stages: dict[str, Path], stage: str) -> None:
    source = open_source(stages[stage])
    record = read_json(stages[stage] / "stage.json")
    temperature = (record["shipped"] if stage == "transfer" else record)["temperature"]
    with torch.inference_mode():
        logits = load_expression_network(stages[stage])(to_input(CROPS))
    np.testing.assert_allclose(said(source).probs, torch.softmax(logits / temperature, 1), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(said(source).embedding, axis=1), 1, atol=1e-5)
    assert source.spec.temperature == pytest.approx(temperature)


def test_a_stage_tells_its_labels_its_data_and_its_weights(stages: dict[str, Path]) -> None:
    spec = open_source(stages["transfer"]).spec
    assert (spec.labels, spec.name, spec.graph) == (LABELS, "elderly", "images")
    assert spec.parent_sha256 == hashlib.sha256((stages["transfer"] / "weights.safetensors").read_bytes()).hexdigest()
    assert "faces" in spec.data
    assert json.loads(spec.recipe)["name"] == "elderly"
    assert open_source(stages["transfer"], "grandmother").spec.name == "grandmother"


def test_a_pretraining_tells_its_recipe_its_commit_and_how_sure_it_may_be(stages: dict[str, Path]) -> None:
    source, record = open_source(stages["expression"]), read_json(stages["expression"] / "stage.json")
    assert (source.spec.name, source.spec.commit, source.spec.metrics) == (
        "expression",
        record["commit"],
        record["metrics"],
    )
    assert json.loads(source.spec.recipe)["network"]["architecture"] == "lean-resnet14"
    assert source.spec.temperature == read_stored(stages["expression"]).about["temperature"] != 1.0


def test_a_stage_that_tells_no_expressions_is_refused(stages: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="tells no expressions"):
        open_source(stages["identity"])


@pytest.mark.parametrize(
    ("key", "value"), [("labels", ["joy", "joy"]), ("temperature", "hot"), ("temperature", -1.0), ("sets", 3)]
)
def test_a_stage_whose_metadata_is_damaged_is_refused(
    stages: dict[str, Path], tmp_path: Path, key: str, value: Any
) -> None:
    from ffe_train.files import load_weights, save_weights

    tensors, about = load_weights(stages["transfer"] / "weights.safetensors")
    save_weights(tensors, tmp_path / "weights.safetensors", {**about, key: value})
    with pytest.raises(ModelError, match=r"weights\.safetensors: "):
        open_source(tmp_path)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda folder: crops_graph(folder / "model.onnx"), id="crops-graph"),
        pytest.param(lambda folder: bare(folder / "network.onnx"), id="bare-network"),
        pytest.param(lambda folder: make_bundle(folder / "bundle"), id="bundle"),
        pytest.param(lambda folder: make_bundle(folder / "bundle") / "bundle.json", id="bundle-json"),
    ],
)
def test_an_exported_model_says_the_same_again(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    source, file = open_source(path, "again"), path
    np.testing.assert_allclose(said(source).probs, NetworkRunner(network(), SPEC)(CROPS), atol=1e-6)
    if "bundle" in str(path):
        file = (path if path.is_dir() else path.parent) / "model.onnx"
    assert source.spec == replace(SPEC, name="again", parent_sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert source.original is None


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_that_is_smaller_already_is_refused(tmp_path: Path, precision: str) -> None:
    path = crops_graph(tmp_path / "model.onnx", replace(SPEC, precision=precision))
    with pytest.raises(ModelError, match=f"is {precision} already; give the FP32 file"):
        open_source(path)


def test_a_bundle_whose_file_is_another_one_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    crops_graph(bundle / "model.onnx", seed=4)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        open_source(bundle)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("run",)


@pytest.mark.parametrize(
    "name", ["model.pth", "model.pkl", "model.ckpt", "model.onnx", "model", "folder/weights.safetensors"]
)
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError):
        open_source(Path(name.partition("/")[0]))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "said_of_it"), [(".", "holds neither"), ("none", "cannot be read"), ("none.onnx", "cannot be read")]
)
def test_a_path_with_no_model_is_told(tmp_path: Path, name: str, said_of_it: str) -> None:
    with pytest.raises(FfeError, match=said_of_it):
        open_source(tmp_path / name)
