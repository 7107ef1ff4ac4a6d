"""What a node has told and is still missing here. Pure: the clock is passed in.

A node numbers everything that it tells from 1 on, without a hole: events of all its cameras, minutes and gaps. What is
missing was lost on the way, and the node is asked to tell it again: 5 s after a hole was seen, at most once a minute,
and ever more rarely where it does not answer. A gap names what will never come, and so fills its hole. So does a node
that no longer has what it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

ASK_AFTER_MS: Final = 5_000
"""So long a hole may fill itself."""
ASK_EVERY_MS: Final = 60_000
ASK_AT_LEAST_EVERY_MS: Final = 3_600_000
MAX_ASKED: Final = 3
"""A hole that so many answers did not fill is never filled."""
MAX_RANGES: Final = 1_000
"""Holes that are remembered of a node; beyond it the oldest is given up."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Sequences that are missing, both ends included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class Sequences:
    """Which sequences of one node are there."""

    def __init__(self, seen: int = 0) -> None:
        """Go on where the store stands; ``seen`` is the highest sequence up to which nothing is missing."""
        self._seen = seen
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.given_up = 0
        """What was missing before this sequence was given up."""

    @property
    def seen(self) -> int:
        """Highest sequence up to which nothing is missing."""
        return self._seen

    @property
    def highest(self) -> int:
        """Highest sequence of all."""
        return self._lasts[-1] if self._lasts else self._seen

    def copy(self) -> Sequences:
        """The same, to be changed on trial."""
        same = Sequences(self._seen)
        same.given_up = self.given_up
        same._firsts, same._lasts = list(self._firsts), list(self._lasts)
        return same

    def add(self, first: int, last: int | None = None) -> None:
        """These need not be waited for: they were told, or a gap names them.

        Args:
            first: the first of them.
            last: the last of them; None: it is only one.
        """
        last = first if last is None else last
        first = max(first, self._seen + 1)
        if last < first:
            return
        begin = bisect_left(self._lasts, first - 1)  # the first range that this one touches
        end = bisect_left(self._firsts, last + 2)
        if begin < end:
            first, last = min(first, self._firsts[begin]), max(last, self._lasts[end - 1])
        self._firsts[begin:end], self._lasts[begin:end] = [first], [last]
        self._close()
        if len(self._firsts) > MAX_RANGES:
            self._seen = self._lasts[0]
            del self._firsts[0], self._lasts[0]

    def give_up_before(self, sequence: int) -> int:
        """What is missing before a sequence will never come; returns how many that are."""
        given_up = sum(min(hole.last, sequence - 1) - hole.first + 1 for hole in self.holes() if hole.first < sequence)
        self.given_up = max(self.given_up, sequence)
        if sequence - 1 > self._seen:
            self.add(self._seen + 1, sequence - 1)
        return given_up

    def begin_anew(self, sequence: int) -> None:
        """The node counts from the beginning again, and stands at this sequence."""
        self._seen, self._firsts, self._lasts = sequence, [], []

    def holes(self) -> list[Hole]:
        """What is missing, in order."""
        before = [self._seen, *self._lasts]
        return [Hole(last + 1, first - 1) for last, first in zip(before, self._firsts, strict=False)]

    def _close(self) -> None:
        while self._firsts and self._firsts[0] == self._seen + 1:
            self._seen = self._lasts[0]
            del self._firsts[0], self._lasts[0]


class Asking:
    """When a node is asked for what is missing, and when that is given up."""

    def __init__(self) -> None:
        self._hole: Hole | None = None
        self._noticed_ms = 0
        self._asked_ms: int | None = None
        self._fruitless = 0
        self._unanswered = 0

    def due(self, sequences: Sequences, now_ms: int) -> int | None:
        """The sequence from which on the node is to be asked to tell again; None: nothing is to be asked now."""
        first = next(iter(sequences.holes()), None)
        if first is None or self._hole is None or first.first != self._hole.first:
            self._noticed_ms, self._fruitless, self._unanswered = now_ms, 0, 0
        self._hole = first
        if first is None or now_ms - self._noticed_ms < ASK_AFTER_MS:
            return None
        rest_ms = min(ASK_EVERY_MS << max(0, self._unanswered - 1), ASK_AT_LEAST_EVERY_MS)
        if self._asked_ms is not None and now_ms - self._asked_ms < rest_ms:
            return None
        self._asked_ms = now_ms
        self._unanswered += 1
        return first.first

    def answered(self, sequences: Sequences, asked: int, oldest: int | None) -> int:
        """The node has said what it still has.

        Args:
            sequences: of the node; what will never come is filled.
            asked: what it was asked for.
            oldest: the oldest sequence from there on that it still has; None: it has nothing.

        Returns:
            How many will never come.
        """
        self._unanswered = 0
        first = next(iter(sequences.holes()), None)
        if first is None:
            return 0
        given_up = sequences.give_up_before(sequences.highest if oldest is None else oldest)
        if given_up or first.first != asked:
            return given_up
        self._fruitless += 1
        return sequences.give_up_before(first.last + 1) if self._fruitless >= MAX_ASKED else 0
