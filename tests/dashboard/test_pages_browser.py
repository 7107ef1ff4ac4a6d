"""The dashboard's pages in a real browser: a real broker, the whole dashboard, a device that publishes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from dashboard.chrome import SCREENS, Seat, require_axe, require_chromium
from dashboard.payloads import camera, status
from dashboard.stage import Stage, set_up
from dashboard.website import PASSWORD
from e2e.mosquitto import wait_for
from playwright.sync_api import Route, expect

pytestmark = pytest.mark.slow
XSS = "<img src=x onerror=document.title='hacked'>"
PAGES = (
    "/", "/residents", "/residents/tanaka", "/alerts", "/handover", "/settings/rooms", "/settings/residents",
    "/settings/rules", "/settings/notice", "/settings/users", "/settings/retention", "/settings/quarantine",
    "/settings/audit", "/password", "/nowhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    require_chromium()
    with set_up(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


def room(name: str) -> str:
    return f".room:has(h3:text-is('{name}'))"


def test_a_change_is_on_the_floor_within_a_second_of_its_publish(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        seat.shows(room("談話室"), "だれも映っていません")
        waits = []
        for change, emotion, word in (
            ("start", "joy", "喜び"),
            ("change", "sadness", "悲しみ"),
            ("change", "fear", "恐怖"),
        ):
            began = time.monotonic()
            stage.feel("edge-02/day", change, emotion, track=5)
            seat.shows(f"{room('談話室')} .word", word)
            waits.append(time.monotonic() - began)
        assert sorted(waits)[1] < 1.0, waits
        seat.shows(f"{room('談話室')} .sure", "71%")
        stage.feel("edge-02/day", "end", "fear", track=5)
        seat.shows(room("談話室"), "だれも映っていません")


def test_who_consented_is_called_by_name_in_their_own_room(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        stage.feel("edge-01/room-101", "start", "relaxation", track=8)
        seat.shows(f"{room('101号室')} .name", "佐藤 はな")
        stage.feel("edge-01/room-101", "end", "relaxation", track=8)


@pytest.mark.parametrize(
    ("topic", "payload", "words", "state"),
    [
        ("edge-02/camera/day/state", camera("offline", "why"), "カメラから映像が来ません", "offline"),
        ("edge-02/camera/day/state", camera("stalled", "why"), "映像が止まっています", "stalled"),
        ("edge-02/camera/day/state", camera("privacy"), "プライバシーモード", "privacy"),
        ("edge-02/camera/day/state", camera("disabled"), "カメラは無効です", "disabled"),
        ("edge-02/status", status("lost"), "機器から応答がありません", "node-lost"),
        ("edge-02/status", status("stopped"), "機器は停止しています", "node-stopped"),
    ],
)
def test_each_trouble_looks_different_and_none_like_an_empty_room(
    stage: Stage, topic: str, payload: bytes, words: str, state: str
) -> None:
    stage.all_work()
    with stage.seat("carer") as seat:
        seat.shows(room("談話室"), "だれも映っていません")
        stage.tell(topic, payload)
        seat.shows(room("談話室"), words)
        expect(seat.page.locator(room("談話室"))).to_have_class(f"room {state}")
    stage.all_work()


def test_cameras_of_a_lost_device_do_not_count_as_working(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        seat.shows("#connections", "5/5")
        stage.tell("edge-02/status", status("lost"))
        seat.shows("#connections .bad:has-text('カメラ')", "3/5")
    stage.all_work()


def test_a_broken_broker_never_looks_like_an_empty_room(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        stage.feel("edge-01/room-101", "start", "joy", track=9)
        seat.shows(f"{room('101号室')} .word", "喜び")
        stage.broker.stop()
        seat.shows("#alarms", "MQTTブローカーにつながりません")
        seat.shows(room("談話室"), "いまは確認できません")
        seat.shows(f"{room('101号室')} .person.stale .age", "最後の情報")
        seat.shoot("floor-broker-away")
        stage.broker.start()
        expect(seat.page.locator("#alarms")).to_be_empty(timeout=40_000)
    assert wait_for(stage.device.is_connected, 40)
    stage.feel("edge-01/room-101", "end", "joy", track=9)


def test_while_the_database_is_away_the_floor_says_so_and_takes_nothing_for_known(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        seat.shows(room("談話室"), "だれも映っていません")
        stage.present.set_store(False)
        seat.shows("#alarms", "データベースにつながりません")
        seat.shows(room("談話室"), "いまは確認できません")
        stage.present.set_store(True)
        seat.shows(room("談話室"), "だれも映っていません")


def test_a_page_that_does_not_reach_its_server_says_so_until_it_does(stage: Stage) -> None:
    with stage.seat("carer", "/residents") as seat:
        seat.page.route("**/api/v1/stream", lambda route: route.abort())
        seat.go("/")
        seat.shows("#alarms", "この画面とサーバーのつながりが切れました")
        seat.shows(room("談話室"), "いまは確認できません")
        seat.page.unroute("**/api/v1/stream")
        seat.shows(room("談話室"), "だれも映っていません")
        expect(seat.page.locator("#alarms")).to_be_empty()
        seat.complaints.clear()  # of the lost connection


def test_strings_of_the_wire_are_shown_as_text(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        stage.feel("edge-02/dining", "start", XSS, track=3, emotion_ja=XSS)
        seat.shows(f"{room('食堂')} .word", XSS)
        assert seat.page.locator(".room img").count() == 0
        assert "hacked" not in seat.page.title()
        stage.feel("edge-02/dining", "end", XSS, track=3)


def test_an_alert_that_one_acknowledges_is_seen_by_another_at_once(stage: Stage) -> None:
    with stage.seat("carer", "/alerts") as one, stage.seat("yamada", "/alerts") as other:
        alert = "article:has(h3:text-is('長い悲しみ'))"
        other.shows(alert, "鈴木 みつ")
        one.page.locator(alert).get_by_role("button", name="確認").click()
        other.shows(f"{alert} .soft", "確認:")
        other.shows(f"{alert} .soft", "carer")
        other.page.locator(f"{alert} textarea").fill("お茶を飲んで落ち着いた")
        other.page.locator(alert).get_by_role("button", name="対応済にする").click()
        one.shows("article.handled", "お茶を飲んで落ち着いた")


def test_the_language_is_switched_by_keyboard_and_remembered(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        seat.page.locator("button[lang=en]").focus()
        seat.page.keyboard.press("Enter")
        seat.shows("h1", "Right now")
        seat.go("/alerts")
        seat.shows("footer", "not a diagnosis")
    with stage.seat("carer") as seat:
        seat.shows("h1", "Right now")
        seat.page.locator("button[lang=ja]").click()
        seat.shows("h1", "いまのようす")


def test_the_focus_is_seen_and_the_content_is_one_key_away(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        seat.page.keyboard.press("Tab")
        assert seat.page.evaluate("document.activeElement.className") == "skip"
        assert seat.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        seat.page.keyboard.press("Enter")
        assert seat.page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize(
    ("size", "dark", "language"),
    [("phone", False, "ja"), ("wall", False, "ja"), ("desk", True, "ja"), ("phone", False, "en")],
)
def test_all_pages_fit_the_screen_and_axe_finds_nothing_serious(
    stage: Stage, size: str, dark: bool, language: str
) -> None:
    require_axe()
    stage.feel("edge-01/room-101", "start", "joy", track=21)
    stage.feel("edge-02/dining", "start", "sadness", track=22)
    stage.feel("edge-02/dining", "start", "uncertain", track=23)
    found = {}
    seat = Seat(stage.browser, stage.url, size, dark=dark)
    ending = ("-dark" if dark else "") + ("-en" if language == "en" else "")
    try:
        seat.go(f"/login?lang={language}")
        found["/login"] = seat.violations()
        seat.shoot("login" + ending)
        seat.sign_in("wall", PASSWORD)
        seat.page.click(f"button[lang={language}]")
        seat.shows(".room", "悲しみ" if language == "ja" else "Sadness")
        for path in PAGES:
            seat.go(path).wait_for_load_state()
            seat.page.wait_for_timeout(400)
            found[path] = [*seat.violations(), *(["it is cut off"] if seat.is_cut_off() else [])]
            seat.shoot((path.strip("/").replace("/", "-") or "floor") + ending)
    finally:
        seat.context.close()
        for place, track, emotion in (
            ("edge-01/room-101", 21, "joy"),
            ("edge-02/dining", 22, "sadness"),
            ("edge-02/dining", 23, "uncertain"),
        ):
            stage.feel(place, "end", emotion, track=track)
    assert {path: each for path, each in found.items() if each} == {}


def test_the_handover_prints_on_a4(stage: Stage) -> None:
    with stage.seat("carer", "/handover") as seat:
        seat.page.emulate_media(media="print")
        seat.page.set_viewport_size({"width": 703, "height": 1017})  # A4 without its margins
        expect(seat.page.locator("header")).to_be_hidden()
        seat.shoot("handover-printed")
        expect(seat.page.locator(".signature")).to_be_visible()
        paper = seat.page.pdf(path=SCREENS / "handover.pdf", prefer_css_page_size=True)
        assert paper.startswith(b"%PDF")
        assert b"/MediaBox [0 0 594.95996 841.91998]" in paper or b"/MediaBox [0 0 595" in paper


def test_a_page_that_outlives_the_program_that_made_it_loads_itself_anew(stage: Stage) -> None:
    with stage.seat("carer") as seat:
        snapshot = stage.present.snapshot()
        versions = iter(["1.0", "1.0", "2.0"])

        def told(route: Route) -> None:
            version = next(versions, None)
            if version is None:  # the page that was loaded anew hears the real program
                route.continue_()
                return
            text = json.dumps({"version": version} | snapshot)
            route.fulfill(content_type="text/event-stream", body=f"retry: 200\nevent: snapshot\ndata: {text}\n\n")

        seat.page.route("**/api/v1/stream", told)
        with seat.page.expect_navigation():  # ours, to hear the first
            seat.go("/")
        with seat.page.expect_navigation():  # its own, at 2.0
            pass
        assert next(versions, None) is None
        seat.shows(room("談話室"), "だれも映っていません")
