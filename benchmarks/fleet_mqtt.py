"""As much of MQTT 5 as a simulated node speaks, in so few bytes of Python that one process holds a thousand of them.

Source: OASIS, MQTT Version 5.0, 2019.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
SESSION_EXPIRY: Final = b"\x11" + (60).to_bytes(4, "big")
RECEIVE_MAXIMUM: Final = b"\x21" + (20).to_bytes(2, "big")
WILL_DELAY: Final = b"\x18" + (2).to_bytes(4, "big")
KEEPALIVE_SECONDS: Final = 60
PING: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"


def text(value: str) -> bytes:
    """A UTF-8 string with its length."""
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def variable(number: int) -> bytes:
    """A variable byte integer."""
    found = bytearray()
    while True:
        number, low = divmod(number, 128)
        found.append(low | (0x80 if number else 0))
        if not number:
            return bytes(found)


def packet(kind: int, body: bytes) -> bytes:
    """A control packet."""
    return bytes((kind,)) + variable(len(body)) + body


def connect(client_id: str, will_topic: str, will: bytes) -> bytes:
    """CONNECT as the device sends it: no clean start, a retained will of QoS 1 that is told after two seconds."""
    properties = SESSION_EXPIRY + RECEIVE_MAXIMUM
    head = text("MQTT") + b"\x05" + b"\x2c" + KEEPALIVE_SECONDS.to_bytes(2, "big")
    last = variable(len(WILL_DELAY)) + WILL_DELAY + text(will_topic) + len(will).to_bytes(2, "big") + will
    return packet(0x10, head + variable(len(properties)) + properties + text(client_id) + last)


def subscribe(topic_filter: str) -> bytes:
    """SUBSCRIBE with QoS 1; what is retained is not wanted."""
    return packet(0x82, b"\x00\x01\x00" + text(topic_filter) + b"\x29")


def publish(
    topic: str, payload: bytes, *, number: int | None, retain: bool, expiry_seconds: int | None = None
) -> bytes:
    """PUBLISH; ``number`` is the packet's, None: QoS 0."""
    properties = b"\x01\x01\x03" + text("application/json")
    if expiry_seconds is not None:
        properties += b"\x02" + expiry_seconds.to_bytes(4, "big")
    identifier = b"" if number is None else number.to_bytes(2, "big")
    kind = PUBLISH | (0x02 if number is not None else 0) | (0x01 if retain else 0)
    return packet(kind, text(topic) + identifier + variable(len(properties)) + properties + payload)


class Connection(asyncio.Protocol):
    """Cuts what comes into packets, and tells of the three kinds that matter."""

    def __init__(
        self,
        accepted: Callable[[int], None],
        acknowledged: Callable[[int, int], None],
        lost: Callable[[], None],
    ) -> None:
        """Not connected yet.

        Args:
            accepted: told the reason code of CONNACK.
            acknowledged: told a packet's number and the reason code.
            lost: the connection has ended.
        """
        self._accepted = accepted
        self._acknowledged = acknowledged
        self._lost = lost
        self._buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.commands = 0
        """Messages that came for the node."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio has connected."""
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """Asyncio has lost it."""
        self.transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Asyncio has bytes."""
        self._buffer += data
        while (found := _next(self._buffer)) is not None:
            self._take(*found)

    def send(self, data: bytes) -> None:
        """Write, where there is a connection."""
        if self.transport is not None:
            self.transport.write(data)

    def _take(self, kind: int, body: bytes) -> None:
        if kind & 0xF0 == CONNACK:
            self._accepted(body[1])
        elif kind & 0xF0 == PUBACK:
            self._acknowledged(int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0)
        elif kind & 0xF0 == PUBLISH:
            self.commands += 1
            if kind & 0x06:
                at = 2 + int.from_bytes(body[:2], "big")
                self.send(packet(PUBACK, body[at : at + 2]))


def _next(buffer: bytearray) -> tuple[int, bytes] | None:
    """Take the first whole packet out."""
    length, at = 0, 1
    while True:
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if not buffer[at - 1] & 0x80:
            break
    if len(buffer) < at + length:
        return None
    kind, body = buffer[0], bytes(buffer[at : at + length])
    del buffer[: at + length]
    return kind, body
