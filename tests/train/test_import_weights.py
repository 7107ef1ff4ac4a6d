"""Public checkpoints, rebuilt small under their own names: outputs survive, colours are folded, and nothing is run."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from ffe_edge.errors import ConfigError, ModelError
from ffe_train.checkpoint import load_backbone
from ffe_train.import_weights import IMAGENET_MEAN, IMAGENET_STD, import_weights
from ffe_train.networks import WIDTHS, Backbone, NetworkSpec, new_backbone
from ffe_train.weight_names import expected, find_layout, find_spec, foreign_names

IR18 = NetworkSpec("face-resnet18", "tiny")
AnyModule = TypeVar("AnyModule", bound=nn.Module)


class IrUnit(nn.Module):
    """A block under the names of AdaFace's ``net.py``."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                                nn.BatchNorm2d(outputs))  # fmt: skip
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
            nn.PReLU(outputs), nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return torch.as_tensor(self.res_layer(maps) + self.shortcut_layer(maps))


def ir_net(widths: tuple[int, ...], depths: tuple[int, ...], side: int) -> nn.Sequential:
    """AdaFace's network for pictures of 16 x ``side`` pixels."""
    units, inputs = [], widths[0]
    for width, depth in zip(widths, depths, strict=True):
        units += [IrUnit(inputs, width, 2), *(IrUnit(width, width, 1) for _ in range(depth - 1))]
        inputs = width
    net = nn.Sequential()
    net.add_module("input_layer", nn.Sequential(nn.Conv2d(3, widths[0], 3, 1, 1, bias=False),
                                                nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])))  # fmt: skip
    net.add_module("body", nn.Sequential(*units))
    net.add_module("output_layer", nn.Sequential(
        nn.BatchNorm2d(inputs), nn.Dropout(0.4), nn.Flatten(), nn.Linear(inputs * side * side, inputs),
        nn.BatchNorm1d(inputs, affine=False)))  # fmt: skip
    return net


@torch.no_grad()
def lived(network: AnyModule) -> AnyModule:
    """The network in eval mode with statistics as if it had been trained."""
    for name, value in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def net() -> nn.Sequential:
    torch.manual_seed(1)
    return lived(ir_net(WIDTHS["tiny"], (2, 2, 2, 2), 4))


def pictures() -> Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(3)) * 2 - 1


def halved(images: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(images, 2)


def imported(folder: Path) -> Backbone:
    return load_backbone(folder).eval()


def prefixed(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in network.state_dict().items()}


def lightning(network: nn.Module) -> dict[str, object]:
    head = {"head.kernel": torch.zeros(4, 3), "head.t": torch.zeros(1)}
    return {"epoch": 25, "state_dict": prefixed(network, "model.") | head}


@pytest.fixture
def adaface(net: nn.Sequential, tmp_path: Path) -> Path:
    torch.save(lightning(net), tmp_path / "adaface_ir18.ckpt")
    return tmp_path / "adaface_ir18.ckpt"


def test_adaface_sees_rgb_after_the_import_as_it_saw_bgr(adaface: Path, net: nn.Sequential, tmp_path: Path) -> None:
    report = import_weights(adaface, tmp_path / "out", spec=None, kind="auto", licence="none stated")
    assert (report.kind, report.colour_order, report.spec) == ("adaface", "BGR", IR18)
    assert report.dropped == ("head.kernel", "head.t")
    with torch.inference_mode():
        torch.testing.assert_close(imported(tmp_path / "out")(pictures()), net(halved(pictures().flip(1))))


@pytest.mark.parametrize(("told", "flip"), [("", False), ("color_space: 'RGB'", False), ("color_space: BGR", True)])
def test_cvlface_is_rgb_unless_its_yaml_says_bgr(net: nn.Sequential, tmp_path: Path, told: str, flip: bool) -> None:
    torch.save(prefixed(net, "net."), tmp_path / "model.pt")
    if told:
        (tmp_path / "model.yaml").write_text(f"name: 'ir18'\n{told}\n")
    report = import_weights(tmp_path / "model.pt", tmp_path / "out", spec=IR18, kind="auto", licence="MIT")
    assert (report.kind, report.colour_order) == ("cvlface", "BGR" if flip else "RGB")
    seen = pictures().flip(1) if flip else pictures()
    with torch.inference_mode():
        torch.testing.assert_close(imported(tmp_path / "out")(pictures()), net(halved(seen)))


@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_insightface_keeps_its_colours_and_half_floats_become_whole(tmp_path: Path, prefix: str) -> None:
    spec = NetworkSpec("face-resnet18", "tiny", "insightface")
    ours = lived(new_backbone(spec)).half().float()
    names = foreign_names(spec, "iresnet")
    torch.save({f"{prefix}{names[name]}": value.half() for name, value in ours.state_dict().items()},
               tmp_path / "backbone.pth")  # fmt: skip
    report = import_weights(
        tmp_path / "backbone.pth", tmp_path / "out", spec=None, kind="auto", licence="research only"
    )
    assert (report.kind, report.colour_order, report.spec) == ("insightface", "RGB", spec)
    with torch.inference_mode():
        torch.testing.assert_close(imported(tmp_path / "out")(pictures()), ours(pictures()))


def test_insightfaces_names_are_those_of_its_code() -> None:
    names = set(foreign_names(NetworkSpec("face-resnet50", flavour="insightface"), "iresnet").values())
    tensors = {"conv1.weight", "prelu.weight", "layer1.0.downsample.0.weight", "layer3.13.bn3.running_var", "bn2.bias",
               "layer4.2.prelu.weight", "fc.bias", "features.weight", "features.running_mean"}  # fmt: skip
    assert tensors <= names
    assert "layer1.1.downsample.0.weight" not in names


def test_torchvision_sees_imagenets_normalisation_inside(tmp_path: Path) -> None:
    """Away from the padding the first norm gives the same for our input as for ImageNet's."""
    network = lived(new_backbone(NetworkSpec("resnet18", "tiny", embedding=False)))
    state = network.body.state_dict() | {"fc.weight": torch.zeros(1000, 128), "fc.bias": torch.zeros(1000)}
    safetensors.torch.save_file(state, tmp_path / "resnet18.safetensors")
    report = import_weights(
        tmp_path / "resnet18.safetensors", tmp_path / "out", spec=None, kind="auto", licence="BSD-3"
    )
    assert (report.kind, report.spec.embedding, report.dropped) == ("torchvision", False, ("fc.bias", "fc.weight"))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    after = imported(tmp_path / "out").body
    images = pictures()
    with torch.inference_mode():
        theirs = network.body.bn1(network.body.conv1(((images + 1) / 2 - mean) / std))
        torch.testing.assert_close(after.bn1(after.conv1(images))[:, :, 2:-2, 2:-2], theirs[:, :, 2:-2, 2:-2])


def test_torchvisions_weights_are_stored_without_the_embedding_that_they_have_not(tmp_path: Path) -> None:
    torch.save(new_backbone(NetworkSpec("resnet50", "tiny")).body.state_dict(), tmp_path / "resnet50.pth")
    wanted = NetworkSpec("resnet50", "tiny", embedding=True)
    report = import_weights(tmp_path / "resnet50.pth", tmp_path / "out", spec=wanted, kind="auto", licence="BSD-3")
    assert report.spec == NetworkSpec("resnet50", "tiny", embedding=False)
    assert load_backbone(tmp_path / "out", wanted).dim == 128


def test_paper_ir18_has_the_published_names_and_shapes() -> None:
    spec = NetworkSpec("face-resnet18")
    with torch.device("meta"):
        reference = ir_net(WIDTHS["paper"], (2, 2, 2, 2), 7).state_dict()
    names, shapes = foreign_names(spec, "ir"), expected(spec)
    assert set(names.values()) == set(reference)
    assert {names[name]: value.shape for name, value in shapes.items()} == {n: v.shape for n, v in reference.items()}
    assert reference["output_layer.3.weight"].shape == (512, 25088)
    parents = {".".join(name.split(".")[:2]) for name in reference}
    assert parents == {f"input_layer.{i}" for i in range(3)} | {f"body.{i}" for i in range(8)} | {
        f"output_layer.{i}" for i in (0, 3, 4)
    }


def test_the_network_is_told_by_names_and_shapes() -> None:
    with torch.device("meta"):
        tensors = ir_net(WIDTHS["paper"], (3, 4, 14, 3), 7).state_dict()
        assert find_spec(tensors, "ir") == NetworkSpec("face-resnet50")
        deeper = ir_net(WIDTHS["tiny"], (3, 13, 30, 3), 4).state_dict()
    with pytest.raises(ModelError, match="49 blocks behind 16 channels is none of"):
        find_spec(deeper, "ir")
    assert find_layout({"module.model.input_layer.0.weight"}) == ("ir", "module.model.")


def test_the_folder_tells_where_the_weights_come_from(adaface: Path, tmp_path: Path) -> None:
    report = import_weights(adaface, tmp_path / "out", spec=None, kind="adaface", licence=" none stated ")
    told = json.loads((tmp_path / "out/weights.json").read_text())
    assert told["spec"] == {"architecture": "face-resnet18", "preset": "tiny", "flavour": "adaface", "embedding": True}
    assert (told["kind"], told["licence"], told["input"]) == ("adaface", "none stated", "RGB in [-1, 1]")
    digest = hashlib.sha256(adaface.read_bytes()).hexdigest()
    assert told["source"] == {"name": "adaface_ir18.ckpt", "sha256": digest, "colour_order": "BGR"}
    weights = hashlib.sha256((tmp_path / "out/weights.safetensors").read_bytes()).hexdigest()
    assert weights == told["sha256"] == report.sha256


@pytest.mark.parametrize("licence", ["", "  "])
def test_a_licence_must_be_named(adaface: Path, tmp_path: Path, licence: str) -> None:
    with pytest.raises(ConfigError, match="licence"):
        import_weights(adaface, tmp_path / "out", spec=None, kind="auto", licence=licence)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        pytest.param("stage.json", "a pretraining", id="finished"),
        pytest.param("resume.ckpt", "a pretraining", id="running"),
        pytest.param("parts/made_of.json", "a transfer", id="transfer"),
    ],
)
def test_a_trained_stage_is_not_overwritten(adaface: Path, tmp_path: Path, file: str, kind: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("{}")
    with pytest.raises(ConfigError, match=f"holds {kind}; import into another folder"):
        import_weights(adaface, tmp_path, spec=None, kind="auto", licence="none")


def test_whom_public_weights_have_learned_is_noted_as_unknown(adaface: Path, tmp_path: Path) -> None:
    import_weights(adaface, tmp_path / "out", spec=None, kind="adaface", licence="none stated")
    assert (tmp_path / "out/people.txt").read_text() == "unknown\n"


def test_every_mismatch_is_counted_and_the_first_eight_named(net: nn.Sequential, tmp_path: Path) -> None:
    state = prefixed(net, "model.")
    for number in range(5):
        del state[f"model.body.{number}.res_layer.0.weight"]
    state["model.body.7.se.fc1.weight"] = torch.zeros(1)
    state["model.body.6.res_layer.0.bias"] = torch.zeros(7)
    state["model.output_layer.4.running_mean"] = torch.full((128,), torch.nan)
    state["model.input_layer.1.weight"] = torch.zeros(16, 1)
    torch.save({"state_dict": state}, tmp_path / "odd.ckpt")
    with pytest.raises(ModelError, match=r"odd\.ckpt: does not fit face-resnet18 tiny, mismatches 9: ") as error:
        import_weights(tmp_path / "odd.ckpt", tmp_path / "out", spec=IR18, kind="adaface", licence="none")
    message = str(error.value)
    assert "unexpected body.7.se.fc1.weight" in message
    assert "missing body.0.res_layer.0.weight" in message
    assert "body.6.res_layer.0.bias is (7,), not (64,)" in message
    assert message.endswith("and 1 more")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spec", [NetworkSpec("face-resnet50", "tiny"), NetworkSpec("face-resnet18", "small"),
                                  NetworkSpec("resnet18", "tiny"), NetworkSpec("resnet50", "tiny")])  # fmt: skip
def test_another_network_than_the_one_wanted_is_refused(adaface: Path, tmp_path: Path, spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match=f"does not fit {spec.architecture} {spec.preset}"):
        import_weights(adaface, tmp_path / "out", spec=spec, kind="auto", licence="none")


def test_colours_are_never_guessed(net: nn.Sequential, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "net.pth")
    with pytest.raises(ModelError, match="say which kind"):
        import_weights(tmp_path / "net.pth", tmp_path / "out", spec=None, kind="auto", licence="none")
    assert (
        import_weights(tmp_path / "net.pth", tmp_path / "out", spec=None, kind="adaface", licence="none").spec == IR18
    )
    with pytest.raises(ModelError, match="those of ir, not of insightface"):
        import_weights(tmp_path / "net.pth", tmp_path / "out", spec=None, kind="insightface", licence="none")
    with pytest.raises(ConfigError, match="kind: 'arcface' is none of auto, adaface, cvlface"):
        import_weights(tmp_path / "net.pth", tmp_path / "out", spec=None, kind="arcface", licence="none")


class Malicious:
    """Makes a file where an unsafe reader unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


class MaliciousShell(Malicious):
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("attack", [Malicious, MaliciousShell])
@pytest.mark.parametrize("way", ["zip", "legacy", "pickle"])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path, attack: type[Malicious], way: str) -> None:
    value = {"state_dict": {"model.input_layer.0.weight": attack(tmp_path / "was-here")}}
    if way == "pickle":
        (tmp_path / "evil.ckpt").write_bytes(pickle.dumps(value))
    else:
        torch.save(value, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=way == "zip")
    with pytest.raises(ModelError, match=r"could run a program|without running"):
        import_weights(tmp_path / "evil.ckpt", tmp_path / "out", spec=None, kind="auto", licence="none")
    assert not (tmp_path / "was-here").exists()
    assert not (tmp_path / "out").exists()


@pytest.fixture
def callback_class() -> Iterator[type]:
    """A class that pickles as Lightning's, and is gone when the file is read."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", module.__name__]
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    sys.modules.update(dict.fromkeys(names[:2], types.ModuleType("parent")) | {names[2]: module})
    yield module.ModelCheckpoint  # type: ignore[attr-defined]
    for name in names:
        sys.modules.pop(name, None)


def test_lightnings_own_classes_in_a_checkpoint_do_no_harm(
    net: nn.Sequential, tmp_path: Path, callback_class: type
) -> None:
    more = {"callbacks": {callback_class: {"best": 0.99}}, "hyper_parameters": argparse.Namespace(arch="ir_18")}
    torch.save(lightning(net) | more, tmp_path / "last.ckpt")
    sys.modules.pop(callback_class.__module__)
    assert import_weights(tmp_path / "last.ckpt", tmp_path / "out", spec=None, kind="auto", licence="none").spec == IR18


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "damaged", id="empty"),
        pytest.param(b"hello world", "damaged", id="text"),
        pytest.param(b"PK\x03\x04 and no more", "damaged", id="half-a-zip"),
        pytest.param(pickle.dumps([1, 2]), "is no checkpoint", id="list"),
        pytest.param(None, "cannot be read", id="absent"),
    ],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, data: bytes | None, told: str) -> None:
    if data is not None:
        (tmp_path / "odd.pth").write_bytes(data)
    with pytest.raises(ModelError, match=told):
        import_weights(tmp_path / "odd.pth", tmp_path / "out", spec=None, kind="auto", licence="none")


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"encoder\.weight"):
        import_weights(tmp_path / "other.pth", tmp_path / "out", spec=None, kind="auto", licence="none")
