"""Networks come back from a stage's folder; another network, damaged or foreign weights are refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ffe_edge.errors import ModelError
from ffe_train.checkpoint import (
    load_backbone,
    load_expression_network,
    read_stored,
    save_backbone,
    save_expression_network,
    weights_digest,
)
from ffe_train.files import save_weights, write_json
from ffe_train.networks import Backbone, ExpressionNetwork, NetworkSpec

FACE = NetworkSpec("face-resnet18", "tiny")
PLAIN = NetworkSpec("resnet18", "tiny", embedding=False)
IMAGES = torch.rand(2, 3, 112, 112) * 2 - 1


def saved(folder: Path, spec: NetworkSpec = FACE) -> Backbone:
    backbone = Backbone(spec).eval()
    save_backbone(backbone.state_dict(), folder, spec, {"licence": "ours"})
    return backbone


def test_a_backbone_comes_back(tmp_path: Path) -> None:
    backbone = saved(tmp_path)
    found = load_backbone(tmp_path, FACE).eval()
    assert found.spec == FACE
    assert torch.equal(found(IMAGES), backbone(IMAGES))
    assert read_stored(tmp_path).about["licence"] == "ours"


@pytest.mark.parametrize("tap", ["embedding", "pooled"])
def test_an_expression_network_comes_back_and_so_does_its_backbone(tmp_path: Path, tap: str) -> None:
    network = ExpressionNetwork(Backbone(FACE), 2, tap).eval()  # type: ignore[arg-type]
    save_expression_network(network.state_dict(), tmp_path, FACE, ("joy", "anger"), {}, tap=tap)
    found = load_expression_network(tmp_path)
    assert torch.equal(found(IMAGES), network(IMAGES))
    assert torch.equal(load_backbone(tmp_path).eval()(IMAGES), network.backbone(IMAGES))
    assert read_stored(tmp_path).about["labels"] == ["joy", "anger"]


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(NetworkSpec("resnet18", "tiny"), id="architecture"),
        pytest.param(NetworkSpec("face-resnet18", "small"), id="preset"),
        pytest.param(NetworkSpec("face-resnet18", "tiny", "insightface"), id="flavour"),
    ],
)
def test_another_network_than_asked_for_is_refused(tmp_path: Path, asked: NetworkSpec) -> None:
    saved(tmp_path)
    with pytest.raises(ModelError, match=f"holds face-resnet18 tiny adaface.*but {asked.architecture} {asked.preset}"):
        load_backbone(tmp_path, asked)


def test_what_does_not_matter_to_a_network_may_differ(tmp_path: Path) -> None:
    saved(tmp_path)
    assert load_backbone(tmp_path, NetworkSpec("face-resnet18", "tiny", embedding=False)).dim == 128


def test_a_body_without_embedding_gets_a_fresh_one(tmp_path: Path) -> None:
    body = saved(tmp_path, PLAIN)
    found = load_backbone(tmp_path, NetworkSpec("resnet18", "tiny")).eval()
    assert found.embedding is not None
    assert torch.equal(found.pooled(IMAGES), body.pooled(IMAGES))


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    tensors = Backbone(FACE).state_dict()
    first, second, *_ = [name for name, value in tensors.items() if value.ndim == 4]
    del tensors[first]
    tensors[second] = torch.zeros(1, 2, 3, 4)
    tensors["fc.weight"] = torch.zeros(3)
    save_backbone(tensors, tmp_path, FACE, {})
    with pytest.raises(ModelError, match=rf"{first} is absent; fc\.weight is unknown; {second} is \(1, 2, 3, 4\), not"):
        load_backbone(tmp_path)


def test_public_weights_may_lack_the_counters_of_their_norms(tmp_path: Path) -> None:
    tensors = Backbone(FACE).state_dict()
    save_backbone({name: x for name, x in tensors.items() if "num_batches" not in name}, tmp_path, FACE, {})
    assert load_backbone(tmp_path).spec == FACE


def test_a_backbone_tells_no_expressions(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(ModelError, match="tells no expressions"):
        load_expression_network(tmp_path)


@pytest.mark.parametrize("about", [pytest.param({}, id="nothing"), pytest.param({"network": {"size": 3}}, id="other")])
def test_weights_of_an_unknown_network_are_refused(tmp_path: Path, about: dict[str, object]) -> None:
    save_weights(Backbone(FACE).state_dict(), tmp_path / "weights.safetensors", about)
    with pytest.raises(ModelError, match="nothing says of which network"):
        load_backbone(tmp_path)


def test_imported_weights_bring_their_licence(tmp_path: Path) -> None:
    save_backbone(Backbone(FACE).state_dict(), tmp_path, FACE, {})
    write_json({"licence": "non-commercial"}, tmp_path / "weights.json")
    assert read_stored(tmp_path).about["licence"] == "non-commercial"


def test_an_absent_stage_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_backbone(tmp_path)
    with pytest.raises(ModelError, match="run that stage first"):
        weights_digest(tmp_path)
