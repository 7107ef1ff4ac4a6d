from __future__ import annotations

import pytest

from ffe_edge.dashboard.spells import MAX_SPELL_MS, Spell, Told, cut, spells_of


def told(sequence: int, change: str, at: float, emotion: str, previous: str | None = None, **more: object) -> Told:
    """An event at ``at`` seconds; ``held`` in seconds."""
    held_ms = round(1000 * float(more.pop("held", 0)))  # type: ignore[arg-type]
    return Told(sequence, change, round(1000 * at), emotion, previous, held_ms, **more)  # type: ignore[arg-type]


def shown(spells: list[Spell]) -> list[tuple[str, float, float | None, str | None]]:
    return [
        (spell.emotion, spell.began_ms / 1000, spell.ended_ms and spell.ended_ms / 1000, spell.end_reason)
        for spell in spells
    ]


START = told(1, "start", 10, "neutral")
CHANGE = told(2, "change", 20, "joy", "neutral", held=10)
END = told(3, "end", 50, "joy", "joy", held=30)


def test_a_start_opens_a_change_closes_and_opens_an_end_closes() -> None:
    assert shown(spells_of([START, CHANGE, END])) == [
        ("neutral", 10, 20, "change"),
        ("joy", 20, 50, "end"),
    ]


def test_without_an_end_it_lasts() -> None:
    assert shown(spells_of([START, CHANGE])) == [("neutral", 10, 20, "change"), ("joy", 20, None, None)]


def test_a_lost_change_is_rebuilt_from_what_the_next_event_says_it_held() -> None:
    assert shown(spells_of([START, END])) == [("neutral", 10, 10, "lost"), ("joy", 20, 50, "end")]


def test_a_lost_start_is_rebuilt() -> None:
    assert shown(spells_of([CHANGE, END])) == [("neutral", 10, 20, "change"), ("joy", 20, 50, "end")]


def test_of_a_long_hole_in_one_emotion_only_the_last_spell_is_counted() -> None:
    late_end = told(9, "end", 1000, "neutral", "neutral", held=30)
    assert shown(spells_of([START, late_end])) == [("neutral", 10, 10, "lost"), ("neutral", 970, 1000, "end")]


def test_a_start_of_a_known_track_ends_what_was_open_at_the_last_thing_known_of_it() -> None:
    again = told(7, "start", 90, "anger")
    assert shown(spells_of([START, again])) == [("neutral", 10, 10, "restarted"), ("anger", 90, None, None)]


def test_what_else_is_known_ends_a_spell_whose_end_is_not_told_but_no_other() -> None:
    first, second = spells_of([START, told(7, "start", 90, "anger")])
    ended = spells_of([START, CHANGE])[0]
    assert shown(
        [cut(first, 60_000, "node lost"), cut(first, 95_000, "node lost"), cut(second, 99_000, "privacy")]
    ) == [
        ("neutral", 10, 60, "node lost"),
        ("neutral", 10, 90, "node lost"),
        ("anger", 90, 99, "privacy"),
    ]
    assert cut(ended, 15_000, "node lost") == ended


@pytest.mark.parametrize("named", [0, 1, 2])
def test_a_name_told_once_is_the_name_of_the_whole_life(named: int) -> None:
    events = [
        told(1, "start", 10, "neutral", resident_id="hana" if named == 0 else None),
        told(2, "change", 20, "joy", "neutral", resident_id="hana" if named == 1 else None),
        told(3, "end", 30, "joy", "joy", resident_id="hana" if named == 2 else None),
        told(4, "start", 40, "neutral"),
    ]
    assert [spell.resident_id for spell in spells_of(events)] == ["hana", "hana", None]


def test_a_wrong_clock_makes_no_year_of_joy() -> None:
    (spell,) = spells_of([told(1, "start", 0, "joy"), told(2, "end", 4e8, "joy", "joy")])
    assert (spell.ended_ms, spell.end_reason) == (MAX_SPELL_MS, "end")


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    spells = spells_of(
        [told(1, "start", 100, "joy"), told(2, "change", 40, "anger", "joy"), told(3, "end", 50, "", "anger")]
    )
    assert shown(spells) == [("anger", 40, 50, "end")]
