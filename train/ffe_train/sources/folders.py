"""Folders of pictures: one a person, or one a label."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from ffe_edge.emotions import LABELS
from ffe_edge.errors import ConfigError, DataError
from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import Row, Split
from ffe_train.sources.images import is_image, read_crop, read_image

NAMES: Final[Mapping[str, str]] = {
    **{label: label for label in (*LABELS, "contempt")},
    "happy": "joy",
    "happiness": "joy",
    "smiling": "joy",
    "sad": "sadness",
    "fearful": "fear",
    "surprised": "surprise",
    "angry": "anger",
    "disgusted": "disgust",
    "excited": "excitement",
    "relaxed": "relaxation",
}
"""Labels by the names that public sets give their folders, in small letters."""
SPLIT_FOLDERS: Final[Mapping[str, Split]] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def people(
    path: Path, *, source: str = "", split: Split = "train", aligned: bool = False, val_every: int = 0
) -> Iterator[Item]:
    """``PERSON/*.jpg``: the folder's name is the subject, there is no label.

    Args:
        path: folder of folders.
        source: name of the set; the folder's name where empty.
        split: of everybody.
        aligned: the pictures are 112 x 112 crops already.
        val_every: put every that many-th person into ``val``; 0: nobody.

    Raises:
        DataError: there is no picture.
    """
    name = source or path.resolve().name
    for number, folder in enumerate(_subfolders(path)):
        home: Split = "val" if val_every and number % val_every == val_every - 1 else split
        for file in _pictures(folder):
            yield _item(path, file, Row("", folder.name, split=home, source=name), aligned)


def labels(
    path: Path,
    *,
    source: str = "",
    split: Split = "",
    aligned: bool = False,
    subject: str = "",
    names: Mapping[str, str] = NAMES,
) -> Iterator[Item]:
    """``LABEL/*.jpg``, or ``train/LABEL/*.jpg`` and the like: the folder's name is the label.

    Args:
        path: folder of folders.
        source: name of the set; the folder's name where empty.
        split: of pictures that lie in no folder train, val or test.
        aligned: the pictures are 112 x 112 crops already.
        subject: regular expression whose first group is the subject in a file's name, as in ``^([^_]+)_``. Empty:
            every picture is its own subject, and nothing keeps people apart.
        names: labels by the folder's name in small letters; another name is its own label.

    Raises:
        ConfigError: ``subject`` is no regular expression with a group.
        DataError: there is no picture, or a file's name tells no subject.
    """
    who = _pattern(subject)
    name = source or path.resolve().name
    for folder in _subfolders(path):
        nested = SPLIT_FOLDERS.get(folder.name.lower())
        home: Split = split if nested is None else nested
        for inner in [folder] if nested is None else _subfolders(folder):
            label = names.get(inner.name.lower(), inner.name.lower())
            for file in _pictures(inner):
                yield _item(path, file, Row("", _subject(path, file, who), label, split=home, source=name), aligned)


def label_folders(path: Path) -> list[str]:
    """Names in small letters of the folders that ``labels`` would take for labels."""
    found: set[str] = set()
    for folder in _subfolders(path):
        inner = _subfolders(folder) if folder.name.lower() in SPLIT_FOLDERS else [folder]
        found.update(one.name.lower() for one in inner)
    return sorted(found)


def _subfolders(path: Path) -> list[Path]:
    try:
        found = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give an existing folder") from error
    if not found:
        raise DataError(f"{path}: holds no folders; it must hold one for each person or label")
    return found


def _pictures(folder: Path) -> list[Path]:
    found = sorted(file for file in folder.rglob("*") if is_image(file))
    if not found:
        raise DataError(f"{folder}: holds no picture; take the folder away or fill it")
    return found


def _item(root: Path, file: Path, row: Row, aligned: bool) -> Item:
    path = file.relative_to(root).as_posix()
    landmarks = ALIGNED if aligned else None
    placed = Row(path, row.subject, row.label, split=row.split, source=row.source, landmarks=landmarks)
    return Item(placed, partial(read_crop if aligned else read_image, file))


def _pattern(subject: str) -> re.Pattern[str] | None:
    if not subject:
        return None
    try:
        pattern = re.compile(subject)
    except re.error as error:
        raise ConfigError(f"subject: {subject!r} is no regular expression ({error})") from error
    if not pattern.groups:
        raise ConfigError(f"subject: {subject!r} has no group; put the person's part into brackets, as in ^([^_]+)_")
    return pattern


def _subject(root: Path, file: Path, who: re.Pattern[str] | None) -> str:
    if who is None:
        return file.relative_to(root).with_suffix("").as_posix()
    found = who.search(file.name)
    if found is None or not found[1]:
        raise DataError(f"{file}: the name does not tell who it is by {who.pattern!r}; mend the expression")
    return found[1]
