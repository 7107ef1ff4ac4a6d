"""Nagoya University's elderly facial expression database, through a manifest that its holder writes.

111 people of 73.2 +- 4.6 years, 56 men and 55 women; eight emotions and neutral, brought about by scenarios or by
imitating photographs, seen by five cameras; 36 raters, five or more answers a picture. train/DATA.md shows the columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ffe_edge.errors import DataError
from ffe_train.cropping import Item
from ffe_train.manifest import OTHER, Row
from ffe_train.sources import manifests
from ffe_train.tasks import NINE

ELICITATIONS: Final = ("scenario", "imitation")
NEEDED: Final = ("label", "elicitation", "camera", "age", "sex")


def items(path: Path, *, source: str = "nagoya") -> Iterator[Item]:
    """Rows of the manifest, each held to what the database records.

    Args:
        path: the manifest or its folder.
        source: name of the set.

    Raises:
        DataError: the manifest cannot be read, or a row lacks something or has another label.
    """
    for item in manifests.items(path, source=source):
        _check(item.row)
        yield item


def _check(row: Row) -> None:
    if missing := [name for name in NEEDED if getattr(row, name) in {"", None}]:
        raise DataError(f"{row.path}: its {missing[0]} is missing; the manifest needs {', '.join(NEEDED)} in every row")
    if unknown := [label for label in (row.label, *row.votes) if label not in {*NINE.labels, OTHER}]:
        raise DataError(f"{row.path}: {unknown[0]!r} is no label; use {', '.join(NINE.labels)}, in votes {OTHER} too")
    if row.label == OTHER:
        raise DataError(f"{row.path}: nobody was asked to show {OTHER!r}; it is an answer of raters alone")
    if row.elicitation not in ELICITATIONS:
        raise DataError(f"{row.path}: elicitation {row.elicitation!r} is none of {', '.join(ELICITATIONS)}")
