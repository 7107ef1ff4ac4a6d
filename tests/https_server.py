"""A real https server on loopback that serves bytes well, badly, or only a part of them."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def certificate(folder: Path) -> Path:
    """A key and a certificate of its own for 127.0.0.1, in one PEM file."""
    pem, key = folder / "server.pem", folder / "server.key"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {pem}"
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    return pem


class Site(ThreadingHTTPServer):
    """What is served, and what was asked for."""

    def __init__(self, pem: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.pem = pem
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        """Path and Range of every request."""
        self.cut_after: int | None = None
        """Bytes of a body after which the connection ends."""
        self.has_ranges = True
        self.says_size = True
        self.redirects: dict[str, str] = {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, pem.with_suffix(".key"))
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no matter."""


class Answers(BaseHTTPRequestHandler):
    """One request."""

    server: Site
    timeout = 10

    def do_GET(self) -> None:
        site, span = self.server, self.headers.get("Range", "")
        site.asked.append((self.path, span))
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
            return
        if self.path not in site.files:
            self.send_error(404)
            return
        self._serve(site.files[self.path], span if site.has_ranges else "")

    def _serve(self, body: bytes, span: str) -> None:
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        if start and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if span else 200)
        if span:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if self.server.says_size:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.cut_after])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(pem: Path) -> Iterator[Site]:
    """The server, running."""
    with Site(pem) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()
