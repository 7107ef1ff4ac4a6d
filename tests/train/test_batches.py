"""The batches of an epoch depend on seed, epoch and step only; sets are drawn as often as their weights say."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from ffe_edge.types import ImageArray
from ffe_train.batches import Epochs, IntArray
from ffe_train.recipes import Augment

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 112, 112, 3), np.uint8)
PLAIN = Augment(flip=0.0, crop=0.0, low_resolution=0.0, photometric=0.0)


def crops(index: IntArray) -> ImageArray:
    return PICTURES[index]


def epochs_of(counts: tuple[int, ...] = (30,), weights: tuple[float, ...] = (1.0,), batch: int = 4) -> Epochs:
    return Epochs(crops, np.arange(sum(counts)), counts, weights, batch, seed=5, augment=Augment())


def numbers(epochs: Epochs, epoch: int) -> list[int]:
    return [int(target) for _, targets in epochs.batches(epoch) for target in targets]


def test_an_epoch_shows_every_image_once_and_drops_the_last_incomplete_batch() -> None:
    shown = numbers(epochs_of(), 0)
    assert len(shown) == len(set(shown)) == 28
    assert epochs_of().steps == 7


def test_epochs_differ_in_order_and_come_back_with_their_seed() -> None:
    assert numbers(epochs_of(), 0) == numbers(epochs_of(), 0)
    assert numbers(epochs_of(), 0) != numbers(epochs_of(), 1)
    assert numbers(epochs_of(), 0) != numbers(replace(epochs_of(), seed=6), 0)


@pytest.mark.parametrize("threads", [1, 3])
def test_after_a_cut_the_rest_is_the_same(threads: int) -> None:
    whole = list(epochs_of().batches(3))
    rest = list(replace(epochs_of(), threads=threads).batches(3, skip=2))
    assert len(rest) == len(whole) - 2
    for (images, targets), (expected, expected_targets) in zip(rest, whole[2:], strict=True):
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(targets, expected_targets)


def test_processes_prepare_what_threads_would() -> None:
    epochs = epochs_of(batch=8)
    by_threads = list(epochs.batches(1, skip=1, until=3))
    by_processes = list(replace(epochs, workers=2).batches(1, skip=1, until=3))
    assert len(by_processes) == len(by_threads) == 2 * epochs.steps - 1
    for (images, targets), (expected, expected_targets) in zip(by_processes, by_threads, strict=True):
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(targets, expected_targets)


def test_one_epoch_follows_another() -> None:
    both = [*epochs_of().batches(0), *epochs_of().batches(1)]
    for (images, _), (expected, _) in zip(epochs_of().batches(0, until=2), both, strict=True):
        np.testing.assert_array_equal(images, expected)


def test_pictures_belong_to_their_targets() -> None:
    for images, targets in replace(epochs_of(), augment=PLAIN).batches(0):
        np.testing.assert_array_equal(images, PICTURES[targets])


def test_ranks_share_each_batch() -> None:
    alone = list(epochs_of().batches(1))
    ranks = [list(replace(epochs_of(), rank=rank, world_size=2).batches(1)) for rank in (0, 1)]
    for (_, targets), (_, first), (_, second) in zip(alone, *ranks, strict=True):
        assert len(first) == len(second) == 2
        assert sorted([*first, *second]) == sorted(targets)
    assert (ranks[0][0][0] != ranks[1][0][0]).any()


def test_sets_are_drawn_as_often_as_their_weights_say() -> None:
    epochs = epochs_of(counts=(10, 12, 8), weights=(2.5, 0.5, 0.0))
    times = np.bincount(epochs.order(0), minlength=30)
    assert [times[:10].sum(), times[10:22].sum(), times[22:].sum()] == [25, 6, 0]
    assert [set(times[:10]), set(times[10:22])] == [{2, 3}, {0, 1}]
    assert [epochs.images, epochs.steps] == [31, 7]


def test_leaving_an_epoch_early_ends_its_threads() -> None:
    batches = epochs_of().batches(0)
    assert len(list(islice(batches, 2))) == 2
    batches.close()
    assert list(batches) == []


@pytest.mark.parametrize(
    "changes", [pytest.param({"world_size": 3}, id="odd ranks"), pytest.param({"counts": (29,)}, id="counts")]
)
def test_what_does_not_fit_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"batch of 4|30 targets"):
        replace(epochs_of(), **changes)  # type: ignore[arg-type]
