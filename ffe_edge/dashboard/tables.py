"""The tables. What they are made by stands in ``migrations``; a test holds the two against each other.

Times are Unix milliseconds in UTC (``_ms``). A *subject* is whose time is counted: ``resident:<id>`` or
``camera:<camera_id>``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
"""Key that the database counts up itself; SQLite does so only for its own INTEGER."""

nodes = Table(
    "nodes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("session", Text),
    Column("version", Text),
    Column("engine", Text),
    Column("since_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("sequence_seen", BigInteger, nullable=False),
    UniqueConstraint("site", "node"),
)
"""Devices. ``sequence_seen``: highest sequence up to which nothing is missing, 0 before the first."""

residents = Table(
    "residents",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text),
    Column("room_id", Integer),
    Column("consent_by", Text),
    Column("consent_at_ms", BigInteger),
    Column("consent_note", Text),
    Column("withdrawn_at_ms", BigInteger),
    Column("created_ms", BigInteger, nullable=False),
)
"""People who live here. ``id`` is what the nodes call them."""

rooms = Table(
    "rooms",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name_ja", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("floor", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("resident_id", Text, ForeignKey("residents.id", ondelete="SET NULL")),
)
"""Rooms; a room with a resident is private: whoever is told there without a name is that resident."""

cameras = Table(
    "cameras",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("node_id", Integer, ForeignKey("nodes.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("room_id", Integer, ForeignKey("rooms.id", ondelete="SET NULL")),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    UniqueConstraint("node_id", "name"),
)

events = Table(
    "events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("node_id", Integer, ForeignKey("nodes.id"), nullable=False),
    Column("camera_id", Integer, ForeignKey("cameras.id"), nullable=False),
    Column("kind", Text, nullable=False),  # emotion or gap
    Column("sequence", BigInteger, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("is_replayed", Boolean, nullable=False),
    Column("change", Text),
    Column("track", BigInteger),
    Column("resident_id", Text),
    Column("emotion", Text),
    Column("previous", Text),
    Column("confidence", Float),
    Column("held_ms", BigInteger),
    Column("quality", Float),
    Column("lost_first", BigInteger),
    Column("lost_last", BigInteger),
    Column("lost_count", BigInteger),
    Column("reason", Text),
    Index(None, "at_ms"),
    Index(None, "camera_id", "at_ms"),
    Index(None, "resident_id", "at_ms"),
    Index(None, "node_id", "sequence"),
    Index(None, "camera_id", "track", "sequence"),
)
"""What nodes told, once each."""

spells = Table(
    "spells",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("camera_id", Integer, ForeignKey("cameras.id"), nullable=False),
    Column("track_key", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("resident_id", Text),
    Column("emotion", Text, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("end_reason", Text),
    Index(None, "resident_id", "began_ms"),
    Index(None, "camera_id", "began_ms"),
    Index(None, "camera_id", "track_key", "sequence"),
    Index(None, "ended_ms"),
)
"""One person's one emotion from when to when; without an end it lasts. ``sequence``: of the event it was made from."""

rollups = Table(
    "rollups",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("start_ms", BigInteger, primary_key=True),
    Column("emotion", Text, primary_key=True),
    Column("ms", BigInteger, nullable=False),
    Index(None, "unit", "start_ms"),
    sqlite_with_rowid=False,
)
"""Milliseconds of ended spells by minute, hour and day; of the home's days."""

summaries = Table(
    "summaries",
    METADATA,
    Column("camera_id", Integer, ForeignKey("cameras.id"), primary_key=True),
    Column("began_ms", BigInteger, primary_key=True),
    Column("seconds", Float, nullable=False),
    Column("people", Integer, nullable=False),
    Column("missing_seconds", Float, nullable=False),
    Column("emotions", JSON, nullable=False),
    sqlite_with_rowid=False,
)
"""A camera's minutes as the node counted them."""

alerts = Table(
    "alerts",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("severity", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("acknowledged_by", Text),
    Column("acknowledged_ms", BigInteger),
    Column("handled_by", Text),
    Column("handled_ms", BigInteger),
    Column("note", Text),
    Index(None, "opened_ms"),
    Index(None, "rule", "subject", "opened_ms"),
    Index(None, "subject", "opened_ms"),
)

users = Table(
    "users",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("language", Text),
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, index=True),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("user_id", Integer),
    Column("user_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, index=True),
    Column("detail", JSON),
)
"""Who looked at whom, and changed what."""

quarantine = Table(
    "quarantine",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("received_ms", BigInteger, nullable=False, index=True),
    Column("topic", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("payload", LargeBinary),  # its first 4 KiB
    Column("count", Integer, nullable=False),
)

options = Table(
    "options",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", JSON, nullable=False),
)
"""What is set on the pages: rules, notice text, times to keep."""
