"""Messages to another program, at a real HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import pytest
from e2e.mosquitto import free_port, wait_for

from ffe_edge.dashboard.settings import WebhookSettings
from ffe_edge.dashboard.webhook import MAX_WAITING, Address, Webhook
from ffe_edge.errors import ConfigError

SECRET = b"0123456789abcdef"


@final
class Receiver:
    """What came, and what is answered: the given answers one after another, then 204."""

    def __init__(self, *answers: int) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers = list(answers)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((dict(self.headers.items()), body))
                status = receiver.answers.pop(0) if receiver.answers else 204
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/alerts?key=k"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def sending(url: str, tmp_path: Path, retry: tuple[float, ...] = (0.05, 0.05)) -> Iterator[Webhook]:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    address = Address.from_settings(WebhookSettings(url=url, secret_file=secret))
    assert address is not None
    webhook = Webhook(address, retry_seconds=retry, clock=lambda: 1_790_000_000.9)
    webhook.start()
    try:
        yield webhook
    finally:
        webhook.stop()


def test_a_message_arrives_signed(tmp_path: Path) -> None:
    with Receiver() as receiver, sending(receiver.url, tmp_path) as webhook:
        webhook.tell({"alert": 7, "rule": "悲しみ"})
        assert wait_for(lambda: webhook.sent == 1)
    [(headers, body)] = receiver.got
    assert json.loads(body) == {"alert": 7, "rule": "悲しみ"}
    expected = hmac.new(SECRET, b"1790000000." + body, hashlib.sha256).hexdigest()
    assert (headers["FFE-Time"], headers["FFE-Signature"]) == ("1790000000", f"sha256={expected}")


def test_what_fails_is_tried_again_under_the_same_id(tmp_path: Path) -> None:
    with Receiver(503, 500) as receiver, sending(receiver.url, tmp_path) as webhook:
        webhook.tell({"alert": 1})
        assert wait_for(lambda: webhook.sent == 1)
    assert len({headers["FFE-Delivery"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 404])
def test_what_will_not_change_is_not_tried_again_and_a_redirect_not_followed(
    tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), Receiver(status) as receiver, sending(receiver.url, tmp_path) as webhook:
        webhook.tell({"alert": 1})
        assert wait_for(lambda: webhook.given_up == 1)
    assert len(receiver.got) == 1
    assert "key=k" not in caplog.text


def test_after_the_last_try_it_is_given_up(tmp_path: Path) -> None:
    with sending(f"http://127.0.0.1:{free_port()}/", tmp_path) as webhook:
        webhook.tell({"alert": 1})
        assert wait_for(lambda: webhook.given_up == 1)
        assert webhook.sent == 0


def test_one_that_waits_for_its_next_try_holds_up_no_other(tmp_path: Path) -> None:
    with Receiver(503) as receiver, sending(receiver.url, tmp_path, retry=(30.0,)) as webhook:
        webhook.tell({"alert": 1})
        assert wait_for(lambda: len(receiver.got) == 1)
        webhook.tell({"alert": 2})
        assert wait_for(lambda: webhook.sent == 1)


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    webhook = Webhook(Address("u", False, "127.0.0.1", 1, "/", None))
    for number in range(MAX_WAITING + 5):
        webhook.tell({"alert": number})
    assert webhook.given_up == 5


def test_nobody_is_told_where_no_address_is_set() -> None:
    assert Address.from_settings(WebhookSettings()) is None


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_secret_that_is_none_is_refused_and_not_told(tmp_path: Path, content: bytes | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError, match=r"webhook\.secret_file") as told:
        Address.from_settings(WebhookSettings(url="https://host/", secret_file=secret))
    assert "short" not in str(told.value).replace(str(secret), "")
