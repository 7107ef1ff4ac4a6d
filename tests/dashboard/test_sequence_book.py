"""Sequences of nodes while batches are being stored."""

from __future__ import annotations

from dashboard.intake import EMOTION
from dashboard.payloads import event

from ffe_edge.dashboard.arrivals import Arrival, read_arrival
from ffe_edge.dashboard.sequence_book import Due, SequenceBook

NODE = ("kiso", "edge-01")


def arrival(sequence: int, *, retained: bool = False) -> Arrival:
    return read_arrival("ffe/v1", EMOTION, event(sequence=sequence), 1_790_000_000_000, retained=retained)


def told(book: SequenceBook, *sequences: int) -> None:
    arrivals = [arrival(sequence) for sequence in sequences]
    book.take(book.drafted(arrivals, arrivals))


def test_what_was_given_up_while_a_batch_was_stored_stays_so() -> None:
    book = SequenceBook()
    told(book, 1, 5)
    batch = [arrival(6)]
    drafts = book.drafted(batch, batch)
    assert book.answered(Due(NODE, 2), 5) == 3
    book.take(drafts)
    assert (book.missing(), book.lost) == (0, 3)


def test_a_batch_that_is_not_committed_changes_nothing() -> None:
    book = SequenceBook()
    told(book, 1)
    batch = [arrival(9)]
    book.drafted(batch, batch)
    assert book.missing() == 0


def test_what_the_broker_had_kept_makes_no_hole() -> None:
    book = SequenceBook()
    batch = [arrival(5000, retained=True)]
    book.take(book.drafted(batch, batch))
    assert book.missing() == 0


def test_an_event_that_was_known_is_no_sign_of_a_new_outbox() -> None:
    book = SequenceBook()
    told(book, 1, 2, 3)
    again = [arrival(2)]
    book.take(book.drafted(again, []))
    assert (book.missing(), book.drafted(again, [])[NODE].seen) == (0, 3)
    book.take(book.drafted(again, again))
    assert book.drafted([arrival(3)], [])[NODE].seen == 3
