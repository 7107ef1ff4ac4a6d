"""What the rules of alerts look at, gathered from the store: times that were added up, never an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from ffe_edge.dashboard import history
from ffe_edge.dashboard.alert_rules import (
    MINUTE_MS,
    CameraFacts,
    DayFacts,
    EmotionFacts,
    Finding,
    NodeFacts,
    Usual,
    camera_down,
    long_emotion,
    no_joy,
    node_silent,
)
from ffe_edge.dashboard.alert_settings import AlertSettings, LongEmotion, RuleName
from ffe_edge.dashboard.history import Baseline, PastSpell
from ffe_edge.dashboard.rollups import MISSING, day_bounds, day_number
from ffe_edge.dashboard.tables import cameras, nodes, residents
from ffe_edge.emotions import Emotion
from ffe_edge.messages import CameraState, StatusState

HEARD_MS: Final = 5 * MINUTE_MS
"""A node that was heard of within this time lives."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule says of a subject at this look."""

    rule: RuleName
    subject: str
    finding: Finding | None


class Facts:
    """Looks. Usual days are gathered once a day."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._usual: dict[str, tuple[int, Baseline]] = {}

    def look(
        self, connection: Connection, settings: AlertSettings, now_ms: int, hearing_since_ms: int | None
    ) -> list[Found]:
        """What every rule says of every subject.

        Args:
            connection: to read by.
            settings: of the rules.
            now_ms: now.
            hearing_since_ms: since when the broker is connected; None: it is not, and nobody's silence is their own.
        """
        found = list(self._of_residents(connection, settings, now_ms))
        if hearing_since_ms is not None:
            found += _of_devices(connection, settings, now_ms, hearing_since_ms)
        return found

    def _of_residents(self, connection: Connection, settings: AlertSettings, now_ms: int) -> Iterator[Found]:
        consented = residents.c.consent_at_ms.is_not(None) & residents.c.withdrawn_at_ms.is_(None)
        ids = connection.execute(select(residents.c.id).where(consented).order_by(residents.c.id)).scalars().all()
        self._usual = {name: kept for name, kept in self._usual.items() if name in ids}
        longs: tuple[tuple[RuleName, Emotion, LongEmotion], ...] = (
            ("long-sadness", Emotion.SADNESS, settings.long_sadness),
            ("long-fear", Emotion.FEAR, settings.long_fear),
            ("long-anger", Emotion.ANGER, settings.long_anger),
        )
        longest_ms = max(rule.window_minutes for _, _, rule in longs) * MINUTE_MS
        for resident_id in ids:
            subject = f"resident:{resident_id}"
            usual = self._usual_days(connection, resident_id, now_ms)
            spells = history.spells_between(connection, subject, now_ms - longest_ms, now_ms)
            for name, emotion, rule in longs:
                facts = emotion_facts(spells, emotion.value, now_ms - rule.window_minutes * MINUTE_MS, now_ms, usual)
                yield Found(name, subject, long_emotion(rule, facts))
            days = self._days(connection, subject, settings.no_joy.days, now_ms)
            yield Found("no-joy", subject, no_joy(settings.no_joy, days, _usual(usual, Emotion.JOY.value)))

    def _usual_days(self, connection: Connection, resident_id: str, now_ms: int) -> Baseline:
        today = day_number(now_ms, self._zone)
        kept = self._usual.get(resident_id)
        if kept is None or kept[0] != today:
            found = history.baseline(connection, f"resident:{resident_id}", now_ms, self._zone)
            kept = self._usual[resident_id] = (today, found)
        return kept[1]

    def _days(self, connection: Connection, subject: str, days: int, now_ms: int) -> tuple[DayFacts, ...]:
        """The whole days before today; one without any time in view is a day, too."""
        today = day_number(now_ms, self._zone)
        from_ms, to_ms = day_bounds(today - days, self._zone)[0], day_bounds(today, self._zone)[0]
        told = dict(history.shares_by(connection, subject, "day", from_ms, to_ms, self._zone))
        starts = (day_bounds(day, self._zone)[0] for day in range(today - days, today))
        return tuple(_day(told.get(start_ms, {})) for start_ms in starts)


def emotion_facts(spells: Sequence[PastSpell], emotion: str, from_ms: int, to_ms: int, usual: Baseline) -> EmotionFacts:
    """A resident's time in one emotion between two moments."""
    seen_ms, shown_ms, minutes = 0, 0, set[int]()
    for spell in spells:
        began_ms, ended_ms = max(spell.began_ms, from_ms), min(spell.ended_ms, to_ms)
        if ended_ms <= began_ms:
            continue
        seen_ms += ended_ms - began_ms
        if spell.emotion == emotion:
            shown_ms += ended_ms - began_ms
            minutes |= set(range(began_ms // MINUTE_MS, (ended_ms - 1) // MINUTE_MS + 1))
    return EmotionFacts(emotion, shown_ms, len(minutes), seen_ms, _usual(usual, emotion))


def _usual(baseline: Baseline, emotion: str) -> Usual:
    return Usual(baseline.shares.get(emotion, 0.0), baseline.spreads.get(emotion, 0.0), baseline.days)


def _day(shares: dict[str, int]) -> DayFacts:
    seen_ms = sum(ms for emotion, ms in shares.items() if emotion != MISSING)
    return DayFacts(shares.get(Emotion.JOY.value, 0), seen_ms)


def _of_devices(connection: Connection, settings: AlertSettings, now_ms: int, hearing_since_ms: int) -> Iterator[Found]:
    lives: dict[int, bool] = {}
    for row in connection.execute(select(nodes).order_by(nodes.c.id)):
        silent_ms = max(0, now_ms - max(row.heard_ms, hearing_since_ms))
        facts = NodeFacts(cast("StatusState", row.state), silent_ms)
        lives[row.id] = row.state == "online" and silent_ms < HEARD_MS
        yield Found("node-silent", f"node:{row.id}", node_silent(settings.node_silent, facts))
    for row in connection.execute(select(cameras).order_by(cameras.c.id)):
        yield _of_camera(row, settings, lives.get(row.node_id, False), now_ms)


def _of_camera(row: Any, settings: AlertSettings, node_lives: bool, now_ms: int) -> Found:
    facts = CameraFacts(cast("CameraState", row.state), row.since_ms, node_lives)
    return Found("camera-down", f"camera:{row.id}", camera_down(settings.camera_down, facts, now_ms))
