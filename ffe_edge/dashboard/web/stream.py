"""News for open pages: server-sent events.

Each page has messages of its own that wait for it; one that is slow gets a new picture instead of all it has missed,
and never holds the others. Source: WHATWG, HTML, section 9.2, Server-sent events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from threading import Event
from typing import Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ffe_edge.dashboard import sessions
from ffe_edge.dashboard.sessions import SEEN_EVERY_MS, Session
from ffe_edge.dashboard.web.problem import ProblemError, documented
from ffe_edge.dashboard.web.seams import Parts
from ffe_edge.dashboard.web.session import Carer, SignedIn, parts_of
from ffe_edge.errors import StoreError

MAX_FOLLOWERS: Final = 64
BEAT_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.25
"""How soon an open stream notices that the server stops."""
CHECK_SECONDS: Final = 10.0
"""How soon it notices that its session has ended."""

router: Final = APIRouter()


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get(
    "/stream",
    response_class=EventStream,
    responses=documented("not-signed-in", "not-allowed", "must-change-password", "too-many-pages", "database-away"),
    summary="News of the floor as they come",
)
def stream(request: Request, session: SignedIn, _user: Carer) -> Response:
    """Server-sent events: ``snapshot`` (all there is), ``update``, ``beat`` every 5 s, ``signed-out`` at the end.

    An update has the nodes, cameras and people that are new or other since the one before; ``gone`` names those that
    are no more.
    """
    parts = parts_of(request)
    if parts.present.followers >= MAX_FOLLOWERS:
        raise ProblemError("too-many-pages", "close a page first", {"Retry-After": "10"})
    closing: Event = request.app.state.closing
    return EventStream(_events(parts, session, closing), headers={"X-Accel-Buffering": "no"})


async def _events(parts: Parts, session: Session, closing: Event) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    follower = parts.present.follow(lambda: _wake(loop, news))
    beat_at = time.monotonic()
    check_at = beat_at + CHECK_SECONDS
    try:
        yield "retry: 1000\n\n"
        while not closing.is_set():
            for kind, text in parts.present.take(follower):
                yield f"event: {kind}\ndata: {text}\n\n"
            now = time.monotonic()
            if now >= check_at:
                check_at = now + CHECK_SECONDS
                if not await run_in_threadpool(_is_alive, parts, session):
                    yield "event: signed-out\ndata: {}\n\n"
                    return
            if now >= beat_at:
                beat_at = now + BEAT_SECONDS
                yield "event: beat\ndata: {}\n\n"
            await _wait(news)
            news.clear()
    finally:
        parts.present.unfollow(follower)


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(news.set)


async def _wait(news: asyncio.Event) -> None:
    waiting = asyncio.ensure_future(news.wait())
    try:
        await asyncio.wait({waiting}, timeout=LOOK_SECONDS)
    finally:
        waiting.cancel()


def _is_alive(parts: Parts, session: Session) -> bool:
    """Whether the session goes on. An open page counts as use; without the database nobody is signed out."""
    now_ms = parts.now_ms()
    try:
        with parts.database.reading() as connection:
            found = sessions.find_hashed(connection, session.token_hash, now_ms)
        if found is not None and now_ms - found.seen_ms >= SEEN_EVERY_MS:
            with parts.database.writing() as connection:
                sessions.seen(connection, found, now_ms)
    except StoreError:
        return True
    return found is not None and not found.user.must_change
