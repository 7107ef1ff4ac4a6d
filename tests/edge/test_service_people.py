"""Residents while the daemon runs: the forgotten are named no more, whoever forgets them and whenever."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
from edge.test_people import HANAKO, SPEC, TARO, config, enrol
from edge.test_residents import MODEL

from ffe_edge.acquaintance import Acquaintances
from ffe_edge.config import Config
from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_edge.messages import ModelIdentity
from ffe_edge.people import People, open_store
from ffe_edge.residents_enrol import forgotten
from ffe_edge.service_people import Enrolled
from ffe_edge.service_telling import Telling
from ffe_edge.spec import ModelSpec
from ffe_edge.types import Change, EmotionEvent, FaceReadings
from ffe_edge.wire import EventContext

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
NINE = ModelSpec("net", LABELS, metrics=SPEC.metrics)
EVENT = EmotionEvent(
    change="start", track_id=1, emotion="joy", previous=None, held_seconds=0.0, confidence=1.0,
    probs=(1.0, *[0.0] * 8), xyxy=(0.0, 0.0, 9.0, 9.0), quality=0.9, seconds=0.0, captured_at=NOW,
)  # fmt: skip


@final
class Home:
    """The residents and the outbox of a daemon without a loop."""

    def __init__(self, folder: Path, **residents: Any) -> None:
        self.folder = folder
        given = config(folder, **residents).model_dump(by_alias=True)
        self.config = Config.model_validate({**given, "broker": {"url": "mqtt://127.0.0.1:1"}})
        self.told: list[dict[str, Any]] = []
        model = ModelIdentity(name="net", sha256="ab", backend="onnxruntime", precision="fp32")
        context = EventContext(self.config.source_topic, "boot", LABELS, model, True)
        self.telling = Telling(self.config, context, lambda _: b"{}", self._obey, self._take)
        self.acquaintance = self.known()
        self.enrolled = Enrolled(self.config, self.acquaintance, lambda: self.telling)
        self.enrolled.tend()

    def known(self) -> Acquaintances | None:
        return Acquaintances.from_config(self.config, NINE, MODEL)

    def tell(self, resident: str | None, change: Change = "start") -> None:
        fields = {name: getattr(EVENT, name) for name in EVENT.__slots__}
        self.telling.event("lounge", EmotionEvent(**{**fields, "resident": resident, "change": change}))

    def names(self) -> list[tuple[str, str | None]]:
        return [(event["data"]["change"], event["data"]["resident"]) for event in self.told]

    def _take(self, payload: bytes) -> None:
        self.told.append(json.loads(payload))

    @staticmethod
    def _obey(_command: object) -> Any:
        raise AssertionError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    enrol(config(tmp_path), HANAKO, TARO)
    one = Home(tmp_path)
    yield one
    one.telling.close(0.5)


def test_an_event_under_way_while_somebody_is_forgotten_does_not_name_them(home: Home) -> None:
    home.tell(HANAKO.id)
    answer = home.enrolled.forget(HANAKO.id)
    assert (answer.ok, answer.count) == (True, 1)
    assert answer.reason == "the enrolment and the events that name the resident are removed"
    home.tell(HANAKO.id, "change")
    home.tell(TARO.id)
    assert home.names() == [("start", HANAKO.id), ("change", None), ("start", TARO.id)]
    assert open_store(home.config).load() == (TARO,)
    assert home.telling.pending == 3  # a gap for what was removed, and two events


def test_however_the_loop_and_a_command_meet_no_event_is_left_that_names_the_forgotten(home: Home) -> None:
    stopping, begun = threading.Event(), threading.Event()

    def tell() -> None:
        while not stopping.is_set():
            home.tell(HANAKO.id)
            begun.set()

    loop = threading.Thread(target=tell)
    loop.start()
    assert begun.wait(10)
    home.enrolled.forget(HANAKO.id)
    told = len(home.told)
    stopping.set()
    loop.join(10)
    home.tell(HANAKO.id)
    assert {name for _, name in home.names()[told + 1 :]} == {None}  # one may have been stored and not yet printed
    assert HANAKO.id.encode() not in b"".join(path.read_bytes() for path in home.folder.glob("*.sqlite*"))


def test_of_those_enrolled_only_nothing_but_the_nameless_end_follows(tmp_path: Path) -> None:
    enrol(config(tmp_path), HANAKO)
    home = Home(tmp_path, policy="enrolled_only")
    home.enrolled.forget(HANAKO.id)
    home.tell(HANAKO.id, "start")
    home.tell(HANAKO.id, "change")
    home.tell(HANAKO.id, "end")
    assert home.names() == [("end", None)]
    home.telling.close(0.5)


def test_nobody_of_a_number_that_there_is_not_is_forgotten(home: Home) -> None:
    with pytest.raises(DataError, match="no such resident"):
        home.enrolled.forget("resident-00000000")


def test_whom_the_command_line_forgets_the_outbox_forgets_too(home: Home) -> None:
    home.tell(HANAKO.id)
    open_store(home.config).change(lambda residents: forgotten(residents, HANAKO.id))
    assert home.acquaintance is not None
    home.acquaintance.follow()
    home.enrolled.tend()
    home.tell(HANAKO.id)
    assert home.names() == [("start", HANAKO.id), ("start", None)]
    assert home.enrolled.forget(TARO.id).count == 0


def test_what_an_earlier_run_left_of_somebody_forgotten_meanwhile_is_removed_at_the_start(tmp_path: Path) -> None:
    enrol(config(tmp_path), HANAKO)
    before = Home(tmp_path)
    before.tell(HANAKO.id)
    before.telling.close(0.5)
    open_store(before.config).change(lambda residents: forgotten(residents, HANAKO.id))
    home = Home(tmp_path)
    assert home.telling.pending == 1  # the gap
    assert HANAKO.id.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("*.sqlite*"))
    home.telling.close(0.5)


def test_where_nobody_is_recognised_the_enrolment_is_deleted_all_the_same(tmp_path: Path) -> None:
    enrol(config(tmp_path), HANAKO, TARO)
    home = Home(tmp_path, recognise=False)
    assert home.acquaintance is None
    assert home.enrolled.forget(HANAKO.id).ok
    assert open_store(home.config).load() == (TARO,)
    home.telling.close(0.5)


def test_without_residents_there_is_nobody_to_forget(tmp_path: Path) -> None:
    home = Home(tmp_path, recognise=False)
    assert home.enrolled.forget("somebody").count == 0
    assert not (tmp_path / "residents.key").exists()
    home.telling.close(0.5)


def grim() -> FaceReadings:
    """Hanako, whose face looks angry at rest."""
    probs = np.array([[0.02, 0.02, 0.02, 0.02, 0.45, 0.02, 0.02, 0.03, 0.40]], np.float32)
    return FaceReadings(probs, np.full(1, 0.9, np.float32), np.array([[1, 0, 0]], np.float32))


def rested(folder: Path) -> Home:
    """A home whose acquaintance knows how Hanako looks at rest, in memory only."""
    enrol(config(folder), HANAKO)
    home = Home(folder)
    values = home.config.model_dump(by_alias=True)
    home.config = Config.model_validate({**values, "baseline": {"enabled": True}})
    known = home.known()
    assert known is not None
    home.enrolled.use(home.config, known)
    for index in range(300):
        known.meet("lounge", [1], grim(), index / 2)
    assert People(home.config, NINE, MODEL).resting() == {}
    return home


def test_a_reload_loses_no_baseline_and_the_old_one_is_closed_first(tmp_path: Path) -> None:
    home = rested(tmp_path)
    after = home.known()
    assert after is not None
    home.enrolled.use(home.config, after)
    assert set(People(home.config, NINE, MODEL).resting()) == {HANAKO.id}
    for index in range(5):
        told, residents = after.meet("lounge", [1], grim(), index / 2)
    assert (residents, LABELS[int(told[0].argmax())]) == ([HANAKO.id], "neutral")
    home.telling.close(0.5)


def test_somebody_forgotten_while_a_reload_was_prepared_stays_forgotten(tmp_path: Path) -> None:
    enrol(config(tmp_path), HANAKO)
    home = Home(tmp_path)
    prepared = home.known()
    home.enrolled.forget(HANAKO.id)
    home.enrolled.use(home.config, prepared)
    home.tell(HANAKO.id)
    assert home.names() == [("start", None)]
    assert prepared is not None
    assert prepared.enrolled == frozenset()
    home.telling.close(0.5)
