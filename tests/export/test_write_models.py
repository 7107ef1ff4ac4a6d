"""The files of a bundle: what they say, what they name as their parent, and one that lies is not written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export_parts import FEW, colours, write_folder
from small_models import SPEC, network

from ffe_edge.emotions import LABELS
from ffe_edge.engine.golden import load_golden
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ModelError
from ffe_edge.spec import ModelSpec
from ffe_export.contenders import contenders, crops_file, network_file, of_engine, reference
from ffe_export.crops_folder import draw_crops
from ffe_export.source import Source
from ffe_export.tidy import tidied
from ffe_export.to_onnx import to_onnx
from ffe_export.write_models import write_full, write_golden_file, write_half, write_int8
from ffe_train.deployed import Deployed
from ffe_train.networks import ExpressionNetwork, NetworkSpec, new_backbone

GREY = ModelSpec("grey", LABELS, temperature=1.7, graph="images")
PLAIN = Source(network(), SPEC, None)


def trained(seed: int) -> Deployed:
    torch.manual_seed(seed)
    return Deployed(ExpressionNetwork(new_backbone(NetworkSpec("lean-resnet14", "tiny")), len(LABELS))).eval()


@pytest.fixture(scope="module")
def grey() -> Source:
    return Source(tidied(to_onnx(trained(3), GREY)), GREY, trained(3))


def nothing(_what: str, _share: float) -> None:
    """Nobody listens."""


def test_files_of_a_trained_network_are_held_against_it(grey: Source, tmp_path: Path) -> None:
    found = write_full(grey, tmp_path, colours(4))
    assert found is not None
    assert (found.crops, found.probs < 1e-5, found.embedding < 1e-5) == (12, True, True)
    others = {one.name: one for one in contenders(tmp_path, grey, 1)}
    torch_probs = others["FP32, torch"].runner
    assert torch_probs is not None
    assert not others["FP32, torch"].is_timed
    runner = reference(tmp_path, 1).runner
    assert runner is not None
    np.testing.assert_allclose(runner(colours(3)), torch_probs(colours(3)), atol=1e-5)


def test_files_that_say_something_else_than_the_network_are_refused(grey: Source, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: not written, its probabilities differ by"):
        write_full(replace(grey, original=trained(4)), tmp_path, colours(4))


def test_of_an_onnx_there_is_no_network_to_hold_it_against(tmp_path: Path) -> None:
    assert write_full(PLAIN, tmp_path, colours(2)) is None
    assert not [one for one in contenders(tmp_path, PLAIN, 1) if one.name == "FP32, torch"]


def test_every_precision_has_files_contenders_and_golden_outputs(tmp_path: Path) -> None:
    calibration = draw_crops(write_folder(tmp_path / "faces", colours(102)))
    folder = tmp_path / "out"
    folder.mkdir()
    write_full(PLAIN, folder, colours(2))
    write_half(PLAIN, folder)
    write_int8(PLAIN, folder, calibration, FEW, nothing)
    write_golden_file(folder, colours(3), ("fp32", "fp16", "int8"))
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "network.onnx", "network.fp16.onnx", "model.int8.onnx", "network.int8.onnx", "golden.npz",
    }  # fmt: skip
    parent = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    for name in ("network.fp16.onnx", "model.int8.onnx", "network.int8.onnx"):
        assert ModelFile.read(folder / name).spec().parent_sha256 == parent
    readings = load_golden(folder / "golden.npz").readings
    np.testing.assert_allclose(readings["int8"].probs, readings["fp32"].probs, atol=0.1)
    found = {
        (one.name, one.precision, one.is_timed) for one in contenders(folder, PLAIN, 1) if "OpenVINO" not in one.name
    }
    assert found == {
        ("INT8, ONNX Runtime", "int8", True),
        ("FP16, an engine's numbers", "fp16", False),
        ("INT8, an engine's numbers", "int8", False),
    }


def test_the_order_of_a_folder_does_not_decide_what_ranges_are_learned_on(tmp_path: Path) -> None:
    dark, bright = colours(102) // 8, colours(102)  # sorted: all of one kind, then all of the other
    drawn = draw_crops(write_folder(tmp_path / "faces", np.concatenate([dark, bright])))
    write_full(PLAIN, tmp_path, colours(2))
    found = write_int8(PLAIN, tmp_path, drawn, FEW, nothing)
    assert found.agreement.top1.value > 0.95
    assert (found.calibrated_on, found.agreement.images) == (136, 68)


def test_names_of_files_say_their_precision() -> None:
    assert [crops_file(one) for one in ("fp32", "int8")] == ["model.onnx", "model.int8.onnx"]
    assert [network_file(one) for one in ("fp32", "fp16")] == ["network.onnx", "network.fp16.onnx"]


def test_an_engine_that_does_not_run_here_says_why(tmp_path: Path) -> None:
    found = of_engine("FP16, TensorRT", "fp16", tmp_path / "a.engine", None, "no GPU")
    assert (found.runner, found.device, found.why_not_run) == (None, "gpu", "no GPU")
