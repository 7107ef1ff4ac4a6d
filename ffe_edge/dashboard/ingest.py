"""From messages to the store: events once each, what nodes and cameras do, minutes, and what follows from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.ingest_events import store_events
from ffe_edge.dashboard.ingest_states import store_state
from ffe_edge.dashboard.ingest_summaries import store_summaries
from ffe_edge.dashboard.known_places import KnownPlaces
from ffe_edge.dashboard.spell_store import Difference
from ffe_edge.messages import EmotionCloudEvent, GapCloudEvent, Status, SummaryCloudEvent


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch."""

    new: tuple[Arrival, ...]
    """Those that were not known and took effect, in their order."""
    repeated: int
    """How many were known already, or out of date."""
    refused: tuple[tuple[Arrival, str], ...]
    """Those that nothing can be done with, and why."""


def ingest(connection: Connection, arrivals: Sequence[Arrival], zone: ZoneInfo) -> Ingested:
    """Store a batch; the caller commits.

    Args:
        connection: a writing one.
        arrivals: in the order in which they came.
        zone: of the home, whose hours and days are counted.
    """
    places = KnownPlaces(connection, max((arrival.received_ms for arrival in arrivals), default=0))
    new: list[Arrival] = []
    refused: list[tuple[Arrival, str]] = []
    for kind, group in itertools.groupby(_placed(places, arrivals, refused), key=_kind):
        difference = Difference(zone)
        batch = list(group)
        if kind == "event":
            new += store_events(connection, batch, places, difference)
        elif kind == "summary":
            new += store_summaries(connection, batch, places, difference)
        else:
            new += [arrival for arrival in batch if store_state(connection, arrival, places, difference)]
        difference.store(connection)
        for arrival in batch:
            if _is_sign_of_life(arrival):
                places.hear(arrival.place, arrival.received_ms)
    places.store_heard()
    return Ingested(tuple(new), len(arrivals) - len(new) - len(refused), tuple(refused))


def _placed(places: KnownPlaces, arrivals: Sequence[Arrival], refused: list[tuple[Arrival, str]]) -> list[Arrival]:
    """Those whose node and camera are known, or could be made."""
    placed = []
    for arrival in arrivals:
        if reason := _refusal(places, arrival):
            refused.append((arrival, reason))
        else:
            placed.append(arrival)
    return placed


def _refusal(places: KnownPlaces, arrival: Arrival) -> str | None:
    try:
        if arrival.place.camera is None:
            places.node(arrival.place, arrival.received_ms)
        else:
            places.camera(arrival.place, arrival.received_ms)
    except ValueError as error:
        return str(error)
    return None


def _is_sign_of_life(arrival: Arrival) -> bool:
    """Whether it comes from the place itself, now: a will does not, nor what the broker had kept."""
    is_will = isinstance(arrival.message, Status) and arrival.message.state == "lost"
    return not is_will and not arrival.retained


def _kind(arrival: Arrival) -> str:
    if isinstance(arrival.message, (EmotionCloudEvent, GapCloudEvent)):
        return "event"
    return "summary" if isinstance(arrival.message, SummaryCloudEvent) else "state"
