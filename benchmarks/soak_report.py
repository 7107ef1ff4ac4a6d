"""What a soak shows: the slope of memory with its interval, a table, a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from soak_watch import Sample

BLOCK_SECONDS = 60.0
Z95 = 1.96
FLAT_DESCRIPTORS = 4
"""So many more than the median may be open for a moment: a connection to the health port, a reader that is started."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A change by the hour, with the bounds of its 95 % interval."""

    per_hour: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.per_hour:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope | None:
    """Least squares over the means of minutes, the error widened by the correlation of neighbouring residuals.

    None with fewer than five minutes. Source: von Storch and Zwiers, Statistical analysis in climate research, 1999,
    section 6.6: the sample's equivalent size is n (1 - r) / (1 + r).
    """
    block = (np.asarray(seconds) // BLOCK_SECONDS).astype(int)
    minutes = np.array([np.mean(np.asarray(values)[block == one]) for one in np.unique(block)])
    if len(minutes) < 5:
        return None
    hours = np.unique(block) * BLOCK_SECONDS / 3600
    per_hour, start = np.polyfit(hours, minutes, 1)
    residuals = minutes - (per_hour * hours + start)
    spread = residuals.var()
    r = float(np.clip((residuals[1:] * residuals[:-1]).mean() / spread, 0, 0.95)) if spread else 0.0
    size = max(3.0, len(minutes) * (1 - r) / (1 + r))
    error = Z95 * float(np.sqrt(residuals @ residuals / (size - 2) / ((hours - hours.mean()) ** 2).sum()))
    return Slope(float(per_hour), float(per_hour) - error, float(per_hour) + error)


def verdict(samples: Sequence[Sample], settled: Sequence[Sample]) -> str:
    """One line: what grew, was lost or did not answer."""
    faults = []
    for name, of in (("RSS", rss), ("Anonymous", anonymous)):
        grown = slope([one.seconds for one in settled], [of(one) for one in settled])
        if grown and grown.low > 0:
            faults.append(f"{name} grows by {grown} MiB an hour")
    if most(settled, descriptors) > np.median([one.descriptors for one in settled]) + FLAT_DESCRIPTORS:
        faults.append("descriptors are left open")
    if lost := min(one.events - one.waiting - one.delivered for one in samples[-5:]):
        faults.append(f"{lost} events neither came nor wait")
    if silent := sum(not one.answers for one in samples):
        faults.append(f"/healthz was not ok {silent} times")
    if slope([one.seconds for one in settled], [rss(one) for one in settled]) is None:
        faults.append("too short to judge memory")
    return "; ".join(faults) or "flat: no growth of memory is shown, no descriptor is left open, every event came"


def table(samples: Sequence[Sample], settled: Sequence[Sample]) -> str:
    """Markdown: each figure as its median, greatest value and slope after the warm-up."""
    columns: tuple[tuple[str, Callable[[Sample], float]], ...] = (
        ("daemon RSS, MiB", rss),
        ("daemon PSS, MiB", lambda one: one.pss_mib),
        ("of that allocated (anonymous), MiB", anonymous),
        ("camera reader PSS, MiB", lambda one: one.children_pss_mib),
        ("open descriptors", descriptors),
        ("threads", lambda one: one.threads),
        ("daemon CPU, % of a core", lambda one: one.cpu_percent),
        ("camera reader CPU, % of a core", lambda one: one.children_cpu_percent),
        ("frames a second", lambda one: one.fps),
        ("outbox files, KiB", lambda one: one.outbox_kib),
    )
    seconds = [one.seconds for one in settled]
    rows = ["| figure | median | greatest | change an hour (95 %) |", "| --- | --- | --- | --- |"]
    for name, of in columns:
        values = [of(one) for one in settled]
        change = slope(seconds, values) or "too short"
        rows.append(f"| {name} | {np.median(values):.1f} | {max(values):.1f} | {change} |")
    last = samples[-1]
    rows += ["", f"{last.events} events and summaries stored, {last.delivered} delivered, {last.gaps} gaps."]
    return "\n".join(rows)


def rss(one: Sample) -> float:
    """Of the daemon."""
    return one.rss_mib


def anonymous(one: Sample) -> float:
    """Of the daemon."""
    return one.anonymous_mib


def descriptors(one: Sample) -> float:
    """Of the daemon."""
    return one.descriptors


def most(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """The greatest value."""
    return max(of(one) for one in samples)


def plot(samples: Sequence[Sample], warm_up_seconds: float, path: Path, title: str) -> None:
    """Draw what was measured over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        (
            "MiB",
            (("rss_mib", "RSS"), ("pss_mib", "PSS"), ("anonymous_mib", "allocated"), ("children_pss_mib", "reader")),
        ),
        ("count", (("descriptors", "descriptors"), ("threads", "threads"))),
        ("% of a core", (("cpu_percent", "daemon"), ("children_cpu_percent", "reader"))),
        ("frames/s", (("fps", "frames looked at"),)),
        ("events", (("events", "stored"), ("delivered", "delivered"), ("waiting", "waiting"))),
    )
    figure, axes = plt.subplots(len(panels), 1, figsize=(9, 10), sharex=True, constrained_layout=True)
    minutes = [one.seconds / 60 for one in samples]
    for axis, (unit, lines) in zip(axes, panels, strict=True):
        for name, label in lines:
            axis.plot(minutes, [getattr(one, name) for one in samples], label=label, linewidth=1.2)
        _dress(axis, unit, samples, warm_up_seconds)
    axes[0].set_title(title)
    axes[-1].set_xlabel("minutes; grey: warm-up; dotted: a disturbance")
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _dress(axis: Any, unit: str, samples: Sequence[Sample], warm_up_seconds: float) -> None:
    axis.axvspan(0, warm_up_seconds / 60, color="0.93")
    for one in samples:
        if one.disturbance:
            axis.axvline(one.seconds / 60, color="0.4", linewidth=0.8, linestyle=":")
    axis.set_ylim(bottom=0)
    axis.set_xlim(0, samples[-1].seconds / 60)
    axis.set_ylabel(unit)
    axis.grid(color="0.9")
    axis.legend(loc="lower right", ncols=4, fontsize=8)
