"""Tables that public sets come with."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ffe_edge.errors import DataError


def read_table(path: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    """The lines of a csv by column name.

    Raises:
        DataError: it cannot be read, or a needed column is absent.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            columns = reader.fieldnames or ()
            if missing := [name for name in needed if name not in columns]:
                raise DataError(f"{path}: has no column {missing[0]}; it must have {', '.join(needed)}")
            yield from reader
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); see train/DATA.md") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no csv in UTF-8 ({error})") from error


def header(path: Path) -> tuple[str, ...]:
    """Column names of a csv; none where there is no such file or no text in it."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return tuple(next(csv.reader(file), ()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def number(text: str, path: Path, column: str) -> float:
    """A cell as a number.

    Raises:
        DataError: it is none.
    """
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{path}: {text!r} in column {column} is not a number") from error
