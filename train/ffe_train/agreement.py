"""How far raters agree, from their counts by image: (N, V) answers of each kind, ``other`` being a kind of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ffe_train.metrics import CountArray
from ffe_train.predictions import IntArray


def krippendorff_alpha(votes: npt.ArrayLike) -> float:
    """Krippendorff's alpha for nominal answers; 1 is agreement, 0 chance. Who answered does not matter, only what.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability, Univ. of Pennsylvania, 2011, sec. C.

    Args:
        votes: (N, V) counts; images with fewer than two answers are left out, as the method has it.

    Returns:
        Alpha, nan where no two answers can be paired or all answers are the same.
    """
    return float(alpha_of(pair_counts(votes).sum(axis=0)[None])[0])


def pair_counts(votes: npt.ArrayLike) -> CountArray:
    """(N, V) counts -> (N, 1 + V) of which alpha needs only the sums: agreeing pairs over answers - 1, and answers."""
    counts = np.asarray(votes, np.float64)
    total = counts.sum(axis=1)
    counts = np.where(total[:, None] >= 2, counts, 0.0)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.maximum(total - 1, 1)
    return np.concatenate([agreeing[:, None], counts], axis=1)


def alpha_of(sums: CountArray) -> CountArray:
    """(R, 1 + V) summed ``pair_counts`` -> (R,) alpha: 1 - observed over expected disagreement."""
    agreeing, answers = sums[:, 0], sums[:, 1:]
    total = answers.sum(axis=1)
    expected = total**2 - (answers**2).sum(axis=1)
    disagreement = (total - 1) * (total - agreeing)
    ratio = np.divide(disagreement, expected, out=np.full(len(sums), np.nan), where=expected > 0)
    return np.asarray(1 - ratio)


def majority(votes: CountArray, answer: IntArray) -> CountArray:
    """Whether the most frequent answer is the given one.

    Args:
        votes: (..., V) counts.
        answer: (...) kinds.

    Returns:
        (...) 1 or 0; of k kinds that are equally frequent each gets 1 / k. 0 where nobody answered.
    """
    most = votes.max(axis=-1)
    first = votes == most[..., None]
    chosen = np.take_along_axis(first, answer[..., None], axis=-1)[..., 0]
    return np.where(most > 0, chosen / first.sum(axis=-1), 0.0)


def sole_majority(votes: CountArray) -> IntArray:
    """(N, V) counts -> (N,) the most frequent answer, -1 where several are."""
    most = votes.max(axis=1)
    alone = (votes == most[:, None]).sum(axis=1) == 1
    return np.where(alone & (most > 0), votes.argmax(axis=1), -1)


def leave_one_out(votes: npt.ArrayLike, truth: IntArray) -> tuple[CountArray, CountArray]:
    """What the majority of the others says when each rater in turn is left out.

    Args:
        votes: (N, V) counts.
        truth: (N,) class ids.

    Returns:
        (N,) how often the others' majority is the truth, and (N,) how often the rater left out agrees with it, each
        as a mean over the image's raters; nan for images with fewer than two answers. Ties count in part.
    """
    counts = np.asarray(votes, np.float64)
    kinds = counts.shape[1]
    rest = np.maximum(counts[:, None, :] - np.eye(kinds), 0.0)
    total = counts.sum(axis=1)
    share = np.divide(counts, total[:, None], out=np.full_like(counts, np.nan), where=total[:, None] >= 2)
    right = majority(rest, np.broadcast_to(truth[:, None], counts.shape))
    agrees = majority(rest, np.broadcast_to(np.arange(kinds), counts.shape))
    return (share * right).sum(axis=1), (share * agrees).sum(axis=1)
