"""Which found box is whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from ffe_edge.tracks_motion import Motion
from ffe_edge.types import FloatArray

REACH_SIDES: Final = 0.5
"""So far from where it is expected a face may lie, in sides, when nothing is in doubt ..."""
DOUBTS: Final = 3.0
"""... and further by so many standard deviations of the prediction ..."""
MAX_REACH_SIDES: Final = 1.5
"""... but never further than this ..."""
MAX_DOUBT_SIDES: Final = 1.0
"""... and only as long as the prediction is worth something, half a second: whoever then stands near is another."""
MAX_RATIO: Final = 1.6
"""Of the sides of the same face in two looks."""


def iou(one: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union of boxes (M, 4) and (N, 4) -> (M, N)."""
    shared = _shared(one, other)
    area = [_area(boxes) for boxes in (one, other)]
    return np.asarray(shared / np.maximum(area[0][:, None] + area[1][None] - shared, 1e-9), np.float32)


def coverage(box: FloatArray, others: FloatArray) -> FloatArray:
    """(N,) share of the box (4,) that each of the N others covers."""
    return np.asarray(_shared(box[None], others)[0] / np.maximum(_area(box[None]), 1e-9), np.float32)


def matches(ahead: Sequence[Motion], boxes: FloatArray, min_iou: float) -> list[tuple[int, int]]:
    """Pairs (person, box), each used once: by the largest overlap, then those left by the nearest centre.

    Args:
        ahead: where people are expected.
        boxes: (N, 4) found.
        min_iou: least overlap of a pair of the first kind.
    """
    if not ahead or not len(boxes):
        return []
    expected = np.stack([motion.xyxy for motion in ahead])
    pairs = _best(iou(expected, boxes), max(min_iou, 1e-6))
    nearness = _nearness(ahead, expected, boxes)
    for person, box in pairs:
        nearness[person, :] = nearness[:, box] = 0
    return pairs + _best(nearness, 1e-6)


def _best(score: FloatArray, least: float) -> list[tuple[int, int]]:
    """Greedy: the largest score first."""
    score, pairs = score.copy(), []
    while score.max(initial=0) >= least:
        person, box = np.unravel_index(int(score.argmax()), score.shape)
        pairs.append((int(person), int(box)))
        score[person, :] = score[:, box] = 0
    return pairs


def _nearness(ahead: Sequence[Motion], expected: FloatArray, boxes: FloatArray) -> FloatArray:
    """(M, N) in [0, 1]: 1 where a centre is as expected, 0 out of reach or of another size."""
    sides = [np.maximum((some[:, 2:] - some[:, :2]).max(axis=1), 1e-6) for some in (expected, boxes)]
    centres = [(some[:, :2] + some[:, 2:]) / 2 for some in (expected, boxes)]
    distance = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2) / sides[0][:, None]
    doubt = np.array([motion.doubt for motion in ahead], np.float32)
    reach = np.minimum(REACH_SIDES + DOUBTS * doubt, MAX_REACH_SIDES)
    ratio = sides[0][:, None] / sides[1][None]
    may_be = (np.maximum(ratio, 1 / ratio) <= MAX_RATIO) & (doubt[:, None] <= MAX_DOUBT_SIDES)
    return np.asarray(np.clip(1 - distance / reach[:, None], 0, 1) * may_be, np.float32)


def _area(boxes: FloatArray) -> FloatArray:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float32)


def _shared(one: FloatArray, other: FloatArray) -> FloatArray:
    """Area that boxes (M, 4) and (N, 4) have in common, (M, N)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2), np.float32)
