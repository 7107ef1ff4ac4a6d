"""The networks: sizes as published, shapes of every preset, the input, and the graph that is exported."""

from __future__ import annotations

import io
import sys

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ffe_edge.errors import ConfigError, ModelError
from ffe_edge.types import ImageArray
from ffe_train.face_resnet import FaceBlock, Flavour
from ffe_train.networks import (
    DEPTHS,
    WIDTHS,
    Architecture,
    ExpressionNetwork,
    NetworkSpec,
    Preset,
    Tap,
    network_spec,
    new_backbone,
    to_input,
)
from ffe_train.plain_resnet import PlainResNet

ARCHITECTURES: list[Architecture] = ["resnet18", "resnet50", "face-resnet18", "face-resnet50", "lean-resnet14"]


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("architecture", "classes", "count"),
    [pytest.param("resnet18", 9, 11_181_129, id="resnet18"), pytest.param("resnet50", 9, 23_526_473, id="resnet50")],
)
def test_plain_resnets_have_torchvisions_parameters(architecture: Architecture, classes: int, count: int) -> None:
    with torch.device("meta"):
        network = ExpressionNetwork(new_backbone(NetworkSpec(architecture, embedding=False)), classes)
    assert parameters(network) == count


@pytest.mark.parametrize(
    ("architecture", "flavour", "count"),
    [
        pytest.param("face-resnet18", "adaface", 24_020_352, id="ir18-adaface"),
        pytest.param("face-resnet50", "adaface", 43_585_600, id="ir50-adaface"),
        pytest.param("face-resnet18", "insightface", 24_025_600, id="ir18-insightface"),
        pytest.param("face-resnet50", "insightface", 43_590_848, id="ir50-insightface"),
    ],
)
def test_face_resnets_have_the_published_parameters(architecture: Architecture, flavour: Flavour, count: int) -> None:
    with torch.device("meta"):
        assert parameters(new_backbone(NetworkSpec(architecture, flavour=flavour))) == count


@pytest.mark.parametrize(
    ("architecture", "gmac"),
    [("face-resnet18", 2.597), ("face-resnet50", 6.297), ("resnet18", 0.485), ("resnet50", 1.076)],
)
def test_multiplications_of_one_crop_are_those_published(architecture: Architecture, gmac: float) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        backbone = new_backbone(NetworkSpec(architecture, embedding=False)).eval()
        ExpressionNetwork(backbone, 9).eval()(torch.empty(1, 3, 112, 112))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=6e-4)


def test_the_default_model_is_small_enough_for_a_device() -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = ExpressionNetwork(new_backbone(NetworkSpec("lean-resnet14", "small")).eval(), 9).eval()
        assert network(torch.empty(2, 3, 112, 112)).shape == (2, 9)
    assert counter.get_total_flops() / 4e9 == pytest.approx(0.078, abs=1e-3)  # GMAC; at most 0.1
    assert parameters(network) * 4 < 12e6  # bytes


@pytest.mark.parametrize("preset", WIDTHS)
def test_a_lean_net_always_sees_half_of_each_side_and_halves_its_maps_four_times(preset: Preset) -> None:
    with torch.device("meta"):
        backbone = new_backbone(NetworkSpec("lean-resnet14", preset)).eval()
        seen: list[torch.Tensor] = []
        backbone.body.register_forward_hook(lambda _, given, maps: seen.extend((*given, maps)))
        backbone(torch.empty(2, 3, 112, 112))
    assert [tuple(tensor.shape) for tensor in seen] == [(2, 3, 56, 56), (2, WIDTHS[preset][-1], 4, 4)]


def lean_logits(crops: ImageArray) -> torch.Tensor:
    torch.manual_seed(0)
    network = ExpressionNetwork(new_backbone(NetworkSpec("lean-resnet14", "tiny")), 9).eval()
    with torch.inference_mode():
        return network(to_input(crops))


def changed(crops: ImageArray, others: ImageArray) -> float:
    """Largest difference of a logit, in units of how far those of one picture are from those of another."""
    logits = lean_logits(crops)
    return float((lean_logits(others) - logits).abs().max() / logits.std(dim=0).mean())


def faces(low: int, high: int) -> ImageArray:
    """Blurred noise in colour with values between these two."""
    noise = np.random.default_rng(0).normal(size=(4, 112, 112, 3)).astype(np.float32)
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 8) for picture in noise])
    span = soft.max() - soft.min()
    return np.asarray(np.round(low + (high - low) * (soft - soft.min()) / span), np.uint8)


def test_a_lean_net_hears_the_luminance_alone() -> None:
    crops = faces(0, 255)
    grey = np.stack([cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for crop in crops])
    assert np.abs(crops.astype(int) - grey).mean() > 10
    assert changed(crops, grey) < 0.1  # grey is rounded to a level
    assert changed(crops, crops[::-1]) > 1


@pytest.mark.parametrize(
    ("low", "high"),
    [pytest.param(0, 80, id="dark"), pytest.param(170, 250, id="pale"), pytest.param(90, 170, id="flat")],
)
def test_neither_brightness_nor_contrast_changes_what_a_lean_net_says(low: int, high: int) -> None:
    assert changed(faces(0, 255), faces(low, high)) < 0.3


def test_a_picture_of_one_grey_is_no_error_to_a_lean_net() -> None:
    logits = lean_logits(np.full((2, 112, 112, 3), (0, 7, 255), np.uint8))
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_torchvisions_weights_load_and_give_its_features(architecture: Architecture) -> None:
    torchvision = pytest.importorskip("torchvision.models")
    reference = getattr(torchvision, architecture)().eval()
    reference.fc = torch.nn.Identity()
    ours = PlainResNet(WIDTHS["paper"], DEPTHS[architecture], bottleneck=architecture == "resnet50").eval()
    ours.load_state_dict(reference.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images).mean(dim=(2, 3)), reference(images))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("preset", "dim"), [pytest.param("tiny", 128, id="tiny"), pytest.param("small", 256, id="small"), ("paper", 512)]
)
def test_embeddings_are_as_wide_as_the_preset_says(architecture: Architecture, preset: Preset, dim: int) -> None:
    with torch.device("meta"):
        backbone = new_backbone(NetworkSpec(architecture, preset))
        images = torch.empty(2, 3, 112, 112)
        assert backbone(images).shape == (2, backbone.dim) == (2, dim)
        assert backbone.pooled(images).shape == (2, backbone.pooled_dim)
    convolutions = [module for module in backbone.modules() if isinstance(module, torch.nn.Conv2d)]
    assert min(convolution.in_channels for convolution in convolutions[1:]) >= 16


def test_a_plain_resnet_without_embedding_gives_its_pooled_features() -> None:
    backbone = new_backbone(NetworkSpec("resnet18", "tiny", embedding=False)).eval()
    images = torch.rand(2, 3, 112, 112)
    assert backbone.dim == backbone.pooled_dim == 128
    torch.testing.assert_close(backbone(images), backbone.pooled(images))
    assert len(backbone.groups()) == 5


@pytest.mark.parametrize("flavour", ["adaface", "insightface"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_groups_hold_every_parameter_once_input_side_first(architecture: Architecture, flavour: Flavour) -> None:
    with torch.device("meta"):
        backbone = new_backbone(NetworkSpec(architecture, "tiny", flavour))
    groups = backbone.groups()
    names = {id(parameter): name for name, parameter in backbone.named_parameters()}
    assert sorted(names[id(parameter)] for group in groups for parameter in group) == sorted(names.values())
    firsts = ["body.conv1", *(f"body.layer{number}" for number in range(1, 5)), "embedding"]
    assert [names[id(group[0])].startswith(first) for group, first in zip(groups, firsts, strict=True)] == [True] * 6


@pytest.mark.parametrize(
    ("inputs", "outputs", "stride", "projected"),
    [
        pytest.param(16, 16, 2, False, id="every-second-pixel"),
        pytest.param(16, 32, 2, True, id="projected"),
        pytest.param(16, 16, 1, False, id="as-it-is"),
    ],
)
def test_a_face_block_adds_its_shortcut(inputs: int, outputs: int, stride: int, projected: bool) -> None:
    block = FaceBlock(inputs, outputs, stride, projected=projected).eval()
    torch.nn.init.zeros_(block.bn3.weight)
    maps = torch.rand(2, inputs, 6, 6)
    expected = block.downsample(maps) if projected else maps[:, :, ::stride, ::stride]
    torch.testing.assert_close(block(maps), expected)


def test_first_weights_are_as_in_each_public_code() -> None:
    torch.manual_seed(0)
    ada = new_backbone(NetworkSpec("face-resnet18", "tiny", "adaface")).state_dict()
    insight = new_backbone(NetworkSpec("face-resnet18", "tiny", "insightface")).state_dict()
    name = "body.layer4.1.conv2.weight"
    assert float(ada[name].std()) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.05)
    assert float(insight[name].std()) == pytest.approx(0.1, rel=0.05)
    assert float(ada["embedding.fc.weight"].std()) == pytest.approx((2 / 128) ** 0.5, rel=0.05)


def test_insightfaces_last_norm_learns_its_bias_only() -> None:
    features = new_backbone(NetworkSpec("face-resnet18", "tiny", "insightface")).embedding.features
    assert (features.weight.requires_grad, features.bias.requires_grad) == (False, True)
    torch.testing.assert_close(features.weight, torch.ones(128), check_stride=False)


def test_tiny_sees_the_mean_of_four_pixels() -> None:
    backbone = new_backbone(NetworkSpec("face-resnet18", "tiny")).eval()
    seen: list[torch.Tensor] = []
    backbone.body.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    images = torch.rand(1, 3, 112, 112)
    backbone(images)
    torch.testing.assert_close(seen[0], images.reshape(1, 3, 56, 2, 56, 2).mean(dim=(3, 5)))


def test_bgr_bytes_become_rgb_between_minus_one_and_one() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    crops.setflags(write=False)
    images = to_input(crops)
    expected = (crops[..., ::-1].transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-6)
    assert images.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(to_input(torch.from_numpy(crops.copy()), "cpu"), images)


@pytest.mark.parametrize("shape", [(112, 112, 3), (2, 3, 112, 112)])
def test_anything_but_a_batch_of_crops_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="crops must be"):
        to_input(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(("tap", "features"), [("embedding", 128), ("pooled", 512)])
def test_expressions_are_told_from_the_tapped_features(tap: Tap, features: int) -> None:
    network = ExpressionNetwork(new_backbone(NetworkSpec("resnet50", "tiny")), 9, tap, dropout=0.2)
    images = to_input(np.zeros((2, 112, 112, 3), np.uint8)).to(memory_format=torch.channels_last)
    logits = network.to(memory_format=torch.channels_last)(images)
    assert (logits.shape, network.head.in_features) == ((2, 9), features)
    logits.sum().backward()
    assert network.backbone.body.conv1.weight.grad is not None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*instance_norm")
@pytest.mark.parametrize("architecture", ["resnet18", "face-resnet18", "lean-resnet14"])
def test_the_exported_graph_gives_the_same_for_any_batch(architecture: Architecture) -> None:
    network = ExpressionNetwork(new_backbone(NetworkSpec(architecture, "tiny")), 9).eval()
    buffer = io.BytesIO()
    torch.onnx.export(network, (torch.rand(2, 3, 112, 112),), buffer, dynamo=False, input_names=["images"],
                      dynamic_axes={"images": {0: "batch"}}, opset_version=17)  # fmt: skip
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    images = torch.rand(3, 3, 112, 112)
    (logits,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, network(images).numpy(), atol=1e-4)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="no such network"):
        NetworkSpec("resnet34")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param({"architecture": "resnet34"}, "architecture: 'resnet34' is none of resnet18", id="architecture"),
        pytest.param({"preset": "huge"}, "preset: 'huge' is none of tiny, small, paper", id="preset"),
        pytest.param({"flavour": "cvlface"}, "flavour: 'cvlface' is none of adaface, insightface", id="flavour"),
    ],
)
def test_words_of_a_user_are_checked(words: dict[str, str], told: str) -> None:
    assert network_spec("resnet18", preset="tiny") == NetworkSpec("resnet18", "tiny")
    with pytest.raises(ConfigError, match=told):
        network_spec(**({"architecture": "resnet18"} | words))


def test_without_torchvision_only_plain_resnets_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.resnet", None)
    with torch.device("meta"):
        new_backbone(NetworkSpec("face-resnet18", "tiny"))
        with pytest.raises(ModelError, match="need torchvision"):
            new_backbone(NetworkSpec("resnet18", "tiny"))
