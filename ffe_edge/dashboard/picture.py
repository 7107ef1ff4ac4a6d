"""The moment as pages get it: whole, or what has changed since they were told last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from ffe_edge.dashboard.records import Camera, Node, Outage, Person

JsonObject = dict[str, Any]
Seen = tuple[Person, bool]
"""Somebody, and whether they can be taken as still there."""
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Picture:
    """Records are never changed, only replaced: a picture stays as it is whatever happens afterwards."""

    nodes: Mapping[str, Node]
    cameras: Mapping[str, Camera]
    people: Mapping[str, Seen]
    outages: tuple[Outage, ...]

    def whole(self) -> JsonObject:
        """All of it, as a JSON object."""
        return _lists(Picture({}, {}, {}, ()), self) | {"outages": [asdict(outage) for outage in self.outages]}

    def since(self, before: Picture) -> JsonObject:
        """What is new or another than before, as a JSON object of the same form, and in ``gone`` the names of the rest.

        ``outages`` are in it as a whole, and only where they have changed.
        """
        outages = {} if self.outages == before.outages else {"outages": [asdict(outage) for outage in self.outages]}
        gone = {
            "nodes": sorted(before.nodes.keys() - self.nodes.keys()),
            "cameras": sorted(before.cameras.keys() - self.cameras.keys()),
            "people": sorted(before.people.keys() - self.people.keys()),
        }
        return _lists(before, self) | {"gone": gone} | outages


def _lists(before: Picture, after: Picture) -> JsonObject:
    people = _changed(before.people, after.people, _person_told)
    return {
        "nodes": _changed(before.nodes, after.nodes, _place_told),
        "cameras": _changed(before.cameras, after.cameras, _place_told),
        "people": sorted(people, key=lambda person: (person["camera"], person["track"])),
    }


def _changed(before: Mapping[str, V], after: Mapping[str, V], told: Callable[[str, V], JsonObject]) -> list[JsonObject]:
    return [told(name, one) for name, one in sorted(after.items()) if before.get(name) != one]


def _place_told(name: str, place: Node | Camera) -> JsonObject:
    return {"name": name} | asdict(place)


def _person_told(_name: str, seen: Seen) -> JsonObject:
    person, certain = seen
    return asdict(person) | {"certain": certain}
