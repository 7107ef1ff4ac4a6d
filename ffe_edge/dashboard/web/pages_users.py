"""Settings: users, for admins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.users import ROLES
from ffe_edge.dashboard.web import api_users
from ffe_edge.dashboard.web.api_users import Id, UserAsked, UserChange, UserMade
from ffe_edge.dashboard.web.forms import Refusal, Text, asked, done, status_of
from ffe_edge.dashboard.web.problem import ProblemError
from ffe_edge.dashboard.web.render import render
from ffe_edge.dashboard.web.session import Admin

router: Final = APIRouter(prefix="/settings/users", include_in_schema=False)


@router.get("")
def users_page(request: Request, admin: Admin) -> Response:
    """Everybody who may sign in."""
    return _page(request, admin)


@router.post("")
def add(request: Request, admin: Admin, name: Text = "", display_name: Text = "", role: Text = "") -> Response:
    """A new user; the one-time password is shown in the answer and never again."""
    try:
        body = asked(UserAsked, name=name.strip(), display_name=display_name or name.strip(), role=role)
        return _page(request, admin, api_users.create_user(request, admin, body))
    except (ProblemError, RefusedError) as error:
        typed = {"name": name, "display_name": display_name, "role": role}
        return _page(request, admin, problem=error, typed=typed)


@router.post("/{user_id}")
def change(request: Request, admin: Admin, user_id: Id, display_name: Text = "", role: Text = "") -> Response:
    """Another name or role."""
    api_users.change_user(request, admin, user_id, asked(UserChange, display_name=display_name, role=role))
    return done("/settings/users")


@router.post("/{user_id}/disabled")
def disable(request: Request, admin: Admin, user_id: Id, disabled: Text = "") -> Response:
    """Let somebody in, or no more."""
    api_users.change_user(request, admin, user_id, asked(UserChange, disabled=disabled == "yes"))
    return done("/settings/users")


@router.post("/{user_id}/password")
def reset(request: Request, admin: Admin, user_id: Id) -> Response:
    """Another one-time password, shown in the answer and never again."""
    return _page(request, admin, api_users.reset_password(request, admin, user_id))


def _page(
    request: Request,
    admin: Admin,
    made: UserMade | None = None,
    *,
    problem: Refusal | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    told = {"everybody": api_users.all_users(request, admin), "roles": ROLES, "made": made}
    return render(request, "settings_users.html", status_of(problem), **told, problem=problem, typed=typed)
