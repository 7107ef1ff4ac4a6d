"""A real PostgreSQL in a temporary folder, made by Debian's programs as a user without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import final

import pytest

INSTALLED = Path("/usr/lib/postgresql")
SETTINGS = "-c listen_addresses='' -c fsync=off -c shared_buffers=128MB -c max_connections=60"


def require_programs() -> Path:
    """Folder of the newest version's programs; skips the test where there is none."""
    found = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


@final
class PostgreSql:
    """A server behind a Unix socket; it can be stopped and started again with the same data."""

    def __init__(self, settings: str = SETTINGS) -> None:
        self._programs = require_programs()
        self._user = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="ffe-pg-"))
        self._settings = f"-k {self.folder} {settings}"
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-D", str(self._data), "-U", "ffe", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "-l", log, "-o", self._settings, "start")

    def stop(self, how: str = "fast") -> None:
        """``immediate`` is a crash: recovery from the log of writes at the next start."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "30", "-m", how, "stop")

    def make_database(self, name: str) -> str:
        """URL of a new database."""
        self._run("createdb", "-h", str(self.folder), "-U", "ffe", name)
        return f"postgresql://ffe@/{name}?host={self.folder}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if self._user is not None:
            command = ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--init-groups", *command]
        with tempfile.TemporaryFile() as said:  # a pipe would stay open in the server
            result = subprocess.run(command, check=False, timeout=60, cwd="/", stdout=said, stderr=said)
            said.seek(0)
            assert result.returncode == 0, f"{program}: {said.read().decode(errors='replace')[-500:]}"

    def __enter__(self) -> PostgreSql:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def unprivileged() -> str | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    if shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL refuses to run as root, and there is no setpriv: run the tests as a user")
    return "postgres" if any(each.pw_name == "postgres" for each in pwd.getpwall()) else "nobody"
