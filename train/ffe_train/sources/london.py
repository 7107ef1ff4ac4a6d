"""Face Research Lab London Set: 102 adults, neutral and smiling.

Source: DeBruine and Jones, 2017, doi:10.6084/m9.figshare.5047666.v5.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import Row, Sex, Split
from ffe_train.sources.folders import NAMES
from ffe_train.sources.images import read_crop, read_image
from ffe_train.sources.tables import read_table

COLUMNS: Final = ("path", "loose", "label", "subject", "age", "gender")
SEXES: Final[dict[str, Sex]] = {"female": "f", "male": "m"}


def items(
    path: Path, *, source: str = "london", split: Split = "test", loose: bool = False, halves: bool = False
) -> Iterator[Item]:
    """Posed faces in even light; all of them for testing unless said otherwise.

    Args:
        path: folder with ``labels.csv``, ``aligned112/`` and ``loose400/``.
        source: name of the set.
        split: of everybody.
        halves: every second person is learned from instead, whatever ``split`` says.
        loose: take the pictures with more round the face, which a detector must find.

    Raises:
        DataError: the table is absent or makes no sense.
    """
    lines = list(read_table(path / "labels.csv", COLUMNS))
    learned = set(sorted({line["subject"] for line in lines})[::2] if halves else ())
    for line in lines:
        name = line["loose" if loose else "path"]
        label = NAMES.get(line["label"], line["label"])
        age = float(line["age"]) if line["age"].isdigit() else None
        sex = SEXES.get(line["gender"], "")
        marks = None if loose else ALIGNED
        part: Split = "train" if line["subject"] in learned else split
        row = Row(name, line["subject"], label, split=part, source=source, landmarks=marks, age=age, sex=sex)
        yield Item(row, partial(read_image if loose else read_crop, path / name))
