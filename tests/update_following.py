"""An updater that runs without a daemon: what serves is only noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

from e2e.mosquitto import wait_for
from fake_engines import FixedRunner
from https_server import served
from model_updates import DESIRED, Publisher

from ffe_edge.config import Config
from ffe_edge.emotions import LABELS
from ffe_edge.errors import ModelError
from ffe_edge.mqtt_message import Incoming
from ffe_edge.updates.deciding import Rules
from ffe_edge.updates.inbox import Inbox
from ffe_edge.updates.ledger import Ledger
from ffe_edge.updates.manifest import ModelState
from ffe_edge.updates.proving import Served
from ffe_edge.updates.trial import Checked
from ffe_edge.updates.updater import Updater


@final
class Notes:
    """A stage on which nothing serves."""

    served = Served(LABELS, 112)

    def __init__(self) -> None:
        self.done: list[str] = []
        self.trouble: str | None = None
        self.refuses = ""

    def frames(self) -> Mapping[str, int]:
        return {"hall": 0}

    def rehearse(self, path: Path | None, rest: Callable[[], None]) -> None:
        self.done.append(f"rehearse {path.name[:4] if path else None}")
        if self.refuses:
            raise ModelError(self.refuses)
        rest()

    def switch(self) -> Checked:
        self.done.append("switch")
        checked = Checked(FixedRunner("onnxruntime", 0), len(LABELS))
        checked.looks = 100
        return checked

    def keep(self) -> None:
        self.done.append("keep")

    def back(self) -> None:
        self.done.append("back")


@final
class Following:
    """An updater that runs."""

    def __init__(self, folder: Path, publisher: Publisher, pem: Path, **settings: object) -> None:
        told = {"enabled": True, "public_keys": [publisher.key.public.text], "ca_file": pem, "probation_seconds": 1}
        self.config = Config.model_validate({"schedule": {"trust_clock": True}, "model_updates": {**told, **settings}})
        self.states: list[ModelState] = []
        self.stage = Notes()
        self.ledger = Ledger(folder / "updates")
        self.ledger.hold()
        self.inbox = Inbox(self.config, settle_seconds=0.1)
        self.updater = Updater(self.ledger, Rules(self.config), self.inbox, self.stage, self.states.append, 0.2)

    def wish(self, payload: bytes, topic: str = DESIRED) -> None:
        self.inbox.take(Incoming(topic, payload, retained=True))

    def comes(self, phase: str, reason: str = "") -> ModelState:
        def is_there() -> bool:
            return bool(self.states) and self.states[-1].phase == phase and reason in (self.states[-1].reason or "")

        assert wait_for(is_there, 60), self.states[-3:]
        return self.states[-1]

    def __enter__(self) -> Following:
        self.updater.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.updater.stop(30)
        self.ledger.let_go()


@contextmanager
def following(folder: Path, pem: Path, **settings: object) -> Iterator[tuple[Following, Publisher]]:
    with served(pem) as site:
        publisher = Publisher(folder, site)
        with Following(folder, publisher, pem, **settings) as node:
            yield node, publisher
