"""AffectNet in its three shapes: csv with boxes, the pack of eight labels, folders.

Source: Mollahosseini et al., AffectNet, IEEE Trans. Affective Computing 10(1), 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ffe_edge.errors import DataError
from ffe_train.cropping import Item
from ffe_train.manifest import Row, Split
from ffe_train.sources import folders
from ffe_train.sources.images import read_image
from ffe_train.sources.tables import header, number, read_table

LABELS: Final = ("neutral", "joy", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""Labels by AffectNet's numbers; 8 none, 9 uncertain and 10 no face are left out."""
DROPPED: Final = range(8, 11)
PATH_COLUMN: Final = "subDirectory_filePath"
BOX_COLUMNS: Final = ("face_x", "face_y", "face_width", "face_height")
PACK_FOLDERS: Final[dict[str, Split]] = {"train_set": "train", "val_set": "val"}
PICTURES: Final = "Manually_Annotated_Images"


def items(path: Path, *, source: str = "affectnet", images: Path | None = None) -> Iterator[Item]:
    """AffectNet's faces. Nobody is named, so every picture is its own subject; the validation set is ``val``.

    Args:
        path: ``training.csv`` or ``validation.csv`` or their folder; the folder of ``train_set`` and ``val_set``; or
            a folder of folders named by label or number.
        source: name of the set.
        images: where the csv's paths start; ``Manually_Annotated_Images`` beside it where there is one, else the
            csv's folder.

    Raises:
        DataError: it has none of these shapes, or a line or file makes no sense.
    """
    if path.is_file():
        yield from _table(path, source, images)
    elif any((path / name / "annotations").is_dir() for name in PACK_FOLDERS):
        yield from _pack(path, source)
    elif tables := find_tables(path):
        for table in tables:
            yield from _table(table, source, images)
    else:
        by_number = {str(index): label for index, label in enumerate(LABELS)}
        yield from folders.labels(path, source=source, split="train", names={**folders.NAMES, **by_number})


def find_tables(folder: Path) -> list[Path]:
    """AffectNet's csv files in a folder."""
    return [file for file in sorted(folder.glob("*.csv")) if PATH_COLUMN in header(file)]


def _table(path: Path, source: str, images: Path | None) -> Iterator[Item]:
    beside = path.parent / PICTURES
    root = images or (beside if beside.is_dir() else path.parent)
    split: Split = "val" if path.stem.lower().startswith("val") else "train"
    for line in read_table(path, (PATH_COLUMN, "expression", *BOX_COLUMNS)):
        label = _label(line["expression"], str(path))
        if label is None:
            continue
        name = line[PATH_COLUMN]
        left, top, width, height = (number(line[column], path, column) for column in BOX_COLUMNS)
        box = (left, top, left + width, top + height) if width > 0 and height > 0 else None
        yield Item(Row(name, name, label, split=split, source=source, xyxy=box), partial(read_image, root / name))


def _pack(path: Path, source: str) -> Iterator[Item]:
    for folder, split in PACK_FOLDERS.items():
        notes = sorted((path / folder / "annotations").glob("*_exp.npy"), key=lambda file: (len(file.name), file.name))
        for note in notes:
            label = _label(_noted(note), str(note))
            if label is None:
                continue
            name = f"{folder}/images/{note.name.removesuffix('_exp.npy')}.jpg"
            yield Item(Row(name, name, label, split=split, source=source), partial(read_image, path / name))


def _noted(path: Path) -> str:
    try:
        return str(np.load(path, allow_pickle=False).item())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no array with one label ({error})") from error


def _label(text: str, where: str) -> str | None:
    """The label of a number, None where it is left out."""
    index = int(text) if text.strip().isdigit() else -1
    if index in DROPPED:
        return None
    if not 0 <= index < len(LABELS):
        raise DataError(f"{where}: {text!r} is no expression of AffectNet; they are numbered 0 to 10")
    return LABELS[index]
