"""What every request passes: the host it names, its size, where it comes from; and headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ffe_edge.dashboard.web.problem import API, KINDS, ProblemCode, problem_answer

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
MAX_BODY_BYTES: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
"""For each part of a request's body."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC: Final = "/static/"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send forms with the origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
HTTPS_ONLY: Final = {"Strict-Transport-Security": "max-age=31536000"}


class Guard:
    """Answers only to the names of this host, and sends the security headers with every answer.

    A page of another site that makes its own name point to 127.0.0.1 (DNS rebinding) still sends that name. A form that
    another site's page sends names that site as its origin.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], *, https_only: bool = False) -> None:
        """Stand before an app.

        Args:
            app: what answers.
            hosts: names that are answered to; ``*`` stands for any IP address.
            https_only: browsers are told never to come by http again.
        """
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._headers = HEADERS | (HTTPS_ONLY if https_only else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What a page shows of people is kept by no cache; files are asked for again, and mostly unchanged.
        caching = "no-cache" if scope["path"].startswith(STATIC) else "no-store"
        headers = self._headers | {"Cache-Control": caching}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if refusal := self._refusal(scope):
            await refusal(scope, receive, send_guarded)
        else:
            await self._app(scope, _limited(receive), send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.get("host", "")):
            return _answer(scope, "wrong-host", "this page answers only to the name of its own host")
        if scope["method"] not in SAFE_METHODS and not _is_own_page(headers):
            return _answer(scope, "wrong-form", "the request comes from a page of another site")
        if _length(headers) > MAX_BODY_BYTES:
            return _answer(scope, "too-large", f"at most {MAX_BODY_BYTES} bytes are taken")
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self._hosts or ("*" in self._hosts and ipaddress.ip_address(name) is not None)
        except ValueError:
            return False


def _is_own_page(headers: Headers) -> bool:
    """Whether the page that sends the request is of this host. Programs that are no browsers say nothing."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


def _length(headers: Headers) -> int:
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else MAX_BODY_BYTES + 1


def _limited(receive: Receive) -> Receive:
    """The request's body: not too long, though its length need not be told beforehand, and not too slow."""
    received = 0
    is_whole = False

    async def limited() -> Message:
        nonlocal received, is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), BODY_SECONDS)
        except asyncio.TimeoutError as error:
            raise HTTPException(KINDS["bad-request"].status, "the request did not come to its end") from error
        received += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if received > MAX_BODY_BYTES:
            raise HTTPException(KINDS["too-large"].status, f"at most {MAX_BODY_BYTES} bytes are taken")
        return message

    return limited


def _answer(scope: Scope, code: ProblemCode, detail: str) -> Response:
    if scope["path"].startswith(API):
        return problem_answer(code, detail)
    return PlainTextResponse(detail, KINDS[code].status)
