"""What the dashboard asks of nodes, over a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dashboard.intake import EMOTION, STATUS, Device, Running
from dashboard.payloads import event, status
from e2e.mosquitto import Mosquitto, wait_for
from sqlalchemy import insert, select

from ffe_edge.dashboard import sequences
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.forgets_owed import NO_SUCH_RESIDENT, Owed, owe, owed
from ffe_edge.dashboard.link import Question, Received
from ffe_edge.dashboard.nodes import Nodes
from ffe_edge.dashboard.sequence_book import SequenceBook
from ffe_edge.dashboard.tables import events, nodes
from ffe_edge.errors import BrokerError, DataError
from ffe_edge.residents_enrol import forgotten
from ffe_edge.wire import as_replayed

NODE = ("kiso", "edge-01")
ROW = {"site": "kiso", "node": "edge-01", "state": "online", "since_ms": 0, "heard_ms": 0, "sequence_seen": 0}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as one:
        yield one


@pytest.fixture
def device(broker: Mosquitto) -> Iterator[Device]:
    with Device(broker) as one:
        yield one


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "ASK_AFTER_MS", 300)


def replaying(device: Device, kept: dict[int, bytes]) -> None:
    """The device has kept these."""

    def answer(name: str, command: dict[str, Any]) -> dict[str, Any] | None:
        since = command.get("since_sequence", 0)
        found = {number: payload for number, payload in kept.items() if number >= since}
        for payload in found.values():
            device.publish(EMOTION, as_replayed(payload))
        return {"ok": True, "reason": name, "count": len(found), "first_sequence": min(found, default=None)}

    device.answer = answer


def seen(database: Database) -> int:
    with database.reading() as connection:
        sequence: int = connection.execute(select(nodes.c.sequence_seen)).scalar_one()
    return sequence


def test_a_hole_is_asked_for_and_filled_by_the_replay(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    told = {number: event(sequence=number) for number in range(1, 8)}
    replaying(device, told)
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, told[1], told[2], told[6], told[7])
        assert wait_for(lambda: intake.count(events) == 7)
        assert wait_for(lambda: seen(sqlite) == 7)
        with sqlite.reading() as connection:
            late = connection.execute(select(events.c.sequence).where(events.c.is_replayed)).scalars().all()
    assert device.commands == [("replay", {"since_sequence": 3})]
    assert sorted(late) == [3, 4, 5]


def test_what_the_node_no_longer_has_is_given_up_and_counted(
    broker: Mosquitto, device: Device, sqlite: Database
) -> None:
    told = {number: event(sequence=number) for number in (5, 6, 9)}
    replaying(device, told)
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, told[9])
        assert wait_for(lambda: intake.intake.book.lost == 4)
        assert wait_for(lambda: intake.count(events) == 3)
        assert intake.intake.book.missing() == 2


def test_a_gap_that_names_the_hole_needs_no_replay(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    gap = event(sequence=5).replace(b"jp.ffe.emotion.v1", b"jp.ffe.gap.v1").replace(b"emotion-v1", b"gap-v1")
    head, _, _ = gap.partition(b', "data"')
    gap = head.replace(b'"subject": "track-1", ', b"")
    gap += b', "data": {"first": 2, "last": 4, "count": 3, "reason": "the outbox was full"}}'
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, event(sequence=1), gap)
        assert intake.has_received(2)
        assert seen(sqlite) == 5
        assert intake.intake.book.missing() == 0


def test_a_node_whose_outbox_is_new_counts_from_the_beginning(
    broker: Mosquitto, device: Device, sqlite: Database
) -> None:
    with Running(broker, sqlite) as intake:
        device.told(EMOTION, *(event(sequence=number) for number in (1, 2, 3, 1, 2)))
        assert intake.has_received(5)
        assert intake.count(events) == 5
        assert (seen(sqlite), intake.intake.book.missing()) == (2, 0)


def test_a_resident_is_forgotten_by_a_node_that_answers_late_and_after_a_restart(
    broker: Mosquitto, device: Device, sqlite: Database
) -> None:
    with Running(broker, sqlite) as intake:
        device.told(STATUS, status("online", "s1"))
        assert intake.has_received(1)
        intake.nodes.forget("r1")
        assert wait_for(lambda: device.commands == [("forget", {"resident": "r1"})])
    device.answer = lambda *_: {"ok": True, "reason": "the enrolment is removed", "count": 0}
    with Running(broker, sqlite):
        assert wait_for(lambda: not debts(sqlite))


def debts(database: Database) -> list[Owed]:
    with database.reading() as connection:
        return owed(connection)


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        pytest.param({"ok": True, "reason": "removed"}, 0, id="done"),
        pytest.param({"ok": False, "reason": f"{NO_SUCH_RESIDENT}; see the list"}, 0, id="nothing-to-forget"),
        pytest.param({"ok": False, "reason": "the store cannot be used"}, 1, id="refused"),
        pytest.param({"nonsense": 1}, 1, id="no-answer-of-ours"),
    ],
)
def test_only_an_answer_that_says_so_settles_it(
    broker: Mosquitto, device: Device, sqlite: Database, answer: dict[str, Any], left: int
) -> None:
    device.answer = lambda *_: answer
    with Running(broker, sqlite) as intake:
        device.told(STATUS, status("online", "s1"))
        assert intake.has_received(1)
        intake.nodes.forget("r1")
        assert wait_for(lambda: device.commands != [])
        wait_for(lambda: len(debts(sqlite)) == 0, 1.5)
    assert len(debts(sqlite)) == left


def test_a_node_says_it_has_nobody_to_forget_as_we_read_it() -> None:
    with pytest.raises(DataError, match=f"^{NO_SUCH_RESIDENT}"):
        forgotten((), "r1")


def test_every_node_owes_it(sqlite: Database, broker: Mosquitto, device: Device) -> None:
    with Running(broker, sqlite) as intake:
        device.told(STATUS, status("online", "s1"))
        device.told("ffe/v1/kiso/edge-02/status", status("online", "s2"))
        assert intake.has_received(2)
    with sqlite.writing() as connection:
        owe(connection, "r1")
        owe(connection, "r1")
    assert debts(sqlite) == [Owed(NODE, "r1"), Owed(("kiso", "edge-02"), "r1")]


def test_a_command_is_answered_to_who_asked(broker: Mosquitto, device: Device, sqlite: Database) -> None:
    device.answer = lambda *_: {"ok": True, "reason": "privacy on"}
    with Running(broker, sqlite) as intake:
        assert intake.nodes.command(NODE, "privacy", {"state": "on"}).reason == "privacy on"
    assert device.commands == [("privacy", {"state": "on"})]


def test_who_does_not_answer_is_told(broker: Mosquitto, sqlite: Database) -> None:
    with Running(broker, sqlite) as intake, pytest.raises(BrokerError, match="kiso/edge-01 does not answer"):
        intake.nodes.command(NODE, "privacy", {"state": "on"}, timeout_seconds=0.3)


def test_an_answer_on_another_nodes_topic_is_none(sqlite: Database) -> None:
    asked: list[Question] = []
    nodes_asked = Nodes(
        sqlite,
        SequenceBook(),
        root_topic="ffe/v1",
        response_level="response/c",
        ask=asked.append,
        acknowledge=lambda _: None,
    )
    with sqlite.writing() as connection:
        connection.execute(insert(nodes).values(ROW))
        owe(connection, "r1")
    nodes_asked._turn()
    [question] = asked
    answer = Received("", b'{"ok": true, "reason": "done"}', False, 0, 1, None, question.correlation)
    nodes_asked.take(replace(answer, topic=question.response_topic.replace("edge-01", "edge-02")))
    nodes_asked._turn()
    assert len(debts(sqlite)) == 1
    nodes_asked.take(replace(answer, topic=question.response_topic))
    nodes_asked._turn()
    assert debts(sqlite) == []
