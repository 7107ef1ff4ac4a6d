"""Pages for people: the real app over a real store, asked without a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from dashboard.home import Home
from dashboard.website import Browser, Clock, Site
from sqlalchemy import insert

from ffe_edge.dashboard import tables
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web.app import make_app
from ffe_edge.dashboard.web.pages_all import ROUTERS

XSS = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
PAGES = ("/", "/residents", "/residents/sato", "/alerts", "/handover", "/password")
MANAGED = ("rooms", "residents", "rules", "notice")
ADMINISTERED = ("users", "retention", "quarantine", "audit")
SETTINGS = tuple(f"/settings/{name}" for name in (*MANAGED, *ADMINISTERED))


def with_pages(database: Database) -> Site:
    site = Site(database, home={"name_ja": "きそ", "name_en": "Kiso Home"})
    site.app = make_app(site.parts, ROUTERS)
    return site


def a_copy(filled: Path, folder: Path) -> closing[Database]:
    for part in filled.parent.iterdir():
        shutil.copy(part, folder)
    return closing(Database(f"sqlite:///{folder / filled.name}"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a home in it; making it takes longer than a copy."""
    path = tmp_path_factory.mktemp("home") / "home.sqlite"
    with closing(Database(f"sqlite:///{path}")) as database:
        database.migrate()
        Home(int(Clock().seconds * 1000)).fill(database, days=12)
    return path


@pytest.fixture(scope="module")
def reader(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """An admin who changes nothing but the language."""
    with a_copy(filled, tmp_path_factory.mktemp("reader")) as database:
        yield with_pages(database).signed_in("admin")


@pytest.fixture
def site(filled: Path, tmp_path: Path) -> Iterator[Site]:
    """A home of the test's own."""
    with a_copy(filled, tmp_path) as database:
        yield with_pages(database)


@pytest.fixture
def admin(site: Site) -> Browser:
    return site.signed_in("admin")


def text_of(page: str) -> str:
    """What a reader of the page reads, on one line."""
    shown = re.sub(r"<(template|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", shown).split()))


def speak(browser: Browser, language: str) -> None:
    browser.request("POST", "/language", data={"csrf": browser.csrf, "language": language})


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("path", [*PAGES, *SETTINGS])
def test_every_page_is_there_in_both_languages_and_says_that_it_estimates(
    reader: Browser, path: str, language: str
) -> None:
    speak(reader, language)
    answer = reader.get(path)
    assert answer.status_code == 200, answer.text
    assert f'<html lang="{language}">' in answer.text
    assert ("診断ではありません" if language == "ja" else "not a diagnosis") in text_of(answer.text)


@pytest.mark.parametrize("path", [*PAGES, *SETTINGS, "/nowhere"])
def test_no_page_needs_what_the_content_security_policy_refuses(reader: Browser, path: str) -> None:
    page = reader.get(path).text
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|https?://(?!www\.w3\.org)", page) == []


@pytest.mark.parametrize("path", [*PAGES, *SETTINGS])
def test_every_form_that_changes_something_has_the_token(reader: Browser, path: str) -> None:
    forms = re.findall(r'<form method="post".*?</form>', reader.get(path).text, re.DOTALL)
    assert forms
    assert all(f'name="csrf" value="{reader.csrf}"' in form for form in forms)


@pytest.mark.parametrize("role", ["carer", "manager"])
def test_settings_are_for_whom_they_are_meant(site: Site, role: str) -> None:
    browser = site.signed_in(role)  # type: ignore[arg-type]
    assert ('href="/settings"' in browser.get("/").text) == (role == "manager")
    for name in MANAGED:
        assert (browser.get(f"/settings/{name}").status_code == 200) == (role == "manager")
    for name in ADMINISTERED:
        assert browser.get(f"/settings/{name}").status_code == 403


def test_who_is_not_signed_in_sees_nothing(site: Site) -> None:
    for path in (*PAGES, *SETTINGS, "/handover.csv"):
        assert site.browser().get(path).headers["location"].startswith("/login?next=")


def test_the_floor_holds_all_rooms_their_residents_and_cameras(reader: Browser) -> None:
    speak(reader, "ja")
    page = reader.get("/").text
    for words in ("101号室", "佐藤 はな", "食堂", "談話室"):
        assert words in page
    assert '["kiso/edge-01/room-101"]' in unescape(page)
    speak(reader, "en")
    assert "Dining room" in reader.get("/").text
    assert "Hana Sato" in reader.get("/").text


def test_who_has_not_consented_is_not_named_in_the_live_picture(reader: Browser) -> None:
    speak(reader, "ja")
    names = re.search(r'data-residents="([^"]*)"', reader.get("/").text)
    assert names is not None
    assert "佐藤" in unescape(names[1])
    assert "加藤" not in unescape(names[1])


def test_a_resident_is_shown_against_their_own_usual_days(reader: Browser) -> None:
    speak(reader, "ja")
    told = text_of(reader.get("/residents/suzuki").text)
    assert "「ふだん」は、この人自身のこれまで12日分の平均" in told
    assert "悲しみ" in told
    assert re.search(r"ふだん \d+%〜\d+%", told)


def test_times_without_a_picture_are_told_as_gaps_and_not_as_nobody(reader: Browser) -> None:
    speak(reader, "ja")
    page = reader.get("/residents/tanaka?day=2027-01-14").text
    assert re.search(r'<rect class="gap" x="36000" width="7200"', page)
    assert "10:00:00 12:00:00 情報なし" in text_of(page)


def test_late_events_are_marked(reader: Browser) -> None:
    speak(reader, "ja")
    pages = [reader.get(f"/residents/{key}?day=2027-01-14").text for key in ("sato", "tanaka", "suzuki")]
    assert any("遅延" in text_of(page) for page in pages)


def test_every_look_at_a_resident_is_written_down(admin: Browser) -> None:
    admin.get("/residents/sato")
    lines = admin.read("/audit")["entries"]
    assert ("admin", "resident-viewed", "resident:sato") in [
        (line["user_name"], line["action"], line["subject"]) for line in lines
    ]


@pytest.mark.parametrize(
    "path", ["/residents/nobody", "/residents/UPPER", "/residents/sato?day=0001-01-01", "/nowhere"]
)
def test_what_is_not_there_gets_a_page_that_says_so(reader: Browser, path: str) -> None:
    speak(reader, "ja")
    answer = reader.get(path)
    assert answer.status_code in (404, 422)
    assert "処理できませんでした" in text_of(answer.text)


def test_an_alert_is_acknowledged_and_handled_by_whom_and_when_for_all_to_see(site: Site, admin: Browser) -> None:
    page = admin.get("/alerts").text
    assert (
        text_of(page).index("長い悲しみ")
        < text_of(page).index("対応済にする")
        < text_of(page).index("カメラの映像なし")
    )
    number = re.findall(r'data-alert="(\d+)"', page)[0]
    admin.post_form(f"/alerts/{number}/acknowledge", "/alerts")
    other = site.signed_in("carer")
    assert re.search(r"確認: 1月15日（金） \d\d:\d\d admin", text_of(other.get("/alerts").text))
    other.post_form(f"/alerts/{number}/handle", "/alerts", note="お茶を飲んで\r\n落ち着いた")
    told = text_of(admin.get("/alerts").text)
    assert re.search(r"対応済: 1月15日（金） \d\d:\d\d carer お茶を飲んで 落ち着いた", told)


def test_the_rule_of_an_alert_is_explained_with_its_figures(reader: Browser) -> None:
    speak(reader, "ja")
    told = text_of(reader.get("/alerts").text)
    assert "この120分のうち52分、悲しみの表情でした（映っていた時間の47%。ふだんは21%）" in told
    assert "直近120分のうち、20分以上映っていて" in told


@pytest.mark.parametrize("note", [XSS, "'; DROP TABLE alerts; --"])
def test_hostile_text_of_forms_is_shown_as_text(admin: Browser, note: str) -> None:
    number = re.findall(r'data-alert="(\d+)"', admin.get("/alerts").text)[0]
    admin.post_form(f"/alerts/{number}/handle", "/alerts", note=note)
    page = admin.get("/alerts").text
    assert "<img" not in page.partition("</header>")[2]
    assert note in unescape(page)


def test_hostile_text_of_the_wire_is_shown_as_text(site: Site, admin: Browser) -> None:
    with site.database.writing() as connection:
        row = {"node_id": 1, "name": XSS, "state": "online", "reason": XSS, "since_ms": 1, "heard_ms": 1}
        camera = connection.execute(insert(tables.cameras).values(row).returning(tables.cameras.c.id)).scalar_one()
        spell = {"camera_id": camera, "track_key": XSS, "sequence": 1, "resident_id": "sato", "emotion": XSS}
        now_ms = site.parts.now_ms()
        connection.execute(insert(tables.spells).values(spell | {"began_ms": now_ms - 9000, "ended_ms": now_ms - 99}))
        bad = {"received_ms": 1, "topic": XSS, "reason": XSS, "bytes": 9, "payload": XSS.encode(), "count": 1}
        connection.execute(insert(tables.quarantine).values(bad))
    for path in ("/", "/residents/sato", "/settings/rooms", "/settings/quarantine", "/handover"):
        page = admin.get(path).text.partition("</header>")[2]
        assert "<img" not in page
        assert XSS in unescape(page) or path == "/handover"


def test_without_its_database_a_page_says_so(site: Site, admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from ffe_edge.errors import StoreError

    def away() -> None:
        raise StoreError("gone")

    monkeypatch.setattr(site.database, "reading", away)
    answer = admin.get("/")
    assert answer.status_code == 503
    assert "データベースにつながりません" in text_of(answer.text)


def test_an_empty_home_has_pages_that_say_what_is_missing(sqlite: Database) -> None:
    browser = with_pages(sqlite).signed_in("admin")
    assert "部屋もカメラもまだありません" in text_of(browser.get("/").text)
    assert "入居者はまだ登録されていません" in text_of(browser.get("/residents").text)
    assert "未対応のアラートはありません" in text_of(browser.get("/alerts").text)
    assert "同意が記録されている入居者はいません" in text_of(browser.get("/handover").text)
    assert "カメラはまだありません" in text_of(browser.get("/settings/rooms").text)
