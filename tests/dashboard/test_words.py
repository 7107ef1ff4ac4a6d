"""Words of the pages: each key in both languages, with the same figures in both."""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import get_args

import pytest

from ffe_edge.dashboard import words
from ffe_edge.dashboard.alert_rules import explained
from ffe_edge.dashboard.alert_settings import RULES, AlertSettings, Severity
from ffe_edge.dashboard.audit import Action
from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.users import ROLES
from ffe_edge.dashboard.web.problem import KINDS
from ffe_edge.emotions import LABELS

ROOT = Path(words.__file__).parent
SOURCES = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "web").glob("page*.py")]
NAMED = re.compile(r"""\b(?:t|say|text)\((?:[a-z_.]+, )?["']([\w.-]+)["'](?! ~)""")


def fields(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}


@pytest.mark.parametrize("key", sorted(words.WORDS))
def test_each_key_has_words_and_the_same_figures_in_both_languages(key: str) -> None:
    japanese, english = words.WORDS[key]
    assert japanese.strip()
    assert english.strip()
    assert fields(japanese) == fields(english)


def test_nothing_in_english_was_left_in_japanese() -> None:
    assert [key for key, (_, english) in words.WORDS.items() if re.search(r"[ぁ-んァ-ヶ一-龠]", english)] == []


def test_all_that_other_parts_name_has_words() -> None:
    needed = [f"emotion.{label}" for label in (*LABELS, "uncertain")]
    needed += [f"rule.{rule}" for rule in RULES] + [f"role.{role}" for role in ROLES]
    needed += [f"severity.{name}" for name in get_args(Severity)] + [f"action.{name}" for name in get_args(Action)]
    needed += [f"problem.{code}" for code in KINDS]
    assert [key for key in needed if key not in words.WORDS] == []


def test_all_keys_that_pages_name_exist() -> None:
    named = {key for path in SOURCES for key in NAMED.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert sorted(key for key in named if key not in words.WORDS) == []


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_rule_is_explained_with_its_figures(language: Language) -> None:
    for sentence in explained(AlertSettings()).values():
        told = words.sentence(language, sentence.key, sentence.figures)
        assert "{" not in told
        assert str(sentence.figures["hold_minutes"]) in told


def test_a_sentence_that_is_not_known_is_shown_by_its_key() -> None:
    assert words.sentence("ja", "of-tomorrow", {}) == "of-tomorrow"
    assert words.sentence("ja", "no-joy", {"days": 3}) == "no-joy"


def test_shares_emotions_and_spans_are_said_as_people_do() -> None:
    assert words.percent(0.42) == "42%"
    assert words.percent(0.001) == "0.1%"
    assert words.span("ja", 3_780_000) == "1時間3分"
    assert words.span("en", 59_000) == "59 s"
    assert words.emotion_word("ja", "boredom") == "boredom"
