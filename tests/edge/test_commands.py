from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffe_edge.commands import (
    BURST,
    COMMANDS,
    MAX_COMMAND_BYTES,
    Answer,
    Command,
    Commands,
    Forget,
    Pause,
    Privacy,
    Reload,
    Replay,
    Resume,
    parse_command,
    replay_answer,
)
from ffe_edge.errors import StoreError
from ffe_edge.mqtt_message import Incoming, Message
from ffe_edge.outbox_delivered import Replay as OutboxReplay

NODE = "ffe/v1/kiso/edge-01"
ASKER = "asker/1"


def incoming(name: str, payload: bytes = b"", *, retained: bool = False, response: str | None = ASKER) -> Incoming:
    return Incoming(f"{NODE}/command/{name}", payload, retained, response, b"\x00corr")


def commands(handler: Any = None, **settings: Any) -> Commands:
    return Commands(NODE, handler or (lambda _: Answer(ok=True, reason="done")), **settings)


def said(message: Message | None) -> dict[str, Any]:
    assert message is not None
    answer: dict[str, Any] = json.loads(message.payload)
    return answer


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        pytest.param("pause", b"", Pause(), id="pause"),
        pytest.param("pause", b'{"camera":"day-room"}', Pause(camera="day-room"), id="pause one camera"),
        pytest.param("resume", b"{}", Resume(), id="resume"),
        pytest.param("privacy", b'{"state":"on"}', Privacy(state="on"), id="privacy"),
        pytest.param("replay", b'{"since_sequence":12}', Replay(since_sequence=12), id="replay"),
        pytest.param("reload", b"", Reload(), id="reload"),
        pytest.param("forget", '{"resident":"山田"}'.encode(), Forget(resident="山田"), id="forget"),
    ],
)
def test_a_command_reaches_the_handler_and_is_answered(name: str, payload: bytes, expected: Command) -> None:
    taken: list[Command] = []

    def handler(command: Command) -> Answer:
        taken.append(command)
        return Answer(ok=True, reason="done", count=3)

    answer = commands(handler).take(incoming(name, payload))
    assert taken == [expected]
    assert said(answer) == {"ok": True, "reason": "done", "count": 3}
    assert answer is not None
    assert (answer.topic, answer.retain, answer.correlation) == (ASKER, False, b"\x00corr")


@pytest.mark.parametrize(
    ("name", "payload", "reason"),
    [
        pytest.param("format-disk", b"", "unknown command; there are pause, resume", id="unknown command"),
        pytest.param("pause/x", b"", "unknown command", id="deeper topic"),
        pytest.param("replay", b"", "replay: since_sequence: Field required", id="missing key"),
        pytest.param("replay", b'{"since_sequence":"1"}', "since_sequence: Input should be a valid int", id="text"),
        pytest.param("replay", b'{"since_sequence":true}', "since_sequence: Input should be a valid int", id="boolean"),
        pytest.param("replay", b'{"since_sequence":0}', "greater than or equal to 1", id="zero"),
        pytest.param("replay", b'{"since_sequence":%s}' % (b"9" * 4000), "replay: ", id="huge number"),
        pytest.param("pause", b'{"image":""}', "pause: unknown key; there are camera", id="unknown key"),
        pytest.param("reload", b'{"a":1}', "reload: unknown key; there are none", id="key where none is"),
        pytest.param("pause", b'{"camera":"../x"}', "camera: String should match", id="no camera id"),
        pytest.param("privacy", b'{"state":"ON"}', "state: Input should be 'on' or 'off'", id="other state"),
        pytest.param("forget", b'{"resident":""}', "resident: String should", id="nobody"),
        pytest.param("forget", b'{"resident":"a\\nb"}', "resident: String should", id="control character"),
        pytest.param("forget", b'{"resident":"\\ud800"}', "forget: ", id="lone surrogate"),
        pytest.param("pause", b"null", "pause: Input should be an object", id="null"),
        pytest.param("pause", b"\xff\xfe", "pause: not JSON", id="no utf-8"),
        pytest.param("pause", b"[" * 4000, "pause: not JSON", id="deep lists"),
        pytest.param("pause", b" " * (MAX_COMMAND_BYTES + 1), "pause of 4097 bytes is longer than 4096", id="long"),
    ],
)
def test_what_is_no_command_is_answered_with_the_reason(name: str, payload: bytes, reason: str) -> None:
    def handler(_: Command) -> Answer:
        raise AssertionError("must not be called")

    answer = said(commands(handler).take(incoming(name, payload)))
    assert answer["ok"] is False
    assert reason in answer["reason"]


def test_a_retained_command_is_refused() -> None:
    answer = said(commands().take(incoming("pause", retained=True)))
    assert (answer["ok"], "published retained" in answer["reason"]) == (False, True)


def test_a_handler_that_fails_is_answered_in_one_line() -> None:
    def handler(_: Command) -> Answer:
        raise StoreError("outbox.sqlite: cannot be used\n(disk full)" + "x" * 300)

    answer = said(commands(handler).take(incoming("reload")))
    assert answer["reason"].startswith("outbox.sqlite: cannot be used (disk full)xx")
    assert len(answer["reason"]) == 256


@pytest.mark.parametrize(
    ("topic", "is_answered"),
    [
        pytest.param(None, False, id="none"),
        pytest.param("", False, id="empty"),
        pytest.param("asker/1", True, id="of the asker"),
        pytest.param(f"{NODE}/response/1", True, id="the node's own for answers"),
        pytest.param(f"{NODE}/status", False, id="the node's status"),
        pytest.param("ffe/v1/kiso/edge-02/command/pause", False, id="command to another node"),
        pytest.param("homeassistant/device/x/config", False, id="discovery"),
        pytest.param("$SYS/broker", False, id="the broker's"),
        pytest.param("a/#", False, id="wildcard"),
        pytest.param("x" * 257, False, id="long"),
    ],
)
def test_an_answer_goes_nowhere_where_it_could_be_taken_for_something_else(topic: str, is_answered: bool) -> None:
    answer = commands(closed_topics=("homeassistant/",)).take(incoming("pause", response=topic))
    assert (answer is not None) is is_answered


def test_a_replay_that_cannot_bring_everything_says_so() -> None:
    answer = replay_answer(OutboxReplay(count=12, first=4, missing=3))
    assert (answer.ok, answer.reason) == (True, "12 events are sent again; 3 are no longer kept")
    assert (answer.count, answer.first_sequence, answer.missing) == (12, 4, 3)


def test_a_flood_is_answered_once_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    taken: list[Command] = []

    def handler(command: Command) -> Answer:
        taken.append(command)
        return Answer(ok=True, reason="done")

    one = commands(handler, clock=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        answers = [one.take(incoming("pause")) for _ in range(1000)]
    assert (len(taken), caplog.text.count("too many commands")) == (BURST, 1)
    assert said(answers[BURST]) == {"ok": False, "reason": "too many commands: wait a while"}
    assert answers[BURST + 1 :] == [None] * (1000 - BURST - 1)
    now[0] = 2.0
    assert said(one.take(incoming("pause")))["ok"]


def test_nothing_of_a_payload_is_logged_nor_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = said(commands().take(incoming("forget", '{"resident":"山田","x":"secret"}'.encode())))
        commands().take(incoming("forget", '{"resident":"山田"}'.encode()))
    assert not any(word in caplog.text + answer["reason"] for word in ("山田", "secret"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["camera", "state", "resident", "x"]), inner),
)


@given(
    st.sampled_from([*COMMANDS, "nothing"]) | st.text(),
    st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()),
    st.none() | st.text(max_size=300),
    st.none() | st.binary(max_size=2000),
    st.booleans(),
)
def test_no_payload_crashes(
    name: str, payload: bytes, response: str | None, correlation: bytes | None, retained: bool
) -> None:
    message = Incoming(f"{NODE}/command/{name}", payload, retained, response, correlation)
    answer = commands().take(message)
    if answer is not None:
        assert set(said(answer)) == {"ok", "reason"}
    try:
        command = parse_command(name, message)
    except ValueError:
        return
    assert type(command) is COMMANDS[name]
    assert not retained
