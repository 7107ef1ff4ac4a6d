"""What comes in, put together: subscriber, writer, the nodes that are asked. The store is where it begins and ends."""

from __future__ import annotations

import secrets
from typing import Final
from zoneinfo import ZoneInfo

from ffe_edge.config import BrokerSettings
from ffe_edge.dashboard import options
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.last_known import last_known
from ffe_edge.dashboard.link import Received
from ffe_edge.dashboard.nodes import Nodes
from ffe_edge.dashboard.present import Present
from ffe_edge.dashboard.sequence_book import SequenceBook
from ffe_edge.dashboard.subscriber import Subscriber
from ffe_edge.dashboard.writer import Ends, Writer

CLIENT_ID: Final = "ffe-dashboard-"


class Intake:
    """What is told at the broker comes into the store, and then into the picture of the moment."""

    def __init__(self, database: Database, broker: BrokerSettings, zone: ZoneInfo, present: Present) -> None:
        """Put together; nothing is connected before ``start``.

        Args:
            database: the store, with its tables.
            broker: where the nodes tell.
            zone: of the home.
            present: the picture of the moment.

        Raises:
            BrokerError: no broker is set, or the password or a certificate cannot be read.
            StoreError: the store cannot be used.
        """
        self.book = SequenceBook()
        with database.writing() as connection:
            client_id = options.read(connection, "client-id")
            if not isinstance(client_id, str):
                client_id = f"{CLIENT_ID}{secrets.token_hex(6)}"
                options.write(connection, "client-id", client_id)
            self.book.load(connection)
            present.recall(last_known(connection))
        self.subscriber = Subscriber(broker, client_id, self._received, present.set_broker)
        self.writer = Writer(
            database,
            broker.root_topic,
            zone,
            self.book,
            Ends(self.subscriber.acknowledge, present.committed, present.set_store),
        )
        self.nodes = Nodes(
            database,
            self.book,
            root_topic=broker.root_topic,
            response_level=self.subscriber.response_level,
            ask=self.subscriber.ask,
            acknowledge=self.subscriber.acknowledge,
            forgotten=present.forget,
        )

    def start(self) -> None:
        """Take in from now on."""
        self.writer.start()
        self.subscriber.start()
        self.nodes.start()

    def stop(self) -> None:
        """Store what has come, and let go of the broker; it keeps what comes from now on."""
        self.nodes.stop()
        self.writer.stop()
        self.subscriber.stop()

    def _received(self, received: Received) -> None:
        if self.nodes.is_answer(received):
            self.nodes.take(received)
        else:
            self.writer.put(received)
