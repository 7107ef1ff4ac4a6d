"""From messages to the store: events once each, what nodes and cameras do, minutes, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ffe_edge.dashboard.arrivals import Arrival
from ffe_edge.dashboard.ingest_events import store_events
from ffe_edge.dashboard.ingest_states import store_state
from ffe_edge.dashboard.ingest_summaries import store_summaries
from ffe_edge.dashboard.known_places import KnownPlaces
from ffe_edge.dashboard.spell_store import Difference
from ffe_edge.messages import EmotionCloudEvent, GapCloudEvent, Health, Status, SummaryCloudEvent


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
    now_ms = max((arrival.received_ms for arrival in arrivals), default=0)
    places = KnownPlaces(connection, now_ms, (arrival.place for arrival in arrivals))
    new: list[Arrival] = []
    refused: list[tuple[Arrival, str]] = []
    for kind, batch in _groups(_placed(places, arrivals, refused)):
        difference = Difference(zone)
        if kind == "event":
            new += store_events(connection, batch, places, difference)
        elif kind == "summary":
            new += store_summaries(connection, batch, places, difference)
        elif kind == "health":
            new += batch
        else:
            new += [arrival for arrival in batch if store_state(connection, arrival, places, difference)]
        difference.store(connection)
        for arrival in batch:
            if _is_sign_of_life(arrival):
                places.hear(arrival.place, arrival.received_ms)
    places.store_heard()
    order = {id(arrival): number for number, arrival in enumerate(arrivals)}
    new.sort(key=lambda arrival: order[id(arrival)])
    return Ingested(tuple(new), len(arrivals) - len(new) - len(refused), tuple(refused))


def _groups(arrivals: Sequence[Arrival]) -> Iterator[tuple[str, list[Arrival]]]:
    """What can be stored at once, in the order in which it has to be.

    What one node tells keeps its order. What several nodes tell has none: of a fleet hardly two messages that come one
    after another are of one kind, and each group costs queries of its own.
    """
    turns: dict[tuple[str, str], tuple[int, str]] = {}
    groups: dict[tuple[int, str], list[Arrival]] = {}
    for arrival in arrivals:
        kind, node = _kind(arrival), (arrival.place.site, arrival.place.node)
        turn, before = turns.get(node, (0, kind))
        if kind == "health":
            groups.setdefault((turn, kind), []).append(arrival)
            continue
        turn += kind != before
        turns[node] = (turn, kind)
        groups.setdefault((turn, kind), []).append(arrival)
    for turn, kind in sorted(groups):
        yield kind, groups[turn, kind]


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
    if isinstance(arrival.message, Health):
        return "health"
    return "summary" if isinstance(arrival.message, SummaryCloudEvent) else "state"
