"""Work in a thread that ends when it is asked to."""

from __future__ import annotations

import threading

from ffe_edge.background import Background


class Waiting(Background):
    def __init__(self, *, obeys: bool = True) -> None:
        super().__init__("waiting")
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.obeys = obeys

    def _run(self) -> None:
        self.begun.set()
        (self._stopping if self.obeys else self.let_go).wait(60)


def test_it_ends_when_it_is_asked_to() -> None:
    work = Waiting()
    work.start()
    assert work.begun.wait(10)
    assert work.stop(10)
    assert work.stop(10)


def test_what_never_began_has_ended() -> None:
    work = Waiting()
    work.cancel()
    assert work.stop()
    assert not work.begun.is_set()


def test_what_does_not_end_in_time_is_told() -> None:
    work = Waiting(obeys=False)
    work.start()
    assert not work.stop(0.01)
    work.let_go.set()
    assert work.stop(10)
