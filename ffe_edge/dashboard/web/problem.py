"""What is answered when a request is not met: JSON to programs, a page to people, a traceback to nobody.

Source: RFC 9457, Problem Details for HTTP APIs, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from ffe_edge.dashboard.refusal import RefusalCode

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:ffe-edge:problem:"
API: Final = "/api/"

ProblemCode = (
    RefusalCode
    | Literal[
        "bad-request", "wrong-host", "not-signed-in", "wrong-form", "not-allowed", "must-change-password",
        "wrong-method", "too-large", "wrong-type", "too-many-tries", "too-many-pages", "failed", "database-away",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    status: int
    title: str


KINDS: Final[Mapping[ProblemCode, Kind]] = {
    "bad-request": Kind(400, "The request cannot be read"),
    "wrong-host": Kind(400, "Another host was meant"),
    "not-signed-in": Kind(401, "Nobody is signed in"),
    "wrong-password": Kind(401, "Name or password is wrong"),
    "wrong-form": Kind(403, "The form is out of date or of another site"),
    "not-allowed": Kind(403, "The role does not allow it"),
    "must-change-password": Kind(403, "The password has to be changed first"),
    "not-found": Kind(404, "There is no such thing"),
    "wrong-method": Kind(405, "This cannot be done with it"),
    "conflict": Kind(409, "It has changed in between"),
    "name-taken": Kind(409, "The name is taken"),
    "last-admin": Kind(409, "The last admin stays"),
    "too-large": Kind(413, "The request is too large"),
    "wrong-type": Kind(415, "The request is of another type"),
    "invalid": Kind(422, "Something in the request cannot be taken"),
    "weak-password": Kind(422, "The password is easily guessed"),
    "too-many-tries": Kind(429, "Too many tries"),
    "failed": Kind(500, "Something is broken"),
    "too-many-pages": Kind(503, "Too many pages are open"),
    "database-away": Kind(503, "The database cannot be used at present"),
}
BY_STATUS: Final[Mapping[int, ProblemCode]] = {
    400: "bad-request",
    401: "not-signed-in",
    403: "not-allowed",
    404: "not-found",
    405: "wrong-method",
    409: "conflict",
    413: "too-large",
    415: "wrong-type",
    422: "invalid",
    429: "too-many-tries",
}


class Mistake(BaseModel):
    """One value that cannot be taken."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    where: str
    """As ``body.name`` or ``query.limit``."""
    what: str
    """Why; the value itself is not repeated."""


class Problem(BaseModel):
    """Why a request is not met. Nothing has changed then."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = Field(examples=[f"{URN}not-found"])
    """``urn:ffe-edge:problem:`` and the code."""
    title: str
    """What kind of problem it is, in English."""
    status: int
    """As in the answer's first line."""
    detail: str
    """What to do, in English."""
    mistakes: list[Mistake] | None = None
    """Where the request holds values that cannot be taken."""


class ProblemError(Exception):
    """A request is not met."""

    def __init__(self, code: ProblemCode, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Say why.

        Args:
            code: the kind.
            detail: one English line.
            headers: of the answer, beside the usual ones.
        """
        super().__init__(detail)
        self.code: ProblemCode = code
        self.detail = detail
        self.headers = dict(headers or {})


def problem_answer(
    code: ProblemCode,
    detail: str,
    mistakes: list[Mistake] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a program."""
    kind = KINDS[code]
    problem = Problem(type=URN + code, title=kind.title, status=kind.status, detail=detail, mistakes=mistakes)
    text = problem.model_dump_json(exclude_none=True)
    return Response(text, kind.status, dict(headers or {}), MEDIA_TYPE)


def documented(*codes: ProblemCode) -> dict[int | str, dict[str, Any]]:
    """What a route may answer instead, for the description of the interface.

    A body that may be invalid may also be unreadable, or too large.
    """
    codes += ("bad-request", "too-large") if "invalid" in codes else ()
    found: dict[int | str, dict[str, Any]] = {}
    schema = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for code in codes:
        status, title = KINDS[code].status, KINDS[code].title
        before = found.get(status)
        words = f"{before['description']}; or: {title} (`{code}`)" if before else f"{title} (`{code}`)"
        found[status] = {"description": words, "content": schema}
    return found
