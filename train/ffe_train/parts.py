"""What is already done of a set in preparation: a part is the crops of one shard and a note beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ffe_edge.align import CROP_PX
from ffe_edge.errors import DataError
from ffe_edge.types import ImageArray
from ffe_train.cropping import DUPLICATE, UNREADABLE, Item, Refusal, colour_counts
from ffe_train.files import read_json, write_json
from ffe_train.shards import Shard, crop_sha256, shard_path, write_shard

Seen: TypeAlias = dict[str, tuple[str, str]]
"""Whose crop it is, by the crop's sha256: source and subject."""


@dataclass(frozen=True, slots=True)
class Part:
    """The outcome of a run of items."""

    key: str
    """sha256 of the items' rows and of the detector's name."""
    kept: tuple[int, ...]
    """Positions among the part's items of the crops of its shard."""
    sha256: tuple[str, ...]
    """Of each kept crop."""
    refused: tuple[tuple[int, str, str], ...]
    """Position, reason and detail of each item without a crop."""
    coloured: int
    blue: int
    """As ``colour_counts`` tells them."""

    @property
    def unreadable(self) -> bool:
        """Whether a picture could not be read, which may be mended by now."""
        return any(reason == UNREADABLE for _, reason, _ in self.refused)


def load_part(folder: Path, number: int, key: str) -> Part | None:
    """An earlier run's part, or None where it must be made.

    Raises:
        DataError: the folder holds parts of other items.
    """
    note = _note(folder, number)
    if not note.is_file():
        return None
    values = read_json(note)
    if values.get("key") != key:
        raise DataError(
            f"{folder}: another preparation (other pictures, labels, detector or settings) was begun here; "
            "delete the folder or choose another one"
        )
    refused = tuple((int(at), str(reason), str(detail)) for at, reason, detail in values["refused"])
    part = Part(key, tuple(values["kept"]), tuple(values["sha256"]), refused, values["coloured"], values["blue"])
    return part if _is_there(Shard(shard_path(folder, number), len(part.kept))) else None


def make_part(
    folder: Path, number: int, key: str, items: Sequence[Item], outcomes: Iterable[ImageArray | Refusal], seen: Seen
) -> Part:
    """Write a part: its crops, then its note.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    crops = np.empty((len(items), CROP_PX, CROP_PX, 3), np.uint8)
    kept: dict[int, str] = {}
    refused: list[tuple[int, str, str]] = []
    for at, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if isinstance(outcome, Refusal):
            refused.append((at, outcome.reason, outcome.detail))
            continue
        sha256, person = crop_sha256(outcome), _person(item)
        owner = seen.setdefault(sha256, person)
        if owner != person:
            refused.append((at, DUPLICATE, f"the same picture is of {'/'.join(owner)}"))
            continue
        crops[len(kept)] = outcome
        kept[at] = sha256
    crops = crops[: len(kept)]
    part = Part(key, tuple(kept), tuple(kept.values()), tuple(refused), *colour_counts(crops))
    write_shard(shard_path(folder, number), crops)
    write_json(asdict(part), _note(folder, number))
    return part


def note_seen(part: Part, items: Sequence[Item], seen: Seen) -> bool:
    """Take over an earlier run's crops into ``seen``; False, and nothing taken, where one is somebody else's."""
    persons = {sha256: _person(items[at]) for at, sha256 in zip(part.kept, part.sha256, strict=True)}
    if any(seen.get(sha256, person) != person for sha256, person in persons.items()):
        return False
    seen.update(persons)
    return True


def drop_notes(folder: Path) -> None:
    """Forget the notes of a finished set."""
    shutil.rmtree(folder / "parts", ignore_errors=True)


def _person(item: Item) -> tuple[str, str]:
    return item.row.source, item.row.subject


def _note(folder: Path, number: int) -> Path:
    return folder / "parts" / f"part-{number:05d}.json"


def _is_there(shard: Shard) -> bool:
    try:
        return len(shard.crops) == shard.count
    except DataError:
        return False
