"""Commands from the broker: read strictly, limited in size and rate, answered with a reason.

A question is a publication to ``<node>/command/<name>``; the answer goes to its MQTT 5 response topic with its
correlation data. Source: OASIS, MQTT Version 5.0, 2019, section 4.10. Nothing that arrives here is trusted.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from ffe_edge.config_section import Id
from ffe_edge.errors import FfeError
from ffe_edge.messages import Count, Label, Payload, Sequence, Text
from ffe_edge.mqtt_message import Incoming, Message
from ffe_edge.outbox_delivered import Replay as OutboxReplay

logger = logging.getLogger(__name__)

MAX_COMMAND_BYTES: Final = 4096
MAX_CORRELATION_BYTES: Final = 1024
MAX_TOPIC_LETTERS: Final = 256
BURST: Final = 10
"""So many commands may come at once ..."""
RATE_HZ: Final = 0.5
"""... and then so many a second."""
ANSWER_SECONDS: Final = 60
"""After which an answer is of no use to anybody."""


class Pause(Payload):
    """Look at no picture until ``resume``; the camera is told as ``disabled``."""

    camera: Id | None = None
    """One camera, or all."""


class Resume(Payload):
    """End a pause, and nothing else: privacy that was asked for stays."""

    camera: Id | None = None


class Privacy(Payload):
    """Privacy mode, as the switch on the wall does it; the camera is told as ``privacy``. Off ends no pause."""

    state: Literal["on", "off"]
    camera: Id | None = None


class Replay(Payload):
    """Deliver what is still there from a sequence on once more, marked as replayed."""

    since_sequence: Sequence


class Reload(Payload):
    """Read the settings again."""


class Forget(Payload):
    """Remove a resident: the enrolment, and every event on this device that names them."""

    resident: Annotated[Label, Field(min_length=1)]


class Rollback(Payload):
    """Go back to the model before the last update, and do not take that one again."""


Command = Pause | Resume | Privacy | Replay | Reload | Forget | Rollback

COMMANDS: Final[dict[str, type[Command]]] = {
    "pause": Pause,
    "resume": Resume,
    "privacy": Privacy,
    "replay": Replay,
    "reload": Reload,
    "forget": Forget,
    "rollback": Rollback,
}
"""By the last level of the topic."""


class Answer(Payload):
    """What became of a command."""

    ok: bool
    reason: Text
    count: Count | None = None
    """Of ``replay``: events that will be delivered again; of ``forget``: events removed."""
    first_sequence: Sequence | None = None
    """Of ``replay``: the oldest sequence that is still there."""
    missing: Count | None = None
    """Of ``replay``: sequences asked for that are no longer there."""


Handler = Callable[[Command], Answer]
"""Does what is asked for, soon: it runs in the network thread."""


class Commands:
    """Takes commands as they come; for the network thread."""

    def __init__(
        self,
        node_topic: str,
        handler: Handler,
        *,
        closed_topics: tuple[str, ...] = (),
        counts: Counter[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put together.

        Args:
            node_topic: prefix of the node's topics.
            handler: what does them. Its ``FfeError`` becomes the reason of the answer.
            closed_topics: prefixes below which no answer is published, beside the root of the nodes' topics.
            counts: of commands ``done``, ``refused`` and ``dropped``, counted on.
            clock: seconds.
        """
        self.topic_filter = f"{node_topic}/command/+"
        self._prefix = f"{node_topic}/command/"
        self._open_topic = f"{node_topic}/response/"
        root = node_topic.rsplit("/", 2)[0]
        self._closed_topics = (f"{root}/", "$", *closed_topics)
        self._handler = handler
        self._counts = Counter() if counts is None else counts
        self._clock = clock
        self._budget = float(BURST)
        self._counted_at = clock()
        self._refusing = False

    def take(self, incoming: Incoming) -> Message | None:
        """Do a command; returns the answer where one was asked for."""
        name = incoming.topic.removeprefix(self._prefix)
        if not self._has_budget():
            self._counts["dropped"] += 1
            if self._refusing:
                return None
            self._refusing = True
            logger.warning("too many commands come; those beyond %d and then %g a second are dropped", BURST, RATE_HZ)
            answer = Answer(ok=False, reason="too many commands: wait a while")
        else:
            self._refusing = False
            answer = self._answer(name, incoming)
            self._counts["done" if answer.ok else "refused"] += 1
        return self._message(answer, incoming)

    def _answer(self, name: str, incoming: Incoming) -> Answer:
        try:
            command = parse_command(name, incoming)
        except ValueError as error:
            logger.warning("a command is refused: %s", error)
            return Answer(ok=False, reason=_one_line(str(error)))
        try:
            answer = self._handler(command)
        except FfeError as error:
            logger.warning("command %s failed: %s", name, error)
            return Answer(ok=False, reason=_one_line(str(error)))
        logger.info("command %s: %s", name, "done" if answer.ok else "refused")
        return answer

    def _has_budget(self) -> bool:
        now = self._clock()
        self._budget = min(float(BURST), self._budget + (now - self._counted_at) * RATE_HZ)
        self._counted_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    def _message(self, answer: Answer, incoming: Incoming) -> Message | None:
        topic, correlation = incoming.response_topic, incoming.correlation
        if topic is None or not self._may_answer_to(topic) or len(correlation or b"") > MAX_CORRELATION_BYTES:
            return None
        payload = answer.model_dump_json(exclude_none=True).encode()
        return Message(topic, payload, retain=False, expiry_seconds=ANSWER_SECONDS, correlation=correlation)

    def _may_answer_to(self, topic: str) -> bool:
        """Nobody may have us speak on a topic that means something: neither a node's nor the discovery's."""
        if not topic or len(topic) > MAX_TOPIC_LETTERS or any(letter in topic for letter in "+#\0"):
            return False
        return topic.startswith(self._open_topic) or not topic.startswith(self._closed_topics)


def replay_answer(replay: OutboxReplay) -> Answer:
    """What a replay brings, and that it does not bring everything where that is so."""
    reason = f"{replay.count} events are sent again"
    if replay.missing:
        reason += f"; {replay.missing} are no longer kept"
    return Answer(ok=True, reason=reason, count=replay.count, first_sequence=replay.first, missing=replay.missing)


def parse_command(name: str, incoming: Incoming) -> Command:
    """Read a command.

    Raises:
        ValueError: it is none, in words that quote nothing of it.
    """
    if (kind := COMMANDS.get(name)) is None:
        raise ValueError(f"unknown command; there are {', '.join(COMMANDS)}")
    if incoming.retained:
        raise ValueError(f"{name} was published retained: a command is never kept, publish it without the flag")
    if len(incoming.payload) > MAX_COMMAND_BYTES:
        raise ValueError(f"{name} of {len(incoming.payload)} bytes is longer than {MAX_COMMAND_BYTES}")
    try:
        return kind.model_validate_json(incoming.payload or b"{}")
    except ValidationError as error:
        raise ValueError(f"{name}: {_mistake(error, kind)}") from None


def _mistake(error: ValidationError, kind: type[Command]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return "not JSON"
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(kind.model_fields) or "none"
        return f"unknown key; there are {known}"
    return f"{key}: {first['msg']}" if key else str(first["msg"])


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:256]
