"""A day as lanes, one an emotion: where bars begin and how long they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ffe_edge.emotions import LABELS, UNCERTAIN

SHORTEST_SECONDS: Final = 60
"""What is shorter is drawn as long as this; what is closer together is drawn as one."""
NEWEST_MS: Final = 180_000
"""What a device counts of a minute comes when it is over: the last moments are no gap yet."""
ORDER: Final = (*LABELS, UNCERTAIN)


class Lasting(Protocol):
    """One emotion from when to when."""

    @property
    def emotion(self) -> str:
        """Which."""
        ...

    @property
    def began_ms(self) -> int:
        """From when."""
        ...

    @property
    def ended_ms(self) -> int:
        """To when."""
        ...


@dataclass(frozen=True, slots=True)
class Bar:
    """Seconds since the beginning, and for how many."""

    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Lane:
    """All of one emotion."""

    emotion: str
    bars: list[Bar]
    ms: int
    """How long in all."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A time, drawn."""

    seconds: int
    lanes: list[Lane]
    gaps: list[Bar]
    """Nothing is known of these."""
    known_until: int
    """Seconds since the beginning; what comes after has not been yet."""


def strip(spells: Sequence[Lasting], gaps: Iterable[tuple[int, int]], from_ms: int, to_ms: int, now_ms: int) -> Strip:
    """Lay spells and gaps out.

    Args:
        spells: of one subject.
        gaps: times without information.
        from_ms: where the time begins.
        to_ms: where it ends.
        now_ms: when it is looked at.
    """
    emotions = sorted({spell.emotion for spell in spells}, key=_place)
    lanes = [_lane(emotion, [each for each in spells if each.emotion == emotion], from_ms) for emotion in emotions]
    drawn = _bars(settled(gaps, now_ms), from_ms)
    return Strip((to_ms - from_ms) // 1000, lanes, drawn, (max(from_ms, min(to_ms, now_ms)) - from_ms) // 1000)


def settled(gaps: Iterable[tuple[int, int]], now_ms: int) -> list[tuple[int, int]]:
    """Gaps without one that is only as long as news take to come."""
    return [(began, ended) for began, ended in gaps if ended < now_ms - 1000 or ended - began > NEWEST_MS]


def in_order(emotions: Iterable[str]) -> list[str]:
    """In the order of the contract; labels of another task come last."""
    return sorted(emotions, key=_place)


def _place(emotion: str) -> tuple[int, str]:
    return (ORDER.index(emotion) if emotion in ORDER else len(ORDER), emotion)


def _lane(emotion: str, spells: Sequence[Lasting], from_ms: int) -> Lane:
    times = [(spell.began_ms, spell.ended_ms) for spell in spells]
    return Lane(emotion, _bars(times, from_ms), sum(ended - began for began, ended in times))


def _bars(times: Iterable[tuple[int, int]], from_ms: int) -> list[Bar]:
    bars: list[Bar] = []
    for began_ms, ended_ms in sorted(times):
        x = (began_ms - from_ms) // 1000
        width = max(SHORTEST_SECONDS, (ended_ms - began_ms) // 1000)
        if bars and x - (bars[-1].x + bars[-1].width) < SHORTEST_SECONDS:
            last = bars.pop()
            bars.append(Bar(last.x, max(last.width, x + width - last.x)))
        else:
            bars.append(Bar(x, width))
    return bars
