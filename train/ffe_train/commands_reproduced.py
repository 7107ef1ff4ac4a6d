"""`ffe-edge train reproduced`: two figures.json -> a line a figure."""

from __future__ import annotations

from pathlib import Path

from ffe_edge.errors import DataError
from ffe_train.files import read_json
from ffe_train.reproduced import Compared, compared


def compare_figures(ours: Path, shipped: Path) -> tuple[Compared, ...]:
    """Compare two runs' figures.

    Args:
        ours: ``figures.json`` of the new run, or its folder.
        shipped: that of the shipped file.

    Raises:
        DataError: a file is absent or none of ``train measure``, or the two have no set in common.
    """
    one, other = (path / "figures.json" if path.is_dir() else path for path in (ours, shipped))
    for path in (one, other):
        if not path.is_file():
            raise DataError(f"{path}: is not there; `ffe-edge train measure` writes it")
    try:
        rows = compared(read_json(one), read_json(other))
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{one}, {other}: not both are of `ffe-edge train measure` ({error!r})") from error
    if not rows:
        raise DataError(f"{one}, {other}: have no set in common; measure both models on the same sets")
    return rows
