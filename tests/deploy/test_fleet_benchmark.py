"""The benchmark of a fleet works, ends by itself and loses nothing; its figures are for benchmarks/README.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.mosquitto import require_mosquitto

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def loaded(name: str) -> object:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.deploy
@pytest.mark.timeout(700)
def test_fifty_nodes_tell_for_fifteen_seconds_and_nothing_is_lost(tmp_path: Path) -> None:
    require_mosquitto()
    written = tmp_path / "fleet.json"
    command = [sys.executable, str(BENCHMARKS / "fleet.py"), "--quick", "--json", str(written)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert told.returncode == 0, told.stderr[-2000:]
    (result,) = json.loads(written.read_text())
    (step,) = result["steps"]
    assert step["nodes"] == 50
    assert step["events_sent"] == step["events_stored"] > 50
    assert (step["events_missing"], step["events_strange"], step["summaries_missing"], step["refused"]) == (0, 0, 0, 0)
    assert result["storm"]["states in the store at the end"] == {"online": 50}
    assert step["files"]["broker"] > 50


def test_a_packet_is_cut_out_of_bytes_however_they_come() -> None:
    mqtt = loaded("fleet_mqtt")
    told: list[tuple[int, int]] = []
    connection = mqtt.Connection(lambda _: None, lambda number, reason: told.append((number, reason)), lambda: None)  # type: ignore[attr-defined]
    for byte in b"\x40\x02\x00\x07" + b"\x40\x04\x01\x00\x87\x00":
        connection.data_received(bytes((byte,)))
    assert told == [(7, 0), (256, 0x87)]


@pytest.mark.parametrize(("number", "told"), [(0, "00"), (127, "7f"), (128, "8001"), (16_384, "808001")])
def test_lengths_are_written_as_the_specification_does(number: int, told: str) -> None:
    assert loaded("fleet_mqtt").variable(number).hex() == told  # type: ignore[attr-defined]
