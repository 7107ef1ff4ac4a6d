"""What a node has told and is still missing, held against sets of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.dashboard.sequences import ASK_AFTER_MS, ASK_EVERY_MS, MAX_ASKED, MAX_RANGES, Asking, Hole, Sequences

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))), max_size=30)


def told(*numbers: int, seen: int = 0) -> Sequences:
    sequences = Sequences(seen)
    for number in numbers:
        sequences.add(number)
    return sequences


def missing(sequences: Sequences) -> set[int]:
    return {number for hole in sequences.holes() for number in range(hole.first, hole.last + 1)}


@settings(max_examples=50, deadline=None)
@given(RANGES, st.integers(0, 20))
def test_any_ranges_leave_the_holes_that_a_set_of_numbers_has(ranges: list[tuple[int, int]], seen: int) -> None:
    sequences, naive = Sequences(seen), set(range(1, seen + 1))
    for first, last in ranges:
        sequences.add(first, last)
        naive |= set(range(first, last + 1))
    highest = max(naive, default=0)
    assert missing(sequences) == set(range(1, highest + 1)) - naive
    assert sequences.highest == highest
    assert sequences.seen == min(missing(sequences), default=highest + 1) - 1


@settings(max_examples=50, deadline=None)
@given(st.permutations(range(1, 30)).flatmap(lambda order: st.tuples(st.just(order), st.integers(0, 28))))
def test_no_order_leaves_a_hole_and_repeats_change_nothing(given_order: tuple[list[int], int]) -> None:
    order, repeated = given_order
    sequences = told(*order, *order[:repeated])
    assert (sequences.seen, sequences.holes()) == (29, [])


@settings(max_examples=50, deadline=None)
@given(RANGES, st.integers(1, 80))
def test_given_up_is_what_was_missing_before(ranges: list[tuple[int, int]], before: int) -> None:
    sequences = Sequences()
    for first, last in ranges:
        sequences.add(first, last)
    expected = {number for number in missing(sequences) if number < before}
    assert sequences.give_up_before(before) == len(expected)
    assert not {number for number in missing(sequences) if number < before}


@settings(max_examples=50, deadline=None)
@given(RANGES)
def test_a_copy_is_changed_alone(ranges: list[tuple[int, int]]) -> None:
    sequences = Sequences()
    for first, last in ranges:
        sequences.add(first, last)
    before = sequences.holes()
    sequences.copy().add(1, 100)
    assert sequences.holes() == before


def test_a_gap_fills_its_hole() -> None:
    sequences = told(1, 2, 9)
    assert sequences.holes() == [Hole(3, 8)]
    sequences.add(3, 8)
    assert (sequences.seen, sequences.holes()) == (9, [])


def test_a_flood_of_holes_stays_bounded() -> None:
    sequences = told(*range(2, 6 * MAX_RANGES, 2))
    assert len(sequences.holes()) <= MAX_RANGES


def test_a_number_from_far_away_costs_nothing() -> None:
    assert told(2**63 - 1).holes() == [Hole(1, 2**63 - 2)]


def test_who_counts_from_the_beginning_again_has_no_hole() -> None:
    sequences = told(1, 2, 90)
    sequences.begin_anew(1)
    assert (sequences.seen, sequences.holes()) == (1, [])


def test_a_hole_is_asked_for_after_five_seconds_and_once_a_minute() -> None:
    sequences, asking = told(1, 4), Asking()
    asked = []
    for second in range(200):
        if asking.due(sequences, second * 1000) == 2:
            asked.append(second)
            asking.answered(sequences, 1, 1)
    assert asked == [5, 65, 125, 185]
    assert (ASK_AFTER_MS, ASK_EVERY_MS) == (5000, 60_000)


def test_who_does_not_answer_is_asked_ever_more_rarely() -> None:
    sequences, asking = told(1, 4), Asking()
    asked = [minute for minute in range(300) if asking.due(sequences, minute * 60_000 + 1)]
    assert asked == [1, 2, 4, 8, 16, 32, 64, 124, 184, 244]


def test_a_hole_that_fills_itself_is_not_asked_for() -> None:
    sequences, asking = told(1, 3), Asking()
    assert asking.due(sequences, 0) is None
    sequences.add(2)
    assert asking.due(sequences, 60_000) is None


def test_a_new_hole_waits_its_own_five_seconds() -> None:
    sequences, asking = told(1, 3), Asking()
    asking.due(sequences, 0)
    sequences.add(2)
    sequences.add(6)
    assert [asking.due(sequences, at_ms) for at_ms in (4_000, 8_000, 9_000)] == [None, None, 4]


@pytest.mark.parametrize(
    ("oldest", "given_up", "left"),
    [
        pytest.param(5, 3, [Hole(5, 9)], id="part-of-it-is-kept"),
        pytest.param(12, 8, [], id="all-of-it-is-gone"),
        pytest.param(None, 8, [], id="nothing-is-kept"),
        pytest.param(2, 0, [Hole(2, 9)], id="all-of-it-is-kept"),
    ],
)
def test_what_a_node_no_longer_has_is_given_up(oldest: int | None, given_up: int, left: list[Hole]) -> None:
    sequences = told(1, 10)
    assert Asking().answered(sequences, 2, oldest) == given_up
    assert sequences.holes() == left


def test_a_hole_that_no_answer_fills_is_given_up() -> None:
    sequences, asking = told(1, 3, 5), Asking()
    given_up = [asking.answered(sequences, 2, 1) for _ in range(MAX_ASKED)]
    assert given_up == [0, 0, 1]
    assert sequences.holes() == [Hole(4, 4)]
