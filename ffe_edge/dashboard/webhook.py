"""Tells another program of every alert: a POST of JSON, signed, tried again for a while.

No name stands in it unless the settings want it. The signature is HMAC-SHA256 (RFC 2104) over the time, a full stop and
the body, with the secret that both sides know; who checks the time, too, cannot be fooled with an old message. A
redirect is refused: what is told goes to the address that was set, or nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import logging
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ffe_edge import __version__
from ffe_edge.dashboard.settings import WebhookSettings
from ffe_edge.errors import ConfigError

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = (5.0, 15.0, 60.0, 300.0, 900.0)
"""After so long it is tried again; then it is given up."""
MAX_WAITING: Final = 200
"""Beyond it the oldest are given up."""
MAX_SECRET_BYTES: Final = 4096
MIN_SECRET_BYTES: Final = 16
PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 410, 413, 422})
"""Answers that will be the same next time."""
STOP_SECONDS: Final = 12.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where it is told."""

    url: str
    """Without the query: fit for a log."""
    is_secure: bool
    host: str
    port: int | None
    target: str
    """Path and query."""
    secret: bytes | None = field(repr=False)

    @classmethod
    def from_settings(cls, settings: WebhookSettings) -> Address | None:
        """Read what the settings name; None where nobody is to be told.

        Raises:
            ConfigError: the secret cannot be read, or is too short.
        """
        if settings.url is None:
            return None
        parts = urlsplit(settings.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        return cls(url, parts.scheme == "https", parts.hostname or "", parts.port, target, _secret(settings))


@dataclass(frozen=True, slots=True)
class Told:
    """One message. ``id`` is the same however often it is tried."""

    id: str
    body: bytes
    tried: int = 0
    due: float = 0.0


class Webhook:
    """Sends what ``tell`` is given, in a thread of its own."""

    def __init__(
        self,
        address: Address,
        *,
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is sent before ``start``."""
        self._address = address
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._waiting: deque[Told] = deque()
        self._condition = threading.Condition()
        self._stopping = False
        self._is_failing = False
        self.sent = 0
        """Messages that were taken."""
        self.given_up = 0
        """Messages that nobody took."""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        """Send from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more; what waits is given up."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a JSON object, soon; never waits."""
        body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        with self._condition:
            while len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.given_up += 1
            self._waiting.append(Told(str(uuid.uuid4()), body))
            self._condition.notify_all()

    def _run(self) -> None:
        while (told := self._next()) is not None:
            problem, is_final = self._post(told)
            if not problem:
                self._succeeded()
            else:
                self._failed(told, problem, is_final=is_final)

    def _next(self) -> Told | None:
        """The message that is due first, waited for; None when it is time to stop."""
        with self._condition:
            while not self._stopping:
                first = min(self._waiting, key=lambda told: told.due, default=None)
                now = time.monotonic()
                if first is not None and first.due <= now:
                    self._waiting.remove(first)
                    return first
                self._condition.wait(None if first is None else first.due - now)
            return None

    def _post(self, told: Told) -> tuple[str, bool]:
        """Send a message; returns what went wrong, and whether it will go wrong always."""
        connection = self._connection()
        try:
            connection.request("POST", self._address.target, told.body, self._headers(told))
            with connection.getresponse() as answer:
                status = answer.status
        except (OSError, http.client.HTTPException) as error:
            return getattr(error, "strerror", None) or type(error).__name__, False
        finally:
            connection.close()
        if 200 <= status < 300:
            return "", False
        if 300 <= status < 400:
            return f"it answers {status}, a redirect, and is not followed: set the new address", True
        return f"it answers {status}", status in PERMANENT

    def _connection(self) -> http.client.HTTPConnection:
        address = self._address
        if address.is_secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(address.host, address.port, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_SECONDS)

    def _headers(self, told: Told) -> dict[str, str]:
        moment = str(int(self._clock()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"ffe-edge/{__version__}",
            "FFE-Delivery": told.id,
            "FFE-Time": moment,
        }
        if self._address.secret is not None:
            headers["FFE-Signature"] = signature(self._address.secret, moment, told.body)
        return headers

    def _succeeded(self) -> None:
        self.sent += 1
        if self._is_failing:
            logger.info("webhook %s takes messages again", self._address.url)
        self._is_failing = False

    def _failed(self, told: Told, problem: str, *, is_final: bool) -> None:
        if is_final or told.tried >= len(self._retry_seconds):
            self.given_up += 1
            logger.error("webhook %s: a message is given up (%s)", self._address.url, problem)
            return
        if not self._is_failing:
            logger.warning("webhook %s fails (%s); messages are tried again for a while", self._address.url, problem)
        self._is_failing = True
        due = time.monotonic() + self._retry_seconds[told.tried]
        with self._condition:
            self._waiting.append(Told(told.id, told.body, told.tried + 1, due))


def signature(secret: bytes, moment: str, body: bytes) -> str:
    """What stands in the header: ``sha256=`` and the hexadecimal HMAC over ``<moment>.<body>``."""
    return "sha256=" + hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def _secret(settings: WebhookSettings) -> bytes | None:
    path = settings.secret_file
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            secret = file.read(MAX_SECRET_BYTES + 1).strip()
    except OSError as error:
        raise ConfigError(
            f"webhook.secret_file: {path} cannot be read ({error.strerror}); write a secret into it"
        ) from error
    if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise ConfigError(
            f"webhook.secret_file: {path} holds no secret of {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes; "
            "make one with `openssl rand -hex 32`"
        )
    return secret
