"""The heads against their equations written out number by number, and against recorded values."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_train.heads import AdaFaceHead, Head, HeadKind, MarginHead, SoftmaxHead, new_head

Array = npt.NDArray[np.float64]
MARGINS: list[HeadKind] = ["cosface", "arcface", "adaface"]
DIM, CLASSES = 6, 5


def batch(seed: int, size: int = 4, length: float = 20.0) -> tuple[torch.Tensor, torch.Tensor]:
    """z (B, DIM) with norms round ``length``, and class_id (B,)."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(size, DIM, generator=generator) * length / math.sqrt(DIM)
    return z, torch.randint(0, CLASSES, (size,), generator=generator)


def head_of(kind: HeadKind, seed: int = 0, **options: float) -> Head:
    torch.manual_seed(seed)
    return new_head(kind, DIM, CLASSES, **options)


def cosines(head: MarginHead, z: torch.Tensor) -> Array:
    """Angles of every row with every class, by loops."""
    weight = head.weight.detach().double().numpy()
    rows = z.detach().double().numpy()
    out = np.zeros((len(rows), len(weight)))
    for i, row in enumerate(rows):
        for j, direction in enumerate(weight):
            dot = sum(a * b for a, b in zip(row, direction, strict=True))
            out[i, j] = dot / math.sqrt(sum(a * a for a in row)) / math.sqrt(sum(b * b for b in direction))
    return out


def written_cosface(cosine: Array, class_id: list[int], margin: float, scale: float) -> Array:
    out = scale * cosine
    for i, target in enumerate(class_id):
        out[i, target] = scale * (cosine[i, target] - margin)
    return out


def written_arcface(cosine: Array, class_id: list[int], margin: float, scale: float) -> Array:
    cosine = np.clip(cosine, -1 + 1e-3, 1 - 1e-3)
    out = scale * cosine
    for i, target in enumerate(class_id):
        angle = math.acos(cosine[i, target])
        grown = math.cos(angle + margin) if angle + margin < math.pi else None
        out[i, target] = scale * (cosine[i, target] - margin * math.sin(margin) if grown is None else grown)
    return out


def written_adaface(
    cosine: Array, class_id: list[int], norms: list[float], mean: float, std: float, options: dict[str, float]
) -> tuple[Array, float, float]:
    """Logits, and the statistics after the batch."""
    margin, scale, h, alpha = (options[name] for name in ("margin", "scale", "h", "alpha"))
    norms = [min(max(norm, 0.001), 100.0) for norm in norms]
    batch_mean = sum(norms) / len(norms)
    variance = sum((norm - batch_mean) ** 2 for norm in norms) / (len(norms) - 1)
    mean = alpha * batch_mean + (1 - alpha) * mean
    std = alpha * math.sqrt(variance) + (1 - alpha) * std
    cosine = np.clip(cosine, -1 + 1e-3, 1 - 1e-3)
    out = scale * cosine
    for i, (target, norm) in enumerate(zip(class_id, norms, strict=True)):
        k = min(max((norm - mean) / (std + 1e-3) * h, -1), 1)
        angle = min(max(math.acos(cosine[i, target]) - margin * k, 1e-3), math.pi - 1e-3)
        out[i, target] = scale * (math.cos(angle) - (margin + margin * k))
    return out, mean, std


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(1, 64))
def test_cosface_is_its_equation(seed: int, margin: float, scale: float) -> None:
    head, (z, class_id) = head_of("cosface", seed, margin=margin, scale=scale), batch(seed)
    assert isinstance(head, MarginHead)
    expected = written_cosface(cosines(head, z), class_id.tolist(), margin, scale)
    np.testing.assert_allclose(head(z, class_id).detach(), expected, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(1, 64))
def test_arcface_is_its_equation(seed: int, margin: float, scale: float) -> None:
    head, (z, class_id) = head_of("arcface", seed, margin=margin, scale=scale), batch(seed)
    assert isinstance(head, MarginHead)
    expected = written_arcface(cosines(head, z), class_id.tolist(), margin, scale)
    np.testing.assert_allclose(head(z, class_id).detach(), expected, atol=2e-3)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(0.01, 1), st.floats(0.1, 300))
def test_adaface_is_its_equation_over_several_batches(seed: int, h: float, alpha: float, length: float) -> None:
    options = {"margin": 0.4, "scale": 64.0, "h": h, "alpha": alpha}
    head, mean, std = head_of("adaface", seed, **options), 20.0, 100.0
    assert isinstance(head, AdaFaceHead)
    for step in range(3):
        z, class_id = batch(seed + step, length=length)
        norms = [math.sqrt(sum(value * value for value in row)) for row in z.double().tolist()]
        expected, mean, std = written_adaface(cosines(head, z), class_id.tolist(), norms, mean, std, options)
        # The smaller the deviation, the more of float32's rounding of the norms is seen in k.
        np.testing.assert_allclose(head(z, class_id).detach(), expected, atol=5e-3 + 0.05 / std)
        assert (float(head.norm_mean), float(head.norm_std)) == pytest.approx((mean, std), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        pytest.param("softmax", 10.0, id="softmax"),
        pytest.param("cosface", 64 * (0.5 - 0.4), id="cosface"),
        pytest.param("arcface", 64 * math.cos(math.pi / 3 + 0.4), id="arcface"),
        # norms 15 and 25, alpha 1: mean 20, std 7.0711; k = -+0.2354546 with h 0.333.
        pytest.param("adaface", 64 * (math.cos(math.pi / 3 + 0.4 * 0.2354546) - 0.4 * (1 - 0.2354546)), id="adaface"),
    ],
)
def test_a_face_at_sixty_degrees(kind: HeadKind, target: float) -> None:
    head = new_head(kind, 2, 2, margin=0.4, scale=64.0, h=0.333, alpha=1.0)
    weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    head.load_state_dict({"linear.weight": weight, "linear.bias": torch.tensor([-5.0, 1.0])} if kind == "softmax" else
                         head.state_dict() | {"weight": weight})  # fmt: skip
    z = torch.tensor([[7.5, 7.5 * math.sqrt(3)], [25.0, 0.0]])
    assert head(z, torch.tensor([0, 1]))[0, 0].item() == pytest.approx(target, abs=1e-3)


def test_recorded_logits_of_adaface() -> None:
    """Worked out once in float64 by the steps of the authors' ``head.py`` in their order."""
    head = new_head("adaface", 2, 3, margin=0.4, scale=64.0, h=0.333, alpha=0.5)
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])
    head.load_state_dict(head.state_dict() | {"weight": directions})
    logits = head(torch.tensor([[24.0, 7.0], [-3.0, 4.0], [40.0, -30.0]]), torch.tensor([0, 2, 1]))
    recorded = [[35.6726, 17.92, -22.528], [-38.4, 51.2, 40.7219], [51.2, -64.6792, -61.44]]
    np.testing.assert_allclose(logits.detach(), recorded, atol=2e-3)
    assert (float(head.norm_mean), float(head.norm_std)) == pytest.approx((23.3333, 61.2731), rel=1e-5)


@pytest.mark.parametrize("kind", MARGINS)
def test_without_training_there_is_no_margin_and_nothing_moves(kind: HeadKind) -> None:
    head, (z, class_id) = head_of(kind).eval(), batch(1)
    assert isinstance(head, MarginHead)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    np.testing.assert_allclose(head(z, class_id).detach(), 64 * cosines(head, z), atol=0.07)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_adafaces_statistics_travel_in_the_checkpoint() -> None:
    head = head_of("adaface", alpha=0.1)
    for step in range(3):
        head(*batch(step))
    resumed = head_of("adaface", seed=9, alpha=0.1)
    resumed.load_state_dict(head.state_dict())
    z, class_id = batch(7)
    assert torch.equal(head(z, class_id), resumed(z, class_id))
    assert {"norm_mean", "norm_std"} <= dict(head.named_buffers()).keys()


def test_a_single_face_moves_no_statistics_and_is_finite() -> None:
    head = head_of("adaface", alpha=1.0)
    assert head(*batch(0, size=1)).isfinite().all()
    assert (float(head.norm_mean), float(head.norm_std)) == (20.0, 100.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", MARGINS)
def test_no_gradient_lengthens_an_embedding(kind: HeadKind) -> None:
    """The logits see the direction only: quality is read from the norm, never trained through it."""
    z, class_id = batch(3)
    z.requires_grad_()
    torch.nn.functional.cross_entropy(head_of(kind, alpha=0.5)(z, class_id), class_id).backward()
    assert z.grad is not None
    along = (z.grad * z).sum(dim=1) / z.grad.norm(dim=1) / z.detach().norm(dim=1)
    torch.testing.assert_close(along.detach(), torch.zeros(4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["softmax", *MARGINS])
@pytest.mark.parametrize("place", ["on", "against", "nowhere"])
def test_gradients_are_finite_on_and_against_a_classs_direction(kind: HeadKind, place: str) -> None:
    head = head_of(kind)
    weight = head.linear.weight if isinstance(head, SoftmaxHead) else head.weight
    z = weight.detach().clone() * {"on": 20.0, "against": -20.0, "nowhere": 0.0}[place]
    z.requires_grad_()
    class_id = torch.arange(CLASSES)
    torch.nn.functional.cross_entropy(head(z, class_id), class_id).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())


@pytest.mark.parametrize("kind", ["softmax", *MARGINS])
def test_autocast_does_not_coarsen_the_logits(kind: HeadKind) -> None:
    head, (z, class_id) = head_of(kind).eval(), batch(5)
    exact = head(z.bfloat16().float(), class_id)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        coarse = head(z.bfloat16(), class_id)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse, exact)


@pytest.mark.parametrize("kind", MARGINS)
def test_a_margin_makes_the_true_class_harder_for_every_angle(kind: HeadKind) -> None:
    head = new_head(kind, 2, 1, margin=0.5, scale=1.0)
    head.load_state_dict(head.state_dict() | {"weight": torch.tensor([[1.0, 0.0]])})
    angles = torch.linspace(0, math.pi, 200)
    z = 20 * torch.stack([angles.cos(), angles.sin()], dim=1)
    logits = head(z, torch.zeros(200, dtype=torch.long))[:, 0].detach()
    assert (logits < angles.cos() + 1e-6).all()
    assert (logits.diff() < 1e-4).all()


def test_directions_begin_with_length_one_and_the_kind_must_exist() -> None:
    head = head_of("arcface")
    assert isinstance(head, MarginHead)
    torch.testing.assert_close(head.weight.norm(dim=1).detach(), torch.ones(CLASSES))
    with pytest.raises(ValueError, match="no such head"):
        new_head("magface", 2, 2)  # type: ignore[arg-type]
