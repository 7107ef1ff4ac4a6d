"""What docs/updates.md tells somebody to type is typed, line by line; its settings are valid, its table is whole."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.mosquitto import Mosquitto
from typer.testing import CliRunner
from update_models import bundle

from ffe_edge.cli import app
from ffe_edge.config import load_config
from ffe_edge.updates.ledger import Ledger, Slot, ledger_folder
from ffe_edge.updates.manifest import PHASES, ModelState

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "updates.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in TEXT.splitlines() if re.match(r"    [a-z]", line)]
PASSWORD = "geheim"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An operator's folder with an exported model, a broker, and a device with an updated model; the broker's port."""
    bundle(tmp_path / "runs" / "ours", "ours")
    monkeypatch.chdir(tmp_path)
    (settings,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    Path("ffe.toml").write_text(f'site = "kiso"\n[outbox]\nstate_dir = "{tmp_path}/state"\n{settings}')
    slot = Slot(name="ours", counter=6, sha256="a" * 64, file="bundle.json")
    ledger = Ledger(ledger_folder(load_config(Path("ffe.toml"))))
    ledger.write(phase="active", current=slot, counter=6, counter_sha256=slot.sha256)
    with Mosquitto(tmp_path) as broker:
        told = ModelState(phase="idle").model_dump_json(exclude_none=True)
        topic = "ffe/v1/kiso/edge-01/model/state"
        port = str(broker.port)
        if shutil.which("mosquitto_pub"):
            subprocess.run(["mosquitto_pub", "-p", port, "-r", "-t", topic, "-m", told], check=True)
        yield port


def typed(command: str, port: str) -> str:
    """Run one line; returns what it prints."""
    program, *words = shlex.split(command.replace("127.0.0.1:1883", f"127.0.0.1:{port}"))
    if program == "ffe-edge":
        result = CliRunner().invoke(app, words, input=f"{PASSWORD}\n{PASSWORD}\n", catch_exceptions=False)
        assert result.exit_code == 0, f"{command}: {result.output}"
        return result.output
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install minisign mosquitto-clients")
    words += ["-p", port] if program.startswith("mosquitto") else []
    done = subprocess.run([program, *words], input=f"{PASSWORD}\n", text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_does_what_it_is_said_to(home: str) -> None:
    said = {command: typed(command, home) for command in COMMANDS}
    assert len(said) == len(COMMANDS) >= 12
    told = "".join(said.values())
    assert 'public_keys = ["RW' in told
    assert "ffe/v1/kiso/edge-01/model/desired published" in told
    assert "ffe/v1/kiso/model/desired published" in told
    assert "ffe/v1/kiso/edge-01/model/desired cleared" in told
    assert "Signature and comment signature verified" in told
    assert "the model of the settings serves" in told


def test_the_settings_are_valid(home: str) -> None:
    assert load_config(Path("ffe.toml")).model_updates.enabled


def test_every_phase_and_every_setting_is_explained() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE) == list(PHASES)
    for name in (
        "public_keys",
        "hours",
        "max_bytes",
        "allow_http",
        "shadow_looks",
        "probation_seconds",
        "min_fps_share",
    ):
        assert f"`{name}" in TEXT or f"{name} =" in TEXT
