"""Programs: users, for admins."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request

from ffe_edge.dashboard import audit, sessions, users
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.users import NewUser, User
from ffe_edge.dashboard.web.bodies import Answer, Asked, Key, Millis, Name, RoleName, UserName
from ffe_edge.dashboard.web.problem import documented
from ffe_edge.dashboard.web.session import Admin, parts_of

router: Final = APIRouter(
    prefix="/users",
    tags=["users"],
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "invalid", "database-away"),
)
Id = Annotated[Key, Path()]
CHANGES: Final = documented("wrong-form", "not-allowed", "must-change-password")


class UserBody(Answer):
    """A user."""

    id: int
    name: str
    display_name: str
    role: RoleName
    language: Language | None
    must_change: bool
    """Has a one-time password."""
    disabled: bool
    created_ms: Millis


class UserAsked(Asked):
    """A user to be made."""

    name: UserName
    """What is typed to sign in."""
    display_name: Name
    role: RoleName
    language: Language | None = None


class UserChange(Asked):
    """What is given is changed."""

    display_name: Name | None = None
    role: RoleName | None = None
    disabled: bool | None = None


class UserMade(Answer):
    """A user and how to sign in for the first time."""

    user: UserBody
    one_time_password: str
    """Shown now and never again; it has to be changed at the first login."""


@router.get("", summary="All users")
def all_users(request: Request, _admin: Admin) -> list[UserBody]:
    """By name."""
    with parts_of(request).database.reading() as connection:
        return [_body(user) for user in users.all_users(connection)]


@router.post("", status_code=201, responses=CHANGES | documented("name-taken"), summary="Make a user")
def create_user(request: Request, admin: Admin, asked: UserAsked) -> UserMade:
    """With a one-time password."""
    parts = parts_of(request)
    now_ms = parts.now_ms()
    new = NewUser(asked.name, asked.display_name, asked.role, asked.language)
    with parts.database.writing() as connection:
        user, password = users.create_user(connection, new, parts.passwords, now_ms)
        audit.record(connection, admin, "user-created", now_ms, subject=_subject(user), detail=_told(user))
    return UserMade(user=_body(user), one_time_password=password)


@router.patch("/{user_id}", responses=CHANGES | documented("not-found", "last-admin"), summary="Change a user")
def change_user(request: Request, admin: Admin, user_id: Id, change: UserChange) -> UserBody:
    """A user who is disabled is signed out everywhere."""
    parts = parts_of(request)
    changes = change.model_dump(exclude_none=True)
    with parts.database.writing() as connection:
        user = users.change_user(connection, user_id, changes)
        if user.disabled:
            sessions.end_all(connection, user.id)
        audit.record(connection, admin, "user-changed", parts.now_ms(), subject=_subject(user), detail=changes)
    return _body(user)


@router.post("/{user_id}/password", responses=CHANGES | documented("not-found"), summary="Give a one-time password")
def reset_password(request: Request, admin: Admin, user_id: Id) -> UserMade:
    """For who has forgotten theirs; they are signed out everywhere."""
    parts = parts_of(request)
    with parts.database.writing() as connection:
        users.get_user(connection, user_id)
        password = users.reset_password(connection, user_id, parts.passwords)
        sessions.end_all(connection, user_id)
        user = users.get_user(connection, user_id)
        audit.record(connection, admin, "password-reset", parts.now_ms(), subject=_subject(user))
    return UserMade(user=_body(user), one_time_password=password)


def _subject(user: User) -> str:
    return f"user:{user.id}"


def _told(user: User) -> dict[str, Any]:
    return {"name": user.name, "role": user.role}


def _body(user: User) -> UserBody:
    return UserBody.model_validate(user, from_attributes=True)
