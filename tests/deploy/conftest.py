"""An authority of its own for every test that needs one, and a broker as it is shipped."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy.broker_home import BrokerHome
from deploy.provisioning import Provision
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.errors import FfeError

NEEDS = "provisioning needs cryptography: pip install 'ffe-edge[provision]'"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return tmp_path / "authority"


@pytest.fixture
def provision(authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provision:
    """Runs the command in a folder of its own; returns what it says. An error is raised."""
    pytest.importorskip("cryptography", reason=NEEDS)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["provision", *words, "--folder", str(authority)])
        if isinstance(result.exception, FfeError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    run("init", "--host", "broker.lan", "--host", "192.168.1.10")
    return run


@pytest.fixture
def home() -> Iterator[BrokerHome]:
    """An authority that has begun; nothing is deployed, and mosquitto does not run yet."""
    pytest.importorskip("cryptography", reason=NEEDS)
    folder = Path(tempfile.mkdtemp(prefix="ffe-broker-"))
    folder.chmod(0o755)  # mosquitto's user is to reach its files; pytest's own folders are closed to it
    made = BrokerHome(folder)
    try:
        made.begin()
        yield made
    finally:
        made.end(signal.SIGKILL)
        shutil.rmtree(folder)
