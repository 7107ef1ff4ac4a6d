"""The batches of an epoch, a function of seed, epoch and step alone: a run that was cut goes on where it stopped."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.types import ImageArray
from ffe_train.crop_augment import augmented
from ffe_train.in_order import in_order
from ffe_train.recipes import Augment

IntArray = npt.NDArray[np.int64]
Batch = tuple[ImageArray, npt.NDArray[Any]]
"""(B, 112, 112, 3) uint8 BGR, and targets: (B,) int64 class ids or (B, K) float32 distributions."""
Step = tuple[int, int]
"""Epoch and step, from 0."""

ORDER, PICTURES, NETWORK = range(3)
"""What a seed is for: the order of an epoch, the changes to pictures, the network's own chance (dropout)."""
AHEAD: Final = 3
"""Batches that each thread or process may be ahead of the network."""


@dataclass(frozen=True)
class Epochs:
    """The same images in another order, changed another way, in every epoch.

    ``batch`` counts the images of all ranks together, so that a recipe means the same on one device and on many.
    """

    crops: Callable[[IntArray], ImageArray]
    """From indices (B,) to crops (B, 112, 112, 3) uint8 BGR."""
    targets: npt.NDArray[Any]
    """(N,) int64 class ids, or (N, K) float32 distributions."""
    counts: Sequence[int]
    """Images of each set, which stand after one another; their sum is N."""
    weights: Sequence[float]
    """How often an image of each set is drawn in an epoch."""
    batch: int
    seed: int
    augment: Augment
    rank: int = 0
    world_size: int = 1
    threads: int = 1
    """That prepare batches where no processes do."""
    workers: int = 0
    """Processes that prepare batches. Threads hold one another up on the interpreter's lock: two do a third more than
    one, which is enough for a CPU and far too little for a GPU."""

    def __post_init__(self) -> None:
        if sum(self.counts) != len(self.targets) or len(self.counts) != len(self.weights):
            raise ValueError(f"{len(self.targets)} targets, but sets of {list(self.counts)} images")
        if self.batch % self.world_size:
            raise ValueError(f"a batch of {self.batch} cannot be divided among {self.world_size} ranks")

    @property
    def images(self) -> int:
        """Images drawn in an epoch, before the last incomplete batch is dropped."""
        return sum(_draws(count, weight) for count, weight in zip(self.counts, self.weights, strict=True))

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self.images // self.batch

    def order(self, epoch: int) -> IntArray:
        """(images,) indices in the order of an epoch, the same on every rank."""
        rng = generator(self.seed, epoch, 0, 0, ORDER)
        starts = [0, *itertools.accumulate(self.counts)]
        drawn = [
            start + _drawn(count, weight, rng)
            for start, count, weight in zip(starts, self.counts, self.weights, strict=False)
        ]
        return rng.permutation(np.concatenate(drawn))

    def batches(self, epoch: int, skip: int = 0, until: int | None = None) -> Generator[Batch, None, None]:
        """This rank's part of every batch of the epochs from ``epoch`` to before ``until``, the first ones left out.

        Threads or processes prepare the next batches; closing the iterator ends them.

        Args:
            epoch: from 0.
            skip: batches of the first epoch that are done already.
            until: None: one epoch.
        """
        last = epoch + 1 if until is None else until
        steps = [(number, step) for number in range(epoch, last) for step in range(self.steps)][skip:]
        if self.workers:
            # Fresh processes, since a copy of this one would hold its threads' locks; they stay over all epochs.
            spawned = get_context("spawn")
            processes = ProcessPoolExecutor(self.workers, spawned, initializer=_begin, initargs=(self,))
            yield from in_order(processes, AHEAD * self.workers, _batch_here, steps)
        else:
            threads = ThreadPoolExecutor(self.threads, "batches")
            yield from in_order(threads, AHEAD * self.threads, partial(_batch_of, _Orders(self)), steps)

    def prepared(self, order: IntArray, epoch: int, step: int) -> Batch:
        """This rank's part of one batch, from the order of its epoch."""
        mine = order[step * self.batch : (step + 1) * self.batch][self.rank :: self.world_size]
        rng = generator(self.seed, epoch, step, self.rank, PICTURES)
        return augmented(self.crops(mine), self.augment, rng), self.targets[mine]


class _Orders:
    """The order of the epoch that is being drawn from; a thread that is an epoch ahead makes its own."""

    def __init__(self, epochs: Epochs) -> None:
        self.epochs = epochs
        self._kept: tuple[int, IntArray] = (-1, np.empty(0, np.int64))

    def of(self, epoch: int) -> IntArray:
        kept, order = self._kept
        if kept != epoch:
            order = self.epochs.order(epoch)
            self._kept = (epoch, order)
        return order


_HERE: list[_Orders] = []
"""What a process that prepares batches was started with."""


def _begin(epochs: Epochs) -> None:
    """A process prepares with one thread."""
    cv2.setNumThreads(1)
    _HERE.append(_Orders(epochs))


def _batch_here(at: Step) -> Batch:
    return _batch_of(_HERE[0], at)


def _batch_of(orders: _Orders, at: Step) -> Batch:
    return orders.epochs.prepared(orders.of(at[0]), *at)


def generator(seed: int, epoch: int, step: int, rank: int, purpose: int) -> np.random.Generator:
    """Chance that depends on nothing but these numbers."""
    return np.random.default_rng([seed % 2**63, epoch, step, rank, purpose])


def _draws(count: int, weight: float) -> int:
    return round(count * weight)


def _drawn(count: int, weight: float, rng: np.random.Generator) -> IntArray:
    """Every image as often as the whole part of the weight says, and the rest without repetition."""
    whole, rest = divmod(_draws(count, weight), count) if count else (0, 0)
    return np.concatenate([np.tile(np.arange(count), whole), rng.permutation(count)[:rest]])
