"""The picture of the moment, from hand-made messages and without a broker."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from dashboard.payloads import CAMERA, HOSTILE, SITE, camera, event, probabilities, status

from ffe_edge.dashboard.arrivals import read_arrival
from ffe_edge.dashboard.board import MAX_PEOPLE, MAX_PLACES
from ffe_edge.dashboard.follower import MAX_WAITING
from ffe_edge.dashboard.lines import MAX_EVENTS
from ffe_edge.dashboard.present import Present

EMOTION, STATE, STATUS = f"{CAMERA}/emotion", f"{CAMERA}/state", f"{SITE}/status"


class Clock:
    """Time that stands still until told otherwise."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> float:
        return self.seconds


class View:
    """The picture, and a way in for whatever a broker might deliver."""

    def __init__(self, clock: Clock, update_seconds: float = 0) -> None:
        self._clock = clock
        self.present = Present(clock, update_seconds)
        self.set_broker = self.present.set_broker
        self.snapshot = self.present.snapshot
        self.follow, self.unfollow, self.take = self.present.follow, self.present.unfollow, self.present.take

    @property
    def followers(self) -> int:
        return self.present.followers

    def receive(self, topic: str, payload: bytes) -> None:
        try:
            arrival = read_arrival("ffe/v1", topic, payload, int(self._clock() * 1000))
        except ValueError:
            return
        self.present.committed([arrival], {})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(clock: Clock) -> View:
    return View(clock)


def people(view: View) -> dict[int, str]:
    return {person["track"]: person["emotion"] for person in view.snapshot()["people"]}


def changes(view: View) -> list[str]:
    return [line["change"] for line in view.snapshot()["events"]]


def test_start_adds_change_changes_end_removes(view: View) -> None:
    view.receive(EMOTION, event("start", "joy", sequence=1))
    assert people(view) == {1: "joy"}
    view.receive(EMOTION, event("change", "sadness", sequence=2, previous="joy"))
    assert people(view) == {1: "sadness"}
    view.receive(EMOTION, event("end", "sadness", sequence=3, previous="sadness"))
    assert people(view) == {}
    assert changes(view) == ["start", "change", "end"]


def test_a_change_of_somebody_unknown_adds_the_person_with_the_time_it_was_held(view: View, clock: Clock) -> None:
    view.receive(EMOTION, event("change", "joy", at=clock.seconds, previous="neutral", held_seconds=30.0))
    [person] = view.snapshot()["people"]
    assert person["since_ms"] - person["seen_ms"] == 30_000


def test_people_of_two_cameras_with_the_same_track_are_two(view: View) -> None:
    view.receive(EMOTION, event("start", "joy"))
    view.receive(f"{SITE}/camera/hall/emotion", event("start", "fear"))
    assert [person["person"] for person in view.snapshot()["people"]] == [
        "kiso/edge-01/day-room#1",
        "kiso/edge-01/hall#1",
    ]


def test_a_second_delivery_vanishes(view: View) -> None:
    payload = event("start", "joy")
    for _ in range(3):
        view.receive(EMOTION, payload)
    assert view.snapshot()["event_count"] == len(view.snapshot()["events"]) == 1


def test_a_late_event_is_listed_and_moves_nobody(view: View) -> None:
    view.receive(EMOTION, event("start", "joy", sequence=5))
    view.receive(EMOTION, event("end", "joy", sequence=6))
    view.receive(EMOTION, event("change", "fear", sequence=4))
    assert people(view) == {}
    assert len(changes(view)) == 3


def test_an_event_of_a_wrong_clock_counts_when_it_arrives(view: View, clock: Clock) -> None:
    view.receive(EMOTION, event(at=clock.seconds + 3600))
    assert view.snapshot()["events"][0]["at_ms"] == int(clock.seconds * 1000)


def test_the_will_of_an_older_session_is_ignored(view: View) -> None:
    view.receive(STATUS, status("online", "new"))
    view.receive(STATUS, status("lost", "old"))
    assert view.snapshot()["nodes"][0]["state"] == "online"
    view.receive(STATUS, status("lost", "new"))
    assert view.snapshot()["nodes"][0]["state"] == "lost"


def test_a_late_will_that_stuck_is_overruled_by_an_event(view: View) -> None:
    view.receive(STATUS, status("lost", "old"))
    view.receive(EMOTION, event())
    assert view.snapshot()["nodes"][0]["state"] == "online"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        pytest.param(STATUS, status("lost"), id="node-lost"),
        pytest.param(STATE, camera("stalled", "no frame"), id="camera-stalled"),
        pytest.param(STATE, camera("offline", "no route"), id="camera-offline"),
    ],
)
def test_behind_a_broken_device_people_are_only_last_known(view: View, topic: str, payload: bytes) -> None:
    view.set_broker(True, False)
    view.receive(STATUS, status())
    view.receive(STATE, camera())
    view.receive(EMOTION, event())
    assert view.snapshot()["people"][0]["certain"]
    view.receive(topic, payload)
    assert not view.snapshot()["people"][0]["certain"]
    assert view.snapshot()["outages"][-1]["to_ms"] is None


def test_after_the_broker_was_away_people_are_last_known_until_they_are_heard_of(view: View, clock: Clock) -> None:
    view.set_broker(True, False)
    view.receive(EMOTION, event("start", "joy", sequence=1))
    for connected in (False, True):
        clock.seconds += 5
        view.set_broker(connected, False)
        assert not view.snapshot()["people"][0]["certain"]
    view.receive(EMOTION, event("change", "fear", sequence=2))
    assert view.snapshot()["people"][0]["certain"]
    assert view.snapshot()["outages"][-1]["to_ms"] == int(clock.seconds * 1000)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        pytest.param(STATUS, status("stopped"), id="clean-stop"),
        pytest.param(STATUS, status("online", "s2"), id="new-session"),
        pytest.param(STATE, camera("privacy"), id="privacy"),
        pytest.param(STATE, camera("disabled"), id="disabled"),
    ],
)
def test_people_whose_end_will_not_be_told_are_let_go(view: View, topic: str, payload: bytes) -> None:
    view.receive(STATUS, status())
    view.receive(EMOTION, event())
    view.receive(topic, payload)
    assert people(view) == {}
    assert changes(view) == ["start", "lost"]


def test_a_gap_is_told(view: View) -> None:
    message = json.loads(event())
    del message["subject"]
    message |= {"type": "jp.ffe.gap.v1", "dataschema": "gap-v1.json"}
    message["data"] = {"first": 1, "last": 4, "count": 4, "reason": "outbox full"}
    view.receive(EMOTION, json.dumps(message).encode())
    assert view.snapshot()["events"][0]["change"] == "gap"
    assert view.snapshot()["events"][0]["lost"] == 4


@pytest.mark.parametrize("topic", [EMOTION, STATE, STATUS])
@pytest.mark.parametrize("payload", HOSTILE)
def test_a_hostile_payload_changes_nothing(view: View, topic: str, payload: bytes) -> None:
    before = view.snapshot()
    view.receive(topic, payload)
    assert view.snapshot() == before


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param("ffe/v1/kiso/edge-01/camera/DAY<b>/emotion", id="html"),
        pytest.param("ffe/v1/kiso/edge-01/camera//emotion", id="empty-level"),
        pytest.param("other/v1/kiso/edge-01/camera/day-room/emotion", id="other-root"),
        pytest.param("ffe/v1/kiso/edge-01/camera/day-room/summary", id="other-kind"),
        pytest.param("ffe/v1/" + "a" * 33 + "/edge-01/status", id="long-id"),
    ],
)
def test_a_topic_out_of_the_contract_changes_nothing(view: View, topic: str) -> None:
    before = view.snapshot()
    view.receive(topic, event())
    assert view.snapshot() == before


def test_a_flood_of_people_nodes_and_events_stays_bounded(view: View) -> None:
    for number in range(MAX_PLACES + 200):
        view.receive(f"ffe/v1/s/n{number}/camera/c/emotion", event(track=number, sequence=number + 1))
        view.receive(f"ffe/v1/s/n{number}/status", status())
    snapshot = view.snapshot()
    assert len(snapshot["people"]) == MAX_PEOPLE
    assert len(snapshot["events"]) == MAX_EVENTS
    assert len(snapshot["nodes"]) == MAX_PLACES
    assert snapshot["event_count"] == MAX_PLACES + 200


def test_a_label_of_another_task_is_shown_as_it_is(view: View) -> None:
    view.receive(EMOTION, event(emotion="<b>contempt</b>", emotion_ja="軽蔑", probabilities=probabilities("joy", 0.5)))
    assert view.snapshot()["people"][0]["emotion"] == "<b>contempt</b>"


def received(view: View, follower: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, json.loads(text)) for kind, text in view.take(follower)]


def test_a_follower_gets_a_snapshot_then_updates(view: View) -> None:
    woken: list[None] = []
    view.receive(EMOTION, event("start", "joy", sequence=1))
    follower = view.follow(lambda: woken.append(None))
    view.receive(EMOTION, event("change", "fear", sequence=2))
    (first, snapshot), (second, update) = received(view, follower)
    assert (first, second, len(woken)) == ("snapshot", "update", 3)  # each of them, and that there is news
    assert [line["emotion"] for line in snapshot["events"]] == ["joy"]
    assert [line["emotion"] for line in update["events"]] == ["fear"]
    assert received(view, follower) == []


def test_a_slow_follower_gets_a_snapshot_instead_of_a_backlog(view: View) -> None:
    slow, quick = view.follow(lambda: None), view.follow(lambda: None)
    for number in range(3 * MAX_WAITING):
        view.receive(EMOTION, event(sequence=number + 1))
        assert received(view, quick)
    [(kind, snapshot)] = received(view, slow)
    assert (kind, snapshot["event_count"]) == ("snapshot", 3 * MAX_WAITING)


def test_what_happens_soon_after_other_news_comes_with_the_next_update(clock: Clock) -> None:
    view = View(clock, update_seconds=60)
    follower = view.follow(lambda: None)
    view.receive(EMOTION, event("start", "joy", sequence=1))
    assert [kind for kind, _ in received(view, follower)] == ["snapshot", "update"]
    for number, emotion in enumerate(("fear", "anger", "sadness"), 2):
        view.receive(EMOTION, event("change", emotion, sequence=number))
        assert received(view, follower) == []
    view.present.update_seconds = 0
    [(kind, update)] = received(view, follower)
    assert (kind, [line["emotion"] for line in update["events"]]) == ("update", ["fear", "anger", "sadness"])
    assert [person["emotion"] for person in update["people"]] == ["sadness"]


def test_a_page_that_opens_between_updates_hears_of_nothing_twice(clock: Clock) -> None:
    view = View(clock, update_seconds=60)
    first = view.follow(lambda: None)
    for number in (1, 2):
        view.receive(EMOTION, event("change", "fear", sequence=number))
        view.take(first)
    second = view.follow(lambda: None)
    [(_, snapshot)] = received(view, second)
    assert (len(snapshot["events"]), [kind for kind, _ in received(view, first)]) == (2, ["update"])
    assert received(view, second) == []


def test_what_nobody_took_is_in_the_snapshot_of_the_next_page_and_not_told_again(clock: Clock) -> None:
    view = View(clock, update_seconds=60)
    first = view.follow(lambda: None)
    for number in (1, 2):
        view.receive(EMOTION, event("change", "fear", sequence=number))
        view.take(first)
    view.unfollow(first)
    view.present.update_seconds = 0
    follower = view.follow(lambda: None)
    assert [(kind, len(message["events"])) for kind, message in received(view, follower)] == [("snapshot", 2)]
    assert received(view, follower) == []


KEYS = {"nodes": "name", "cameras": "name", "people": "person"}


class Page:
    """An open page: takes updates in as stream.js does."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._follower = view.follow(lambda: None)
        self._state: dict[str, Any] = {}

    def look(self) -> None:
        for kind, message in received(self._view, self._follower):
            self._state = message if kind == "snapshot" else {**self._state, **message, **self._merged(message)}

    def _merged(self, update: dict[str, Any]) -> dict[str, Any]:
        lists = {}
        for name, key in KEYS.items():
            entries = {each[key]: each for each in [*self._state[name], *update[name]]}
            lists[name] = [each for known, each in entries.items() if known not in update["gone"][name]]
        return lists

    def shown(self) -> dict[str, Any]:
        return in_order(self._state)


def in_order(state: dict[str, Any]) -> dict[str, Any]:
    shown = {name: state[name] for name in ("broker", "store", "event_count", "outages")}
    return shown | {name: {each[key]: each for each in state[name]} for name, key in KEYS.items()}


def happens(view: View, chance: random.Random, sequence: int) -> None:
    """Something, to one of four devices or to the broker."""
    node, number = f"ffe/v1/kiso/edge-{chance.randrange(4)}", chance.randrange(9)
    if number < 5:
        change, emotion = chance.choice(["start", "change", "end"]), chance.choice(["joy", "fear"])
        told = event(change, emotion, sequence=sequence, track=chance.randrange(3))
        view.receive(f"{node}/camera/hall/emotion", told)
    elif number < 7:
        view.receive(f"{node}/status", status(chance.choice(["online", "stopped", "lost"]), f"s{sequence // 30}"))
    elif number == 7:
        view.receive(f"{node}/camera/hall/state", camera(chance.choice(["online", "privacy", "stalled"]), ""))
    else:
        view.set_broker(chance.random() < 0.7, False)


@pytest.mark.parametrize("seed", range(8))
def test_a_page_that_takes_in_every_update_shows_what_a_new_one_does(seed: int, clock: Clock) -> None:
    view, chance, pages = View(clock), random.Random(seed), []
    for sequence in range(1, 160):
        clock.seconds += chance.random()
        happens(view, chance, sequence)
        if sequence % 20 == 0:
            pages.append(Page(view))
        for page in pages:
            if chance.random() < 0.5:
                page.look()
    for page in pages:
        page.look()
        assert page.shown() == in_order(view.snapshot())


def test_an_update_says_what_has_changed_and_no_more(view: View) -> None:
    for name in ("a", "b", "c"):
        view.receive(f"ffe/v1/kiso/{name}/status", status("online", "s1"))
    follower = view.follow(lambda: None)
    view.receive("ffe/v1/kiso/b/status", status("lost", "s1"))
    _, (_, update) = received(view, follower)
    assert [node["name"] for node in update["nodes"]] == ["kiso/b"]
    assert (update["cameras"], update["people"], update["gone"]["nodes"]) == ([], [], [])
    assert [outage["place"] for outage in update["outages"]] == ["kiso/b"]


def test_a_follower_that_left_is_forgotten(view: View) -> None:
    view.unfollow(view.follow(lambda: None))
    assert view.followers == 0


def test_the_picture_holds_nothing_that_json_cannot_say(view: View) -> None:
    view.receive(EMOTION, event(held_seconds=1e300))
    json.dumps(view.snapshot(), allow_nan=False).encode()
