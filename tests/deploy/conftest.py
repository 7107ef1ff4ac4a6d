"""A broker as it is shipped, for every test that needs one of its own."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="provisioning needs cryptography: pip install 'ffe-edge[provision]'")

from deploy.broker_home import BrokerHome


@pytest.fixture
def home() -> Iterator[BrokerHome]:
    """An authority that has begun; nothing is deployed, and mosquitto does not run yet."""
    folder = Path(tempfile.mkdtemp(prefix="ffe-broker-"))
    folder.chmod(0o755)  # mosquitto's user is to reach its files; pytest's own folders are closed to it
    made = BrokerHome(folder)
    try:
        made.begin()
        yield made
    finally:
        made.end(signal.SIGKILL)
        shutil.rmtree(folder)
