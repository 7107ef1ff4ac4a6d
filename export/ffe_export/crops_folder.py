"""Crops to calibrate with and to compare models on: those of the folder that was named, and of no other."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_export.crop_sources import (
    HELD_OUT,
    CropSource,
    IntArray,
    Part,
    PreparedCrops,
    open_crops,
    without_held_out,
)

LEAST_FOR_CALIBRATION: Final = 100
"""Different crops that ranges of activations are taken from at least."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnCrops:
    """Crops of a folder, and what a record needs to say which."""

    folder: Path
    crops: ImageArray
    """(N, 112, 112, 3) uint8 BGR, in the order of their paths."""
    found: int
    """How many there are to draw from."""
    duplicates: int
    """How many of those drawn equal an earlier one, byte by byte."""
    seed: int
    sha256: str
    """Of the crops' bytes in their order."""

    @property
    def record(self) -> dict[str, object]:
        """JSON-able, for the spec of a quantized file and for the report."""
        counts = {"images": len(self.crops), "found": self.found, "duplicates": self.duplicates}
        return {"folder": self.folder.name, **counts, "seed": self.seed, "sha256": self.sha256}


def read_crops(
    folder: Path, limit: int | None = None, seed: int = 0, *, least: int = LEAST_FOR_CALIBRATION
) -> ImageArray:
    """Crops (N, 112, 112, 3) uint8 BGR of a folder; see ``draw_crops``."""
    return draw_crops(folder, limit, seed, least=least).crops


def draw_crops(
    folder: Path, limit: int | None = None, seed: int = 0, *, least: int = LEAST_FOR_CALIBRATION
) -> DrawnCrops:
    """Draw crops of a folder, each as likely as any other; the same folder, limit and seed give the same ones.

    Of a prepared set the split ``test`` is left out, unless there is no other: nothing is to be measured on a face that
    something was learned from, were it only the range of an activation.

    Args:
        folder: pictures of 112 x 112, wherever below it, or a prepared set of ``ffe-edge train prepare``.
        limit: how many at most; None takes all.
        seed: of the draw.
        least: how many different ones are needed.

    Raises:
        DataError: the folder is absent or holds no crop, too few different ones, or a picture that is none or not
            112 x 112.
    """
    if least < 1 or (limit is not None and limit < 1):
        raise ValueError(f"at least one crop is drawn, not {limit} with {least} needed")
    source = without_held_out(open_crops(folder))
    _check_count(source, limit, least)
    crops = _all_of(source) if limit is None or limit >= len(source) else source.take(drawn(len(source), limit, seed))
    digests = [hashlib.sha256(crop.tobytes()).digest() for crop in crops]
    duplicates = len(digests) - len(set(digests))
    if len(set(digests)) < least:
        raise DataError(
            f"{folder}: only {len(set(digests))} of its {len(digests)} crops differ, {least} different ones are needed"
        )
    if duplicates:
        logger.warning("%s: %d of %d crops are there more than once", folder, duplicates, len(digests))
    return DrawnCrops(folder, crops, len(source), duplicates, seed, digest_of(digests))


def drawn(count: int, limit: int, seed: int) -> IntArray:
    """``limit`` of ``count`` positions, rising."""
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False)).astype(np.int64)


def digest_of(digests: Iterable[bytes]) -> str:
    """sha256 of the crops' own digests, one after the other."""
    return hashlib.sha256(b"".join(digests)).hexdigest()


def crops_sha256(crops: ImageArray) -> str:
    """sha256 of crops (N, S, S, 3) as ``DrawnCrops`` records it."""
    return digest_of(hashlib.sha256(crop.tobytes()).digest() for crop in crops)


def _check_count(source: CropSource, limit: int | None, least: int) -> None:
    if len(source) < least:
        which = f"crops outside its split {HELD_OUT}" if isinstance(source, Part) else "crops"
        raise DataError(f"{source.folder}: holds {len(source)} {which}, {least} are needed; add more")
    if limit is not None and limit < least:
        raise DataError(f"{source.folder}: {limit} of its crops are asked for, {least} are needed; ask for more")


def _all_of(source: CropSource) -> ImageArray:
    if isinstance(source, PreparedCrops) and len(source.shards) == 1:
        return source.shards[0]  # stays mapped into memory
    return source.take(np.arange(len(source)))
