"""A network that can fail without a word: connections stay open, nothing goes through."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, final

CHUNK_BYTES: Final = 65_536


@final
class Proxy:
    """Forwards TCP to a port on loopback; ``blackhole`` lets both directions vanish until ``heal``.

    As on a real link, what was sent into the hole is not lost but forwarded after ``heal``, and who tries to connect
    meanwhile gets nowhere.
    """

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._target = port
        self._others: dict[socket.socket, socket.socket] = {}
        self._lost: list[socket.socket] = []
        self._is_hole = False
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def blackhole(self) -> None:
        self._is_hole = True

    def heal(self) -> None:
        self._is_hole = False

    def _run(self) -> None:
        while not self._closing.is_set():
            if self._is_hole:
                self._lose_new_ones()
                self._closing.wait(0.02)
                continue
            while self._lost:
                self._lost.pop().close()
            for key, _ in self._selector.select(0.02):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._forward(key.fileobj)

    def _lose_new_ones(self) -> None:
        """The kernel accepts for us what a black hole would not."""
        with suppress(BlockingIOError):
            while True:
                self._lost.append(self._listener.accept()[0])

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        near.setblocking(True)
        self.connections += 1
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            self._others[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _forward(self, one: socket.socket) -> None:
        if one not in self._others:  # its other end has just been closed
            return
        try:
            data = one.recv(CHUNK_BYTES)
            self._others[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._hang_up(one)

    def _hang_up(self, one: socket.socket) -> None:
        for each in (one, self._others[one]):
            self._selector.unregister(each)
            del self._others[each]
            each.close()

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(10)
        for one in (*self._others, *self._lost, self._listener):
            one.close()
        self._selector.close()
