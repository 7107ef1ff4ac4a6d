"""A file is stored only when it is the pinned one."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ffe_edge.errors import ModelError
from ffe_edge.faces import YUNET_FILE
from ffe_edge.fetch import YUNET, Download, fetch

CONTENT = b"the pinned file" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """What the paths of the server say."""

    def do_GET(self) -> None:
        if self.path == "/garbage":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            return
        body = {"/good": CONTENT, "/other": b"another file", "/cut": CONTENT[:100]}.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(CONTENT) if self.path == "/cut" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "models"
    monkeypatch.setenv("FFE_MODELS", str(folder))
    return folder


def pinned(url: str = "http://127.0.0.1:9/never") -> Download:
    return Download("some.onnx", url, DIGEST, "Apache-2.0")


def test_a_file_is_fetched_and_put_where_it_is_looked_for(server: str, models: Path) -> None:
    path = fetch(pinned(f"{server}/good"))
    assert (path, path.read_bytes()) == (models / "some.onnx", CONTENT)
    assert list(models.iterdir()) == [path]


@pytest.mark.parametrize("by", ["url", "path"])
def test_another_source_may_be_named(server: str, models: Path, tmp_path: Path, by: str) -> None:
    by_hand = tmp_path / "by-hand.onnx"
    by_hand.write_bytes(CONTENT)
    path = fetch(pinned(), f"{server}/good" if by == "url" else str(by_hand))
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("answer", ["other", "cut"])
def test_another_file_than_the_pinned_one_is_not_stored(server: str, models: Path, answer: str) -> None:
    with pytest.raises(ModelError, match=f"{answer}: has SHA-256 .* nothing was stored"):
        fetch(pinned(), f"{server}/{answer}")
    assert not models.exists()


def test_an_earlier_file_survives_a_wrong_one(server: str, models: Path) -> None:
    path = fetch(pinned(f"{server}/good"))
    with pytest.raises(ModelError):
        fetch(pinned(f"{server}/other"))
    assert path.read_bytes() == CONTENT


def test_an_earlier_file_is_replaced_by_the_pinned_one(server: str, models: Path) -> None:
    models.mkdir(parents=True)
    (models / "some.onnx").write_bytes(b"old")
    assert fetch(pinned(f"{server}/good")).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_told(server: str, models: Path) -> None:
    with pytest.raises(ModelError, match=r"/nowhere: cannot be fetched \(Not Found\)"):
        fetch(pinned(), f"{server}/nowhere")


@pytest.mark.parametrize(
    "source", [pytest.param("nowhere.onnx", id="missing"), pytest.param("http://[::1/x", id="no-url")]
)
def test_a_source_that_is_none_is_told(models: Path, source: str) -> None:
    with pytest.raises(ModelError, match="cannot be fetched"):
        fetch(pinned(), source)


def test_a_server_that_speaks_no_http_is_told(server: str, models: Path) -> None:
    with pytest.raises(ModelError, match="garbage: cannot be fetched"):
        fetch(pinned(), f"{server}/garbage")


def test_a_refused_connection_says_what_to_do(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/good"
    with pytest.raises(ModelError, match=r"cannot be fetched .*--from PATH"):
        fetch(pinned(url))


def test_a_folder_that_cannot_be_written_is_named(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FFE_MODELS", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"some\.onnx: cannot be written .*FFE_MODELS"):
        fetch(pinned(f"{server}/good"))


def test_the_pinned_detector_is_the_one_that_was_tried(shared: Path) -> None:
    data = (shared / "detector_yunet" / YUNET_FILE).read_bytes()
    assert (YUNET.name, YUNET.sha256) == (YUNET_FILE, hashlib.sha256(data).hexdigest())
