"""What every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and videos that lies beside the repository and is not part of it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent: tests on its photographs and videos need it")
    return SHARED
