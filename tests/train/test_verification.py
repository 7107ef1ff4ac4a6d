"""Verification figures against their definitions written out naively."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ffe_edge.errors import DataError
from ffe_train import verification
from ffe_train.manifest import Row
from ffe_train.prepared import PreparedSet, open_prepared, write_prepared

RNG = np.random.default_rng(3)
SAME = RNG.random(240) < 0.5
SIMILARITY = np.round(RNG.normal(0.4 * SAME, 0.3), 2)
"""Rounded, so that some are equal."""


class Means(nn.Module):
    """Mean of each colour and of the left half: the last changes in the mirror."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([images.mean(dim=(2, 3)), images[..., :56].mean(dim=(1, 2, 3))[:, None]], 1)


def a_set(folder: Path, pairs: str) -> PreparedSet:
    """Two pictures each of 24 people, every person in a colour of their own."""
    colour = np.random.default_rng(0).integers(0, 250, (24, 1, 1, 1, 3)).repeat(2, axis=1)
    noise = np.random.default_rng(1).integers(0, 6, (24, 2, 112, 112, 3))
    rows = [Row(f"{k // 2}/{k % 2}.png", str(k // 2)) for k in range(48)]
    write_prepared(folder, "people", (colour + noise).astype(np.uint8).reshape(48, 112, 112, 3), rows)
    (folder / "pairs.csv").write_text(pairs)
    return open_prepared(folder)


def pairs_of(people: int) -> str:
    same = [f"{2 * k},{2 * k + 1},1" for k in range(people)]
    different = [f"{2 * k},{(2 * k + 2) % 48},0" for k in range(people)]
    return "\n".join(["a,b,same", *same, *different]) + "\n"


def accuracy(threshold: float, similarity: np.ndarray, same: np.ndarray) -> float:
    return float(((similarity > threshold) == same).mean())


def test_the_best_threshold_is_the_best_of_all() -> None:
    found = accuracy(verification.best_threshold(SIMILARITY, SAME), SIMILARITY, SAME)
    assert found == max(accuracy(t, SIMILARITY, SAME) for t in np.arange(-1.505, 1.5, 0.01))


@pytest.mark.parametrize("kind", [True, False])
def test_pairs_of_one_kind_have_a_threshold_too(kind: bool) -> None:
    values = np.array([0.1, 0.2])
    assert accuracy(verification.best_threshold(values, np.array([kind, kind])), values, np.array([kind, kind])) == 1.0


def test_the_threshold_of_a_fold_comes_from_the_other_nine() -> None:
    same = np.tile(np.repeat([True, False], 3), 10)
    similarity = np.random.default_rng(0).normal(same * 0.5, 0.4)
    right = verification.right_by_fold(similarity, same)
    for fold in range(10):
        held = np.arange(60) // 6 == fold
        threshold = verification.best_threshold(similarity[~held], same[~held])
        np.testing.assert_array_equal(right[held], (similarity[held] > threshold) == same[held])


def test_the_area_under_the_curve_counts_pairs_of_pairs() -> None:
    ahead = [np.sign(p - n) / 2 + 0.5 for p in SIMILARITY[SAME] for n in SIMILARITY[~SAME]]
    assert verification.area_under_curve(SIMILARITY, SAME) == pytest.approx(np.mean(ahead))


@pytest.mark.parametrize("far", [0.01, 0.05, 0.2])
def test_the_true_accept_rate_is_the_best_that_the_false_one_allows(far: float) -> None:
    others = SIMILARITY[~SAME]
    allowed = [t for t in np.unique(SIMILARITY) if (others > t).mean() <= far]
    assert verification.true_accept_rate(SIMILARITY, SAME, far) == (SIMILARITY[SAME] > allowed[0]).mean()


def test_a_rate_that_so_few_pairs_cannot_show_is_not_told() -> None:
    found = verification.verify(SIMILARITY, SAME, np.arange(240) % 30, np.where(SAME, 0, 1) + np.arange(240) % 30)
    assert found.tar[1e-2] is not None
    assert found.tar[1e-3] is None
    assert "needs 1000 pairs" in found.as_dict()["tar_at_far"]["0.001"]


def test_an_interval_over_people_is_wider_than_one_over_pairs() -> None:
    person = np.repeat(np.arange(20), 30)
    right = (np.random.default_rng(0).random(20) < 0.7)[person]
    found = verification.interval_over_people(right, person, person)
    assert found.value == right.mean()
    spread = 2 * 1.96 * np.sqrt(found.value * (1 - found.value) / 20)
    assert found.high - found.low == pytest.approx(spread, rel=0.2)


def test_embeddings_are_of_the_crop_and_its_mirror_image() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), np.uint8)
    found = verification.embeddings(Means(), crops.__getitem__, np.array([3, 1, 1]), batch=2)
    rgb = crops[[3, 1, 1]][..., ::-1] / 127.5 - 1.0
    naive = np.concatenate([2 * rgb.mean(axis=(1, 2)), 2 * rgb.mean(axis=(1, 2, 3))[:, None]], axis=1)
    np.testing.assert_allclose(found, naive / np.linalg.norm(naive, axis=1, keepdims=True), atol=1e-5)


def test_people_in_colours_of_their_own_are_told_apart(tmp_path: Path) -> None:
    found = verification.verify_set(Means(), a_set(tmp_path / "people", pairs_of(24)))
    assert (found.same, found.different, found.people) == (24, 24, 24)
    assert found.accuracy.value > 0.8
    assert found.auc > 0.9


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        pytest.param("a,b,same\n0,48,1\n", "names rows that the set of 48 faces", id="no such row"),
        pytest.param("a,b,same\n0,1,2\n", "0 or 1", id="no such answer"),
        pytest.param(pairs_of(9), "9 pairs of one person and 9 of two", id="too few"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(tmp_path: Path, pairs: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        verification.verify_set(Means(), a_set(tmp_path / "people", pairs))
