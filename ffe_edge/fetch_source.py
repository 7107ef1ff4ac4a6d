"""Where a file comes from: a path, or a server over TLS; from its start, or from where an earlier try was cut."""

from __future__ import annotations

import http.client
import re
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from ffe_edge.errors import ModelError

TIMEOUT_SECONDS: Final = 30.0
"""Of silence."""
_SPAN: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that has begun to answer."""

    start: int
    """The byte of the file that comes first."""
    size: int | None
    """Of the whole file, where the source says so."""
    read: Callable[[int], bytes]
    """At most so many of the next bytes; none at its end, or where it was cut."""


def is_address(where: str) -> bool:
    """Whether it is meant as the address of a server, not as a path."""
    return "://" in where


def check_address(where: str, *, allow_http: bool = False) -> None:
    """Only TLS unless allowed otherwise, and no password where it would be shown.

    Raises:
        ModelError: it is another kind of address.
    """
    try:
        parts = urlsplit(where)
        is_ours = parts.scheme in _schemes(allow_http=allow_http) and bool(parts.hostname)
    except ValueError:
        is_ours = False
    if not is_ours:
        raise ModelError(f"{where}: is no https:// address; files are fetched over TLS only, or give a path")
    if "@" in parts.netloc:
        raise ModelError(f"{parts.hostname}: give the address without a user name and a password")


@contextmanager
def opened(where: str, start: int = 0, ca_file: Path | None = None, *, allow_http: bool = False) -> Iterator[Opened]:
    """A file somewhere else; its ``read`` raises ``ModelError``, too.

    Args:
        where: a path, or an address that begins with ``https://``.
        start: the byte to go on from; a source that cannot begins with the first.
        ca_file: certificates (PEM) that are trusted instead of the system's.
        allow_http: also without TLS.

    Raises:
        ModelError: it cannot be had, is no plain file, or is not served over TLS.
    """
    with ExitStack() as stack:
        with _told(where):
            if is_address(where):
                check_address(where, allow_http=allow_http)
                schemes = _schemes(allow_http=allow_http)
                found = _from_answer(where, stack.enter_context(_asked(where, start, ca_file, schemes)))
            else:
                found = _from_file(where, stack.enter_context(Path(where).open("rb")), start)
        yield found


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ModelError(f"{where}: cannot be fetched ({reason}); run it again, or give a copy with --from") from error


def _reading(where: str, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    def told(most: int) -> bytes:
        with _told(where):
            return read(most)

    return told


class _OnlyThese(urllib.request.HTTPRedirectHandler):
    """A server may send us elsewhere, but not to where everybody can listen."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in self._schemes:
            raise ModelError(
                f"{req.full_url}: redirects to {newurl}, which is no https:// address; nothing was fetched"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _schemes(*, allow_http: bool) -> tuple[str, ...]:
    return ("https", "http") if allow_http else ("https",)


def _asked(where: str, start: int, ca_file: Path | None, schemes: tuple[str, ...]) -> Any:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise ModelError(f"{ca_file}: holds no certificates ({error.strerror}); give a PEM file") from error
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        *([urllib.request.HTTPHandler()] if "http" in schemes else []),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _OnlyThese(schemes),
    ):
        opener.add_handler(handler)
    headers = {"Accept-Encoding": "identity", "User-Agent": "ffe-edge"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return opener.open(urllib.request.Request(where, headers=headers), timeout=TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _asked(where, 0, ca_file, schemes)
        raise


def _from_answer(where: str, answer: Any) -> Opened:
    read = _reading(where, answer.read)
    span = _SPAN.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        if span is None:
            raise ModelError(f"{where}: sends a part without saying which; give a copy with --from")
        return Opened(int(span[1]), int(span[2]), read)
    length = answer.headers.get("Content-Length", "")
    return Opened(0, int(length) if length.isdecimal() else None, read)


def _from_file(where: str, file: IO[bytes], start: int) -> Opened:
    found = Path(where).stat()
    if not stat.S_ISREG(found.st_mode):
        raise ModelError(f"{where}: cannot be fetched (no plain file); give the file itself")
    file.seek(start)
    return Opened(start, found.st_size, _reading(where, file.read))
