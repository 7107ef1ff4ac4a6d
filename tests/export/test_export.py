"""The whole way from a model to a bundle: what serves, what is refused, and what is left of an older bundle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from export_parts import ANY_SPEED, FEW, colours, small_disk, untrained, wish, with_outlier, write_folder
from small_models import SPEC, bare, crops_graph, network

from ffe_edge.emotions import LABELS
from ffe_edge.engine.bundle import read_bundle
from ffe_edge.engine.golden import load_golden
from ffe_edge.engine.model import load_model
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import ConfigError, DataError, FfeError, ModelError
from ffe_export.export import Exported, Wish, export_model
from ffe_export.gates import AccuracyGate
from ffe_export.graph import serialized
from ffe_export.runs import NetworkRunner
from ffe_export.to_engine import EngineSettings
from ffe_train.checkpoint import save_expression_network
from ffe_train.networks import Backbone, ExpressionNetwork, NetworkSpec, to_input

STRICT = replace(ANY_SPEED, accuracy=AccuracyGate(points=0, strict=True))
RTX = EngineSettings("tensorrt-rtx", compute_capabilities=("8.6",))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, crops to calibrate on, and labelled ones."""
    folder = tmp_path_factory.mktemp("export")
    crops_graph(folder / "small.onnx")
    write_folder(folder / "faces", colours(102))
    write_folder(folder / "check", colours(12, seed=8), LABELS[0], LABELS[1])
    return folder


@pytest.fixture(scope="module")
def int8(place: Path) -> Exported:
    return export_model(place / "small.onnx", place / "int8", wish(place, "fp16", "int8", check=place / "check"))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_int8_bundle_serves_int8(int8: Exported) -> None:
    bundle = read_bundle(int8.folder)
    assert int8.is_as_wished
    assert (bundle.precision, bundle.cpu.name) == ("int8", "model.int8.onnx")
    assert bundle.engine == int8.folder / "network.int8.onnx"
    assert bundle.reference.name == "model.onnx"
    model = load_model(int8.folder, backend="onnxruntime")
    exact = load_model(int8.folder / "model.onnx", backend="onnxruntime")
    assert (model.spec.precision, model.path) == ("int8", bundle.cpu)
    np.testing.assert_allclose(model.run(colours(4)), exact.run(colours(4)), atol=0.1)


def test_a_bundle_has_every_file_with_its_digest(int8: Exported) -> None:
    names = {"model.onnx", "network.onnx", "model.int8.onnx", "network.int8.onnx", "network.fp16.onnx", "golden.npz"}
    bundle = read_bundle(int8.folder)
    assert {name for name in bundle.files if not name.startswith("report")} == names
    assert {"report.json", "report.html"} <= bundle.files.keys()
    for name in bundle.files:
        bundle.read(int8.folder / name)
    assert contents(int8.folder).keys() == {*bundle.files, "bundle.json"}
    assert bundle.made["ffe_edge"]


def test_smaller_files_name_the_file_they_were_made_of_and_how(int8: Exported, place: Path) -> None:
    full = hashlib.sha256((int8.folder / "model.onnx").read_bytes()).hexdigest()
    for name, graph, bits in (("model.int8.onnx", "crops", 7), ("network.int8.onnx", "images", 8)):
        spec = ModelFile.read(int8.folder / name).spec()
        assert (spec.precision, spec.graph, spec.parent_sha256) == ("int8", graph, full)
        assert (spec.quantization["weight_bits"], spec.quantization["data"]["folder"]) == (bits, "faces")
        assert (spec.quantization["crops"], spec.quantization["held_out"]) == (68, 34)
    half = ModelFile.read(int8.folder / "network.fp16.onnx").spec()
    assert (half.precision, half.parent_sha256, half.quantization) == ("fp16", full, {})
    source = ModelFile.read(int8.folder / "model.onnx").spec()
    assert source == replace(
        SPEC, graph="crops", parent_sha256=hashlib.sha256((place / "small.onnx").read_bytes()).hexdigest()
    )


def test_golden_inputs_have_the_answers_of_every_precision(int8: Exported) -> None:
    golden = load_golden(int8.folder / "golden.npz")
    assert set(golden.readings) == {"fp32", "fp16", "int8"}
    exact = load_model(int8.folder / "model.onnx", backend="onnxruntime").run(golden.crops)
    np.testing.assert_allclose(golden.readings["fp32"].probs, exact, atol=1e-5)
    assert 0 < np.abs(golden.readings["int8"].probs - exact).max() < 0.15


def test_the_report_has_every_contender_and_the_calibration(int8: Exported) -> None:
    report = json.loads((int8.folder / "report.json").read_text(encoding="utf-8"))
    names = {result.name for result in int8.verification.results}
    assert {"INT8, ONNX Runtime", "INT8, an engine's numbers", "FP16, an engine's numbers"} <= names
    text = json.dumps(report)
    assert all(name in text for name in names)
    assert '"folder": "faces"' in text
    assert "http://" not in (int8.folder / "report.html").read_text(encoding="utf-8").replace("http://www.w3.org", "")


def test_a_precision_that_loses_accuracy_does_not_serve(tmp_path: Path) -> None:
    spoilt, crops = tmp_path / "spoilt.onnx", colours(60, seed=8)
    spoilt.write_bytes(serialized(with_outlier(), SPEC))
    right = NetworkRunner(with_outlier(), SPEC)(crops).argmax(axis=1)
    write_folder(tmp_path / "faces", colours(102))
    write_folder(tmp_path / "check", crops, *(LABELS[class_id] for class_id in right))
    asked = wish(tmp_path, "int8", check=tmp_path / "check", quantization=replace(FEW, most_left_alone=0.0))
    exported = export_model(spoilt, tmp_path / "out", asked)
    results = [result for result in exported.verification.results if result.precision == "int8"]
    assert {result.outcome for result in results} == {"refused"}
    bundle = read_bundle(tmp_path / "out")
    assert (exported.is_as_wished, bundle.precision, bundle.cpu.name) == (False, "fp32", "model.onnx")
    assert "accuracy 100.0% before" in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_without_labelled_crops_a_strict_gate_refuses_and_fp32_serves(place: Path, tmp_path: Path) -> None:
    exported = export_model(place / "small.onnx", tmp_path / "out", wish(place, "int8", gates=STRICT))
    bundle = read_bundle(tmp_path / "out")
    assert not exported.is_as_wished
    assert bundle.engine is not None
    assert (bundle.precision, bundle.cpu.name, bundle.engine.name) == ("fp32", "model.onnx", "network.onnx")
    assert {"model.int8.onnx", "network.int8.onnx"} <= bundle.files.keys()
    assert load_model(tmp_path / "out", backend="onnxruntime").spec.precision == "fp32"


def test_a_trained_stage_becomes_a_bundle_that_says_what_its_network_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = ExpressionNetwork(Backbone(NetworkSpec("resnet18", "tiny")), 2).eval()
    about = {"stage": "elderly", "temperature": 2.0, "licence": "research only"}
    save_expression_network(trained.state_dict(), tmp_path / "stage", trained.backbone.spec, ("joy", "other"), about)
    exported = export_model(tmp_path / "stage", tmp_path / "out", wish(tmp_path))
    with torch.inference_mode():
        expected = torch.softmax(trained(to_input(colours(3))) / 2.0, dim=1)
    model = load_model(tmp_path / "out", backend="onnxruntime")
    np.testing.assert_allclose(model.run(colours(3)), expected, atol=1e-5)
    assert (model.spec.name, model.spec.labels, model.spec.data) == (
        "elderly",
        ("joy", "other"),
        ("terms: research only",),
    )
    assert "FP32, torch" in {result.name for result in exported.verification.results}
    assert "ONNX Runtime and torch differ by at most" in (tmp_path / "out" / "report.json").read_text(encoding="utf-8")


def test_a_full_disk_leaves_the_old_bundle(int8: Exported, place: Path, tmp_path: Path) -> None:
    folder = copytree(int8.folder, tmp_path / "bundle")
    with small_disk(), pytest.raises(ModelError, match=r"bundle: cannot be written \(File too large\); what was there"):
        export_model(place / "small.onnx", folder, wish(place))
    assert contents(folder) == contents(int8.folder)


def test_a_bundle_may_be_exported_into_itself_again(int8: Exported, tmp_path: Path) -> None:
    folder = copytree(int8.folder, tmp_path / "bundle")
    (folder / "notes.txt").write_text("mine")
    export_model(folder, folder, wish(folder))
    bundle = read_bundle(folder)
    assert (bundle.precision, bundle.engine) == ("fp32", folder / "network.onnx")
    assert not list(folder.glob("*int8*"))
    assert (folder / "notes.txt").read_text() == "mine"
    before, after = (load_model(one / "model.onnx", backend="onnxruntime") for one in (int8.folder, folder))
    np.testing.assert_array_equal(before.run(colours(2)), after.run(colours(2)))


@pytest.mark.parametrize("step", [1, 3, 6])
def test_an_export_that_is_interrupted_leaves_the_old_bundle_whole(
    int8: Exported, place: Path, tmp_path: Path, step: int
) -> None:
    folder = copytree(int8.folder, tmp_path / "bundle")
    crops_graph(tmp_path / "other.onnx", seed=5)

    told: set[str] = set()

    def stopped(what: str, _share: float) -> None:
        told.add(what)
        if len(told) == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_model(tmp_path / "other.onnx", folder, wish(place, "int8"), stopped)
    assert contents(folder) == contents(int8.folder)
    assert not (folder / ".new").exists()


def test_a_file_in_the_place_of_the_bundle_is_told_and_kept(place: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(ModelError, match="out: cannot be written"):
        export_model(place / "small.onnx", tmp_path / "out", wish(place))
    assert (tmp_path / "out").read_bytes() == b"mine"


def few(folder: Path) -> dict[str, Any]:
    return {"calibration": write_folder(folder / "few", colours(99))}


def alike(folder: Path) -> dict[str, Any]:
    return {"calibration": write_folder(folder / "few", colours(1).repeat(120, axis=0))}


def empty(folder: Path) -> dict[str, Any]:
    (folder / "empty").mkdir()
    return {"calibration": folder / "empty"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(few, "few: holds 99 crops, 100 are needed", id="99-crops"),
        pytest.param(alike, "only 1 of its 120 crops differ", id="all-the-same"),
        pytest.param(empty, "empty: holds no picture", id="empty-folder"),
        pytest.param(lambda folder: {"calibration": folder / "none"}, "none: is not there", id="no-folder"),
        pytest.param(
            lambda folder: {"check": write_folder(folder / "check", colours(3))}, "labels missing", id="no-labels"
        ),
        pytest.param(
            lambda folder: {"check": write_folder(folder / "check", colours(3), "boredom")}, "labels missing",
            id="labels-of-another-model",
        ),
        pytest.param(
            lambda folder: {"check": write_folder(folder / "check", colours(2), LABELS[0]), "split": "test"},
            "knows no splits", id="no-such-split",
        ),
    ],
)  # fmt: skip
def test_crops_that_will_not_do_are_refused_before_anything_is_written(
    place: Path, tmp_path: Path, change: Any, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        export_model(place / "small.onnx", tmp_path / "out", wish(place, "int8", **change(tmp_path)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"precisions": ("int8",)}, "no calibration data: .* --calibration FOLDER", id="no-calibration"),
        pytest.param({"precisions": ("int4",)}, "precision 'int4' is none of fp32, fp16, int8", id="no-such-precision"),
        pytest.param({"split": "test"}, "give --check", id="split-of-nothing"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Wish(**values)


def test_crops_of_another_size_than_the_models_are_refused(place: Path, tmp_path: Path) -> None:
    small = bare(tmp_path / "network.onnx", replace(SPEC, size_px=64))
    with pytest.raises(ModelError, match="takes crops of 64 px, those of a folder have 112"):
        export_model(small, tmp_path / "out", wish(place, "int8"))
    assert export_model(small, tmp_path / "out", wish(place)).is_as_wished


def with_operator(path: Path, kind: str, **attributes: Any) -> Path:
    """The small network with another activation in its node b.relu."""
    from onnx import helper

    model = network()
    node = next(node for node in model.graph.node if node.name == "b.relu")
    node.CopyFrom(helper.make_node(kind, node.input, node.output, name="b.relu", **attributes))
    path.write_bytes(serialized(model, SPEC))
    return path


def test_engines_are_built_beside_the_bundle_and_told_not_to_have_run(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    exported = export_model(place / "small.onnx", tmp_path / "out", wish(place, "int8", engines=(RTX,)))
    engines = sorted(path.name.partition("-")[0] for path in (tmp_path / "out" / "engines").glob("*.engine"))
    assert engines == ["network", "network.int8"]
    (found,) = (result for result in exported.verification.results if result.name == "INT8, TensorRT-RTX")
    assert found.file is not None
    assert (found.device, found.outcome in {"not run", "passed", "overridden", "not proven"}) == ("gpu", True)
    assert exported.is_as_wished


def test_an_operator_that_a_runtime_lacks_is_told_with_its_node_and_the_old_bundle_stays(
    int8: Exported, place: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="the extra rtx is not installed")
    folder = copytree(int8.folder, tmp_path / "bundle")
    odd = with_operator(tmp_path / "odd.onnx", "Bernoulli")
    with pytest.raises(ModelError, match=r"network\.onnx: .*\.Bernoulli"):
        export_model(odd, folder, wish(place, engines=(RTX,)))
    assert contents(folder) == contents(int8.folder)


@pytest.mark.parametrize("damage", [lambda data: data[:5000], lambda data: b"", lambda data: b"\0" * 5000])
def test_a_damaged_model_leaves_no_trace(place: Path, tmp_path: Path, damage: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(damage((place / "small.onnx").read_bytes()))
    with pytest.raises(FfeError, match=r"model\.onnx: "):
        export_model(tmp_path / "model.onnx", tmp_path / "out", wish(place))
    assert not (tmp_path / "out").exists()


def test_weights_that_are_no_numbers_are_refused_and_nothing_is_kept(place: Path, tmp_path: Path) -> None:
    from onnx import numpy_helper

    model = network()
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.full((16, 3, 3, 3), np.nan, np.float32), model.graph.initializer[0].name)
    )
    (tmp_path / "network.onnx").write_bytes(serialized(model, SPEC))
    for precisions in ((), ("fp16",), ("int8",)):
        with pytest.raises(ModelError):
            export_model(tmp_path / "network.onnx", tmp_path / "out", wish(place, *precisions))
    assert contents(tmp_path / "out") == {}


def test_a_check_on_the_calibration_itself_is_told(tmp_path: Path) -> None:
    faces = write_folder(tmp_path / "faces", colours(120), *SPEC.labels)
    exported = export_model(bare(tmp_path / "network.onnx"), tmp_path / "out", wish(tmp_path, "int8", check=faces))
    (note,) = json.loads((exported.folder / "report.json").read_text())["notes"]
    assert note.startswith("120 of the 120 crops of --check are in --calibration too")


def test_a_network_with_prelus_gets_a_file_for_openvino_which_serves_there(tmp_path: Path) -> None:
    untrained(tmp_path / "stage", "face-resnet18", "tiny")
    faces = write_folder(tmp_path / "faces", colours(102), *LABELS)
    gates = replace(ANY_SPEED, accuracy=AccuracyGate(points=100))
    exported = export_model(tmp_path / "stage", tmp_path / "out", wish(tmp_path, "int8", check=faces, gates=gates))
    bundle = read_bundle(exported.folder)
    assert (bundle.cpu.name, bundle.openvino) == ("model.int8.onnx", exported.folder / "model.int8.openvino.onnx")
    assert load_model(exported.folder, backend="openvino").path == bundle.openvino
    assert load_model(exported.folder, backend="onnxruntime").path == bundle.cpu
