"""Settings and the handover by plain forms, which need no script."""

from __future__ import annotations

import csv
import io
import re
from html import escape, unescape

import pytest
from dashboard.home import Home
from dashboard.website import PASSWORD, Browser, Site

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web.app import make_app
from ffe_edge.dashboard.web.pages_all import ROUTERS


@pytest.fixture
def site(sqlite: Database) -> Site:
    site = Site(sqlite, home={"name_ja": "きそ", "name_en": "Kiso Home"})
    site.app = make_app(site.parts, ROUTERS)
    Home(site.parts.now_ms()).fill(sqlite, days=2)
    return site


@pytest.fixture
def admin(site: Site) -> Browser:
    return site.signed_in("admin")


def actions(admin: Browser) -> list[tuple[str, str | None]]:
    return [(line["action"], line["subject"]) for line in admin.read("/audit")["entries"]]


def test_a_room_is_made_changed_and_taken_out(admin: Browser) -> None:
    answer = admin.post_form("/settings/rooms", name_ja="浴室", name_en="Bath", floor="1", position="9")
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/rooms?done=saved")
    room = next(room for room in admin.read("/rooms") if room["name_ja"] == "浴室")
    admin.post_form(f"/settings/rooms/{room['id']}", "/settings/rooms", name_ja="大浴場", resident_id="sato")
    room = next(each for each in admin.read("/rooms") if each["id"] == room["id"])
    assert (room["name_ja"], room["name_en"], room["resident_id"]) == ("大浴場", "大浴場", "sato")
    admin.post_form(f"/settings/rooms/{room['id']}/remove", "/settings/rooms")
    assert "大浴場" not in admin.get("/settings/rooms").text


def test_a_camera_is_placed_in_a_room_and_out_of_it(admin: Browser) -> None:
    admin.post_form("/settings/cameras/1", "/settings/rooms", room_id="5")
    assert admin.read("/cameras")[0]["room_id"] == 5
    admin.post_form("/settings/cameras/1", "/settings/rooms", room_id="")
    assert admin.read("/cameras")[0]["room_id"] is None


@pytest.mark.parametrize("position", ["-1", "1e9", "九", "99999999999"])
def test_a_number_that_is_none_is_refused(admin: Browser, position: str) -> None:
    answer = admin.post_form("/settings/rooms", name_ja="浴室", position=position)
    assert answer.status_code == 422
    assert "入力に誤りがあります" in answer.text
    assert "浴室" not in admin.get("/settings/rooms").text


def test_consent_is_written_down_and_withdrawn(admin: Browser) -> None:
    page = "/settings/residents"
    admin.post_form(f"{page}/kato/consent", page, by="長男", note="書庫 3")
    assert "長男" in admin.get(page).text
    admin.post_form(f"{page}/kato/withdraw", page)
    assert "同意は撤回されました" in admin.get(page).text
    assert "新しい記録は作られません" in admin.get("/residents/kato").text
    assert ("consent-withdrawn", "resident:kato") in actions(admin)


def test_a_resident_is_added_and_renamed(admin: Browser) -> None:
    page = "/settings/residents"
    admin.post_form(page, resident_id="mori", name="森 きよ", room_id="5")
    admin.post_form(f"{page}/mori", page, name="森 清", name_en="Kiyo Mori", room_id="")
    (mori,) = [each for each in admin.read("/residents") if each["id"] == "mori"]
    assert (mori["name"], mori["name_en"], mori["room_id"]) == ("森 清", "Kiyo Mori", None)


def test_nobody_is_forgotten_before_their_id_is_typed(site: Site, admin: Browser) -> None:
    page = "/settings/residents"
    refused = admin.post_form(f"{page}/sato/forget", page, typed="satou")
    assert (refused.status_code, f'class="button" href="{page}"' in refused.text) == (422, True)
    assert admin.get("/residents/sato").status_code == 200
    assert admin.post_form(f"{page}/sato/forget", page, typed="sato").headers["location"].endswith("done=forgotten")
    assert admin.get("/residents/sato").status_code == 404
    assert "佐藤" not in admin.get("/").text


def test_a_new_users_password_is_shown_once(site: Site, admin: Browser) -> None:
    answer = admin.post_form("/settings/users", name="Suzuki", display_name="鈴木", role="carer")
    (password,) = re.findall(r"<code>([^<]+)</code>", answer.text)
    assert password not in admin.get("/settings/users").text
    newcomer = site.browser()
    assert newcomer.sign_in("suzuki", unescape(password)).status_code == 303
    assert newcomer.get("/").headers["location"] == "/password"
    newcomer.post_form("/password", old=unescape(password), new=PASSWORD, again=PASSWORD)
    assert newcomer.get("/").status_code == 200


def test_a_user_is_disabled_and_gets_in_no_more(site: Site, admin: Browser) -> None:
    number = site.add_user("yamada")
    browser = site.browser()
    browser.sign_in("yamada")
    admin.post_form(f"/settings/users/{number}/disabled", "/settings/users", disabled="yes")
    assert browser.get("/").headers["location"].startswith("/login")


def test_the_last_admin_stays(admin: Browser) -> None:
    number = admin.read("/me")["id"]
    answer = admin.post_form(f"/settings/users/{number}", "/settings/users", display_name="a", role="carer")
    assert answer.status_code == 409
    assert "最後の管理者" in answer.text


def fields_of(page: str) -> dict[str, str]:
    """All fields of the form of rules as they stand."""
    fields = dict(re.findall(r'<input type="(?:number|time)"[^>]* name="([^"]+)" value="([^"]*)"', page))
    fields |= dict.fromkeys(re.findall(r'<input type="checkbox" name="([^"]+)" value="yes" checked', page), "yes")
    chosen = re.findall(r'<select name="([\w.]+)">.*?<option value="(\w+)" selected', page, re.DOTALL)
    return fields | dict(chosen)


def test_rules_are_changed_and_explained_anew(admin: Browser) -> None:
    before = admin.read("/rules")
    fields = fields_of(admin.get("/settings/rules").text)
    admin.post_form("/settings/rules", **fields)
    assert admin.read("/rules") == before
    admin.post_form("/settings/rules", **(fields | {"long_sadness.hold_minutes": "25", "no_joy.days": "5"}))
    assert admin.read("/rules")["long_sadness"]["hold_minutes"] == 25
    assert "25分続いたら知らせ" in admin.get("/settings/rules").text


@pytest.mark.parametrize("hold", ["0", "abc", "1.5", "99999", "<b>"])
def test_a_rule_that_makes_no_sense_comes_back_as_it_was_typed_with_the_reason(admin: Browser, hold: str) -> None:
    before = admin.read("/rules")
    fields = fields_of(admin.get("/settings/rules").text)
    typed = fields | {"no_joy.hold_minutes": hold, "long_sadness.hold_minutes": "25"}
    answer = admin.post_form("/settings/rules", **typed)
    assert (answer.status_code, answer.text.count('data-problem="invalid"')) == (422, 1)
    assert f'name="no_joy.hold_minutes" value="{escape(hold)}" required aria-invalid="true"' in answer.text
    assert 'name="long_sadness.hold_minutes" value="25" required>' in answer.text
    assert admin.read("/rules") == before


def test_a_resident_who_is_refused_comes_back_as_typed_with_the_reason(admin: Browser) -> None:
    answer = admin.post_form("/settings/residents", resident_id="sato", name="佐藤 <きよ>", room_id="5")
    assert answer.status_code == 409
    form = answer.text.partition('action="/settings/residents" ')[2]
    assert 'value="sato"' in form
    assert 'value="佐藤 &lt;きよ&gt;"' in form
    assert 'value="5" selected' in form
    assert "すでに使われています" in answer.text


@pytest.mark.parametrize(("name", "status"), [("Admin", 409), ("田 中", 422)])
def test_a_user_who_is_refused_comes_back_as_typed_with_the_reason(admin: Browser, name: str, status: int) -> None:
    answer = admin.post_form("/settings/users", name=name, display_name="田中", role="manager")
    assert (answer.status_code, "data-problem=" in answer.text) == (status, True)
    form = answer.text.partition('action="/settings/users" ')[2]
    assert f'name="name" value="{name}"' in form
    assert 'value="manager" selected' in form
    assert "one-time" not in answer.text


def test_a_password_that_was_typed_in_two_ways_is_told_so(admin: Browser) -> None:
    answer = admin.post_form("/password", old=PASSWORD, new="five white horses", again="five white houses")
    assert answer.status_code == 422
    assert "2回で異なります" in answer.text


def test_the_notice_tells_what_is_so_until_it_is_written_otherwise(admin: Browser) -> None:
    page = admin.get("/settings/notice?contact=事務室").text
    for words in ("きそでは", "At Kiso Home", "101号室、102号室", "90日", "事務室"):
        assert words in page
    admin.post_form("/settings/notice", ja="館内でカメラを使っています。", en="")
    assert "館内でカメラを使っています。" in admin.get("/settings/notice").text
    admin.post_form("/settings/notice", reset="yes")
    assert "館内でカメラを使っています。" not in admin.get("/settings/notice").text


def test_the_handover_is_a_spreadsheet_too(admin: Browser) -> None:
    answer = admin.get("/handover.csv?day=2027-01-14&begins=08:00&ends=16:00")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="handover-2027-01-14-0800.csv"' in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[2] == ["入居者", "表情", "分", "割合", "ふだんの1日"]
    assert {row[0] for row in rows[3:]} >= {"佐藤 はな", "田中 一郎", "鈴木 みつ"}
    assert ("handover-viewed", None) in actions(admin)


def test_the_handover_tells_of_times_without_information(admin: Browser) -> None:
    page = admin.get("/handover?day=2027-01-14&begins=08:00&ends=16:00").text
    assert "情報のない時間が2時間0分。" in page
    assert "加藤" not in page


@pytest.mark.parametrize("query", ["day=x", "begins=25:00", "day=2027-01-14&begins=08:00&ends="])
def test_a_shift_that_is_none_is_refused(admin: Browser, query: str) -> None:
    assert admin.get(f"/handover?{query}").status_code == 422
