"""A csv file as checked columns: whatever is wrong with it is told with file, line and column."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ffe_edge.errors import DataError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Table:
    """The cells of a csv file by column."""

    path: Path
    line: tuple[int, ...]
    """(N,) line of each row in the file, the header being line 1."""
    cells: Mapping[str, tuple[str, ...]]
    """By column, (N,) texts."""

    def __len__(self) -> int:
        return len(self.line)

    def error(self, row: int, column: str, problem: str) -> DataError:
        """What is wrong with one cell."""
        return DataError(f"{self.path}: line {self.line[row]}: column {column}: {problem}")

    def numbers(
        self, column: str, low: float, high: float, *, whole: bool = False, empty: float | None = None
    ) -> list[float]:
        """Numbers of a column.

        Args:
            column: its name.
            low: least allowed.
            high: most allowed.
            whole: only whole numbers.
            empty: what an empty cell stands for; None: it is an error.

        Raises:
            DataError: a cell is no such number.
        """
        return [self._number(row, column, low, high, whole, empty) for row in range(len(self))]

    def texts(self, column: str) -> list[str]:
        """Texts of a column that must not be empty.

        Raises:
            DataError: a cell is empty.
        """
        for row, cell in enumerate(self.cells[column]):
            if not cell:
                raise self.error(row, column, "is empty")
        return list(self.cells[column])

    def choices(self, column: str, allowed: Mapping[str, Value]) -> list[Value]:
        """What the words of a column stand for.

        Raises:
            DataError: a cell holds another word.
        """
        for row, cell in enumerate(self.cells[column]):
            if cell not in allowed:
                raise self.error(row, column, f"'{cell}' is none of: {', '.join(map(repr, allowed))}")
        return [allowed[cell] for cell in self.cells[column]]

    def _number(self, row: int, column: str, low: float, high: float, whole: bool, empty: float | None) -> float:
        cell = self.cells[column][row]
        if not cell and empty is not None:
            return empty
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        if not low <= number <= high or (whole and number != int(number)):
            kind = "whole number" if whole else "number"
            raise self.error(row, column, f"'{cell}' is no {kind} from {low:g} to {high:g}")
        return number


def read_table(path: Path) -> Table:
    """Read a csv file in UTF-8 with a header; empty lines are passed over.

    Raises:
        DataError: it cannot be read, has no header, a column comes twice, or a line has too few or too many values.
    """
    lines, rows = _read(path)
    header = rows[0] if rows else []
    if not header or len(set(header)) != len(header):
        raise DataError(f"{path}: line 1: no header, or a column comes twice: {','.join(header)}")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise DataError(f"{path}: line {line}: has {len(row)} values for {len(header)} columns")
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ((),) * len(header)
    return Table(path, tuple(lines[1:]), dict(zip(header, columns, strict=True)))


def _read(path: Path) -> tuple[list[int], list[list[str]]]:
    lines, rows = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row:
                    lines.append(reader.line_num)
                    rows.append(row)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not csv in UTF-8: {error}") from error
    return lines, rows
