"""The network's shapes, and the graph that a device runs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from ffe_train.model import LUMINANCE_BGR, Deployed, Residual, SmallResNet


@pytest.mark.parametrize(
    ("inputs", "outputs", "stride", "side"),
    [
        pytest.param(8, 8, 1, 14, id="same"),
        pytest.param(8, 16, 2, 7, id="halved"),
        pytest.param(8, 8, 2, 7, id="halved-and-as-wide"),
        pytest.param(8, 16, 1, 14, id="wider"),
    ],
)
def test_a_block_keeps_its_shortcut_in_step(inputs: int, outputs: int, stride: int, side: int) -> None:
    assert Residual(inputs, outputs, stride)(torch.zeros(2, inputs, 14, 14)).shape == (2, outputs, side, side)


def test_a_block_of_the_same_shape_adds_to_what_came() -> None:
    block = Residual(4, 4, 1).eval()
    maps = torch.rand(1, 4, 6, 6)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(block(maps), maps)


@pytest.mark.parametrize("widths", [(8, 16), (4, 8, 8, 12)])
def test_luminance_becomes_a_logit_of_every_class(widths: tuple[int, ...]) -> None:
    network = SmallResNet(9, widths).eval()
    logits = network(torch.rand(3, 1, 112, 112) * 255)
    assert logits.shape == (3, 9)
    assert logits.std() > 0


def test_the_input_is_normalised_inside_the_graph() -> None:
    network = SmallResNet(9, (4, 8)).eval()
    seen: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network(torch.cat([torch.zeros(1, 1, 112, 112), torch.full((1, 1, 112, 112), 255.0)]))
    assert seen[0].shape == (2, 1, 56, 56)
    torch.testing.assert_close(seen[0][:, 0, 0, 0], torch.tensor([-1.0, 1.0]))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_device_gets_calibrated_probabilities(temperature: float) -> None:
    network = SmallResNet(9, (8, 16)).eval()
    crops = torch.randint(0, 256, (4, 112, 112, 3), dtype=torch.uint8)
    with torch.inference_mode():
        probs = Deployed(network, temperature).eval()(crops)
        grey = (crops.float() * torch.tensor(LUMINANCE_BGR)).sum(3, keepdim=True).permute(0, 3, 1, 2)
        expected = torch.softmax(network(grey) / temperature, dim=1)
    assert probs.dtype == torch.float32
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(4))
    torch.testing.assert_close(probs, expected, atol=1e-5, rtol=1e-4)


def test_luminance_is_opencvs_grey_within_a_level() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    deployed = Deployed(SmallResNet(9, (4, 8)), 1.0).eval()
    seen: list[torch.Tensor] = []
    deployed.network.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    deployed(torch.from_numpy(crops))
    grey = np.stack([cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) for crop in crops])
    assert seen[0].shape == (2, 1, 112, 112)
    np.testing.assert_allclose(seen[0][:, 0].numpy(), grey.astype(np.float32), atol=1)
