"""Whether two pictures show one person: the metric of a network that has learned identities.

Source: Huang et al., Labeled Faces in the Wild, 2007 (ten folds, the threshold from the other nine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.bootstrap import Interval
from ffe_train.networks import to_input
from ffe_train.prepared import IntArray, PreparedSet, read_pairs

BoolArray = npt.NDArray[np.bool_]

FOLDS: Final = 10
FAR_LEVELS: Final = (1e-2, 1e-3, 1e-4)
RESAMPLES: Final = 2000
AT_ONCE: Final = 100
"""Resamples whose pairs are weighed at once."""


@dataclass(frozen=True)
class Verification:
    """What a set of pairs tells of a network."""

    same: int
    different: int
    """Pairs of one person, and of two."""
    people: int
    accuracy: Interval
    """Share of pairs told rightly, with its 95 % interval over people."""
    auc: float
    """Chance that a pair of one person is more alike than a pair of two."""
    tar: dict[float, float | None]
    """Share of pairs of one person accepted, by the share of pairs of two that is; None: too few such pairs."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON; what could not be measured says why."""
        return {
            "pairs": {"same": self.same, "different": self.different, "people": self.people},
            "accuracy": self.accuracy.as_dict(),
            "auc": self.auc,
            "tar_at_far": {
                f"{far:g}": f"not measured: needs {1 / far:.0f} pairs of two people" if value is None else value
                for far, value in self.tar.items()
            },
        }


def verify_set(backbone: nn.Module, prepared: PreparedSet, *, device: torch.device | str = "cpu") -> Verification:
    """Verification on the set's own pairs.

    Args:
        backbone: images (B, 3, 112, 112) to embeddings (B, D); it is left in eval mode.
        prepared: a whole set with ``pairs.csv``.
        device: where the backbone lies.

    Raises:
        DataError: the set has no pairs, or they do not fit it.
    """
    pairs = checked_pairs(prepared)
    used, place = np.unique(pairs[:, :2], return_inverse=True)
    unit = embeddings(backbone, prepared.crops, used, device=device)
    first, second = place.reshape(-1, 2).T
    similarity = np.einsum("pd,pd->p", unit[first], unit[second])
    who = prepared.identity()[0]
    return verify(similarity, pairs[:, 2] == 1, who[pairs[:, 0]], who[pairs[:, 1]])


def checked_pairs(prepared: PreparedSet) -> IntArray:
    """(P, 3) rows a and b, and 1 where both show one person.

    Raises:
        DataError: there are none, too few, or they do not fit the set.
    """
    pairs, path = read_pairs(prepared.folder), prepared.folder / "pairs.csv"
    if pairs.ndim != 2 or pairs.shape[1] != 3 or not np.isin(pairs[:, 2], (0, 1)).all():
        raise DataError(f"{path}: needs the columns a,b,same with 0 or 1 in same")
    if pairs[:, :2].min(initial=0) < 0 or pairs[:, :2].max(initial=0) >= len(prepared):
        raise DataError(f"{path}: names rows that the set of {len(prepared)} faces does not have; prepare it again")
    counts = np.bincount(pairs[:, 2], minlength=2)
    if counts.min() < FOLDS:
        raise DataError(f"{path}: has {counts[1]} pairs of one person and {counts[0]} of two; {FOLDS} each are needed")
    return pairs


@torch.inference_mode()
def embeddings(
    backbone: nn.Module,
    crops: Callable[[IntArray], ImageArray],
    index: IntArray,
    *,
    device: torch.device | str = "cpu",
    batch: int = 256,
) -> FloatArray:
    """Unit embeddings (B, D) float32 of some crops: the sum over the crop and its mirror image, before the L2 norm.

    Source: Kim et al., AdaFace, CVPR 2022, the authors' evaluation.
    """
    backbone.eval()
    rows = []
    for start in range(0, len(index), batch):
        images = to_input(crops(index[start : start + batch]), device).contiguous(memory_format=torch.channels_last)
        both = backbone(images).float() + backbone(images.flip(3)).float()
        rows.append(nn.functional.normalize(both).cpu().numpy())
    return np.asarray(np.concatenate(rows), np.float32)


def verify(
    similarity: npt.ArrayLike, same: BoolArray, first: IntArray, second: IntArray, *, seed: int = 0
) -> Verification:
    """Figures of P pairs.

    Args:
        similarity: (P,) cosine.
        same: (P,) whether both pictures show one person.
        first: (P,) number of the person in the first picture.
        second: (P,) in the second.
        seed: of the bootstrap.
    """
    values = np.asarray(similarity, np.float64)
    right = right_by_fold(values, same)
    return Verification(
        int(same.sum()),
        int((~same).sum()),
        len(np.unique(np.concatenate([first, second]))),
        interval_over_people(right, first, second, seed=seed),
        area_under_curve(values, same),
        {far: true_accept_rate(values, same, far) for far in FAR_LEVELS},
    )


def right_by_fold(similarity: npt.NDArray[np.float64], same: BoolArray) -> BoolArray:
    """(P,) whether each pair is told rightly by the best threshold of the nine folds that it is not in.

    Folds are tenths of the pairs of one person and tenths of those of two, in the order of the list: on the official
    list (ten times 300 of each) these are the official folds.
    """
    fold = np.empty(len(same), np.int64)
    for kind in (True, False):
        count = int((same == kind).sum())
        fold[same == kind] = np.arange(count) * FOLDS // count
    right = np.empty(len(same), np.bool_)
    for number in range(FOLDS):
        held = fold == number
        right[held] = (similarity[held] > best_threshold(similarity[~held], same[~held])) == same[held]
    return right


def best_threshold(similarity: npt.NDArray[np.float64], same: BoolArray) -> float:
    """The threshold that tells most pairs rightly: the lowest such, half-way between two neighbours."""
    order = np.argsort(similarity, kind="stable")
    values, sorted_same = similarity[order], same[order]
    below = np.concatenate([[0], np.cumsum(~sorted_same)])
    above = sorted_same.sum() - np.concatenate([[0], np.cumsum(sorted_same)])
    edges = np.concatenate([[-np.inf], values, [np.inf]])
    possible = edges[:-1] < edges[1:]
    best = int(np.argmax(np.where(possible, below + above, -1)))
    low, high = edges[best], edges[best + 1]
    if np.isinf(low) or np.isinf(high):
        return float(low if np.isinf(low) else high)
    return float((low + high) / 2)


def true_accept_rate(similarity: npt.NDArray[np.float64], same: BoolArray, far: float) -> float | None:
    """Share of pairs of one person above the lowest threshold that no more than ``far`` of the others pass.

    None where ``far`` of them is less than one pair.
    """
    others = np.sort(similarity[~same])[::-1]
    allowed = int(far * len(others) + 1e-9)
    if allowed < 1:
        return None
    return float((similarity[same] > others[min(allowed, len(others) - 1)]).mean())


def area_under_curve(similarity: npt.NDArray[np.float64], same: BoolArray) -> float:
    """Mann and Whitney's statistic: equal values count half."""
    others = np.sort(similarity[~same])
    lower = np.searchsorted(others, similarity[same], "left")
    not_higher = np.searchsorted(others, similarity[same], "right")
    return float((lower + not_higher).mean() / 2 / len(others))


def interval_over_people(right: BoolArray, first: IntArray, second: IntArray, *, seed: int = 0) -> Interval:
    """Share of pairs told rightly, with its 95 % percentile interval.

    People are drawn with replacement. A pair counts as often as its people were drawn: of one person that number, of
    two the product of both. The thresholds stay as they are.
    Source: Bolle et al., Error analysis of pattern recognition systems: the subsets bootstrap, CVIU 93, 2004.
    """
    _, person = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = person.reshape(2, -1)
    values = np.concatenate(list(_resampled(right, a, b, seed)))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(float(right.mean()), float(low), float(high))


def _resampled(right: BoolArray, a: IntArray, b: IntArray, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Shares of some resamples at a time; NaN where no pair has both its people."""
    rng = np.random.default_rng(seed)
    people = int(max(a.max(), b.max())) + 1
    for _ in range(RESAMPLES // AT_ONCE):
        times = rng.multinomial(people, np.full(people, 1 / people), AT_ONCE).astype(np.float64)
        weight = np.where(a == b, times[:, a], times[:, a] * times[:, b])
        total = weight.sum(axis=1)
        yield np.divide(weight @ right, total, out=np.full(AT_ONCE, np.nan), where=total > 0)
