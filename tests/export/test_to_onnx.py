"""The exported file says what the network says, carries its spec, and never half replaces an old one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from ffe_edge.emotions import LABELS
from ffe_edge.engine.onnxruntime_runner import Model, load_model
from ffe_edge.errors import ModelError
from ffe_edge.spec import SPEC_KEY, ModelSpec
from ffe_edge.types import ImageArray
from ffe_export.to_onnx import MAX_DIFFERENCE, OPSET, to_onnx
from ffe_train.model import Deployed, SmallResNet

SPEC = ModelSpec("小さい", LABELS, temperature=1.7, metrics={"london": {"images": 204}}, data=("toy",), commit="abc+")


def deployed(temperature: float = SPEC.temperature) -> Deployed:
    torch.manual_seed(3)
    return Deployed(SmallResNet(len(LABELS), (4, 8)), temperature).eval()


def crops_of(count: int) -> ImageArray:
    return np.random.default_rng(count).integers(0, 256, (count, 112, 112, 3), np.uint8)


class Moody(Deployed):
    """A network whose graph cannot be right: it never says the same twice."""

    calls = 0.0

    def forward(self, crops: Tensor) -> Tensor:
        self.calls += 1.0
        return torch.softmax(torch.arange(9.0) * self.calls + 0 * super().forward(crops), dim=1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, float]:
    path = tmp_path_factory.mktemp("export") / "new" / "model.onnx"
    difference = to_onnx(deployed(), SPEC, path)
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    return load_model(path), difference


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_file_says_what_the_network_says_for_any_batch(exported: tuple[Model, float], batch: int) -> None:
    crops = crops_of(batch)
    with torch.inference_mode():
        expected = deployed()(torch.from_numpy(crops)).numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(exported[0].run(crops), expected, atol=1e-4)


def test_the_difference_is_told(exported: tuple[Model, float]) -> None:
    assert 0 <= exported[1] <= MAX_DIFFERENCE == 1e-4


def test_the_spec_comes_back_as_it_was(exported: tuple[Model, float]) -> None:
    assert exported[0].spec == SPEC


def test_the_file_is_plain_onnx_of_one_piece(exported: tuple[Model, float]) -> None:
    model = onnx.load(exported[0].path)
    assert [item.version for item in model.opset_import if item.domain == ""] == [OPSET]
    assert [entry.key for entry in model.metadata_props] == [SPEC_KEY]
    assert {item.data_location for item in model.graph.initializer} == {onnx.TensorProto.DEFAULT}
    assert {node.domain for node in model.graph.node} == {""}


def test_a_network_in_training_is_exported_as_it_runs(exported: tuple[Model, float], tmp_path: Path) -> None:
    to_onnx(deployed().train(), SPEC, tmp_path / "model.onnx")
    crops = crops_of(3)
    np.testing.assert_allclose(load_model(tmp_path / "model.onnx").run(crops), exported[0].run(crops), atol=1e-5)


def test_an_old_file_survives_a_failed_export(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old model")
    with pytest.raises(ModelError, match=r"model\.onnx: not written, its probabilities differ"):
        to_onnx(Moody(SmallResNet(9, (4, 8)), 1.0), SPEC, path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"the old model"]


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old model")
    to_onnx(deployed(), SPEC, path)
    assert load_model(path).spec == SPEC


def test_a_file_that_the_device_would_refuse_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        to_onnx(deployed(), ModelSpec("two", ("joy", "other")), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
