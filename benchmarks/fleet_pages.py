"""Pages that are open while a fleet tells: each holds the floor's stream as a browser does, and reads all of it.

They are one program of their own, so that their work is told apart: `python benchmarks/fleet_pages.py URL NUMBER` with
the session's cookie on standard input; a line of JSON for each line that is asked for there.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

STOP_SECONDS: Final = 10.0
LINE_BYTES: Final = 2**24
"""A picture of everything, in one line."""


@dataclass
class Heard:
    """What one page has got."""

    bytes: int = 0
    updates: int = 0
    snapshots: int = 0
    """The first one, and one for each time that the page was too slow for the news."""


@dataclass(frozen=True)
class Pages:
    """So many open pages."""

    child: subprocess.Popen[str] | None

    def heard(self) -> dict[str, int]:
        """Sums over all pages, since they were opened."""
        if self.child is None or self.child.stdin is None or self.child.stdout is None:
            return {}
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        sums: dict[str, int] = json.loads(self.child.stdout.readline())
        return sums


@contextmanager
def opened(url: str, one_time_password: str, number: int) -> Iterator[Pages]:
    """Sign in as the first user and open so many pages."""
    if not number:
        yield Pages(None)
        return
    command = [sys.executable, str(Path(__file__)), url, str(number)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if child.stdin is not None:
            child.stdin.write(_session(url, one_time_password) + "\n")
        pages = Pages(child)
        while pages.heard()["snapshots"] < number:
            time.sleep(0.1)
        yield pages
    finally:
        child.terminate()
        child.wait(STOP_SECONDS)
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                stream.close()


def _session(url: str, one_time_password: str) -> str:
    """The cookie of a session that may look."""
    chosen = "a fleet of none that exist"
    cookie, csrf = _posted(f"{url}api/v1/session", {"name": "admin", "password": one_time_password}, {})
    words = {"old": one_time_password, "new": chosen}
    return _posted(f"{url}api/v1/me/password", words, {"Cookie": cookie, "X-CSRF-Token": csrf})[0]


def _posted(url: str, words: dict[str, str], headers: dict[str, str]) -> tuple[str, str]:
    request = urllib.request.Request(url, json.dumps(words).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=30) as answer:
        (cookie,) = re.findall(r"^[^;]+", answer.headers["Set-Cookie"])
        return cookie, json.load(answer)["csrf"]


async def _read(url: str, cookie: str, heard: Heard) -> None:
    """One page, as long as the stream lasts."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=LINE_BYTES)
    head = f"GET /api/v1/stream HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookie}\r\n\r\n"
    writer.write(head.encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise SystemExit(f"no page was opened: {status.decode().strip()}")
    while line := await reader.readline():
        heard.bytes += len(line)
        heard.updates += line == b"event: update\n"
        heard.snapshots += line == b"event: snapshot\n"


async def _pages(url: str, number: int) -> None:
    loop, pages = asyncio.get_running_loop(), [Heard() for _ in range(number)]
    cookie = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
    reading = [asyncio.ensure_future(_read(url, cookie, page)) for page in pages]
    while await loop.run_in_executor(None, sys.stdin.readline):
        for page in reading:
            if page.done():
                page.result()
        sums: dict[str, Any] = {name: sum(vars(page)[name] for page in pages) for name in vars(pages[0])}
        sums["open"] = sum(not page.done() for page in reading)
        print(json.dumps(sums), flush=True)
    for page in reading:
        page.cancel()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_pages(sys.argv[1], int(sys.argv[2])))
