"""A network gets used to rounded numbers: rounding is its equation, norms are folded as export folds them, and the
stage is one like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.fusion import fuse_conv_bn_eval
from toy_faces import LABELS, expressions, pictures
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.errors import ConfigError, DataError, FfeError
from ffe_export.points import ranged
from ffe_export.quantize_graph import quantized as quantized_graph
from ffe_export.ranges import collect
from ffe_export.runs import inner_tensors
from ffe_export.source import open_source
from ffe_train.checkpoint import load_expression_network, read_stored, save_backbone, save_expression_network
from ffe_train.commands_aware import in_words
from ffe_train.files import load_weights, read_json
from ffe_train.manifest import Row
from ffe_train.networks import DEPTHS, Architecture, ExpressionNetwork, NetworkSpec, new_backbone, to_input
from ffe_train.people import NOBODY, People, people_of, read_people, write_people
from ffe_train.prepared import PreparedSet, open_prepared, write_prepared
from ffe_train.quantization_aware import Told, quantization_aware
from ffe_train.quantization_aware_data import Aware, aware_recipe, lesson_of
from ffe_train.quantization_aware_network import (
    WEIGHT_LEVELS,
    _watched,
    fake_quantize,
    fake_quantized,
    fake_quantized_weight,
    folded,
    quantized,
)
from ffe_train.quantization_aware_tuning import distillation
from ffe_train.recipes import Transfer
from ffe_train.stage_folder import TUNING, kind_of, origin_of
from ffe_train.tune import tune

ARCHITECTURES = [
    pytest.param(NetworkSpec("resnet18", "tiny"), id="resnet18"),
    pytest.param(NetworkSpec("resnet18", "tiny", embedding=False), id="resnet18-pooled"),
    pytest.param(NetworkSpec("face-resnet18", "tiny"), id="face-resnet18"),
    pytest.param(NetworkSpec("face-resnet18", "tiny", "insightface"), id="face-resnet18-insightface"),
    pytest.param(NetworkSpec("lean-resnet14", "tiny"), id="lean-resnet14"),
]
LEARNED = ("elsewhere/anna", "elsewhere/ben")


def network_of(spec: NetworkSpec) -> ExpressionNetwork:
    """Fresh weights behind norms that do something, some gains below zero."""
    torch.manual_seed(3)
    network = ExpressionNetwork(new_backbone(spec), 2)
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for value in layer.state_dict().values():
                if value.is_floating_point():
                    value.uniform_(0.3, 1.5)
            if layer.affine:
                layer.weight.data[::3] *= -1
    return network.eval()


def images_of(count: int, seed: int = 0) -> Tensor:
    return to_input(np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8))


def recipe_of(**changes: Any) -> Aware:
    values = {"name": "rounded", "data": ("faces",), "epochs": 2, "batch": 8, "learning_rate": 0.005, **changes}
    return aware_recipe(**values)


def blended(folder: Path) -> PreparedSet:
    """Between the two kinds of picture, some right in the middle: small errors turn the answer."""
    count = 96
    faces = expressions(folder, count=count)
    share = np.random.default_rng(5).uniform(0.35, 0.65, count)[:, None, None, None]
    ends = pictures(np.arange(2 * count) % 2, 1)
    rows = [replace(row, label=LABELS[int(part > 0.5)]) for row, part in zip(faces.rows, share.ravel(), strict=True)]
    write_prepared(folder, "faces", np.asarray((1 - share) * ends[::2] + share * ends[1::2], np.uint8), rows)
    return open_prepared(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set ``faces``, and a stage ``start`` that has learned its labels from other people's faces."""
    folder = tmp_path_factory.mktemp("aware")
    faces = blended(folder / "sets" / "faces")
    recipe = Transfer.model_validate(
        {
            "stage": "transfer",
            "name": "start",
            "data": "faces",
            "network": {"architecture": "face-resnet18", "preset": "tiny"},
            "probe": {"epochs": 0},
            "fine_tune": {"epochs": 2, "batch": 8, "learning_rate": 0.02},
        }
    )
    torch.manual_seed(1)
    network = ExpressionNetwork(new_backbone(NetworkSpec("face-resnet18", "tiny")), len(LABELS))
    kinds = np.arange(48) % 2
    crops = pictures(kinds, 7)
    tune(network, lambda index: crops[index], np.eye(2, dtype=np.float32)[kinds], recipe, 0)
    write_stage(folder / "runs" / "start", network, people_of(LEARNED))
    assert len(faces) == 96
    return folder


def write_stage(folder: Path, network: ExpressionNetwork, people: People) -> None:
    about = {"name": folder.name, "sets": ["elsewhere"], "licence": "CC0", "people_sha256": people.sha256}
    write_people(people, folder)
    save_expression_network(network.state_dict(), folder, network.backbone.spec, LABELS, {**about, "temperature": 1.25})


def ran(place: Path, out: Path, told: Told | None = None, **changes: Any) -> Path:
    sets = [open_prepared(place / "sets" / "faces")]
    start = place / "runs" / "start"
    return quantization_aware(recipe_of(**changes), start, sets, out, device="cpu", told=told).folder


@pytest.mark.parametrize("levels", [127, 64, 7])
def test_fake_quantization_is_its_equation(levels: int) -> None:
    values, step = np.random.default_rng(0).normal(0, 1, 200).astype(np.float32), np.float32(0.02)
    naive = [step * min(max(round(float(value / step)), -levels), levels) for value in values]
    ours = fake_quantize(torch.from_numpy(values), torch.tensor(step), levels)
    np.testing.assert_allclose(ours.numpy(), naive, rtol=1e-6)


def test_gradients_pass_inside_the_range_and_are_zero_outside() -> None:
    values = torch.tensor([-9.0, -7.0, -0.4, 0.0, 0.4, 3.7, 7.4, 7.6], requires_grad=True)
    (fake_quantize(values, torch.tensor(1.0), 7) * torch.arange(1, 9)).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 0]


@pytest.mark.parametrize("bits", WEIGHT_LEVELS)
def test_every_output_channel_has_a_step_of_its_own(bits: int) -> None:
    weight = torch.randn(16, 4, 3, 3, generator=torch.manual_seed(0)) * torch.logspace(-3, 1, 16).view(-1, 1, 1, 1)
    weight[5] = 0
    step = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / WEIGHT_LEVELS[bits]
    rounded = fake_quantized_weight(weight, bits)
    assert torch.all((rounded - weight).abs() <= step / 2 * 1.001)
    assert all(len(channel.unique()) <= 2 * WEIGHT_LEVELS[bits] + 1 for channel in rounded)


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_rounding_the_weights_is_rounding_the_folded_ones(spec: NetworkSpec) -> None:
    network = network_of(spec)
    tensors, before = quantized(network, 4), folded(network)
    layers = dict(network.named_modules())
    pairs = pairs_of(network)
    assert len(pairs) >= 18
    for layer, norm in pairs:
        gain = layers[norm].weight if layers[norm].affine else 1  # type: ignore[union-attr]
        scale = gain / torch.sqrt(layers[norm].running_var + layers[norm].eps)  # type: ignore[operator]
        weight = before.get(f"{layer}.weight", layers[layer].weight)
        scale = scale.view(-1, *[1] * (weight.ndim - 1))  # type: ignore[operator]
        torch.testing.assert_close(tensors[f"{layer}.weight"] * scale, fake_quantized_weight(weight * scale, 4))


def pairs_of(network: ExpressionNetwork) -> list[tuple[str, str]]:
    """Names of layers and of the norms right behind them, found by what the network does."""
    order = list[tuple[str, nn.Module]]()
    handles = [
        layer.register_forward_hook(lambda module, _inputs, _output, name=name: order.append((name, module)))
        for name, layer in network.named_modules()
        if not list(layer.children()) and not isinstance(layer, nn.Dropout)
    ]
    network(images_of(1))
    for handle in handles:
        handle.remove()
    return [
        (name, following)
        for (name, layer), (following, norm) in pairwise(order)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and isinstance(norm, (nn.BatchNorm1d, nn.BatchNorm2d))
    ]


def test_the_folded_weight_is_torchs_own() -> None:
    network = network_of(NetworkSpec("face-resnet18", "tiny"))
    block = network.backbone.body.layer1[0]  # type: ignore[index]
    fused = fuse_conv_bn_eval(block.conv1, block.bn2)
    scale = block.bn2.weight / torch.sqrt(block.bn2.running_var + block.bn2.eps)
    ours = quantized(network, 8)["backbone.body.layer1.0.conv1.weight"] * scale.view(-1, 1, 1, 1)
    torch.testing.assert_close(ours, fake_quantized_weight(fused.weight, 8))


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_with_the_norm_inside_the_embedding_the_network_says_the_same(spec: NetworkSpec) -> None:
    network, images = network_of(spec), images_of(3)
    with torch.no_grad():
        plain, inside = network(images), functional_call(network, folded(network), (images,))
    torch.testing.assert_close(inside, plain, rtol=1e-4, atol=1e-5)
    assert bool(folded(network)) is spec.has_embedding


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_every_layers_input_and_every_skip_is_rounded_but_not_the_head(spec: NetworkSpec) -> None:
    network = network_of(spec)
    layers = [layer for layer in network.backbone.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    blocks = [block for block in network.modules() if hasattr(block, "downsample")]
    with fake_quantized(network, 8, [images_of(2)]):
        assert [len(layer._forward_pre_hooks) for layer in (*layers, network.head)] == [*[1] * len(layers), 0]
        skips = [block.downsample if isinstance(block.downsample, nn.Module) else block for block in blocks]
        assert [len(skip._forward_hooks) + len(skip._forward_pre_hooks) for skip in skips] == [1] * len(blocks)
        assert len(blocks) == sum(DEPTHS[spec.architecture])


@pytest.mark.parametrize("architecture", ["resnet18", "face-resnet18", "lean-resnet14"])
def test_more_bits_are_closer_and_eight_are_close(architecture: Architecture) -> None:
    network, images = network_of(NetworkSpec(architecture, "tiny")), images_of(4)
    plain, gaps = network(images).detach(), []
    for bits in (8, 7, 4):
        with fake_quantized(network, bits, [images]) as forward:
            gaps.append(float((forward(images).detach() - plain).norm() / plain.norm()))
    assert gaps[0] < 0.05
    assert gaps[0] < gaps[2] > gaps[1]


@pytest.mark.parametrize("architecture", ["face-resnet18", "lean-resnet14"])
def test_what_is_rounded_and_its_ranges_are_those_that_export_writes_for_engines(
    place: Path, tmp_path: Path, architecture: Architecture
) -> None:
    stage, crops = tmp_path / "stage", open_prepared(place / "sets" / "faces").crops(np.arange(48))
    write_stage(stage, network_of(NetworkSpec(architecture, "tiny")), NOBODY)
    source = open_source(stage)
    names = ranged(source.network)
    cuts = collect(inner_tensors(source.network, names, crops, 1), names).cuts("min-max")
    graph = quantized_graph(source.network, cuts, "engine").graph
    numbers = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    theirs = [127 * numbers[node.input[1]] for node in graph.node if node.op_type == "QuantizeLinear"]
    network = load_expression_network(stage)
    activations, _ = _watched(network)
    functional_call(network, folded(network), (to_input(crops),))
    ours = {float(activation.largest) for activation in activations if activation.largest is not None}
    np.testing.assert_allclose(sorted(ours), sorted(theirs), rtol=1e-3)
    rounded = [node.input[0] for node in graph.node if node.op_type == "DequantizeLinear" and "scale" in node.input[1]]
    weights = sum(numbers[name].dtype == np.int8 for name in rounded if name in numbers)
    assert weights == sum("weight" in name for name in quantized(network, 8)) - 1


def test_afterwards_the_network_is_plain_even_when_something_fails() -> None:
    network, images = network_of(NetworkSpec("face-resnet18", "tiny")), images_of(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    said = network(images)
    with pytest.raises(RuntimeError), fake_quantized(network, 4, [images]) as forward:
        forward(images[:, :1])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.equal(network(images), said)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_network_is_rounded_in_eval_mode_after_measuring_and_with_bits_that_exist() -> None:
    network = network_of(NetworkSpec("resnet18", "tiny"))
    with fake_quantized(network, 8, []) as forward, pytest.raises(ValueError, match="one batch or more"):
        forward(images_of(1))
    with pytest.raises(ValueError, match="3 bits"), fake_quantized(network, 3, [images_of(1)]):
        pass
    with pytest.raises(ValueError, match="training mode"), fake_quantized(network.train(), 8, [images_of(1)]):
        pass


def test_the_loss_is_the_divergence_from_the_teacher_and_the_labels_by_weight() -> None:
    logits, taught = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    said, goal = logits.log_softmax(1), taught.softmax(1)
    divergence = float((goal * (goal.log() - said)).sum() / 2)
    entropy = -float(said[0, 0]) / 2
    assert float(distillation(logits, taught, labels, 0.0)) == pytest.approx(divergence)
    assert float(distillation(logits, taught, labels, 0.3)) == pytest.approx(0.7 * divergence + 0.3 * entropy)
    assert float(distillation(taught, taught, labels, 0.0)) == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module")
def done(place: Path) -> Path:
    """A tuning with 4 bits that was never cut."""
    return ran(place, place / "runs", bits=4, epochs=3)


def test_at_four_bits_the_network_agrees_more_with_itself_than_before(done: Path) -> None:
    metrics = read_json(done / "stage.json")["metrics"]
    assert (metrics["measured"], metrics["labelled"]) == (32, 32)
    assert metrics["agreement_after"] > metrics["agreement_before"] + 0.1
    assert metrics["divergence_after"] < metrics["divergence_before"] / 2
    assert metrics["accuracy_after"] >= metrics["accuracy_before"]
    low, value, high = (metrics["intervals"]["agreement_after"][key] for key in ("low", "value", "high"))
    assert low < value <= high
    assert in_words(metrics).startswith("agreement with FP32 on 32 faces of people not learned from: 0.")


def test_the_result_is_a_stage_like_any_other(place: Path, done: Path) -> None:
    network, start = load_expression_network(done), load_expression_network(place / "runs" / "start")
    stored = read_stored(done)
    assert network.backbone.spec == start.backbone.spec
    assert stored.about["labels"] == list(LABELS)
    assert (stored.about["temperature"], stored.about["licence"], stored.about["sets"]) == (
        1.25, "CC0", ["elsewhere", "faces"],
    )  # fmt: skip
    assert stored.about["start"] == origin_of(place / "runs" / "start").start | {"name": "start"}
    assert kind_of(done) == "aware"
    statistics = [name for name in start.state_dict() if "running" in name]
    assert all(torch.equal(network.state_dict()[name], start.state_dict()[name]) for name in statistics)
    assert not torch.equal(network.head.weight, start.head.weight)


def test_whom_it_learned_from_is_added_to_whom_the_start_has_learned(place: Path, done: Path) -> None:
    people = read_people(done, read_stored(done).about["people_sha256"])
    rows = open_prepared(place / "sets" / "faces").rows
    learned = {f"toy/{row.subject}" for row in rows if row.split == "train"}
    assert people == people_of([*LEARNED, *learned])


def test_a_run_that_was_cut_goes_on_to_the_same_weights(place: Path, done: Path, tmp_path: Path) -> None:
    def cut(_epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran(place, tmp_path, Told(cut), bits=4, epochs=3)
    assert (kind_of(tmp_path / "rounded"), (tmp_path / "rounded" / "stage.json").exists()) == ("aware", False)
    with pytest.raises(DataError, match=r"recipe.bits was 4 and is 7"):
        ran(place, tmp_path, bits=7, epochs=3)
    numbers = list[int]()
    folder = ran(place, tmp_path, Told(lambda epoch: numbers.append(epoch.number)), bits=4, epochs=3)
    assert numbers == [2, 3]
    assert not (folder / TUNING).exists()
    ours, theirs = (load_weights(of / "weights.safetensors")[0] for of in (folder, done))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_is_done_is_given_back_and_never_passed_off_as_another(place: Path, done: Path) -> None:
    def refuse(_epoch: object) -> None:
        raise AssertionError("trained again")

    assert ran(place, place / "runs", Told(refuse), bits=4, epochs=3) == done
    with pytest.raises(DataError, match=r"recipe.epochs was 3 and is 1; give the stage another name, or --fresh"):
        ran(place, place / "runs", Told(refuse), bits=4, epochs=1)


def test_measured_people_must_be_strangers_unless_allowed(place: Path) -> None:
    faces = [open_prepared(place / "sets" / "faces")]
    known = people_of(["toy/2", "toy/5", "toy/3"])
    with pytest.raises(DataError, match="2 of the 32 people measured were learned by an earlier stage"):
        lesson_of(recipe_of(), faces, LABELS, known)
    lesson = lesson_of(recipe_of(allow_seen_people=True), faces, LABELS, known)
    assert lesson.seen["seen_people"] == 2
    assert "no measurement on strangers" in lesson.seen["warning"]
    assert lesson_of(recipe_of(), faces, LABELS, NOBODY).seen == {"seen_people": 0}
    assert lesson_of(recipe_of(), faces, LABELS, People(is_complete=False)).seen == {"seen_people": None}


def relabelled(faces: PreparedSet, folder: Path, change: Callable[[int, Row], Row]) -> PreparedSet:
    rows = [change(number, row) for number, row in enumerate(faces.rows)]
    write_prepared(folder, folder.name, faces.crops(np.arange(len(faces))), rows)
    return open_prepared(folder)


def test_without_a_split_one_person_in_ten_is_measured_and_not_learned_from(place: Path, tmp_path: Path) -> None:
    faces = open_prepared(place / "sets" / "faces")
    whole = relabelled(faces, tmp_path, lambda k, row: replace(row, split="", subject=f"{k % 24}", label=""))
    lesson = lesson_of(recipe_of(), [whole], LABELS, NOBODY)
    assert (len(lesson.train), len(lesson.measured)) == (88, 8)
    assert not {*lesson.train.subject} & {*lesson.measured.subject}
    assert not lesson.labels.any()
    assert (lesson.truth == -1).all()


def test_the_split_test_is_never_seen(place: Path, tmp_path: Path) -> None:
    faces = open_prepared(place / "sets" / "faces")
    kept = relabelled(faces, tmp_path, lambda k, row: replace(row, split="test" if row.split == "val" else "train"))
    lesson = lesson_of(recipe_of(), [kept], LABELS, NOBODY)
    assert (len(lesson.train), len(lesson.measured)) == (58, 6)
    assert {*lesson.train.split, *lesson.measured.split} == {"train"}


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        pytest.param({"split": "test"}, DataError, "all its faces are in the split test", id="only-test"),
        pytest.param({"split": "val"}, DataError, "nobody is left to learn from", id="only-val"),
        pytest.param({"subject": "a", "split": ""}, DataError, "all 1 people of faces would be measured", id="one"),
        pytest.param({"label": "anger"}, ConfigError, "no face of faces has a label of joy, sadness", id="no-label"),
        pytest.param({"subject": "a"}, DataError, "subject toy/a stands in the splits", id="two-splits"),
    ],
)
def test_sets_that_cannot_teach_are_refused(
    place: Path, tmp_path: Path, change: dict[str, Any], error: type[FfeError], told: str
) -> None:
    faces = open_prepared(place / "sets" / "faces")
    other = relabelled(faces, tmp_path, lambda _, row: replace(row, **change))
    with pytest.raises(error, match=told):
        lesson_of(recipe_of(label_weight=0.5), [other], LABELS, NOBODY)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"name": "No Name"}, "^name: ", id="name"),
        pytest.param({"bits": 3}, "^bits: ", id="bits"),
        pytest.param({"learning_rate": float("nan")}, "^learning_rate: ", id="rate"),
        pytest.param({"data": ("faces", "faces")}, "^data: faces comes twice", id="data"),
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        recipe_of(**changes)


def test_a_loss_that_is_no_number_is_told_with_its_place(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rounded: .* epoch 1.*; lower the learning rate"):
        ran(place, tmp_path, learning_rate=1e38, clip=1e30)


def command(place: Path, *more: str) -> tuple[str, str]:
    words = ["--sets", f"{place / 'sets'}", "--data", "faces", "-o", f"{place / 'cli'}", "--threads", "1", *more]
    result = CliRunner().invoke(app, ["train", "aware", *words], catch_exceptions=True)
    return result.output, "" if result.exception is None else str(result.exception)


def test_the_command_says_every_epoch_and_what_came_of_it(place: Path) -> None:
    output, error = command(place, f"{place / 'runs' / 'start'}", "--name", "said", "--epochs", "1", "--bits", "7")
    assert error == ""
    assert "epoch 1/1: loss 0.0" in output
    assert "agreement with FP32 on 32 faces of people not learned from: " in " ".join(output.split())


@pytest.mark.parametrize(
    ("stage", "more", "told"),
    [
        pytest.param("nowhere", ["--name", "x"], "weights.safetensors: cannot be read", id="no-stage"),
        pytest.param("bare", ["--name", "x"], "a backbone that tells no expressions", id="backbone"),
        pytest.param("start", ["--name", "x", "--data", "no"], "holds no finished prepared set", id="no-set"),
        pytest.param("start", ["--name", "x", "-o", "{runs}", "--name", "start"], "holds ", id="own-folder"),
    ],
)
def test_what_cannot_be_is_one_line(place: Path, stage: str, more: list[str], told: str) -> None:
    network = network_of(NetworkSpec("resnet18", "tiny"))
    save_backbone(network.backbone.state_dict(), place / "runs" / "bare", network.backbone.spec, {})
    words = [word.format(runs=place / "runs") for word in more]
    _, error = command(place, f"{place / 'runs' / stage}", *words)
    assert told in error
    assert "\n" not in error
