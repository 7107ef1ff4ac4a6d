"""Whom a stage has learned, so that nobody is measured as a stranger who is none.

``people.txt`` lies beside a stage's weights: a line a person of the stage and of all stages before it, the first 64
bits of the SHA-256 of ``source/subject`` in hexadecimal. No name stands there, for it may be a real person's; who knows
a name can still ask for it. The line ``unknown`` says that there may be others too: imported weights name nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ffe_edge.errors import DataError
from ffe_train.files import write_atomically
from ffe_train.recipes import Transfer

PEOPLE: Final = "people.txt"
UNKNOWN: Final = "unknown"
DIGITS: Final = 16
"""Of a person's line: among a million people the chance that two share one is below 1e-7."""


@dataclass(frozen=True)
class People:
    """Persons without their names; two of these are put together by ``|``."""

    lines: frozenset[str] = frozenset()
    """One for each."""
    is_complete: bool = True
    """Whether there is nobody else."""

    def __or__(self, other: People) -> People:
        return People(self.lines | other.lines, self.is_complete and other.is_complete)

    @property
    def text(self) -> str:
        """What stands in the file."""
        return "".join(f"{line}\n" for line in ([] if self.is_complete else [UNKNOWN]) + sorted(self.lines))

    @property
    def sha256(self) -> str:
        """Of the file; stands in the metadata of the weights, so that neither is taken for another's."""
        return hashlib.sha256(self.text.encode()).hexdigest()


NOBODY: Final = People()
SOMEBODY: Final = People(is_complete=False)
"""Nothing is known."""


def people_of(names: Iterable[str]) -> People:
    """People by their names ``source/subject``."""
    return People(frozenset(_line(name) for name in names))


def write_people(people: People, folder: Path) -> None:
    """Write a stage's file.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    write_atomically(folder / PEOPLE, people.text.encode())


def read_people(folder: Path, sha256: str | None = None) -> People:
    """Whom the weights in a folder have learned; nothing is known where no file says so.

    Args:
        folder: of the stage, or of imported weights.
        sha256: of the file, as the metadata of the weights has it; None where they say nothing.

    Raises:
        DataError: the file cannot be read, or is not the one that was written with the weights.
    """
    path = folder / PEOPLE
    if not path.is_file() and sha256 is None:
        return SOMEBODY
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); copy it with its weights, or train anew") from error
    people = People(frozenset(lines) - {UNKNOWN}, UNKNOWN not in lines)
    if sha256 is not None and people.sha256 != sha256:
        raise DataError(f"{path}: is not of the weights beside it; copy both, or train the stage anew")
    return people


def check_strangers(recipe: Transfer, names: Iterable[str], learned: People) -> dict[str, Any]:
    """Nobody may be measured whom an earlier stage has learned, unless the recipe allows it.

    Args:
        recipe: of the transfer.
        names: ``source/subject`` of the people who are measured; a name may come many times.
        learned: by the stages before it.

    Returns:
        For the record: ``seen_people``, how many are known to be none, None where nobody knows, and a ``warning``
        where there are any.

    Raises:
        DataError: says how many of how many people.
    """
    asked = {_line(name) for name in set(names)}
    seen = len(asked & learned.lines)
    if not seen:
        return {"seen_people": 0 if learned.is_complete else None}
    told = f"{seen} of the {len(asked)} people of {recipe.data} were learned by an earlier stage"
    if not recipe.allow_seen_people:
        raise DataError(
            f"{recipe.name}: {told}; leave them out of that stage's sets with `ffe-edge train prepare --without SET`, "
            "or set allow_seen_people = true in the recipe"
        )
    return {"seen_people": seen, "warning": f"{told}: this is no measurement on strangers"}


def _line(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:DIGITS]
