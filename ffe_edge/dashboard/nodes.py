"""What the dashboard asks of the nodes: to tell again what is missing, to forget a resident, privacy.

A question goes to the node's command topic, the answer comes to a topic below the same node that only we read, with the
question's correlation data. Source: OASIS, MQTT Version 5.0, 2019, section 4.10. An answer from elsewhere is none.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from ffe_edge.commands import COMMANDS, Answer, Command, Forget, Replay
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.forgets_owed import Owed, is_done, owe, owed, settle
from ffe_edge.dashboard.link import Question, Received
from ffe_edge.dashboard.sequence_book import Due, NodeName, SequenceBook
from ffe_edge.errors import BrokerError, StoreError

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 30
"""After which a question counts as not answered."""
OWED_SECONDS: Final = 60
"""How often a node is asked again to forget somebody."""
TURN_SECONDS: Final = 1.0
MAX_ANSWER_BYTES: Final = 4096
MAX_OPEN: Final = 1_000
STOP_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Open:
    """A question without an answer."""

    node: NodeName
    until: float
    then: Callable[[Answer], None]


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for an answer."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None

    def take(self, answer: Answer) -> None:
        self.answer = answer
        self.done.set()


class Nodes:
    """Asks, and takes the answers. For any thread."""

    def __init__(
        self,
        database: Database,
        book: SequenceBook,
        *,
        root_topic: str,
        response_level: str,
        ask: Callable[[Question], None],
        acknowledge: Callable[[Sequence[Received]], None],
        forgotten: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is asked before ``start``.

        Args:
            database: the store, with its tables.
            book: the sequences of the nodes.
            root_topic: what all topics of the nodes begin with.
            response_level: what the topics of the answers end with, below a node's own.
            ask: sends a question.
            acknowledge: tells the broker that answers were taken.
            forgotten: told of a resident whom nodes are asked to forget.
        """
        self._database = database
        self._book = book
        self._root = root_topic
        self._response_level = response_level
        self._ask = ask
        self._acknowledge = acknowledge
        self._forgotten = forgotten
        self._open: dict[bytes, _Open] = {}
        self._forgets_asked: dict[Owed, float] = {}
        self._answers: list[Received] = []
        self._mutex = threading.Lock()
        self._news = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="nodes", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping = True
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def is_answer(self, received: Received) -> bool:
        """Whether a message is for ``take``."""
        return received.topic is not None and received.topic.endswith(f"/{self._response_level}")

    def take(self, received: Received) -> None:
        """Take an answer; for the network thread."""
        with self._mutex:
            self._answers.append(received)
        self._news.set()

    def forget(self, resident: str) -> None:
        """Have all nodes forget a resident. It is kept who owes it, and asked again until each has answered.

        Raises:
            StoreError: the store cannot be used; nobody will be asked.
        """
        with self._database.writing() as connection:
            owe(connection, resident)
        self.forget_owed()

    def forget_owed(self) -> None:
        """Something new is owed: ask at once."""
        self._news.set()

    def command(self, node: NodeName, name: str, values: Mapping[str, Any], timeout_seconds: float = 5.0) -> Answer:
        """Send a command and wait for its answer.

        Args:
            node: whom.
            name: as in ``ffe_edge.commands``.
            values: of the command.
            timeout_seconds: so long at most.

        Raises:
            BrokerError: no answer came in time.
            ValueError: there is no such command.
        """
        waiting = _Waiting()
        self._send(node, COMMANDS[name].model_validate(dict(values)), waiting.take)
        if not waiting.done.wait(timeout_seconds) or waiting.answer is None:
            raise BrokerError(
                f"{'/'.join(node)} does not answer to {name}; is it running, and is the broker of MQTT 5?"
            )
        return waiting.answer

    def _run(self) -> None:
        is_told = False
        while not self._stopping:
            self._news.clear()
            try:
                self._turn()
                is_told = False
            except StoreError as error:
                if not is_told:
                    logger.warning("nodes are not asked: %s", error)
                is_told = True
            self._news.wait(TURN_SECONDS)

    def _turn(self) -> None:
        with self._mutex:
            answers, self._answers = self._answers, []
            now = time.monotonic()
            self._open = {key: one for key, one in self._open.items() if one.until > now}
        for received in answers:
            self._answered(received)
        self._acknowledge(answers)
        for due in self._book.due(time.time_ns() // 1_000_000):
            self._ask_again(due)
        self._ask_to_forget(now)

    def _ask_again(self, due: Due) -> None:
        def then(answer: Answer) -> None:
            if not answer.ok:
                return
            if lost := self._book.answered(due, answer.first_sequence):
                logger.warning("%s no longer has %d messages that never came", "/".join(due.node), lost)

        logger.info("%s is asked for what is missing from sequence %d on", "/".join(due.node), due.since)
        self._send(due.node, Replay(since_sequence=due.since), then)

    def _ask_to_forget(self, now: float) -> None:
        """One question at a time to each node: it takes only so many."""
        with self._mutex:
            busy = {one.node for one in self._open.values()}
        with self._database.reading() as connection:
            debts = owed(connection)
        self._forgets_asked = {debt: at for debt, at in self._forgets_asked.items() if debt in debts}
        for debt in debts:
            asked = self._forgets_asked.get(debt)
            if debt.node in busy or (asked is not None and now - asked < OWED_SECONDS):
                continue
            busy.add(debt.node)
            if asked is None:
                self._forgotten(debt.resident)
            self._forgets_asked[debt] = now
            self._send(debt.node, Forget(resident=debt.resident), partial(self._forgot, debt))

    def _forgot(self, debt: Owed, answer: Answer) -> None:
        if not is_done(answer):
            logger.warning("%s could not forget a resident and is asked again: %s", "/".join(debt.node), answer.reason)
            return
        with self._database.writing() as connection:
            settle(connection, debt)
        self._news.set()

    def _send(self, node: NodeName, command: Command, then: Callable[[Answer], None]) -> None:
        correlation = secrets.token_bytes(16)
        name = next(name for name, kind in COMMANDS.items() if kind is type(command))
        topic = f"{self._root}/{node[0]}/{node[1]}"
        with self._mutex:
            while len(self._open) >= MAX_OPEN:
                del self._open[next(iter(self._open))]
            self._open[correlation] = _Open(node, time.monotonic() + ANSWER_SECONDS, then)
        payload = command.model_dump_json(exclude_none=True).encode()
        response_topic = f"{topic}/{self._response_level}"
        self._ask(Question(f"{topic}/command/{name}", payload, response_topic, correlation, ANSWER_SECONDS))

    def _answered(self, received: Received) -> None:
        with self._mutex:
            one = self._open.get(received.correlation or b"")
            if one is None or received.topic != f"{self._root}/{'/'.join(one.node)}/{self._response_level}":
                return
            del self._open[received.correlation or b""]
        try:
            answer = Answer.model_validate_json(received.payload[:MAX_ANSWER_BYTES])
        except ValidationError:
            logger.warning("%s gives an answer that is none of this contract", "/".join(one.node))
            return
        one.then(answer)
