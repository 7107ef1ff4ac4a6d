"""Signing in, signing out, another password: what forms and programs share."""

from __future__ import annotations

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.sessions import Session
from ffe_edge.dashboard.users import User
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.seams import Parts


def sign_in(parts: Parts, address: str, name: str, password: str, old_token: str = "") -> str:
    """Check name and password.

    Args:
        parts: of the app.
        address: where the request comes from.
        name: as typed.
        password: as typed.
        old_token: of the session that the browser has; it ends.

    Returns:
        The token of a new session.

    Raises:
        ProblemError: they are wrong, or there were too many tries.
        StoreError: the database cannot be used at present.
    """
    with parts.database.reading() as connection:
        found = users.find_login(connection, name)
    user, kept = _checked(parts, address, name, password, found)
    renewed = parts.passwords.hash(password) if parts.passwords.is_outdated(kept) else None
    parts.login_limit.succeeded(address, name)
    now_ms = parts.now_ms()
    with parts.database.writing() as connection:
        if users.find_login(connection, name) != found:
            raise ProblemError("conflict", "the user has just been changed: sign in again")
        if renewed is not None:
            users.renew_hash(connection, user.id, kept, renewed)
        sessions.end(connection, sessions.hash_of(old_token))
        audit.record(connection, user, "sign-in", now_ms, detail={"address": address})
        return sessions.begin(connection, user.id, now_ms)


def sign_out(parts: Parts, session: Session) -> None:
    """End a session."""
    with parts.database.writing() as connection:
        sessions.end(connection, session.token_hash)
        audit.record(connection, session.user, "sign-out", parts.now_ms())


def change_password(parts: Parts, address: str, session: Session, old: str, new: str) -> str:
    """Take another password. Every session of the user ends, and a new one begins.

    Returns:
        The token of the new session.

    Raises:
        ProblemError: the old one is wrong, or there were too many tries.
        RefusedError: the new one is easily guessed.
    """
    user = session.user
    with parts.database.reading() as connection:
        found = users.find_login(connection, user.name)
    _checked(parts, address, user.name, old, found)
    parts.login_limit.succeeded(address, user.name)
    if old == new:
        raise ProblemError("weak-password", "choose another password than the one you have")
    with parts.database.writing() as connection:
        users.change_password(connection, user, new, parts.passwords)
        sessions.end_all(connection, user.id)
        audit.record(connection, user, "password-changed", parts.now_ms())
        return sessions.begin(connection, user.id, parts.now_ms())


def _checked(parts: Parts, address: str, name: str, password: str, found: tuple[User, str] | None) -> tuple[User, str]:
    """Whose password it is. For somebody who is not there it takes as long to say no."""
    if wait_seconds := parts.login_limit.begin(address, name):
        headers = {"Retry-After": str(wait_seconds)}
        raise ProblemError("too-many-tries", f"wait {wait_seconds} s before the next try", headers)
    is_right = parts.passwords.is_right(found[1] if found else None, password)
    if found and is_right and not found[0].disabled:
        return found
    user = found[0] if found else None
    with parts.database.writing() as connection:  # what was typed as a name may be a password: it is not written down
        audit.record(connection, user, "sign-in-failed", parts.now_ms(), detail={"address": address})
    raise ProblemError("wrong-password", "name or password is wrong")
