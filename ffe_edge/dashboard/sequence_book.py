"""Which sequences of every node are there: kept beside the store, and in it. For any thread."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.sequences import Asking, Sequences
from ffe_edge.dashboard.tables import nodes
from ffe_edge.messages import EmotionCloudEvent, GapCloudEvent, SummaryCloudEvent

NodeName = tuple[str, str]
"""Site and node."""
NUMBERED: Final = (EmotionCloudEvent, GapCloudEvent, SummaryCloudEvent)

_SEEN: Final = (
    update(nodes)
    .where(nodes.c.site == bindparam("of_site"), nodes.c.node == bindparam("of_node"))
    .values(sequence_seen=bindparam("seen"))
)


@dataclass(frozen=True, slots=True)
class Due:
    """A node that is to be asked, and from which sequence on."""

    node: NodeName
    since: int


class SequenceBook:
    """Sequences by node. What a batch adds is drafted, stored with it, and taken over when it is committed."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._sequences: dict[NodeName, Sequences] = {}
        self._asking: dict[NodeName, Asking] = {}
        self._lost = 0

    @property
    def lost(self) -> int:
        """Sequences since the start that will never come, and that no gap has told of."""
        return self._lost

    def missing(self) -> int:
        """Sequences that may still come."""
        with self._mutex:
            return sum(len(hole) for each in self._sequences.values() for hole in each.holes())

    def load(self, connection: Connection) -> None:
        """Go on where the store stands."""
        rows = connection.execute(select(nodes.c.site, nodes.c.node, nodes.c.sequence_seen))
        with self._mutex:
            self._sequences = {(row.site, row.node): Sequences(row.sequence_seen) for row in rows}

    def drafted(self, arrivals: Iterable[Arrival], new: Collection[Arrival]) -> dict[NodeName, Sequences]:
        """The sequences of the nodes of a batch as they will be.

        Args:
            arrivals: all of the batch that the store knows now, in their order.
            new: those that it did not know before.
        """
        news = {id(arrival) for arrival in new}
        drafts: dict[NodeName, Sequences] = {}
        for arrival in arrivals:
            is_told_now = not arrival.retained  # what the broker has kept may be of long ago
            if is_told_now and isinstance(arrival.message, NUMBERED):
                name = (arrival.place.site, arrival.place.node)
                if name not in drafts:
                    with self._mutex:
                        drafts[name] = self._sequences.get(name, Sequences()).copy()
                _add(drafts[name], arrival, is_new=id(arrival) in news)
        return drafts

    def store(self, connection: Connection, drafts: dict[NodeName, Sequences]) -> None:
        """Write them, in the transaction of their batch."""
        if drafts:
            rows = [{"of_site": site, "of_node": node, "seen": each.seen} for (site, node), each in drafts.items()]
            connection.execute(_SEEN, rows)

    def take(self, drafts: dict[NodeName, Sequences]) -> None:
        """The batch is committed; what was given up meanwhile stays so."""
        with self._mutex:
            for name, draft in drafts.items():
                known = self._sequences.get(name)
                if known is not None and known.given_up > draft.given_up:
                    draft.give_up_before(known.given_up)
            self._sequences |= drafts

    def due(self, now_ms: int) -> list[Due]:
        """Whom to ask now, and from which sequence on."""
        with self._mutex:
            asked = [
                (name, self._asking.setdefault(name, Asking()).due(sequences, now_ms))
                for name, sequences in self._sequences.items()
            ]
        return [Due(name, since) for name, since in asked if since is not None]

    def answered(self, due: Due, oldest: int | None) -> int:
        """A node has said what it still has from the sequence on; returns how many sequences will never come."""
        with self._mutex:
            sequences = self._sequences.get(due.node)
            if sequences is None:
                return 0
            given_up = self._asking.setdefault(due.node, Asking()).answered(sequences, due.since, oldest)
            self._lost += given_up
            return given_up


def _add(sequences: Sequences, arrival: Arrival, *, is_new: bool) -> None:
    message = arrival.message
    if not isinstance(message, NUMBERED):
        return
    gap = message.data if isinstance(message, GapCloudEvent) else None
    is_live = is_new and not message.replayed and not isinstance(message, SummaryCloudEvent)
    if is_live and message.sequence <= sequences.seen:
        sequences.begin_anew(message.sequence)  # its outbox is a new one
    elif gap and is_live and gap.first is None and gap.last is None:
        sequences.begin_anew(message.sequence)  # its outbox was damaged, and it does not know where it stood
    sequences.add(message.sequence)
    if gap and gap.last is not None:
        sequences.add(gap.first or 1, gap.last)
