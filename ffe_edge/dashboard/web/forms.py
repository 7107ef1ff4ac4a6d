"""What the pages' forms send, made into what the interface for programs takes."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from fastapi import Form
from pydantic import BaseModel, ValidationError
from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response

from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.web.problem import KINDS, ProblemError

MAX_NUMBER: Final = 2**31 - 1
Text = Annotated[str, Form()]
Model = TypeVar("Model", bound=BaseModel)
Refusal = ProblemError | RefusedError
"""Why a form comes back."""


def asked(model: type[Model], **values: object) -> Model:
    """The body that a program would send.

    Raises:
        ProblemError: something in it cannot be taken.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProblemError("invalid", f"{where}: {first['msg']}") from error


def status_of(problem: Refusal | None) -> int:
    """Of the page that a form comes back on."""
    return KINDS[problem.code].status if problem else 200


def or_none(text: str) -> str | None:
    """An empty field is none."""
    return text.strip() or None


def number(text: str) -> int | None:
    """A field that holds a whole number, or nothing.

    Raises:
        ProblemError: it holds something else.
    """
    if not (told := text.strip()):
        return None
    if not told.isascii() or not told.removeprefix("-").isdigit() or len(told) > 10 or abs(int(told)) > MAX_NUMBER:
        raise ProblemError("invalid", "a whole number is needed")
    return int(told)


def lines(text: str) -> str:
    """Several lines, ended as everywhere but in forms."""
    return text.replace("\r\n", "\n").strip()


def done(path: str, said: str = "saved") -> Response:
    """Go back to the page, which says so."""
    return RedirectResponse(str(URL(path).include_query_params(done=said)), 303)
