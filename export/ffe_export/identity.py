"""How well the embedding tells people apart: what ``spec.metrics["identity"]`` declares, measured on pairs of crops.

Source: Huang et al., Labeled Faces in the Wild, 2007 (pairs of one person and of two).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_export.crop_sources import Pictures
from ffe_export.runs import NetworkRunner
from ffe_export.source import Source

FAR: Final = 1e-3
"""Of pairs of two people, so many may be taken for one."""
RESAMPLES: Final = 1000
BATCH: Final = 64

Pair = tuple[str, str, bool]
Cosines = npt.NDArray[np.float64]


def with_identity(source: Source, table: Path | None, tell: Callable[[str, float], None]) -> Source:
    """The model with what was measured in its spec; itself where there is nothing to measure.

    The threshold is the least cosine that no more than ``FAR`` of the pairs of two people reach; ``tar`` is the lower
    end of the 95 % interval of what pairs of one person reach there, by bootstrap over people.

    Args:
        source: the model in FP32.
        table: CSV with the columns ``a``, ``b`` (crops of 112 x 112 beside it, in a folder for each person) and
            ``same`` (1 or 0).
        tell: told how far it is.

    Raises:
        DataError: the table or a picture cannot be used.
    """
    if table is None:
        return source
    pairs = _pairs(table)
    names = sorted({name for a, b, _ in pairs for name in (a, b)})
    rows = _embedded(NetworkRunner(source.network, source.spec), Pictures(table.parent, tuple(names)), tell)
    place = {name: index for index, name in enumerate(names)}
    cosine = np.array([rows[place[a]] @ rows[place[b]] for a, b, _ in pairs], np.float64)
    same = np.array([is_same for _, _, is_same in pairs])
    person = np.array([Path(a).parent.as_posix() for a, _, is_same in pairs if is_same])
    metrics = {**source.spec.metrics, "identity": measured(cosine[same], cosine[~same], person)}
    return replace(source, spec=replace(source.spec, metrics=metrics))


def measured(same: Cosines, different: Cosines, person: npt.NDArray[np.str_]) -> dict[str, float | int]:
    """What is declared, of cosines of pairs of one person, of two, and who each of the first are."""
    allowed = int(FAR * len(different))
    threshold = float(np.nextafter(np.sort(different)[-1 - allowed], np.inf))
    _, who = np.unique(person, return_inverse=True)
    reached, count = np.bincount(who, same >= threshold), np.bincount(who)
    drawn = np.random.default_rng(0).integers(len(count), size=(RESAMPLES, len(count)))
    return {
        "threshold": threshold,
        "tar": float(np.percentile(reached[drawn].sum(axis=1) / count[drawn].sum(axis=1), 2.5)),
        "far": float(np.mean(different >= threshold)),
        "same": len(same),
        "different": len(different),
        "people": len(count),
    }


def _pairs(table: Path) -> list[Pair]:
    try:
        with table.open(encoding="utf-8", newline="") as file:
            pairs = [
                (row["a"], row["b"], {"1": True, "0": False}[row["same"]]) for row in csv.DictReader(file, restval="")
            ]
    except OSError as error:
        raise DataError(f"{table}: cannot be read ({error.strerror}); give a CSV of pairs") from error
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: is no CSV of pairs; its columns are a, b and same, which is 1 or 0") from error
    if len({is_same for _, _, is_same in pairs}) < 2:
        raise DataError(f"{table}: needs pairs of one person (same 1) and of two (same 0)")
    return pairs


def _embedded(runner: NetworkRunner, crops: Pictures, tell: Callable[[str, float], None]) -> FloatArray:
    """Unit embeddings (N, D)."""
    rows = []
    for start in range(0, len(crops), BATCH):
        index = np.arange(start, min(start + BATCH, len(crops)))
        rows.append(runner.read(crops.take(index)).embedding)
        tell("identities", start / len(crops))
    return np.concatenate([row for row in rows if row is not None])
