"""What the demo's store begins with: a home that does not exist, its last thirty days, and somebody to look at it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, insert

from ffe_edge.dashboard import alert_store, options, places, users
from ffe_edge.dashboard.alert_rules import Figure, Finding, Sentence
from ffe_edge.dashboard.alert_settings import AlertSettings, CameraDown, LongEmotion, QuietHours, RuleName
from ffe_edge.dashboard.passwords import Passwords
from ffe_edge.dashboard.rollups import day_bounds, day_number
from ffe_edge.dashboard.settings import HomeSettings
from ffe_edge.dashboard.simulated import HOUR_MS, MINUTE_MS
from ffe_edge.dashboard.simulated_year import Past, load, past_rows
from ffe_edge.dashboard.tables import cameras, nodes
from ffe_edge.dashboard.users import NewUser, User

HOME: Final = HomeSettings(name_ja="デモホーム", name_en="Demo home")
SIMULATED_NODE: Final = "simulated"
MANAGER: Final = NewUser("demo", "デモ", "manager")
PAST: Final = Past(days=30, events_days=30, minutes_days=7, with_today=True)
ROOMS: Final = (("101号室", "Room 101"), ("102号室", "Room 102"), ("デイルーム", "Day room"))
LIVE: Final = ("このカメラ", "This camera")
_SOON: Final = LongEmotion(
    window_minutes=2, seen_minutes=1, shown_minutes=1, hold_minutes=1, release_minutes=1, cool_down_minutes=3
)
RULES: Final = AlertSettings(
    quiet_hours=QuietHours(enabled=False),
    long_sadness=_SOON,
    long_fear=_SOON,
    long_anger=_SOON,
    camera_down=CameraDown(hold_minutes=1, release_minutes=1),
)
"""An hour passes in a minute: what a real home would find in hours is found in minutes."""


def furnish(connection: Connection, site: str, node: str, live_cameras: Sequence[str], now_ms: int) -> None:
    """Fill an empty store.

    Args:
        connection: a writing one.
        site: of both nodes.
        node: the real one's name.
        live_cameras: names of its cameras: each gets a room.
        now_ms: Unix milliseconds.
    """
    for rows in past_rows(PAST, now_ms, HOME.zone, site, SIMULATED_NODE):
        load(connection, rows)
    for room, (name_ja, name_en) in zip(places.all_rooms(connection), ROOMS, strict=True):
        places.change_room(connection, room.id, {"name_ja": name_ja, "name_en": name_en})
    _place_live(connection, site, node, live_cameras, now_ms)
    options.write(connection, "alert-settings", RULES.model_dump(mode="json"))
    _alerts(connection, now_ms)


def make_manager(connection: Connection, passwords: Passwords, now_ms: int) -> User:
    """Make the user that looks at the demo. Nobody knows the password; the demo's link signs in without it."""
    user, _ = users.create_user(connection, MANAGER, passwords, now_ms)
    users.change_password(connection, user, secrets.token_urlsafe(32), passwords)
    return users.get_user(connection, user.id)


def _place_live(connection: Connection, site: str, node: str, names: Sequence[str], now_ms: int) -> None:
    """The real node as if it had been here before, so that its cameras have rooms from the first picture on."""
    known = {"site": site, "node": node, "state": "stopped", "since_ms": now_ms, "heard_ms": now_ms, "sequence_seen": 0}
    node_id = connection.execute(insert(nodes).values(known).returning(nodes.c.id)).scalar_one()
    for number, name in enumerate(names):
        suffix = f" {number + 1}" if len(names) > 1 else ""
        told = {"name_ja": LIVE[0] + suffix, "name_en": LIVE[1] + suffix, "floor": "1", "position": 10 + number}
        room = places.add_room(connection, told | {"resident_id": None})
        values = {"node_id": node_id, "name": name, "room_id": room.id, "state": "offline", "reason": ""}
        connection.execute(insert(cameras).values(values | {"since_ms": now_ms, "heard_ms": now_ms}))


def _alerts(connection: Connection, now_ms: int) -> None:
    """Two of the evening before: one was dealt with, one nobody has looked at yet."""
    midnight_ms = day_bounds(day_number(now_ms, HOME.zone) - 1, HOME.zone)[0]
    told_ms = midnight_ms + 19 * HOUR_MS
    seen = _alert(connection, "long-sadness", "kenji", "sadness", told_ms)
    alert_store.handle(connection, seen, MANAGER.name, told_ms + 25 * MINUTE_MS, "お話をうかがいました。")
    alert_store.end_alert(connection, "long-sadness", "resident:kenji", told_ms + HOUR_MS)
    _alert(connection, "long-anger", "tomi", "anger", told_ms + 40 * MINUTE_MS)
    alert_store.end_alert(connection, "long-anger", "resident:tomi", told_ms + 2 * HOUR_MS)


def _alert(connection: Connection, rule: RuleName, resident: str, emotion: str, at_ms: int) -> int:
    figures: dict[str, Figure] = {"emotion": emotion, "minutes": 22, "window_minutes": 60, "share": 0.51, "usual": 0.18}
    finding = Finding("warning", Sentence("long-emotion", figures))
    subject = f"resident:{resident}"
    opened = alert_store.open_alert(
        connection, rule, subject, finding, now_ms=at_ms, found_ms=at_ms - 10 * MINUTE_MS, is_delayed=False
    )
    return opened.id
