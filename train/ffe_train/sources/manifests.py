"""Any set that comes with a manifest of our own format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ffe_edge.errors import DataError
from ffe_train.cropping import Item
from ffe_train.manifest import read_manifest
from ffe_train.sources.images import reader

FILES: Final = ("manifest.csv", "manifest.parquet")


def items(path: Path, *, source: str = "") -> Iterator[Item]:
    """The pictures that a manifest names.

    Args:
        path: the manifest, or the folder with ``manifest.csv`` or ``manifest.parquet`` in it.
        source: name of the set for rows that have none; the folder's name where empty.

    Raises:
        DataError: the manifest cannot be read or a cell makes no sense.
    """
    file = find(path)
    name = source or file.resolve().parent.name
    for row in read_manifest(file):
        yield Item(row if row.source else replace(row, source=name), reader(file.parent, row.path))


def find(path: Path) -> Path:
    """The manifest of a folder; a file is its own.

    Raises:
        DataError: there is none.
    """
    if not path.is_dir():
        return path
    for name in FILES:
        if (path / name).is_file():
            return path / name
    raise DataError(f"{path}: holds no {' or '.join(FILES)}; see train/DATA.md for its columns")
