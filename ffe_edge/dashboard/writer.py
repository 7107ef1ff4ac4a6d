"""From the subscriber to the store, in a thread of its own: a batch, one transaction, then the acknowledgement.

What is not committed is not acknowledged: the broker has it still, and delivers it again after any crash. While the
database is away nothing is acknowledged, the broker stops at the number of messages that it may send ahead, and keeps
the rest.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from ffe_edge.dashboard.arrivals import Arrival, read_arrival
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.inbox import Inbox
from ffe_edge.dashboard.ingest import Ingested, ingest
from ffe_edge.dashboard.link import Received
from ffe_edge.dashboard.quarantine import Refused, keep
from ffe_edge.dashboard.sequence_book import SequenceBook
from ffe_edge.dashboard.tables import events
from ffe_edge.errors import StoreError
from ffe_edge.messages import EmotionCloudEvent

logger = logging.getLogger(__name__)

MAX_BATCH: Final = 500
GATHER_SECONDS: Final = 0.05
"""So long a batch may wait to become larger."""
RETRY_SECONDS: Final = (0.5, 5.0)
"""Shortest and longest wait before the database is tried again."""
STOP_SECONDS: Final = 10.0
_UNSTORABLE: Final = (SQLAlchemyError, ValueError, ArithmeticError, LookupError)
"""What one strange message may raise; a database that is away raises ``StoreError``."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the start."""

    received: int = 0
    stored: int = 0
    """Messages that were new."""
    repeated: int = 0
    refused: int = 0
    batches: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.received + other.received,
            self.stored + other.stored,
            self.repeated + other.repeated,
            self.refused + other.refused,
            self.batches + other.batches,
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch."""

    counts: Counts
    new: tuple[Arrival, ...]
    residents: dict[str, str]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where things go; all are called from the writer's thread."""

    acknowledge: Callable[[Sequence[Received]], None]
    committed: Callable[[Sequence[Arrival], Mapping[str, str]], None] = lambda _new, _residents: None
    """Told of what is new, after the commit; and by the id of an event, whose time it is counted as."""
    stored_state: Callable[[bool], None] = lambda _: None
    """Told when the database has gone or has come back."""


class Writer:
    """Stores what ``put`` gives it."""

    def __init__(self, database: Database, root_topic: str, zone: ZoneInfo, book: SequenceBook, ends: Ends) -> None:
        """Prepare; nothing is stored before ``start``.

        Args:
            database: the store, with its tables.
            root_topic: what all topics of the nodes begin with.
            zone: of the home.
            book: the sequences of the nodes, loaded.
            ends: who is told.
        """
        self._database = database
        self._root = root_topic
        self._zone = zone
        self._book = book
        self._ends = ends
        self._inbox = Inbox(MAX_BATCH)
        self._counts = Counts()
        self._reason = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    @property
    def counts(self) -> Counts:
        """What was done since the start."""
        return self._counts

    @property
    def reason(self) -> str:
        """Why nothing can be stored at present; empty where it can."""
        return self._reason

    @property
    def waiting(self) -> int:
        """Messages that are received and not stored."""
        return len(self._inbox)

    def start(self) -> None:
        """Store from now on."""
        self._thread.start()

    def put(self, received: Received) -> None:
        """Take a message; for the network thread."""
        self._inbox.put(received)

    def stop(self) -> None:
        """Store what can be stored now; the rest comes again from the broker."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while batch := self._inbox.take(GATHER_SECONDS):
            if not self._stored(batch):
                return

    def _stored(self, batch: Sequence[Received]) -> bool:
        """Store a batch, tried for as long as it takes; False when it is time to stop."""
        delay, longest = RETRY_SECONDS
        while True:
            try:
                self._store(batch)
            except StoreError as error:
                self._failed(str(error))
            else:
                self._succeeded()
                return True
            if self._stopping.wait(delay):
                return False
            delay = min(2 * delay, longest)

    def _store(self, batch: Sequence[Received]) -> None:
        """Store a batch at once; where it holds something strange, each of its messages for itself."""
        try:
            done = self._commit(batch)
        except _UNSTORABLE as error:
            if len(batch) > 1:
                for one in batch:
                    self._store([one])
                return
            logger.warning("a message cannot be stored (%s); it is kept for the admin", type(error).__name__)
            done = self._commit(batch, unstorable=True)
        self._counts += done.counts
        self._ends.acknowledge(batch)
        if done.new:
            self._ends.committed(done.new, done.residents)

    def _commit(self, batch: Sequence[Received], *, unstorable: bool = False) -> Committed:
        read, refused = self._read(batch, unstorable=unstorable)
        with self._database.writing() as connection:
            arrivals = [arrival for arrival, _ in read]
            done = ingest(connection, arrivals, self._zone) if arrivals else Ingested((), 0, ())
            reasons = {id(arrival): reason for arrival, reason in done.refused}
            refused += [
                Refused(arrival.topic, reasons[id(arrival)], payload, arrival.received_ms)
                for arrival, payload in read
                if id(arrival) in reasons
            ]
            keep(connection, refused)
            drafts = self._book.drafted((each for each in arrivals if id(each) not in reasons), done.new)
            self._book.store(connection, drafts)
            residents = residents_of(connection, done.new)
        self._book.take(drafts)
        return Committed(Counts(len(batch), len(done.new), done.repeated, len(refused), 1), done.new, residents)

    def _read(
        self, batch: Sequence[Received], *, unstorable: bool
    ) -> tuple[list[tuple[Arrival, bytes]], list[Refused]]:
        """What each message says, and those that say nothing of this contract."""
        read, refused = [], []
        for one in batch:
            if one.topic is not None and not one.payload:  # what was retained is cleared
                continue
            try:
                read.append((self._arrival(one, unstorable=unstorable), one.payload))
            except ValueError as error:
                refused.append(Refused(one.topic or "", str(error), one.payload, one.received_ms))
        return read, refused

    def _arrival(self, one: Received, *, unstorable: bool) -> Arrival:
        if one.topic is None:
            raise ValueError("its topic is no text")
        if unstorable:
            raise ValueError("it cannot be stored")
        return read_arrival(self._root, one.topic, one.payload, one.received_ms, retained=one.retained)

    def _failed(self, reason: str) -> None:
        if not self._reason:
            logger.error("%s; events wait at the broker", reason)
            self._reason = reason
            self._ends.stored_state(False)
        self._reason = reason

    def _succeeded(self) -> None:
        if self._reason:
            logger.info("the database can be used again")
            self._reason = ""
            self._ends.stored_state(True)


def residents_of(connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, str]:
    """By the id of an event, whose time the store counts it as."""
    ids = [arrival.message.id for arrival in arrivals if isinstance(arrival.message, EmotionCloudEvent)]
    chosen = events.c.id.in_(ids) & events.c.resident_id.is_not(None)
    rows = connection.execute(select(events.c.id, events.c.resident_id).where(chosen)) if ids else ()
    return {row.id: row.resident_id for row in rows}
