"""From findings to alerts: hold times, quiet hours, cool-down. Pure: the clock is passed in.

A finding becomes an alert when it was made at every look for the hold time. In quiet hours it waits for their end and
is told then, even where it has passed by itself meanwhile. An alert ends when nothing was found for the release time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ffe_edge.dashboard.alert_rules import MINUTE_MS, Finding
from ffe_edge.dashboard.alert_settings import Rule

LONGEST_PAUSE_MS: Final = 3 * MINUTE_MS
"""Between two looks; after a longer one nobody knows what was in between, and the hold time begins again."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is remembered of a rule and its subject between two looks."""

    looked_ms: int = 0
    found_since_ms: int | None = None
    nothing_since_ms: int | None = None
    opened_ms: int | None = None
    """The alert is open since then."""
    ended_ms: int | None = None
    waiting: Finding | None = None
    """It held in quiet hours, and is told when they end."""
    waiting_since_ms: int = 0
    waiting_found_ms: int = 0
    """When what waits was first found."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An alert begins."""

    finding: Finding
    found_ms: int
    """When it was first found."""
    is_delayed: bool
    """It waited for the end of quiet hours."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The alert is over."""


Outcome = Opened | Ended


def look(
    held: Held, rule: Rule, finding: Finding | None, now_ms: int, *, is_quiet: bool
) -> tuple[Held, tuple[Outcome, ...]]:
    """Take in what one look has found.

    Args:
        held: what was remembered.
        rule: its times.
        finding: what was found now; None: nothing.
        now_ms: of this look.
        is_quiet: whether quiet hours are on.

    Returns:
        What is to be remembered, and what happens.
    """
    held = _seen(held, finding, now_ms)
    if held.opened_ms is not None:
        return _maybe_ended(held, rule, now_ms)
    held = _maybe_waiting(held, rule, finding, now_ms)
    if held.waiting is None or (is_quiet and held.waiting.severity != "urgent"):
        return held, ()
    return _opened(held, now_ms)


def _seen(held: Held, finding: Finding | None, now_ms: int) -> Held:
    paused = now_ms - held.looked_ms > LONGEST_PAUSE_MS
    found, nothing = (None, None) if paused else (held.found_since_ms, held.nothing_since_ms)
    if finding is None:
        return replace(
            held, looked_ms=now_ms, found_since_ms=None, nothing_since_ms=now_ms if nothing is None else nothing
        )
    return replace(held, looked_ms=now_ms, found_since_ms=now_ms if found is None else found, nothing_since_ms=None)


def _maybe_ended(held: Held, rule: Rule, now_ms: int) -> tuple[Held, tuple[Outcome, ...]]:
    since = held.nothing_since_ms
    if since is None or now_ms - since < rule.release_minutes * MINUTE_MS:
        return held, ()
    return replace(held, opened_ms=None, ended_ms=now_ms), (Ended(),)


def _maybe_waiting(held: Held, rule: Rule, finding: Finding | None, now_ms: int) -> Held:
    """Whether it has held long enough; what waits already is told as it was found first."""
    since = held.found_since_ms
    if held.waiting is not None or finding is None or since is None or now_ms - since < rule.hold_minutes * MINUTE_MS:
        return held
    if held.ended_ms is not None and now_ms - held.ended_ms < rule.cool_down_minutes * MINUTE_MS:
        return held
    return replace(held, waiting=finding, waiting_since_ms=now_ms, waiting_found_ms=since)


def _opened(held: Held, now_ms: int) -> tuple[Held, tuple[Outcome, ...]]:
    """Begin what waited; the release time decides when it ends, also where nothing is found any more."""
    finding = held.waiting
    if finding is None:
        return held, ()
    outcome = Opened(finding, held.waiting_found_ms, held.waiting_since_ms < now_ms)
    return replace(held, opened_ms=now_ms, waiting=None, waiting_since_ms=0, waiting_found_ms=0), (outcome,)
