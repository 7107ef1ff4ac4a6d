"""The picture of the moment for all open pages: fed with what is committed, so that no page shows what may be lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ffe_edge import __version__
from ffe_edge.dashboard.arrivals import Arrival, Place
from ffe_edge.dashboard.board import Board
from ffe_edge.dashboard.follower import Follower
from ffe_edge.dashboard.last_known import LastKnown
from ffe_edge.dashboard.picture import JsonObject
from ffe_edge.dashboard.recall import recall
from ffe_edge.messages import CameraStatus, EmotionCloudEvent, GapCloudEvent, Health, Status

HEARD_EVERY_MS: Final = 10_000
"""Where devices show that they live, and no more, pages are told so often at most."""
UPDATE_SECONDS: Final = 0.25
"""Between two updates at least: many devices tell more often than an eye can follow."""


class Present:
    """Thread-safe. Pages ``follow`` it; the writer, the subscriber and the watch tell it."""

    def __init__(self, clock: Callable[[], float] = time.time, update_seconds: float = UPDATE_SECONDS) -> None:
        """Nothing is known yet.

        Args:
            clock: Unix seconds.
            update_seconds: between two updates at least; what happens in between comes with the next one.
        """
        self._clock = clock
        self.update_seconds = update_seconds
        self._updated_at = float("-inf")
        self._has_news = False
        self._board = Board()
        self._shown = self._board.picture()
        self._followers: list[Follower] = []
        self._told_ms = 0
        self._mutex = threading.RLock()

    def recall(self, known: LastKnown) -> None:
        """Begin with what the store knew last; what the broker has kept comes by itself."""
        with self._mutex:
            recall(self._board, known)

    def snapshot(self) -> JsonObject:
        """Everything that is known, as a JSON object."""
        with self._mutex:
            return self._board.snapshot(self._now_ms())

    def follow(self, wake: Callable[[], object]) -> Follower:
        """Collect updates from now on; ``wake`` is called from other threads and must not block."""
        with self._mutex:
            text = self._snapshot_text()
            follower = Follower(wake)
            follower.put("snapshot", text)
            self._followers.append(follower)
            return follower

    def unfollow(self, follower: Follower) -> None:
        """Collect no more."""
        with self._mutex:
            self._followers.remove(follower)

    def take(self, follower: Follower) -> list[tuple[str, str]]:
        """What happened since the last call, as (kind, JSON); kind is ``snapshot``, ``update`` or ``alert``.

        News that comes sooner after other news than pages are told is given later: ask again.
        """
        with self._mutex:
            if time.monotonic() - self._updated_at >= self.update_seconds:
                self._update()
            return follower.take(self._snapshot_text)

    @property
    def followers(self) -> int:
        """How many pages are open."""
        with self._mutex:
            return len(self._followers)

    def committed(self, arrivals: Sequence[Arrival], residents: Mapping[str, str]) -> None:
        """Take in what is new in the store.

        Args:
            arrivals: in their order.
            residents: by the id of an event, whose time it is counted as.
        """
        with self._mutex:
            now_ms = self._now_ms()
            news = [self._take(arrival, residents, now_ms) for arrival in arrivals]
            is_due = now_ms - self._told_ms >= HEARD_EVERY_MS and not all(each.retained for each in arrivals)
            if any(news) or is_due:
                self._tell(now_ms)

    def set_broker(self, connected: bool, is_resumed: bool) -> None:
        """The connection to the broker has come or gone; ``is_resumed``: it has kept what came in between."""
        self._change(lambda board, now_ms: board.set_broker(connected, now_ms, is_resumed=is_resumed))

    def set_store(self, is_there: bool) -> None:
        """The database has come or gone."""
        self._change(lambda board, now_ms: board.set_store(is_there, now_ms))

    def forget(self, resident: str) -> None:
        """Name a resident no more."""
        self._change(lambda board, _now_ms: board.forget_name(resident))

    def tell_alert(self, alert: JsonObject) -> None:
        """Something has become of an alert; pages get it as it is."""
        with self._mutex:
            text = json.dumps(alert, allow_nan=False)
            for follower in self._followers:
                follower.put("alert", text)

    def _change(self, change: Callable[[Board, int], bool]) -> None:
        with self._mutex:
            now_ms = self._now_ms()
            if change(self._board, now_ms):
                self._tell(now_ms)

    def _take(self, arrival: Arrival, residents: Mapping[str, str], now_ms: int) -> bool:
        """Take in one message; whether it is news for the pages."""
        name, message = _name(arrival.place), arrival.message
        if isinstance(message, (EmotionCloudEvent, GapCloudEvent)):
            resident = residents.get(message.id)
            return self._board.add_event(name, message, now_ms, resident=resident, late=arrival.is_late)
        if isinstance(message, Status):
            return self._board.set_node(name, message, now_ms)
        if isinstance(message, CameraStatus):
            return self._board.set_camera(name, message, now_ms)
        if arrival.retained:
            return False
        if isinstance(message, Health):
            for camera, age_seconds in (message.frame_age_seconds or {}).items():
                self._board.hear(f"{name}/{camera}", now_ms - round(age_seconds * 1000))
        return self._board.hear(name, now_ms)

    def _tell(self, now_ms: int) -> None:
        self._told_ms = now_ms
        if not self._followers:
            self._board.take_news()
            return
        self._has_news = True
        for follower in self._followers:
            follower.wake()

    def _update(self) -> None:
        """One for all pages, made once."""
        if not self._has_news:
            return
        self._has_news = False
        self._updated_at = time.monotonic()
        before, self._shown = self._shown, self._board.picture()
        update = self._board.head(self._now_ms()) | self._shown.since(before) | {"events": self._board.take_news()}
        text = json.dumps(update, allow_nan=False)
        for follower in self._followers:
            follower.put("update", text)

    def _snapshot_text(self) -> str:
        """For one page; what all are told next is what has changed since now."""
        if self._followers:
            self._update()
        else:
            self._shown, self._has_news = self._board.picture(), False
            self._board.take_news()
        return json.dumps({"version": __version__} | self._board.snapshot(self._now_ms()), allow_nan=False)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _name(place: Place) -> str:
    return "/".join(part for part in (place.site, place.node, place.camera) if part is not None)
