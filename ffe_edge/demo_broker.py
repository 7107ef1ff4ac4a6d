"""An MQTT broker for ``ffe-edge demo``, on the loopback only and gone with the program.

A real mosquitto when it is installed; else amqtt, which is pure Python and speaks MQTT 3.1.1 only.
Neither keeps anything on disk.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from types import TracebackType
from typing import Literal, final

from ffe_edge.demo_amqtt import amqtt
from ffe_edge.demo_mosquitto import find_mosquitto, mosquitto
from ffe_edge.errors import BrokerError

BrokerKind = Literal["mosquitto", "amqtt"]

ATTEMPTS = 3
"""A free port can be taken by another program before the broker has it."""


@final
class DemoBroker:
    """``with DemoBroker() as broker: connect(broker.url)``.

    Enter it in a thread that lives as long as the broker shall, best the main one: on Linux mosquitto is killed
    by the kernel when the thread that started it dies, so that it outlives neither SIGTERM nor SIGKILL of its parent.
    """

    def __init__(self, kind: Literal["auto", "mosquitto", "amqtt"] = "auto") -> None:
        self.url = ""
        """``mqtt://127.0.0.1:<port>`` once entered."""
        self.kind: BrokerKind = "amqtt"
        """Which broker it has become, once entered."""
        self._wanted = kind
        self._running = ExitStack()

    def __enter__(self) -> DemoBroker:
        """Start it.

        Raises:
            BrokerError: neither broker is installed, or the one chosen does not start.
        """
        program = find_mosquitto()
        if self._wanted == "mosquitto" and program is None:
            raise BrokerError("demo broker: mosquitto is not installed; apt-get install mosquitto")
        if self._wanted == "amqtt" or program is None:
            self._start("amqtt", amqtt)
        else:
            self._start("mosquitto", partial(mosquitto, program))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it now; doing so twice is allowed. A demo of a broken broker calls it early."""
        self._running.close()

    def _start(self, kind: BrokerKind, run: Callable[[int], AbstractContextManager[None]]) -> None:
        refusal = None
        for _ in range(ATTEMPTS):
            port = free_port()
            try:
                self._running.enter_context(run(port))
            except BrokerError as error:
                refusal = error
                continue
            self.kind, self.url = kind, f"mqtt://127.0.0.1:{port}"
            return
        raise BrokerError(f"{refusal}; apt-get install mosquitto, or pip install 'ffe-edge[demo]'") from refusal


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
