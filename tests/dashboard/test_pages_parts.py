"""What pages are made of: lanes of a day, the usual, shifts, sentences, cells of a spreadsheet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web.handover_text import sentences
from ffe_edge.dashboard.web.pages_handover import csv_text
from ffe_edge.dashboard.web.shapes import BADGES, badge, drawn_as
from ffe_edge.dashboard.web.shifts import Shift, latest
from ffe_edge.dashboard.web.strip import Bar, strip
from ffe_edge.dashboard.web.usual import compare

JAPAN = ZoneInfo("Asia/Tokyo")
HOUR = 3_600_000
DAY = 24 * HOUR


@dataclass
class Spell:
    emotion: str
    began_ms: int
    ended_ms: int


@dataclass
class Usual:
    shares: dict[str, float] = field(default_factory=dict)
    spreads: dict[str, float] = field(default_factory=dict)
    days: int = 28


KNOWN = Usual({"joy": 0.3, "neutral": 0.7}, {"joy": 0.05, "neutral": 0.05})


def test_lanes_stand_in_the_contracts_order_and_labels_of_another_task_last() -> None:
    spells = [Spell(emotion, 0, HOUR) for emotion in ("zeal", "uncertain", "neutral", "joy")]
    assert [lane.emotion for lane in strip(spells, [], 0, DAY, DAY).lanes] == ["joy", "neutral", "uncertain", "zeal"]


def test_short_spells_are_seen_and_close_ones_are_one() -> None:
    spells = [Spell("joy", 0, 1000), Spell("joy", 90_000, 95_000), Spell("joy", HOUR, HOUR + 300_000)]
    (lane,) = strip(spells, [], 0, DAY, DAY).lanes
    assert lane.bars == [Bar(0, 150), Bar(3600, 300)]
    assert lane.ms == 306_000


def test_what_has_not_been_yet_is_neither_gap_nor_known() -> None:
    drawn = strip([], [(HOUR, 2 * HOUR), (5 * HOUR - 90_000, 5 * HOUR)], 0, DAY, 5 * HOUR)
    assert drawn.gaps == [Bar(3600, 3600)]
    assert drawn.known_until == 5 * 3600


def test_more_than_usual_is_told_only_beyond_the_persons_own_spread() -> None:
    verdicts = {line.emotion: line.verdict for line in compare({"joy": 5 * HOUR, "neutral": 5 * HOUR}, KNOWN)}
    assert verdicts == {"joy": "above", "neutral": "below"}
    verdicts = {line.emotion: line.verdict for line in compare({"joy": 38 * HOUR, "neutral": 62 * HOUR}, KNOWN)}
    assert verdicts == {"joy": "within", "neutral": "within"}


def test_of_what_is_not_known_nothing_is_told() -> None:
    assert {line.verdict for line in compare({"joy": 5 * HOUR}, Usual({"joy": 0.1}, {}, days=6))} == {"unknown"}
    assert {line.verdict for line in compare({"joy": 60_000}, KNOWN)} == {"unknown"}


TOLD: dict[Language, list[str]] = {
    "ja": [
        "映っていた時間は4時間0分。",
        "多かった表情は喜び 3時間0分（75%）、無感情 1時間0分（25%）。",
        "喜びは75%で、ふだんの1日（30%）より多い。",
        "無感情は25%で、ふだんの1日（70%）より少ない。",
        "情報のない時間が2分。",
    ],
    "en": [
        "In view for 4 h 0 min.",
        "Most shown: Joy 3 h 0 min (75%), Neutral 1 h 0 min (25%).",
        "Joy: 75%, more than on a usual day (30%).",
        "Neutral: 25%, less than on a usual day (70%).",
        "No information for 2 min.",
    ],
}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_shift_is_told_in_figures(language: Language) -> None:
    assert sentences(language, {"joy": 3 * HOUR, "neutral": HOUR}, 120_000, KNOWN) == TOLD[language]


def test_of_a_shift_without_anybody_only_that_is_told() -> None:
    assert sentences("ja", {}, 0, KNOWN) == ["この時間帯、表情の記録はありません。"]


def test_a_shift_may_reach_into_the_next_day() -> None:
    evening = Shift(date(2026, 11, 24), time(16), time(0))
    began, ended = evening.bounds_ms(JAPAN)
    assert ended - began == 8 * HOUR
    assert evening.name == "evening"
    assert Shift(date(2026, 11, 24), time(21), time(7)).name is None


@pytest.mark.parametrize(
    ("now", "day", "name"),
    [("16:01", 24, "day"), ("15:59", 24, "night"), ("08:00", 24, "night"), ("00:00", 23, "evening")],
)
def test_what_is_handed_over_is_the_shift_that_has_ended_last(now: str, day: int, name: str) -> None:
    found = latest(datetime.combine(date(2026, 11, 24), time.fromisoformat(now), JAPAN))
    assert (found.day.day, found.name) == (day, name)


def test_a_shift_of_a_home_with_summer_time_has_its_true_length() -> None:
    began, ended = Shift(date(2026, 3, 29), time(0), time(8)).bounds_ms(ZoneInfo("Europe/Berlin"))
    assert ended - began == 7 * HOUR


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@A1", "\t=1"])
def test_no_cell_of_the_spreadsheet_is_a_formula(name: str) -> None:
    assert csv_text([[name, 1.5]]) == f"'{name},1.5\r\n"


def test_every_emotion_has_its_own_shape_and_sign() -> None:
    told = {name: each for name, each in BADGES.items() if name != "other"}
    assert len({sign for sign, _, _ in told.values()}) == 10
    assert len({path for _, path, _ in told.values()}) == 10
    assert drawn_as("<b>") == "other"
    assert "<b>" not in badge("<b>")
