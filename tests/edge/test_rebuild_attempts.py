"""Failed builds are remembered on the disk, and waited for longer each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffe_edge.engine.rebuild_attempts import MAX_WAIT_SECONDS, Attempts, Failures


@pytest.mark.parametrize(
    ("count", "age_seconds", "wait_seconds"),
    [
        pytest.param(0, 0, 0, id="none"),
        pytest.param(1, 0, 600, id="first"),
        pytest.param(2, 0, 1200, id="doubles"),
        pytest.param(1, 590, 10, id="nearly-over"),
        pytest.param(1, 601, 0, id="over"),
        pytest.param(500, 0, MAX_WAIT_SECONDS, id="longest"),
        pytest.param(1, -1e9, 600, id="clock-was-set-back"),
    ],
)
def test_the_wait_doubles_up_to_a_limit(tmp_path: Path, count: int, age_seconds: float, wait_seconds: float) -> None:
    Attempts(tmp_path, "network").write(Failures(count, 1e9, "reason"))
    attempts = Attempts(tmp_path, "network")
    attempts.refresh()
    assert attempts.wait_seconds(1e9 + age_seconds) == pytest.approx(wait_seconds)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"count": null, "at": 0, "reason": ""}',
        b'{"count": 1e999, "at": 0, "reason": ""}',
        b"[" * 4000,
    ],
    ids=["empty", "list", "cut", "null", "infinite", "deep"],
)
def test_a_damaged_record_is_forgotten(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "network.attempts.json").write_bytes(data)
    attempts = Attempts(tmp_path, "network")
    attempts.refresh()
    assert attempts.failures == Failures()


def test_the_record_can_be_read_by_people(tmp_path: Path) -> None:
    Attempts(tmp_path, "network").write(Failures(2, 5.0, "no memory"))
    assert json.loads((tmp_path / "network.attempts.json").read_text()) == {
        "count": 2,
        "at": 5.0,
        "reason": "no memory",
    }


def test_a_disk_that_takes_nothing_is_no_reason_to_forget(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    attempts = Attempts(tmp_path / "file", "network")
    attempts.write(Failures(1, 1e9, "reason"))
    attempts.refresh()
    assert attempts.wait_seconds(1e9) == 600
