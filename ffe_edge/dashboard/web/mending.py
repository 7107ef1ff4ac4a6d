"""What becomes of an exception: a problem in JSON for programs, a page for people. Never a traceback."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.web.login import login_address
from ffe_edge.dashboard.web.problem import API, BY_STATUS, Mistake, ProblemCode, ProblemError, problem_answer
from ffe_edge.dashboard.web.render import render_problem
from ffe_edge.errors import StoreError

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = "5"
TELL_EVERY_SECONDS: Final = 60.0
MAX_MISTAKES: Final = 20


def add_handlers(app: FastAPI) -> None:
    """Have the app answer so."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _broken)


def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    if not request.url.path.startswith(API):
        if error.code == "not-signed-in":
            return RedirectResponse(login_address(request), 303)
        if error.code == "must-change-password":
            return RedirectResponse("/password", 303)
    return _answer(request, error.code, error.detail, headers=error.headers)


def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return _answer(request, error.code, error.detail)


def _store(request: Request, error: Exception) -> Response:
    now = time.monotonic()
    if now - request.app.state.away_told_at > TELL_EVERY_SECONDS:
        request.app.state.away_told_at = now
        logger.warning("a page could not be shown: %s", error)
    headers = {"Retry-After": RETRY_SECONDS}
    return _answer(request, "database-away", "the database cannot be reached: try again soon", headers=headers)


def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [
        Mistake(where=".".join(str(part) for part in each["loc"]), what=str(each["msg"]))
        for each in error.errors()[:MAX_MISTAKES]
    ]
    return _answer(request, "invalid", "mend what is named in mistakes", found)


def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = BY_STATUS.get(error.status_code, "bad-request")
    return _answer(request, code, str(error.detail), headers=error.headers)


def _broken(request: Request, _error: Exception) -> Response:
    """A mistake of ours: the log has it, the answer only that it is so."""
    return _answer(request, "failed", "this is a fault of the program; its log says more")


def _answer(
    request: Request,
    code: ProblemCode,
    detail: str,
    mistakes: list[Mistake] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    if request.url.path.startswith(API):
        return problem_answer(code, detail, mistakes, headers)
    if not hasattr(request.state, "session"):
        request.state.session = None  # the database may be away: a page that says so asks nothing of it
    answer = render_problem(request, code, detail)
    answer.headers.update(headers or {})
    return answer
