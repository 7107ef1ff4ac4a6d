"""What a smaller file must show before it is served: that it says the same, and that it is faster here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from ffe_edge.engine.golden import MIN_AGREEMENT, TOLERANCE
from ffe_edge.types import FloatArray
from ffe_export.accuracy import Comparison
from ffe_export.agreement import Agreement, by_crop
from ffe_export.interval import Interval
from ffe_export.latency import Timings

Outcome = Literal["passed", "not proven", "overridden", "refused", "not run"]
"""``not proven``: within the limit, but too few crops to be sure. ``overridden``: refused, and taken on demand."""

ACCEPTED: Final = ("passed", "not proven", "overridden")
BITS: Final[Mapping[str, int]] = {"fp32": 32, "fp16": 16, "int8": 8}


@dataclass(frozen=True, slots=True)
class AccuracyGate:
    """How much may be lost."""

    points: float = 1.0
    """Percentage points of accuracy on labelled crops."""
    agreement: float = 0.99
    """Least share of the same likeliest class, where there are no labelled crops."""
    strict: bool = False
    """The interval's end must lie within the limit too."""

    def __post_init__(self) -> None:
        if not 0 <= self.points <= 100 or not 0 <= self.agreement <= 1:
            raise ValueError(f"{self.points} points or a share of {self.agreement} is out of range")


@dataclass(frozen=True, slots=True)
class LatencyGate:
    """A smaller precision must be faster than every larger one that runs on the same device."""

    batch: int = 1
    """A camera's faces come one or a few at a time."""
    allow_slower: bool = False
    """Takes a refused file all the same; the verdict says so."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Both gates."""

    accuracy: AccuracyGate = field(default_factory=AccuracyGate)
    latency: LatencyGate = field(default_factory=LatencyGate)


@dataclass(frozen=True)
class Verdict:
    """What a gate says of one file."""

    gate: str
    """``golden``, ``accuracy``, ``agreement``, ``latency`` or ``run``."""
    outcome: Outcome
    reason: str
    """One sentence with the figures."""
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether the file may be served as far as this gate is asked."""
        return self.outcome in ACCEPTED


def judge_golden(precision: str, standard: FloatArray, found: FloatArray, of: str) -> Verdict:
    """Whether a runner says of the golden crops, which travel with the model, what its precision should.

    The device asks the same after every build of an engine (``ffe_edge.engine.golden``).

    Args:
        precision: of both.
        standard: (G, K) probabilities of the first runner of this precision.
        found: (G, K) of another one.
        of: name of the first.
    """
    limit = TOLERANCE[precision]
    largest = float(by_crop(standard, found).max())
    lead = np.diff(np.sort(standard, axis=1)[:, -2:], axis=1)[:, 0]
    same = (standard.argmax(axis=1) == found.argmax(axis=1))[lead > limit]
    share = float(same.mean()) if len(same) else 1.0
    figures = {"largest": largest, "limit": limit, "same": share, "clear": len(same), "images": len(standard)}
    text = (
        f"on {len(standard)} golden crops probabilities differ from those of {of} by at most {largest:.2g} "
        f"(limit {limit:g}); of the {len(same)} clear ones {share:.0%} keep their class (limit {MIN_AGREEMENT:.0%})"
    )
    return Verdict("golden", "passed" if largest <= limit and share >= MIN_AGREEMENT else "refused", text, figures)


def judge_accuracy(gate: AccuracyGate, found: Comparison) -> Verdict:
    """Whether no more accuracy is lost on labelled crops than the gate allows."""
    lost = found.accuracy_lost
    points = Interval(*(round(100 * end, 9) + 0.0 for end in (lost.value, lost.low, lost.high)))  # + 0.0: no -0.00
    over = f"{found.images:,} crops" + ("" if found.people is None else f" of {found.people:,} people")
    measured = (
        f"accuracy {found.reference.accuracy.value:.1%} before, {found.candidate.accuracy.value:.1%} after: "
        f"points lost {points.value:.2f} ({points.low:.2f} to {points.high:.2f}) on {over}, limit {gate.points:g}"
    )
    figures = {"limit": gate.points, "images": found.images, **points.as_dict()}
    return _judged("accuracy", measured, figures, _side(points.value, points.high, gate.points), gate.strict, over)


def judge_agreement(gate: AccuracyGate, found: Agreement) -> Verdict:
    """The accuracy gate where no crop is labelled: whether the likeliest class stays the same."""
    share, limit = found.top1, gate.agreement
    over = f"{found.images:,} crops"
    measured = (
        f"no labelled crops, so the same likeliest class counts: {share.value:.2%} "
        f"({share.low:.2%} to {share.high:.2%}) of {over}, limit {limit:.0%}"
    )
    figures = {"limit": limit, "images": found.images, **share.as_dict()}
    return _judged("agreement", measured, figures, _side(-share.value, -share.low, -limit), gate.strict, over)


def judge_latency(gate: LatencyGate, timings: Timings, name: str, larger: str) -> Verdict:
    """Whether a smaller precision is faster here than a larger one.

    Args:
        gate: what is asked.
        timings: of all runners at the gate's batch.
        name: of the candidate's runner.
        larger: of the fastest runner of a larger precision.
    """
    ratio, ours, theirs = timings.ratio(name, larger), timings.timing(name), timings.timing(larger)
    figures = {"ms": ours.p50_ms, "larger_ms": theirs.p50_ms, "rounds": ours.calls, **ratio.as_dict()}
    measured = (
        f"{ours.p50_ms:.2f} ms, {larger} {theirs.p50_ms:.2f} ms (batch {timings.batch}, {ours.calls} rounds): "
        f"{ratio.value:.2f}× its time ({ratio.low:.2f} to {ratio.high:.2f})"
    )
    if ratio.high < 1:
        return Verdict("latency", "passed", measured, figures)
    why = "slower here" if ratio.low > 1 else "not faster here beyond the noise"
    if gate.allow_slower:
        return Verdict("latency", "overridden", f"{why}, taken because that was asked for: {measured}", figures)
    return Verdict("latency", "refused", f"{why}: {measured}", figures)


def _side(value: float, end: float, limit: float) -> Literal["within", "unsure", "beyond"]:
    slack = 1e-9  # 5 crops of 500 are 1 point, whatever the last bit says
    if value > limit + slack:
        return "beyond"
    return "within" if end <= limit + slack else "unsure"


def _judged(gate: str, measured: str, figures: Mapping[str, float], side: str, strict: bool, over: str) -> Verdict:
    if side == "beyond" or (side == "unsure" and strict):
        return Verdict(gate, "refused", measured, figures)
    if side == "unsure":
        return Verdict(gate, "not proven", f"{measured}; {over} are too few to be sure", figures)
    return Verdict(gate, "passed", measured, figures)
