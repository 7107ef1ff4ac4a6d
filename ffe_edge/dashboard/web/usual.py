"""Somebody's time in each emotion against their own usual days. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from ffe_edge.dashboard.alert_rules import KNOWN_DAYS
from ffe_edge.dashboard.web.strip import in_order

ENOUGH_MS: Final = 10 * 60_000
"""In view for less than this, nothing is said against what is usual."""
SPREADS: Final = 2.0
"""So many times the spread between days away from the mean is no longer as usual."""
SMALLEST: Final = 0.03
"""A smaller difference is none, however small the spread."""
Verdict = Literal["above", "below", "within", "unknown"]


class Baseline(Protocol):
    """What is usual."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Mean share by emotion."""
        ...

    @property
    def spreads(self) -> Mapping[str, float]:
        """Spread between days by emotion."""
        ...

    @property
    def days(self) -> int:
        """Days that it is known from."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One emotion."""

    emotion: str
    ms: int
    share: float
    usual: float | None
    """None: not known yet."""
    low: float
    """Usually at least."""
    high: float
    """Usually at most."""
    verdict: Verdict


def compare(ms: Mapping[str, int], baseline: Baseline) -> list[Line]:
    """Each emotion that was shown, or usually is."""
    seen_ms = sum(ms.values())
    is_known = baseline.days >= KNOWN_DAYS
    shown = {emotion for emotion in baseline.shares if is_known and baseline.shares[emotion] >= 0.005}
    return [_line(emotion, ms.get(emotion, 0), seen_ms, baseline, is_known) for emotion in in_order({*ms, *shown})]


def _line(emotion: str, ms: int, seen_ms: int, baseline: Baseline, is_known: bool) -> Line:
    share = ms / seen_ms if seen_ms else 0.0
    usual = baseline.shares.get(emotion, 0.0)
    width = SPREADS * baseline.spreads.get(emotion, 0.0)
    low, high = max(0.0, usual - width), min(1.0, usual + width)
    if not is_known:
        return Line(emotion, ms, share, None, 0.0, 0.0, "unknown")
    return Line(emotion, ms, share, usual, low, high, _verdict(share, low, high, usual, seen_ms))


def _verdict(share: float, low: float, high: float, usual: float, seen_ms: int) -> Verdict:
    if seen_ms < ENOUGH_MS:
        return "unknown"
    if abs(share - usual) < SMALLEST:
        return "within"
    return "above" if share > high else "below" if share < low else "within"
