"""The thread that follows wishes: real files from a real server, real models proven, a stage that only takes notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

import pytest
from e2e.mosquitto import wait_for
from fake_engines import FixedRunner
from https_server import certificate, served
from model_updates import DESIRED, DESIRED_OF_SITE, Publisher, bundle, shipped

from ffe_edge.config import Config
from ffe_edge.emotions import LABELS
from ffe_edge.errors import ModelError
from ffe_edge.mqtt_message import Incoming
from ffe_edge.updates.deciding import Rules
from ffe_edge.updates.inbox import Inbox
from ffe_edge.updates.ledger import ROLLBACK_FILE, Ledger
from ffe_edge.updates.manifest import ModelState
from ffe_edge.updates.proving import Served
from ffe_edge.updates.trial import Checked
from ffe_edge.updates.updater import Updater


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


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

        assert wait_for(is_there, 20), self.states[-3:]
        return self.states[-1]

    def __enter__(self) -> Following:
        self.updater.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.updater.stop(10)
        self.ledger.let_go()


@contextmanager
def following(folder: Path, pem: Path, **settings: object) -> Iterator[tuple[Following, Publisher]]:
    with served(pem) as site:
        publisher = Publisher(folder, site)
        with Following(folder, publisher, pem, **settings) as node:
            yield node, publisher


def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = publisher.release(shipped(tmp_path), 1)
        publisher.site.cut_after = 4_000_000
        node.wish(release.payload)
        node.comes("downloading", "was cut after 4000000 of")
        node.comes("active")
        ranges = [span for path, span in publisher.site.asked if path == "/1/model.onnx"]
        assert ranges == ["", "bytes=4000000-"]
        assert node.stage.done == ["rehearse mode", "switch", "keep"]


@pytest.mark.slow
def test_the_node_s_own_wish_is_followed_first_and_the_site_s_when_it_is_taken_back(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        own = publisher.release(bundle(tmp_path / "own", "own"), 1)
        of_site = publisher.release(bundle(tmp_path / "site", "site"), 2)
        node.wish(of_site.payload, DESIRED_OF_SITE)
        node.wish(own.payload)
        told = node.comes("active").current
        assert told is not None
        assert told.counter == 1
        node.wish(b"")
        assert wait_for(lambda: node.states[-1].phase == "active" and node.states[-1].current.counter == 2, 20)  # type: ignore[union-attr]
        assert node.states[-1].previous == told


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        pytest.param("golden", "failed the golden check", id="other-golden-outputs"),
        pytest.param("digest", "not the pinned", marks=pytest.mark.slow, id="another-file-of-the-same-size"),
        pytest.param("short", "bytes, not the pinned", marks=pytest.mark.slow, id="a-shorter-file"),
        pytest.param("stage", "no engine", id="it-cannot-serve-here"),
    ],
)
def test_what_is_wrong_is_refused_once_and_not_fetched_again(tmp_path: Path, pem: Path, what: str, reason: str) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = _released(publisher, tmp_path / "a", what)
        node.stage.refuses = "no engine here" if what == "stage" else ""
        node.wish(release)
        assert node.comes("refused", reason).current is None
        asked = len(publisher.site.asked)
        node.wish(release)
        time.sleep(0.8)
        assert len(publisher.site.asked) == asked
        assert not list((tmp_path / "updates" / "models").glob("*"))


def _released(publisher: Publisher, folder: Path, what: str) -> bytes:
    """A release with a fault."""
    is_good = what != "golden"
    release = publisher.release(bundle(folder, "a", golden_is_good=is_good), 1, is_looked_over=is_good)
    body = publisher.site.files["/1/model.onnx"]
    publisher.site.files["/1/model.onnx"] = {"digest": body[:-1] + b"!", "short": body[:-9]}.get(what, body)
    return release.payload


@pytest.mark.slow
def test_a_model_that_fails_on_probation_gives_way(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem, probation_seconds=60) as (node, publisher):
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("probation")
        node.stage.trouble = "it gave no probabilities for faces in view"
        node.comes("rolled-back", "gave no probabilities")
        assert node.stage.done[-1] == "back"
        node.wish(publisher.release(shipped(tmp_path), 4).payload)
        node.stage.trouble = None
        node.comes("probation")


@pytest.mark.slow
def test_a_wish_that_is_taken_back_ends_its_download(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = publisher.release(shipped(tmp_path), 3)
        publisher.site.files.clear()
        node.wish(release.payload)
        node.comes("downloading", "Not Found")
        node.wish(b"")
        node.comes("idle", "not wanted any more")
        assert node.ledger.state.target is None


@pytest.mark.slow
def test_a_newer_release_ends_the_download_of_an_older_one(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        old = publisher.release(shipped(tmp_path), 3)
        publisher.site.files.clear()
        node.wish(old.payload)
        node.comes("downloading", "Not Found")
        node.wish(publisher.release(bundle(tmp_path / "new", "new"), 4).payload)
        assert node.comes("active").release.counter == 4  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_rollback_brings_the_model_before_and_refuses_the_one_after(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        assert node.updater.roll_back().ok is False
        node.wish(publisher.release(bundle(tmp_path / "a", "a"), 1).payload)
        node.comes("active")
        node.wish(publisher.release(bundle(tmp_path / "b", "b"), 2).payload)
        assert wait_for(lambda: node.states[-1].phase == "active" and node.states[-1].previous is not None, 20)
        assert node.updater.roll_back().ok
        told = node.comes("rolled-back", "by a command")
        assert (told.current.counter, told.previous) == (1, None)  # type: ignore[union-attr]
        (node.ledger.folder / ROLLBACK_FILE).touch()
        assert wait_for(lambda: node.states[-1].current is None, 20)
        assert wait_for(lambda: not (node.ledger.folder / ROLLBACK_FILE).exists())
        assert node.stage.done[-3:] == ["rehearse None", "switch", "keep"]


@pytest.mark.slow
def test_a_release_on_probation_is_taken_back_by_a_command(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem, probation_seconds=60) as (node, publisher):
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("probation")
        assert node.updater.roll_back().ok
        assert node.comes("rolled-back", "by a command").current is None


def test_a_stop_is_no_crash_and_the_next_run_goes_on(tmp_path: Path, pem: Path) -> None:
    with served(pem) as site:
        publisher = Publisher(tmp_path, site)
        with Following(tmp_path, publisher, pem, probation_seconds=60) as node:
            node.wish(publisher.release(shipped(tmp_path), 3).payload)
            node.comes("probation")
            assert node.ledger.state.trials == 1
        assert (node.ledger.state.phase, node.ledger.state.trials) == ("probation", 0)
        with Following(tmp_path, publisher, pem) as node:
            node.comes("active")
        assert len(site.asked) == 1


def test_a_release_with_which_the_daemon_died_again_and_again_is_abandoned(tmp_path: Path, pem: Path) -> None:
    with served(pem) as site:
        publisher = Publisher(tmp_path, site)
        with Following(tmp_path, publisher, pem, probation_seconds=60) as node:
            node.wish(publisher.release(shipped(tmp_path), 3).payload)
            node.comes("probation")
        ledger = Ledger(tmp_path / "updates")
        ledger.write(trials=3)
        with Following(tmp_path, publisher, pem) as node:
            node.comes("rolled-back", "ended 3 times")
            assert node.stage.done == []


@pytest.mark.slow
def test_a_key_that_was_struck_off_meanwhile_counts_no_more(tmp_path: Path, pem: Path) -> None:
    with served(pem) as site:
        before, after = Publisher(tmp_path, site), Publisher(tmp_path, site)
        with Following(tmp_path, before, pem, probation_seconds=60) as node:
            node.wish(before.release(shipped(tmp_path), 3).payload)
            node.comes("probation")
        with Following(tmp_path, after, pem) as node:
            node.comes("rolled-back", "signed by key")


@pytest.mark.slow
def test_a_full_disk_ends_nothing_but_the_update(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        (node.ledger.folder / "staging").touch()  # where a folder should be
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("downloading", "cannot be written")
        (node.ledger.folder / "staging").unlink()
        node.comes("active")


@pytest.mark.slow
def test_a_model_that_was_signed_anew_stays_away_once_it_is_taken_back(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("active")
        node.wish(publisher.release(shipped(tmp_path), 4).payload)
        assert wait_for(lambda: node.ledger.state.counter == 4)
        assert node.updater.roll_back().ok
        node.comes("rolled-back")
        time.sleep(1.2)
        assert node.states[-1].phase == "rolled-back"
        assert node.stage.done == ["rehearse mode", "switch", "keep", "rehearse None", "switch", "keep"]
