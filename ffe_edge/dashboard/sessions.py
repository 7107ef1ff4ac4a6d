"""Who is signed in. Of a session's token only the SHA-256 is kept: who reads the store can sign in as nobody."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from ffe_edge.dashboard.tables import sessions, users
from ffe_edge.dashboard.users import User, user_of

IDLE_MS: Final = 12 * 3600 * 1000
"""A session that nobody uses for this long ends: a shift."""
LONGEST_MS: Final = 7 * 24 * 3600 * 1000
"""After which one signs in again in any case."""
SEEN_EVERY_MS: Final = 60_000
"""So exactly it is known when a session was used last; more would be a write with every view."""
MAX_OF_A_USER: Final = 20
"""Beyond it the oldest end."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in."""

    token_hash: str
    csrf: str
    """Stands in every form, and in a header of every change."""
    seen_ms: int
    user: User


def begin(connection: Connection, user_id: int, now_ms: int) -> str:
    """Sign somebody in; returns the token for the cookie."""
    token = secrets.token_urlsafe(32)
    sweep(connection, now_ms)
    _end_oldest(connection, user_id)
    values = {
        "token_hash": hash_of(token),
        "user_id": user_id,
        "csrf": secrets.token_urlsafe(32),
        "created_ms": now_ms,
        "seen_ms": now_ms,
        "expires_ms": now_ms + LONGEST_MS,
    }
    connection.execute(insert(sessions).values(values))
    return token


def find(connection: Connection, token: str, now_ms: int) -> Session | None:
    """The session of a token; None where it has ended, or its user is disabled."""
    return find_hashed(connection, hash_of(token), now_ms)


def find_hashed(connection: Connection, token_hash: str, now_ms: int) -> Session | None:
    """The session by what is kept of its token."""
    columns = (sessions.c.token_hash, sessions.c.csrf, sessions.c.seen_ms)
    owner = [users.c[name] for name in User.__dataclass_fields__]
    query = (
        select(*columns, *owner)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.token_hash == token_hash,
            sessions.c.expires_ms > now_ms,
            sessions.c.seen_ms > now_ms - IDLE_MS,
            users.c.disabled.is_(False),
        )
    )
    row = connection.execute(query).first()
    return None if row is None else Session(row.token_hash, row.csrf, row.seen_ms, user_of(row))


def seen(connection: Connection, session: Session, now_ms: int) -> None:
    """Note that the session is used."""
    connection.execute(update(sessions).where(sessions.c.token_hash == session.token_hash).values(seen_ms=now_ms))


def end(connection: Connection, token_hash: str) -> None:
    """Sign out."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


def end_all(connection: Connection, user_id: int, except_hash: str = "") -> int:
    """Sign a user out everywhere, but for one session; returns of how many."""
    chosen = (sessions.c.user_id == user_id) & (sessions.c.token_hash != except_hash)
    return connection.execute(delete(sessions).where(chosen)).rowcount


def sweep(connection: Connection, now_ms: int) -> None:
    """Remove what has ended by time."""
    ended = (sessions.c.expires_ms <= now_ms) | (sessions.c.seen_ms <= now_ms - IDLE_MS)
    connection.execute(delete(sessions).where(ended))


def hash_of(token: str) -> str:
    """What is kept of a token. It has 256 random bits: a slow hash would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _end_oldest(connection: Connection, user_id: int) -> None:
    mine = select(sessions.c.token_hash).where(sessions.c.user_id == user_id).order_by(sessions.c.seen_ms.desc())
    surplus = connection.execute(mine.offset(MAX_OF_A_USER - 1)).scalars().all()
    connection.execute(delete(sessions).where(sessions.c.token_hash.in_(surplus)))
