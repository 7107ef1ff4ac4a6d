"""Faces of UTKFace that somebody has aligned already: an age, a sex, and no expression.

Source: Zhang, Song and Qi, Age progression/regression by conditional adversarial autoencoder, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import Row, Sex
from ffe_train.sources.images import read_crop
from ffe_train.sources.tables import read_table

TABLE: Final = "index.csv"
COLUMNS: Final = ("path", "age", "gender", "race")
SEXES: Final[dict[str, Sex]] = {"female": "f", "male": "m"}


def items(path: Path, *, source: str = "utkface") -> Iterator[Item]:
    """Faces for teachers to look at; nobody is named, so every picture is its own subject.

    Args:
        path: folder with ``index.csv`` and crops of 112 px.
        source: name of the set.

    Raises:
        DataError: the table is absent or makes no sense.
    """
    for line in read_table(path / TABLE, COLUMNS):
        name = line["path"]
        age = float(line["age"]) if line["age"].isdigit() else None
        row = Row(name, Path(name).stem, source=source, landmarks=ALIGNED, age=age, sex=SEXES.get(line["gender"], ""))
        yield Item(row, partial(read_crop, path / name))
