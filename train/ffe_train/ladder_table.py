"""The table of a ladder: what each rung is worth on every judge, and what it adds to another rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffe_train.bootstrap import Interval, interval, paired, person_sums
from ffe_train.calibration import expected_calibration_error
from ffe_train.ladder import Judged, Ladder, Rung
from ffe_train.metrics import CountArray, confusion, macro_f1
from ffe_train.tasks import NINE


@dataclass(frozen=True)
class Cell:
    """A rung before a judge; figures are means over the seeds."""

    images: int
    people: int
    accuracy: Interval
    """Over people, the networks as they are."""
    by_seed: tuple[float, ...]
    """Accuracy of each network: how much the seed alone does."""
    macro_f1: float
    calibration_error: float
    gain: Interval | None
    """Accuracy less that of the rung it is set against, the same people drawn for both; None without such a rung."""

    @property
    def verdict(self) -> str:
        """Whether the gain can be told from chance."""
        if self.gain is None:
            return ""
        return "▲" if self.gain.low > 0 else "▼" if self.gain.high < 0 else "≈"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "images": self.images,
            "people": self.people,
            "accuracy": self.accuracy.as_dict(),
            "by_seed": list(self.by_seed),
            "macro_f1": self.macro_f1,
            "calibration_error": self.calibration_error,
            "gain": self.gain.as_dict() if self.gain else None,
        }


def cell_of(judged: Judged, against: Judged | None, *, resamples: int = 10_000) -> Cell:
    """Figures of one rung before one judge, and against another rung before the same."""
    counts = _counts(judged)
    gain = None
    if against is not None:
        gain = paired(counts, _counts(against), _share, resamples=resamples).interval
    predicted = judged.probs.argmax(axis=2)
    matrices = np.stack([confusion(judged.truth, one, len(NINE)) for one in predicted]).astype(np.float64)
    return Cell(
        images=len(judged.truth),
        people=int(judged.person.max()) + 1,
        accuracy=interval(counts, _share, resamples=resamples),
        by_seed=tuple(float((one == judged.truth).mean()) for one in predicted),
        macro_f1=float(np.mean(macro_f1(matrices))),
        calibration_error=float(np.mean([expected_calibration_error(one, judged.truth) for one in judged.probs])),
        gain=gain,
    )


def table_of(
    ladder: Ladder, answers: Mapping[str, Sequence[Judged]], *, resamples: int = 10_000
) -> dict[str, list[Cell]]:
    """Cells by the rung's name, one for each judge.

    Args:
        ladder: gives the order and what is set against what.
        answers: by the rung's name, what it says to every judge.
        resamples: of the bootstrap over people.
    """
    table = {}
    for rung in ladder.rungs:
        other = answers[rung.against] if rung.against else [None] * len(ladder.judges)
        pairs = zip(answers[rung.name], other, strict=True)
        table[rung.name] = [cell_of(judged, against, resamples=resamples) for judged, against in pairs]
    return table


def markdown(ladder: Ladder, table: Mapping[str, Sequence[Cell]]) -> str:
    """The table for people to read."""
    first = next(iter(table.values()))
    heads = [
        f"{judge.name}<br>{cell.images} images, {cell.people} {'people' if cell.people < cell.images else 'unnamed'}"
        for judge, cell in zip(ladder.judges, first, strict=True)
    ]
    lines = [f"| rung | against | {' | '.join(heads)} |", f"| --- | --- |{' --- |' * len(heads)}"]
    numbers = {rung.name: number for number, rung in enumerate(ladder.rungs, 1)}
    lines += [_line(rung, numbers, table[rung.name]) for rung in ladder.rungs]
    seeds = f"{len(ladder.seeds)} seeds" if len(ladder.seeds) > 1 else "1 seed"
    legend = (
        f"Accuracy, mean of {seeds} (95 % over people); below it what the rung adds to the one that it is set against, "
        "paired over people (▲ more, ▼ less, ≈ cannot be told)."
    )
    return "\n".join([*lines, "", legend, ""])


def _line(rung: Rung, numbers: Mapping[str, int], cells: Sequence[Cell]) -> str:
    told = []
    for cell in cells:
        words = str(cell.accuracy)
        if cell.gain is not None:
            words += f"<br>{cell.gain.value:+.3f} ({cell.gain.low:+.3f} to {cell.gain.high:+.3f}) {cell.verdict}"
        told.append(words)
    return f"| {numbers[rung.name]} {rung.name} | {numbers.get(rung.against, '')} | {' | '.join(told)} |"


def _counts(judged: Judged) -> CountArray:
    """(P, 2) of each person: right answers, the mean over the seeds, and images."""
    right = (judged.probs.argmax(axis=2) == judged.truth).mean(axis=0)
    return person_sums(judged.person, np.stack([right, np.ones(len(right))], axis=1))


def _share(counts: CountArray) -> CountArray:
    """(R, 2) -> (R,)."""
    return np.asarray(counts[..., 0] / counts[..., 1], np.float64)
