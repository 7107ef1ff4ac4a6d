"""Going back, stopping, dying: what the thread that follows wishes does about each."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from e2e.mosquitto import wait_for
from https_server import certificate, served
from model_updates import Publisher
from update_following import Following, following
from update_models import bundle, shipped

from ffe_edge.errors import ModelError
from ffe_edge.updates import device
from ffe_edge.updates.ledger import ROLLBACK_FILE, TAKEN_FILE, Ledger


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.slow
def test_a_rollback_brings_the_model_before_and_refuses_the_one_after(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        assert node.updater.roll_back().ok is False
        node.wish(publisher.release(bundle(tmp_path / "a", "a"), 1).payload)
        node.comes("active")
        node.wish(publisher.release(bundle(tmp_path / "b", "b"), 2).payload)
        assert wait_for(lambda: node.states[-1].phase == "active" and node.states[-1].previous is not None, 60)
        assert node.updater.roll_back().ok
        told = node.comes("rolled-back", "by a command")
        assert (told.current.counter, told.previous) == (1, None)  # type: ignore[union-attr]
        (node.ledger.folder / ROLLBACK_FILE).touch()
        assert wait_for(lambda: node.states[-1].current is None, 60)
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


def test_a_daemon_that_died_while_it_went_back_goes_on_with_that_and_only_with_that(tmp_path: Path, pem: Path) -> None:
    taken = tmp_path / "updates" / TAKEN_FILE
    with served(pem) as site:
        publisher = Publisher(tmp_path, site)
        release = publisher.release(shipped(tmp_path), 3)
        with Following(tmp_path, publisher, pem) as node:
            node.wish(release.payload)
            node.comes("active")
        taken.write_text("another model's")
        with Following(tmp_path, publisher, pem) as node:
            assert wait_for(lambda: not taken.exists())
            assert node.comes("active").current is not None
        taken.write_text(release.sha256)
        with Following(tmp_path, publisher, pem) as node:
            assert node.comes("rolled-back", "by a command").current is None
            assert wait_for(lambda: not taken.exists())


def test_whoever_asks_at_the_device_hears_that_no_other_model_can_serve(
    tmp_path: Path, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with following(tmp_path, pem) as (node, publisher):
        monkeypatch.setattr(device, "ledger_folder", lambda _: node.ledger.folder)
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("active")
        node.stage.refuses = "no engine here"
        with pytest.raises(ModelError, match="did not go back: no other model can be loaded"):
            device.roll_back(node.config)
        node.stage.refuses = ""
        assert device.roll_back(node.config) == "the model of the settings serves"


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
