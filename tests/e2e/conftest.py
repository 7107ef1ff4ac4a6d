"""The fault table: `pytest -m faults --fault-table tests/e2e/README.md` writes what the fault tests saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import pytest
from e2e.fault_table import Fault, FaultTable

TABLE = pytest.StashKey[FaultTable]()
ORDER = pytest.StashKey[Sequence[str]]()


@final
class Rows:
    """Takes the rows of one test."""

    def __init__(self, table: FaultTable, test: str) -> None:
        self._table = table
        self._test = test

    def add(self, fault: Fault) -> None:
        self._table.add(self._test, fault)


def test_name(item: pytest.Item) -> str:
    return f"{item.path.stem.removeprefix('test_faults_')}: {item.name}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", metavar="FILE", help="write the rows of the fault tests into a Markdown file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLE] = FaultTable()
    config.stash[ORDER] = []


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[ORDER] = [test_name(item) for item in items if item.get_closest_marker("faults")]


@pytest.fixture
def fault_table(request: pytest.FixtureRequest) -> Rows:
    """`fault_table.add(Fault(...))` at the end of a fault test, after its asserts."""
    return Rows(request.config.stash[TABLE], test_name(request.node))


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    if file := config.getoption("--fault-table", None):  # absent where this folder was not named on the command line
        complete = not any("::" in argument for argument in config.args)
        config.stash[TABLE].write(Path(file), config.stash[ORDER], complete=complete)
