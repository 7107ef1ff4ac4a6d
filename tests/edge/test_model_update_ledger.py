"""What is remembered of model updates survives, is one program's, and is swept up."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ffe_edge.config import Config
from ffe_edge.errors import ModelError, StoreError
from ffe_edge.updates.book import taken_back
from ffe_edge.updates.device import roll_back, state_of
from ffe_edge.updates.ledger import MAX_FAILURES, Ledger, Slot, State, ledger_folder
from ffe_edge.updates.manifest import Release

OLD = Slot(name="old", counter=6, sha256="a" * 64, file="model.onnx")
NEW = Slot(name="new", counter=7, sha256="b" * 64, file="bundle.json")


def settings(folder: Path) -> Config:
    return Config.model_validate({"outbox": {"state_dir": folder}})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    Ledger(tmp_path).write(phase="active", current=NEW, previous=OLD, counter=7, counter_sha256=NEW.sha256)
    state = Ledger(tmp_path).state
    assert (state.phase, state.current, state.previous, state.counter) == ("active", NEW, OLD, 7)
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_kept_and_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state.json").write_text('{"version": 1, "phase": "dancing"}')
    with caplog.at_level(logging.ERROR):
        assert Ledger(tmp_path).state == State()
    assert "the model of the settings serves" in caplog.text
    assert (tmp_path / "state.json.damaged").exists()


def test_two_programs_do_not_follow_for_one_node(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    first.hold()
    with pytest.raises(StoreError, match="another program"):
        second.hold()
    first.let_go()
    second.hold()
    second.let_go()


def test_only_the_present_and_the_previous_model_are_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for name in ("a" * 16, "b" * 16, "c" * 16):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "staging" / name).mkdir(parents=True)
    ledger.write(current=NEW, previous=OLD, target="{}", release=Release(name="x", counter=8, sha256="c" * 64))
    ledger.sweep()
    assert len(list((tmp_path / "models").iterdir())) == 3
    ledger.write(target=None)
    ledger.sweep()
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["a" * 16, "b" * 16]


def test_paths_are_what_the_settings_would_say(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.path_of(None) is None
    assert ledger.path_of(OLD) == tmp_path / "models" / ("a" * 16) / "model.onnx"
    assert ledger.path_of(NEW) == tmp_path / "models" / ("b" * 16)


def test_failures_are_remembered_but_not_for_ever() -> None:
    state = State()
    for counter in range(1, MAX_FAILURES + 10):
        release = Release(name="m", counter=counter, sha256=f"{counter:064x}")
        state = state.changed(failed=state.with_failure(release, "x" * 300))
    assert len(state.failed) == MAX_FAILURES
    assert state.has_failed(release)
    assert not state.has_failed(release.model_copy(update={"counter": release.counter + 1}))


def test_going_back_forgets_what_was_before_and_refuses_what_was_taken_back() -> None:
    state = State(current=NEW, previous=OLD)
    after = state.changed(**taken_back(state, OLD))
    assert (after.current, after.previous, after.phase) == (OLD, None, "rolled-back")
    assert after.has_failed(Release(name="new", counter=7, sha256=NEW.sha256))


def test_a_device_whose_daemon_does_not_run_goes_back_at_its_next_start(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with pytest.raises(ModelError, match="nothing to go back from"):
        roll_back(config)
    Ledger(ledger_folder(config)).write(current=NEW, previous=OLD, counter=7, counter_sha256=NEW.sha256)
    assert roll_back(config) == "old (release 6) serves from the next start of the daemon on"
    assert roll_back(config) == "the model of the settings serves from the next start of the daemon on"
    assert [failure["counter"] for failure in state_of(config)["failed"]] == [7, 6]
