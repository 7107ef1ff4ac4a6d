"""The one list of labelled pictures behind every data set: a row a face, as csv or parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ffe_edge.errors import DataError
from ffe_train.cells import box, counts, filled, five_points, number, numbers, one_of, written_counts, years
from ffe_train.files import write_atomically
from ffe_train.tasks import Task

Split = Literal["train", "val", "test", ""]
Sex = Literal["f", "m", ""]

SPLITS: Final[tuple[Split, ...]] = get_args(Split)
OTHER: Final = "other"
"""The raters' answer that is no label of the task."""
NOT_ASKED: Final = (OTHER, "contempt")
"""Labels of public sets that the nine lack: such a row belongs to no class, and that is no mistake."""


@dataclass(frozen=True, slots=True)
class Row:
    """One face of one picture."""

    path: str
    """Relative to the manifest; ``train.rec#17`` and ``x.zip#images/1.png`` are members of an archive."""
    subject: str
    """Who it is; the picture's own name where the set does not say."""
    label: str = ""
    """A label of a task, empty where there is none."""
    votes: Mapping[str, float] = field(default_factory=dict)
    """How many raters gave each label; may hold ``other``."""
    split: Split = ""
    source: str = ""
    """Name of the set; a subject is a person of one source."""
    xyxy: tuple[float, float, float, float] | None = None
    """The face's box, pixels of the picture."""
    landmarks: tuple[float, ...] | None = None
    """Ten numbers, x y five times in the order of the ArcFace template, pixels of the picture. Given, nothing is
    detected."""
    age: float | None = None
    """Years."""
    sex: Sex = ""
    camera: str = ""
    elicitation: str = ""
    """How the expression was brought about: ``scenario``, ``imitation``, ..."""


COLUMNS: Final = tuple(entry.name for entry in fields(Row))
REQUIRED: Final = ("path", "subject")


def read_manifest(path: Path) -> tuple[Row, ...]:
    """Read a manifest: csv in UTF-8, or parquet where pyarrow is installed.

    Raises:
        DataError: it cannot be read, or a cell says nothing sensible; file, line and column are named.
    """
    cells = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    rows = tuple(_row(values, f"{path}, line {line}") for line, values in cells)
    if not rows:
        raise DataError(f"{path}: holds no row; a manifest has a line of column names and a line for every face")
    return rows


def write_manifest(rows: Iterable[Row], path: Path) -> None:
    """Write rows as csv, whole or not at all.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(cells_of(row) for row in rows)
    write_atomically(path, text.getvalue().encode())


def cells_of(row: Row) -> tuple[str, ...]:
    """The row's cells as they stand in a csv, in the order of ``COLUMNS``."""
    return (
        row.path,
        row.subject,
        row.label,
        written_counts(row.votes),
        row.split,
        row.source,
        numbers(row.xyxy),
        numbers(row.landmarks),
        "" if row.age is None else number(row.age),
        row.sex,
        row.camera,
        row.elicitation,
    )


def check_rows(
    rows: Iterable[Row], task: Task | None, *, complete: bool = False, not_asked: Collection[str] = NOT_ASKED
) -> None:
    """Nobody in two splits, no label that nobody knows, and nothing to learn without a sample.

    Args:
        rows: of one set or of several; a subject is one person within its source.
        task: whose labels are asked for, or None where labels do not matter.
        complete: whether every class of the task needs a sample in the split ``train``.
        not_asked: labels that may stand there without being the task's.

    Raises:
        DataError: names the first offender.
    """
    known = None if task is None else frozenset({*task.labels, *not_asked, ""})
    homes: dict[tuple[str, str], str] = {}
    learned = set()
    for row in rows:
        _check_row(row, known)
        home = homes.setdefault((row.source, row.subject), row.split)
        if home != row.split:
            person = f"{row.source}/{row.subject}" if row.source else row.subject
            both = " and ".join(split or "(none)" for split in (home, row.split))
            raise DataError(f"subject {person} stands in the splits {both}; a person belongs to one")
        if row.split == "train":
            learned.add(row.label)
    missing = [] if task is None or not complete else [label for label in task.labels if label not in learned]
    if missing:
        raise DataError(f"no sample in the split train for {', '.join(missing)}; add some or use a task without it")


def _check_row(row: Row, known: frozenset[str] | None) -> None:
    if row.split not in SPLITS:
        raise DataError(f"{row.path}: there is no split {row.split!r}; use train, val, test or nothing")
    if not row.subject:
        raise DataError(f"{row.path}: names no subject; give the picture's own name where the person is not known")
    if known is None:
        return
    if unknown := [label for label in (row.label, *row.votes) if label not in known]:
        raise DataError(f"{row.path}: {unknown[0]!r} is no label of the task; it has {', '.join(sorted(known - {''}))}")


def _csv(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames or ())
            for values in reader:
                if None in values or None in values.values():
                    raise DataError(
                        f"{path}, line {reader.line_num}: does not have {len(reader.fieldnames or ())} cells"
                    )
                yield reader.line_num, values
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); see train/DATA.md") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8; save it again as csv in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: is no csv ({error})") from error


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(f"{path}: needs pyarrow to be read; `pip install pyarrow`, or save it as csv") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as parquet ({error})") from error
    _check_columns(path, table.column_names)
    for line, values in enumerate(table.to_pylist(), 1):
        yield line, {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    """A parquet value as its csv cell; pandas writes NaN where nothing is known."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _check_columns(path: Path, names: Iterable[str]) -> None:
    given = list(names)
    if missing := [name for name in REQUIRED if name not in given]:
        raise DataError(f"{path}: has no column {missing[0]}; its first line must name {', '.join(REQUIRED)}")
    if unknown := [name for name in given if name not in COLUMNS]:
        raise DataError(f"{path}: column {unknown[0]!r} is unknown; the columns are {', '.join(COLUMNS)}")
    if len(set(given)) != len(given):
        raise DataError(f"{path}: a column comes twice in {', '.join(given)}")


def _row(values: Mapping[str, str], where: str) -> Row:
    return Row(**{name: _cell(name, text.strip(), where) for name, text in values.items()})


def _cell(name: str, text: str, where: str) -> Any:
    try:
        return _READERS.get(name, str)(text)
    except ValueError as error:
        raise DataError(f"{where}, column {name}: {text!r} {error}") from error


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "path": filled,
    "subject": filled,
    "votes": counts,
    "split": one_of(SPLITS),
    "xyxy": box,
    "landmarks": five_points,
    "age": years,
    "sex": one_of(get_args(Sex)),
}
