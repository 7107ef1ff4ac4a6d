"""Users of the dashboard: who they are and what they may do.

All functions take part in the caller's transaction. Writers of the store come one after another, so that what is read
here is still true when it is acted upon: two admins cannot remove each other at once.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, func, insert, select, update

from ffe_edge.dashboard.passwords import Passwords, check_new_password, one_time_password
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.tables import users

Role = Literal["carer", "manager", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may do what those before it may."""
FIRST_ADMIN: Final = "admin"
MAX_NAME_LETTERS: Final = 64


@dataclass(frozen=True, slots=True)
class User:
    """Who somebody is; nothing secret."""

    id: int
    name: str
    """What is typed to sign in."""
    display_name: str
    role: Role
    language: Language | None
    must_change: bool
    """The password is known to somebody else: nothing but changing it is allowed."""
    disabled: bool
    created_ms: int

    def may(self, role: Role) -> bool:
        """Whether the user may do what needs this role."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made."""

    name: str
    display_name: str
    role: Role
    language: Language | None = None


_COLUMNS: Final = tuple(users.c[name] for name in User.__dataclass_fields__)


def user_of(row: Any) -> User:
    """The user of a row that has all columns of ``User``."""
    return User(**{name: getattr(row, name) for name in User.__dataclass_fields__})


def login_name(name: str) -> str:
    """One form for all that is meant by a name: wide and capital letters are the same letters."""
    return unicodedata.normalize("NFKC", name).casefold()


def create_user(connection: Connection, new: NewUser, passwords: Passwords, now_ms: int) -> tuple[User, str]:
    """Make a user.

    Returns:
        The user and the password for the first time; it is kept nowhere.

    Raises:
        RefusedError: the name is taken.
    """
    name = login_name(new.name)
    if connection.execute(select(users.c.id).where(users.c.name == name)).first():
        raise RefusedError("name-taken", "there is a user of this name already; choose another")
    password = one_time_password()
    values = {
        "name": name,
        "display_name": new.display_name,
        "role": new.role,
        "language": new.language,
        "password_hash": passwords.hash(password),
        "must_change": True,
        "disabled": False,
        "created_ms": now_ms,
    }
    row = connection.execute(insert(users).values(values).returning(*_COLUMNS)).one()
    return user_of(row), password


def ensure_admin(connection: Connection, passwords: Passwords, now_ms: int) -> str | None:
    """Where there is no user at all, make the first admin.

    Returns:
        The one-time password, for whoever started the program to see once; None where there are users.
    """
    if connection.execute(select(users.c.id).limit(1)).first():
        return None
    return create_user(connection, NewUser(FIRST_ADMIN, FIRST_ADMIN, "admin"), passwords, now_ms)[1]


def all_users(connection: Connection) -> list[User]:
    """Everybody, by name."""
    return [user_of(row) for row in connection.execute(select(*_COLUMNS).order_by(users.c.name))]


def get_user(connection: Connection, user_id: int) -> User:
    """One user.

    Raises:
        RefusedError: there is no such user.
    """
    row = connection.execute(select(*_COLUMNS).where(users.c.id == user_id)).first()
    if row is None:
        raise RefusedError("not-found", "there is no such user")
    return user_of(row)


def find_login(connection: Connection, name: str) -> tuple[User, str] | None:
    """The user of a name and what is kept of the password; None where there is none."""
    if not name.isprintable() or len(name) > MAX_NAME_LETTERS:
        return None
    found = connection.execute(select(*_COLUMNS, users.c.password_hash).where(users.c.name == login_name(name))).first()
    return None if found is None else (user_of(found), found.password_hash)


def change_user(connection: Connection, user_id: int, changes: dict[str, Any]) -> User:
    """Change role, display name, language or whether the user is disabled.

    Args:
        connection: of the transaction.
        user_id: whose.
        changes: by column.

    Raises:
        RefusedError: there is no such user, or nobody would be left who may do everything.
    """
    before = get_user(connection, user_id)
    loses = changes.get("role", "admin") != "admin" or changes.get("disabled", False)
    if before.role == "admin" and not before.disabled and loses and _admins(connection) <= 1:
        raise RefusedError("last-admin", "this is the last admin: make another one first")
    if changes:
        connection.execute(update(users).where(users.c.id == user_id).values(changes))
    return get_user(connection, user_id)


def change_password(connection: Connection, user: User, password: str, passwords: Passwords) -> None:
    """Take a password that the user has chosen.

    Raises:
        RefusedError: it is easily guessed.
    """
    check_new_password(password, (user.name, user.display_name))
    _keep(connection, user.id, passwords.hash(password), must_change=False)


def reset_password(connection: Connection, user_id: int, passwords: Passwords) -> str:
    """Give a user a one-time password.

    Returns:
        The password; it is kept nowhere.
    """
    password = one_time_password()
    _keep(connection, user_id, passwords.hash(password), must_change=True)
    return password


def renew_hash(connection: Connection, user_id: int, old_hash: str, new_hash: str) -> None:
    """Keep the same password by today's parameters, unless it has been changed in between."""
    chosen = (users.c.id == user_id) & (users.c.password_hash == old_hash)
    connection.execute(update(users).where(chosen).values(password_hash=new_hash))


def _keep(connection: Connection, user_id: int, kept: str, *, must_change: bool) -> None:
    values = {"password_hash": kept, "must_change": must_change}
    connection.execute(update(users).where(users.c.id == user_id).values(values))


def _admins(connection: Connection) -> int:
    chosen = (users.c.role == "admin") & users.c.disabled.is_(False)
    return connection.execute(select(func.count()).select_from(users).where(chosen)).scalar_one()
