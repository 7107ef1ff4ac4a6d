"""What ``verify`` found, as report.json and report.html beside the files that it is about."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.jsonable import jsonable
from ffe_export.agreement import EDGES, QUANTILES
from ffe_export.crops_folder import crops_sha256
from ffe_export.gates import BITS
from ffe_export.labelled import Labelled
from ffe_export.latency import Timings
from ffe_export.machine import machine, versions
from ffe_export.report_html import page
from ffe_export.verification import Result, Verification

VERSION: Final = 1
JSON_NAME: Final = "report.json"
HTML_NAME: Final = "report.html"

Sensitivity = Mapping[str, Mapping[str, float | str | bool]]
"""By layer, the worst first: its columns."""


def report_of(
    verification: Verification,
    *,
    model: str,
    calibration: Mapping[str, Any] | None = None,
    sensitivity: Sensitivity | None = None,
    notes: Sequence[str] = (),
    made_at: datetime | None = None,
) -> dict[str, Any]:
    """The report as JSON-able values: every figure with how many crops it is of, shares with their interval.

    Args:
        verification: what was found.
        model: its name.
        calibration: how ranges were found and on which crops: ``DrawnCrops.record`` and the method.
        sensitivity: what each layer costs when it alone is quantized.
        notes: sentences that a reader should know.
        made_at: UTC; now where None.
    """
    found: dict[str, Any] = {
        "version": VERSION,
        "model": model,
        "made_at": (made_at or datetime.now(timezone.utc)).isoformat(timespec="seconds"),
        "summary": summary(verification),
        "reference": _result(verification.reference),
        "results": [_result(result) for result in verification.results],
        "latency": [_latency(timings, verification.reference.name) for timings in verification.timings],
        "crops": _crops(verification),
        "difference_edges": EDGES,
        "quantile_shares": QUANTILES,
        "gates": verification.gates,
        "calibration": calibration,
        "sensitivity": [{"layer": layer, **columns} for layer, columns in (sensitivity or {}).items()],
        "notes": notes,
        "machine": machine(),
        "versions": versions(),
    }
    values: dict[str, Any] = jsonable(found)
    return values


def write_report(report: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write report.json and report.html; what was there stays until the new one is whole.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return _write(folder / JSON_NAME, text), _write(folder / HTML_NAME, page(report))


def summary(verification: Verification) -> list[dict[str, Any]]:
    """A line for each smaller precision and device: whether it may serve, and why not.

    What is not timed speaks only where nothing of its precision and device is: it shows that numbers agree, no more.
    """
    smaller = [r for r in verification.results if BITS[r.precision] < BITS[verification.reference.precision]]
    lines = []
    for precision, device in dict.fromkeys((result.precision, result.device) for result in smaller):
        group = [r for r in smaller if (r.precision, r.device) == (precision, device)]
        group = [r for r in group if r.is_timed] or group
        best = verification.accepted(precision, device) or min(group, key=_gravity)
        reasons = [verdict.reason for verdict in best.verdicts if verdict.outcome == best.outcome != "passed"]
        told = {"name": best.name, "outcome": best.outcome, "is_timed": best.is_timed, "reason": "; ".join(reasons)}
        lines.append({"precision": precision, "device": device, **told})
    return lines


def _gravity(result: Result) -> int:
    """Of several refused runners the one that came furthest is told: a latency refusal says more than no run."""
    return -sum(verdict.is_accepted for verdict in result.verdicts)


def _result(result: Result) -> dict[str, Any]:
    values: dict[str, Any] = jsonable(result)
    return {**values, "outcome": result.outcome, "is_accepted": result.is_accepted}


def _latency(timings: Timings, reference: str) -> dict[str, Any]:
    rows = [
        {**jsonable(timings.timing(name)), "ratio": jsonable(timings.ratio(name, reference))} for name in timings.names
    ]
    return {"batch": timings.batch, "to": reference, "rows": rows}


def _crops(verification: Verification) -> dict[str, Any]:
    labelled = verification.labelled
    return {
        "golden": verification.golden,
        "real": verification.real,
        "labelled": None if labelled is None else _labelled(labelled),
    }


def _labelled(labelled: Labelled) -> dict[str, Any]:
    counts = np.bincount(labelled.class_id, minlength=len(labelled.labels)).tolist()
    return {
        "folder": labelled.folder.name,
        "images": len(labelled),
        "people": None if labelled.subject is None else len(set(labelled.subject.tolist())),
        "split": labelled.split,
        "labels": dict(zip(labelled.labels, counts, strict=True)),
        "skipped": dict(labelled.skipped),
        "sha256": crops_sha256(labelled.crops),
    }


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); what was there is untouched") from error
    return path
