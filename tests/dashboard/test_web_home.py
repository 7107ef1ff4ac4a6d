"""Rooms, residents, their history, alerts, handover by the interface: who may, what is shown and written down."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard.messages import NOON_MS, emotion, status, summary
from dashboard.website import API, Browser, Site, code_of

from ffe_edge.dashboard import alert_store, audit, forgets_owed
from ffe_edge.dashboard.alert_rules import Finding, Sentence
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import ingest

HANA = "resident-0000000a"
DAY = "2026-11-24"


@pytest.fixture
def site(sqlite: Database) -> Site:
    site = Site(sqlite)
    site.clock.seconds = (NOON_MS + 3_600_000) / 1000
    return site


@pytest.fixture
def manager(site: Site) -> Browser:
    return site.signed_in("manager")


def sent(browser: Browser, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = browser.send(method, path, body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def hana(site: Site, manager: Browser) -> str:
    """A resident who consented in the morning and was seen at noon, for ten minutes, in her room."""
    site.clock.seconds -= 4 * 3600
    room = sent(manager, "POST", "/rooms", {"name_ja": "一〇一", "name_en": "101", "floor": "1"}, 201)
    sent(manager, "POST", "/residents", {"id": HANA, "name": "花子", "room_id": room["id"]}, 201)
    sent(manager, "PUT", f"/residents/{HANA}/consent", {"by": "herself", "note": "on paper"})
    site.clock.seconds += 4 * 3600
    told = [
        status("online", -60),
        emotion(1, "start", 0, "joy", resident=HANA),
        emotion(2, "change", 300, "sadness", previous="joy", held=300, resident=HANA),
        emotion(3, "end", 600, "sadness", previous="sadness", held=300, resident=HANA),
        summary(4, 0, {"joy": 60.0}),
        summary(5, 60, {"joy": 60.0}),
    ]
    with site.database.writing() as connection:
        ingest(connection, told, site.parts.settings.home.zone)
    (camera,) = manager.read("/cameras")
    sent(manager, "PUT", f"/cameras/{camera['id']}", {"room_id": room["id"]})
    return HANA


def looked(site: Site, subject: str) -> list[tuple[str, str]]:
    with site.database.reading() as connection:
        return [(entry.user_name, entry.action) for entry in audit.page(connection, subject=subject)]


def open_alert(site: Site) -> int:
    finding = Finding("warning", Sentence("long-emotion", {"minutes": 30}))
    with site.database.writing() as connection:
        subject = f"resident:{HANA}"
        times = {"now_ms": NOON_MS + 60_000, "found_ms": NOON_MS}
        return alert_store.open_alert(connection, "long-sadness", subject, finding, is_delayed=False, **times).id


@pytest.mark.parametrize(("method", "path", "body"), [
    ("POST", "/rooms", {"name_ja": "a", "name_en": "a"}), ("PUT", "/rooms/1", {"name_ja": "a", "name_en": "a"}),
    ("DELETE", "/rooms/1", None), ("PUT", "/cameras/1", {"room_id": None}), ("POST", "/residents", {"name": "a"}),
    ("PUT", "/residents/a", {"name": "a"}), ("PUT", "/residents/a/consent", {"by": "a"}),
    ("DELETE", "/residents/a/consent", None), ("DELETE", "/residents/a", None), ("PUT", "/rules", {}),
    ("PUT", "/notice", {}), ("GET", "/users", None), ("GET", "/retention", None),
])  # fmt: skip
def test_a_carer_looks_and_deals_with_alerts_and_changes_nothing_else(
    site: Site, method: str, path: str, body: Any
) -> None:
    assert code_of(site.signed_in("carer").send(method, path, body)) == "not-allowed"


def test_the_floor_shows_rooms_and_who_lives_there(site: Site, manager: Browser, hana: str) -> None:
    floor = manager.read("/floor")
    assert [room["name_ja"] for room in floor["rooms"]] == ["一〇一"]
    assert [(each["id"], each["room_id"], each["has_consent"]) for each in floor["residents"]] == [(hana, 1, True)]
    assert [(each["name"], each["room_id"]) for each in floor["cameras"]] == [("kiso/edge-01/day-room", 1)]
    assert "people" in floor["present"]


def test_a_day_shows_spells_hours_gaps_and_what_is_usual(manager: Browser, hana: str) -> None:
    day = manager.read(f"/residents/{hana}/day?date={DAY}")
    assert [(spell["emotion"], spell["ended_ms"] - spell["began_ms"]) for spell in day["spells"]] == [
        ("joy", 300_000), ("sadness", 300_000),
    ]  # fmt: skip
    assert day["hours"] == [{"start_ms": NOON_MS, "day": None, "ms": {"joy": 300_000, "sadness": 300_000}}]
    assert day["gaps"] == [[day["from_ms"], NOON_MS], [NOON_MS + 120_000, day["now_ms"]]]
    assert day["baseline"]["days"] == 0


def test_today_is_the_homes_today(manager: Browser, hana: str) -> None:
    assert manager.read(f"/residents/{hana}/day")["day"] == DAY


def test_a_month_shows_each_day(manager: Browser, hana: str) -> None:
    month = manager.read(f"/residents/{hana}/month?last={DAY}")
    assert (month["first_day"], month["last_day"]) == ("2026-10-26", DAY)
    assert [(day["day"], day["ms"]) for day in month["days"]] == [(DAY, {"joy": 300_000, "sadness": 300_000})]


def test_events_come_page_by_page(manager: Browser, hana: str) -> None:
    first = manager.read(f"/residents/{hana}/events?limit=2")
    rest = manager.read(f"/residents/{hana}/events?limit=2&before={first['next_before']}")
    assert [event["change"] for event in first["events"] + rest["events"]] == ["end", "change", "start"]
    assert rest["next_before"] is None


@pytest.mark.parametrize("what", ["day", "month", "events"])
def test_every_look_at_a_resident_is_written_down(site: Site, hana: str, what: str) -> None:
    carer = site.signed_in("carer")
    for _ in range(2):
        carer.read(f"/residents/{hana}/{what}")
    assert looked(site, f"resident:{hana}")[:2] == [("carer", "resident-viewed")] * 2


@pytest.mark.parametrize("path", ["day", "month", "events"])
def test_a_resident_who_is_not_there_is_told_and_not_written_down(site: Site, manager: Browser, path: str) -> None:
    assert code_of(manager.get(f"{API}/residents/nobody/{path}")) == "not-found"
    assert looked(site, "resident:nobody") == []


@pytest.mark.parametrize("query", [
    "day?date=yesterday", "day?date=0001-01-01", "day?date=9999-12-31", "month?last=1999-12-31", "events?before=1",
    "events?before=1_' OR 1=1", "events?limit=0", "events?limit=501",
])  # fmt: skip
def test_what_is_no_day_nor_page_is_refused(manager: Browser, hana: str, query: str) -> None:
    assert code_of(manager.get(f"{API}/residents/{hana}/{query}")) == "invalid"


def test_forgetting_erases_the_resident_and_tells_the_nodes(site: Site, manager: Browser, hana: str) -> None:
    open_alert(site)
    sent(manager, "DELETE", f"/residents/{hana}", None, 204)
    assert code_of(manager.get(f"{API}/residents/{hana}/day")) == "not-found"
    assert manager.read("/residents") == []
    with site.database.reading() as connection:
        assert [(debt.node, debt.resident) for debt in forgets_owed.owed(connection)] == [(("kiso", "edge-01"), hana)]
    assert site.nodes.times == 1


def test_consent_is_given_and_withdrawn(site: Site, manager: Browser, hana: str) -> None:
    gone = sent(manager, "DELETE", f"/residents/{hana}/consent")
    assert (gone["has_consent"], gone["consent_by"]) == (False, "herself")
    assert code_of(manager.send("DELETE", f"/residents/{hana}/consent")) == "conflict"
    actions = [action for _, action in looked(site, f"resident:{hana}")]
    assert actions == ["consent-withdrawn", "consent-given", "resident-created"]


def test_a_resident_of_a_taken_id_or_in_no_room_is_refused(manager: Browser, hana: str) -> None:
    assert code_of(manager.send("POST", "/residents", {"id": hana, "name": "x"})) == "name-taken"
    assert code_of(manager.send("POST", "/residents", {"name": "x", "room_id": 99})) == "not-found"
    made = sent(manager, "POST", "/residents", {"name": "x"}, 201)
    assert made["id"].startswith("resident-")


def test_rooms_are_made_changed_and_taken_out(site: Site, manager: Browser, hana: str) -> None:
    changed = sent(manager, "PUT", "/rooms/1", {"name_ja": "二〇一", "name_en": "201", "resident_id": hana})
    assert (changed["name_ja"], changed["floor"], changed["resident_id"]) == ("二〇一", "", hana)
    sent(manager, "DELETE", "/rooms/1", None, 204)
    assert manager.read("/residents")[0]["room_id"] is None
    assert code_of(manager.send("DELETE", "/rooms/1")) == "not-found"
    actions = [action for _, action in looked(site, "room:1")]
    assert actions == ["room-removed", "room-changed", "room-created"]


def test_an_alert_acknowledged_by_one_is_seen_by_another(site: Site, hana: str) -> None:
    alert = open_alert(site)
    site.add_user("suzuki")
    carer, other = site.signed_in("carer"), site.browser()
    other.sign_in("suzuki")
    follower = site.present.follow(lambda: None)
    sent(carer, "POST", f"/alerts/{alert}/acknowledge")
    sent(other, "POST", f"/alerts/{alert}/acknowledge")
    seen = other.read("/alerts?only_open=true")["alerts"][0]
    assert (seen["acknowledged_by"], seen["handled_by"]) == ("carer", None)
    assert "alert" in [kind for kind, _ in site.present.take(follower)]
    sent(other, "POST", f"/alerts/{alert}/handle", {"note": "お茶\nを飲んだ"})
    assert carer.read("/alerts?only_open=true")["alerts"] == []
    assert carer.read("/alerts")["alerts"][0]["note"] == "お茶\nを飲んだ"
    assert looked(site, f"resident:{hana}")[:2] == [("suzuki", "alert-handled"), ("suzuki", "alert-acknowledged")]


def test_an_alert_that_is_not_there_is_told(manager: Browser) -> None:
    assert code_of(manager.send("POST", "/alerts/99/acknowledge")) == "not-found"
    assert code_of(manager.send("POST", "/alerts/99/handle", {"note": "x" * 2001})) == "invalid"


def test_a_handover_shows_time_by_resident_and_camera_and_the_alerts(site: Site, manager: Browser, hana: str) -> None:
    open_alert(site)
    shift = manager.read(f"/handover?from_ms={NOON_MS + 1}&to_ms={NOON_MS + 3_600_001}")
    assert (shift["from_ms"], shift["to_ms"]) == (NOON_MS, NOON_MS + 3_660_000)
    assert [(each["resident_id"], each["ms"]) for each in shift["residents"]] == [
        (hana, {"joy": 300_000, "sadness": 300_000})
    ]
    assert shift["cameras"][0]["ms"] == {"joy": 300_000, "sadness": 300_000}
    assert [alert["rule"] for alert in shift["alerts"]] == ["long-sadness"]
    with site.database.reading() as connection:
        assert audit.page(connection)[0].action == "handover-viewed"


@pytest.mark.parametrize(
    "times", ["from_ms=2&to_ms=1", "from_ms=0&to_ms=999999999999", "from_ms=-1&to_ms=1", "from_ms=0"]
)
def test_what_is_no_shift_is_refused(manager: Browser, times: str) -> None:
    assert code_of(manager.get(f"{API}/handover?{times}")) == "invalid"


def test_rules_and_notice_are_kept(site: Site, manager: Browser) -> None:
    rules = manager.read("/rules")
    rules["quiet_hours"]["start"] = "21:00"
    assert sent(manager, "PUT", "/rules", rules) == rules
    assert manager.read("/rules") == rules
    sent(manager, "PUT", "/notice", {"ja": "このホームでは<b>…"})
    assert manager.read("/notice") == {"ja": "このホームでは<b>…", "en": None}
    assert code_of(manager.send("PUT", "/rules", {"no_joy": {"days": 99}})) == "invalid"
    assert site.signed_in("admin").read("/retention")["events_days"] == 90
