"""Crops whose expression is known: a prepared set, a folder with ``labels.csv``, or one subfolder for each label."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_export.crop_sources import (
    MANIFEST,
    CropSource,
    IntArray,
    Pictures,
    check_folder,
    is_prepared,
    open_prepared,
    pictures_in,
)
from ffe_export.crops_folder import drawn

StringArray = npt.NDArray[np.str_]
TABLE: Final = "labels.csv"
NO_LABEL: Final = "no label"


class Row(NamedTuple):
    """One picture of the table."""

    path: str
    label: str
    subject: str
    """Empty where it is not known."""
    split: str | None
    """None where the table knows no splits."""


@dataclass(frozen=True)
class Labelled:
    """N crops with their expression."""

    folder: Path
    crops: ImageArray
    """(N, 112, 112, 3) uint8 BGR."""
    labels: tuple[str, ...]
    """(K,) the model's."""
    class_id: IntArray
    """(N,) positions in ``labels``."""
    subject: StringArray | None
    """(N,) who is shown, or None where the set does not say."""
    skipped: Mapping[str, int]
    """How many were left out, by reason."""
    split: str | None = None

    def __post_init__(self) -> None:
        count = len(self.class_id)
        if len(self.crops) != count or (self.subject is not None and len(self.subject) != count):
            raise ValueError(f"{len(self.crops)} crops and their subjects do not fit {count} class ids")

    def __len__(self) -> int:
        return len(self.class_id)


def read_labelled(
    folder: Path, labels: Sequence[str], split: str | None = None, *, limit: int | None = None, seed: int = 0
) -> Labelled:
    """Read the crops of a folder whose label the model has; the others are counted.

    Args:
        folder: a prepared set with ``manifest.csv``; or pictures of 112 x 112 with ``labels.csv`` (columns path and
            label; subject and split where they are known), or in subfolders named by their label.
        labels: (K,) the model's, in its order.
        split: only rows of this split; None takes all.
        limit: how many at most, drawn evenly; None takes all.
        seed: of the draw.

    Raises:
        DataError: there is no folder, no label, no such split, nothing left, or a picture that cannot be used.
    """
    check_folder(folder)
    source, rows = _rows_of(folder, labels)
    if split is not None and all(row.split is None for row in rows):
        raise DataError(f"{folder}: knows no splits, so there is no {split!r}; leave the split out")
    reasons = [_why_not(row, labels, split) for row in rows]
    kept = np.flatnonzero([reason is None for reason in reasons]).astype(np.int64)
    skipped = Counter(reason for reason in reasons if reason is not None)
    _check_kept(folder, rows, kept, skipped, labels, split)
    if limit is not None and limit < len(kept):
        skipped["not drawn"] = len(kept) - limit
        kept = kept[drawn(len(kept), limit, seed)]
    chosen = [rows[position] for position in kept.tolist()]
    class_id = np.array([labels.index(row.label) for row in chosen], np.int64)
    return Labelled(folder, source.take(kept), tuple(labels), class_id, _subjects(chosen), dict(skipped), split)


def _rows_of(folder: Path, labels: Sequence[str]) -> tuple[CropSource, list[Row]]:
    if is_prepared(folder):
        source, rows = open_prepared(folder), _read_table(folder / MANIFEST, within_source=True)
        if len(rows) != len(source):
            raise DataError(f"{folder}: {MANIFEST} has {len(rows)} rows for {len(source)} crops; prepare the set again")
        return source, rows
    if (folder / TABLE).exists():
        rows = _read_table(folder / TABLE)
    else:
        rows = [Row(name, _first_folder(name), "", None) for name in pictures_in(folder)]
        if not any(row.label for row in rows):
            raise DataError(
                f"{folder}: labels missing: it has neither {TABLE} nor subfolders named by a label "
                f"({', '.join(labels)})"
            )
    return Pictures(folder, [row.path for row in rows]), rows


def _first_folder(name: str) -> str:
    first, *rest = PurePosixPath(name).parts
    return first if rest else ""


def _read_table(path: Path, *, within_source: bool = False) -> list[Row]:
    """Rows of a csv; ``within_source`` where a subject is a person of the set that the column source names."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames or ())
            return [_row(values, f"{path}, line {reader.line_num}", within_source) for values in reader]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); labels missing") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8; save it again as csv in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: is no csv ({error})") from error


def _check_columns(path: Path, names: Sequence[str]) -> None:
    if "path" not in names:
        raise DataError(f"{path}: has no column path; its first line names path, label, and subject and split if known")
    if "label" not in names:
        raise DataError(f"{path}: labels missing: it has no column label, only {', '.join(names)}")


def _row(values: Mapping[str | None, str | None], where: str, within_source: bool) -> Row:
    if None in values or None in values.values():
        raise DataError(f"{where}: has another number of cells than the first line")
    cells = {name: (text or "").strip() for name, text in values.items()}
    if not cells["path"]:
        raise DataError(f"{where}, column path: is empty")
    subject = cells.get("subject", "")
    if subject and within_source:
        subject = f"{cells.get('source', '')}/{subject}"
    return Row(cells["path"], cells["label"], subject, cells.get("split"))


def _why_not(row: Row, labels: Sequence[str], split: str | None) -> str | None:
    if split is not None and row.split != split:
        return f"split {row.split or '(none)'}"
    if not row.label:
        return NO_LABEL
    return None if row.label in labels else f"label {row.label}, which the model lacks"


def _check_kept(
    folder: Path,
    rows: Sequence[Row],
    kept: IntArray,
    skipped: Mapping[str, int],
    labels: Sequence[str],
    split: str | None,
) -> None:
    if len(kept):
        return
    if split is not None and all(row.split != split for row in rows):
        there = ", ".join(sorted({row.split for row in rows if row.split})) or "none"
        raise DataError(f"{folder}: has no row of the split {split!r}; its splits: {there}")
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())) or "no row at all"
    raise DataError(f"{folder}: labels missing: no picture has one of {', '.join(labels)} ({reasons})")


def _subjects(rows: Sequence[Row]) -> StringArray | None:
    """Who is shown; None where every picture has its own, which says no more than the pictures do."""
    subjects = [row.subject or row.path for row in rows]
    return np.array(subjects, np.str_) if len(set(subjects)) < len(subjects) else None
