"""Aligned faces of Labeled Faces in the Wild: with one noisy expression each, and as identities with pairs.

Source: Huang et al., Labeled Faces in the Wild, UMass Technical Report 07-49, 2007.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from ffe_edge.errors import DataError
from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import SPLITS, Row, Split
from ffe_train.prepared import Pair
from ffe_train.sources.images import read_crop
from ffe_train.sources.tables import number, read_table

TAKEN: Final = 2003
"""The photographs are of about that year; a birth year gives an age by it, a year or two off."""
EXPRESSION_COLUMNS: Final = ("path", "proxy9", "subject", "birth_year", "split")
IDENTITY_COLUMNS: Final = ("path", "identity", "split")
PAIRS_FILE: Final = "pairs_verif.csv"


def expressions(path: Path, *, source: str = "lfw", only: Split = "") -> Iterator[Item]:
    """Faces with a label; ages are known of people of 60 and more only.

    Args:
        path: folder with ``labels.csv`` and the crops that it names.
        source: name of the set.
        only: faces of this split; nothing: all.

    Raises:
        DataError: the table is absent or makes no sense.
    """
    table = path / "labels.csv"
    for line in read_table(table, EXPRESSION_COLUMNS):
        if not line["proxy9"] or only not in {"", line["split"]}:
            continue
        born = line["birth_year"]
        age = TAKEN - number(born, table, "birth_year") if born else None
        split = _split(line["split"], table)
        row = Row(line["path"], line["subject"], line["proxy9"], split=split, source=source, landmarks=ALIGNED, age=age)
        yield Item(row, partial(read_crop, path / line["path"]))


def identities(path: Path, *, source: str = "lfw") -> Iterator[Item]:
    """Faces by person, the same people as those of ``expressions``; the split ``verif`` becomes ``val``.

    Args:
        path: folder with ``labels.csv`` and a folder of crops a person.
        source: name of the set.

    Raises:
        DataError: the table is absent or makes no sense.
    """
    table = path / "labels.csv"
    for line in read_table(table, IDENTITY_COLUMNS):
        split = _split({"verif": "val"}.get(line["split"], line["split"]), table)
        row = Row(line["path"], line["identity"], split=split, source=source, landmarks=ALIGNED)
        yield Item(row, partial(read_crop, path / line["path"]))


def pairs(path: Path) -> tuple[Pair, ...]:
    """Pairs of the people of ``val``, from ``pairs_verif.csv``.

    Raises:
        DataError: the file is absent or makes no sense.
    """
    lines = read_table(path / PAIRS_FILE, ("a", "b", "same"))
    return tuple(Pair(line["a"], line["b"], line["same"] == "1") for line in lines)


def _split(text: str, table: Path) -> Split:
    for split in SPLITS:
        if text == split:
            return split
    raise DataError(f"{table}: there is no split {text!r}; use train, val or test")
