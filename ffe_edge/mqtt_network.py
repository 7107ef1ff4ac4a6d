"""What every connection of ours to a broker does with paho: the network when it is ready, MQTT 5 properties."""

from __future__ import annotations

import selectors
import socket
import ssl

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties


def pump(client: paho.Client, waker: socket.socket, seconds: float) -> None:
    """Do what the network asks for; returns after ``seconds``, or sooner when something came or ``waker`` did."""
    connection = client.socket()
    if connection is None:
        return
    buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
    with selectors.PollSelector() as selector:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.want_write() else 0)
        selector.register(connection, wanted)
        selector.register(waker, selectors.EVENT_READ)
        ready = {key.fileobj: events for key, events in selector.select(0 if buffered else seconds)}
    if waker in ready:
        waker.recv(4096)
    if buffered or ready.get(connection, 0) & selectors.EVENT_READ:
        client.loop_read()
    if ready.get(connection, 0) & selectors.EVENT_WRITE:
        client.loop_write()
    client.loop_misc()


def properties_of(version: str, packet: int, **values: object) -> Properties | None:
    """Properties of a packet; None before MQTT 5, which has none."""
    if version != "MQTT 5":
        return None
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho's
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
