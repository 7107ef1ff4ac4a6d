"""An MQTT 3.1.1 broker in pure Python: amqtt in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ffe_edge.errors import BrokerError

logger = logging.getLogger(__name__)

START_SECONDS = 10.0
STOP_SECONDS = 5.0
SHUTDOWN_SECONDS = 1.0


@contextmanager
def amqtt(port: int) -> Iterator[None]:
    """Run amqtt, silently.

    Raises:
        BrokerError: it is not installed, or does not start on this port.
    """
    thread = _AmqttThread(port)
    with _silenced("amqtt", "transitions"):
        thread.start()
        try:
            thread.wait_ready()
            yield
        finally:
            thread.stop()


@contextmanager
def _silenced(*names: str) -> Iterator[None]:
    """Hold back loggers that tell of every packet and of every client that leaves."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class _AmqttThread:
    def __init__(self, port: int) -> None:
        self._thread = threading.Thread(target=self._run, name="demo-broker", daemon=True)
        self._bind = f"127.0.0.1:{port}"
        self._stop_wanted = threading.Event()
        self._ready = threading.Event()
        self._is_running = False
        self._refusal: BrokerError | None = None

    def start(self) -> None:
        self._thread.start()

    def wait_ready(self) -> None:
        self._ready.wait(START_SECONDS)
        if not self._is_running:
            raise self._refusal or BrokerError(f"demo broker: amqtt does not start on {self._bind}")

    def stop(self) -> None:
        self._stop_wanted.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_quietly)
        try:
            broker = await _started(self._bind)
            self._is_running = True
        except BrokerError as error:
            self._refusal = error
            return
        finally:
            self._ready.set()
        await loop.run_in_executor(None, self._stop_wanted.wait)
        await _shut_down(broker)


async def _started(bind: str) -> Any:
    try:
        from amqtt.broker import Broker
        from amqtt.errors import AMQTTError
        from amqtt.errors import BrokerError as AmqttBrokerError
    except ImportError as error:
        raise BrokerError("demo broker: no MQTT broker is installed") from error
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": bind}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    broker.stream_connected = _closing(broker.stream_connected)
    try:
        await broker.start()
    except (AMQTTError, AmqttBrokerError) as error:
        raise BrokerError(f"demo broker: amqtt does not start on {bind} ({error})") from error
    return broker


def _closing(serve: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Closes the connection of a client that amqtt refuses, too: one that speaks MQTT 5, say."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str) -> None:
        try:
            await serve(reader, writer, listener_name)
        finally:
            writer.close()

    return served


async def _shut_down(broker: Any) -> None:
    """Amqtt can wait for ever for a client that stays; what is left is cancelled with the loop."""
    try:
        await asyncio.wait_for(broker.shutdown(), SHUTDOWN_SECONDS)
    except asyncio.TimeoutError:
        logger.debug("amqtt does not end by itself and is cancelled")


def _log_quietly(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    logger.debug("amqtt: %s", context.get("message"))
