"""FER2013's pictures with FER+'s ten votes as soft labels.

Source: Barsoum et al., Training deep networks for facial expression recognition with crowd-sourced label
distribution, ICMI 2016.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train.cropping import Item
from ffe_train.manifest import OTHER, Row, Split
from ffe_train.sources.images import member_bytes, read_member
from ffe_train.sources.tables import read_table

VOTES: Final = {
    "neutral": "neutral",
    "happiness": "joy",
    "surprise": "surprise",
    "sadness": "sadness",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
}
"""Our labels by FER+'s names."""
OTHERS: Final = ("contempt", "unknown", "NF")
PAPER: Final = {**VOTES, "contempt": "contempt"}
"""The eight classes that published figures are about."""
CONFIDENCE: Final = 0.5
"""For the detector: 48 px are hard for it, and a doubtful face is still the only one in the picture."""
SIDE_PX, LARGE_PX, MARGIN_PX = 48, 192, 48
WHOLE: Final = (float(MARGIN_PX), float(MARGIN_PX), float(MARGIN_PX + LARGE_PX), float(MARGIN_PX + LARGE_PX))
VAL_EVERY: Final = 20

Line = tuple[Mapping[str, float], str, str, Callable[[], ImageArray]]


def items(path: Path, *, source: str = "ferplus", paper: bool = False) -> Iterator[Item]:
    """FER+'s faces, enlarged and with a margin so that a detector can find them; else the picture is the crop.

    Kept are pictures whose majority is one of our labels. FER names no people, so every picture is its own subject;
    every 20th of ``Training`` is ``val``, ``PublicTest`` and ``PrivateTest`` are ``test`` and come first, so that a
    picture which stands twice is never learned and tested. For published figures
    (``paper``) only ``PublicTest`` and ``PrivateTest`` are taken, contempt is a label, and kept is what more than half
    of the votes agree on, those that one person alone gave left out. Source: ``ferplus.py`` of the authors.

    Args:
        path: a zip with ``votes.csv`` and the pictures it names, or a folder with FER2013's ``fer2013.csv`` and
            FER+'s ``fer2013new.csv``.
        source: name of the set.
        paper: the test part as published figures count it.

    Raises:
        DataError: a file is absent or damaged.
    """
    rows = _archived(path) if path.is_file() else _official(path)
    if paper:
        yield from _of_paper(rows, source)
        return
    kept = enumerate(line for line in rows if _majority_is_ours(line[0]))
    for number, (votes, usage, name, read) in sorted(kept, key=_what_tests_first):
        held_out: Split = "val" if number % VAL_EVERY == VAL_EVERY - 1 else "train"
        ours = {VOTES[theirs]: votes[theirs] for theirs in VOTES if votes[theirs]}
        if other := sum(votes[theirs] for theirs in OTHERS):
            ours[OTHER] = other
        label = VOTES[max(VOTES, key=lambda theirs: votes[theirs])]
        row = Row(name, _picture(name), label, ours, held_out if usage == "Training" else "test", source)
        yield Item(row, partial(_enlarged, read), WHOLE)


def _what_tests_first(numbered: tuple[int, Line]) -> tuple[bool, int]:
    """FER2013 has pictures twice: the first is kept, and it must not be the one that is learned."""
    number, (_votes, usage, _name, _read) = numbered
    return usage == "Training", number


def paper_label(votes: Mapping[str, float]) -> str:
    """Our label of what more than half agree on, ``contempt`` as well; empty where there is no such majority."""
    agreed = {name: count for name, count in votes.items() if count > 1}
    best = max(agreed, key=lambda name: agreed[name], default="")
    return PAPER.get(best, "") if agreed and agreed[best] > sum(agreed.values()) / 2 else ""


def _of_paper(rows: Iterable[Line], source: str) -> Iterator[Item]:
    for votes, usage, name, read in rows:
        if usage != "Training" and (label := paper_label(votes)):
            row = Row(name, _picture(name), label, split="test", source=source)
            yield Item(row, partial(_enlarged, read), WHOLE)


def _archived(path: Path) -> Iterator[Line]:
    text = io.StringIO(member_bytes(path, "votes.csv").decode("utf-8-sig", "replace"), newline="")
    reader = csv.DictReader(text)
    _check_columns(path, reader.fieldnames or ())
    for line in reader:
        read = partial(read_member, path, line["path"])
        yield _votes(line, path), line["usage"], line["path"], read


def _official(folder: Path) -> Iterator[Line]:
    """Lines of the two csv files belong together by their number."""
    votes = read_table(folder / "fer2013new.csv", ("Usage", *VOTES, *OTHERS))
    pictures = read_table(folder / "fer2013.csv", ("pixels", "Usage"))
    for number, (line, picture) in enumerate(zip(votes, pictures, strict=False)):
        if line["Usage"] != picture["Usage"]:
            raise DataError(f"{folder}: line {number + 2} of fer2013.csv and fer2013new.csv have another Usage")
        name = f"fer2013.csv#{number}"
        yield _votes(line, folder), line["Usage"], name, partial(_grey, picture["pixels"], f"{folder}/{name}")


def _picture(name: str) -> str:
    """``images/fer7.png`` -> ``fer7``; a line of a csv keeps its number."""
    return Path(name).name.removesuffix(".png")


def _check_columns(path: Path, columns: object) -> None:
    given = set(columns) if isinstance(columns, (list, tuple)) else set()
    if missing := [name for name in ("path", "usage", *VOTES, *OTHERS) if name not in given]:
        raise DataError(f"{path}: its votes.csv has no column {missing[0]}")


def _votes(line: Mapping[str, str], path: Path) -> dict[str, float]:
    try:
        return {name: float(line[name]) for name in (*VOTES, *OTHERS)}
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: a vote is not a number ({error})") from error


def _majority_is_ours(votes: Mapping[str, float]) -> bool:
    return max(votes[name] for name in VOTES) > max(votes[name] for name in OTHERS)


def _grey(pixels: str, name: str) -> ImageArray:
    values = pixels.split()
    if len(values) != SIDE_PX * SIDE_PX or not all(map(str.isdigit, values)):
        raise DataError(f"{name}: does not hold {SIDE_PX} x {SIDE_PX} grey values")
    grey = np.array(values, np.int64).clip(0, 255).astype(np.uint8).reshape(SIDE_PX, SIDE_PX)
    return np.repeat(grey[..., None], 3, axis=2)


def _enlarged(read: Callable[[], ImageArray]) -> ImageArray:
    """(288, 288, 3): four times as large, the border repeated outwards; ``WHOLE`` is the picture in it."""
    large = cv2.resize(read(), (LARGE_PX, LARGE_PX), interpolation=cv2.INTER_CUBIC)
    margins = (MARGIN_PX,) * 4
    return np.asarray(cv2.copyMakeBorder(large, *margins, cv2.BORDER_REPLICATE), np.uint8)
