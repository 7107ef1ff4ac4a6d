"""Which kind of data set a path holds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ffe_edge.errors import DataError
from ffe_train.sources import affectnet, folders, lfw, london, manifests, utkface
from ffe_train.sources.tables import header

MANY: Final = 20
"""Folders from which on they are people and not labels, if no name says otherwise."""


def detect_kind(path: Path) -> str:
    """The kind of a data set by what its folder holds.

    Raises:
        DataError: nothing known was found, or it may be several things; what was looked for is listed.
    """
    if not path.exists():
        raise DataError(f"{path}: does not exist")
    if (path / "set.json").is_file():
        raise DataError(f"{path}: is a prepared set already; name it in a recipe")
    for kind, _, is_it in _SIGNS:
        if is_it(path):
            return kind
    looked_for = "; ".join(f"{kind}: {sign}" for kind, sign, _ in _SIGNS)
    raise DataError(f"{path}: cannot tell what kind of data set it is; say its kind. Looked for {looked_for}")


def _is_recordio(path: Path) -> bool:
    return path.suffix == ".rec" or (path.is_dir() and any(path.glob("*.rec")))


def _is_ferplus(path: Path) -> bool:
    if (path / "fer2013new.csv").is_file():
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "votes.csv" in archive.namelist()


def _is_affectnet(path: Path) -> bool:
    if path.is_file():
        return affectnet.PATH_COLUMN in header(path)
    pack = any((path / name / "annotations").is_dir() for name in affectnet.PACK_FOLDERS)
    return pack or bool(affectnet.find_tables(path))


def _has_columns(*columns: str) -> Callable[[Path], bool]:
    def check(path: Path) -> bool:
        return set(columns) <= set(header(path / "labels.csv"))

    return check


def _is_utkface(path: Path) -> bool:
    return set(utkface.COLUMNS) <= set(header(path / utkface.TABLE))


def _manifest_columns(path: Path) -> tuple[str, ...]:
    if path.is_file():
        return header(path) if path.suffix == ".csv" else ()
    return header(path / "manifest.csv")


def _is_nagoya(path: Path) -> bool:
    return {"path", "subject", "label", "elicitation", "camera", "votes"} <= set(_manifest_columns(path))


def _is_manifest(path: Path) -> bool:
    parquet = path.suffix == ".parquet" or (path / manifests.FILES[1]).is_file()
    return parquet or {"path", "subject"} <= set(_manifest_columns(path))


def _folder_names(path: Path) -> list[str]:
    if not path.is_dir() or not any(entry.is_dir() for entry in path.iterdir()):
        return []
    return folders.label_folders(path)


def _are_labels(path: Path) -> bool:
    names = _folder_names(path)
    return len(names) > 1 and all(name in folders.NAMES for name in names)


def _are_numbers(path: Path) -> bool:
    names = _folder_names(path)
    return len(names) > 1 and names == [str(number) for number in range(len(names))] and len(names) <= 8


def _are_people(path: Path) -> bool:
    return len(_folder_names(path)) >= MANY


_SIGNS: Final[tuple[tuple[str, str, Callable[[Path], bool]], ...]] = (
    ("recordio", "a .rec file", _is_recordio),
    ("ferplus", "a zip with votes.csv, or fer2013new.csv", _is_ferplus),
    ("affectnet", f"a csv with {affectnet.PATH_COLUMN}, or train_set/annotations", _is_affectnet),
    ("london", f"labels.csv with {', '.join(london.COLUMNS)}", _has_columns(*london.COLUMNS)),
    ("lfw-expressions", "labels.csv with path, proxy9, subject", _has_columns(*lfw.EXPRESSION_COLUMNS)),
    ("lfw-identities", "labels.csv with path, identity, split", _has_columns(*lfw.IDENTITY_COLUMNS)),
    ("utkface", f"{utkface.TABLE} with {', '.join(utkface.COLUMNS)}", _is_utkface),
    ("nagoya", "a manifest with label, elicitation, camera and votes", _is_nagoya),
    ("manifest", "manifest.csv or manifest.parquet with path and subject", _is_manifest),
    ("label-folders", "folders that are all named by an expression", _are_labels),
    ("affectnet", "folders numbered from 0", _are_numbers),
    ("identity-folders", f"{MANY} or more folders of pictures", _are_people),
)
