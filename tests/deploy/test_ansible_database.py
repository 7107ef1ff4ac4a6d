"""The role `dashboard` makes users and databases in a real PostgreSQL, once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard.postgresql import PostgreSql, require_programs
from deploy.fleet_ansible import PASSWORDS, Ansible, require, two_homes

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(2400)]


@pytest.fixture
def server() -> Iterator[PostgreSql]:
    require("ansible-playbook")
    with PostgreSql() as one:
        yield one


def asked(server: PostgreSql, query: str, database: str = "postgres", user: str = "ffe") -> str:
    command = [str(require_programs() / "psql"), "-h", str(server.folder), "-U", user, "-d", database, "-Atc", query]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return (told.stdout + told.stderr).strip()


def test_each_dashboard_has_a_user_and_a_database_that_no_other_may_open(tmp_path: Path, server: PostgreSql) -> None:
    ansible = Ansible(tmp_path)
    two_homes(ansible)
    arguments = ["--limit", "centre", "-vv", "-e", '{"dashboard_postgresql": true, "dashboard_postgresql_user": ""}',
                 "-e", f"dashboard_postgresql_socket={server.folder}"]  # fmt: skip
    environment = {"PGUSER": "ffe", "PATH": f"{require_programs()}:/usr/bin:/bin"}
    first = ansible.play("site.yml", *arguments, environment=environment)
    again = ansible.play("site.yml", *arguments, environment=environment)
    assert (first.code, again.code, again.figures("centre")["changed"]) == (0, 0, 0), (first.output + again.output)[
        -3000:
    ]
    owners = asked(
        server, "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate ORDER BY 1"
    )
    assert owners.splitlines() == ["hida|hida", "kiso|kiso", "postgres|ffe"]
    hashed = asked(server, "SELECT rolpassword FROM pg_authid WHERE rolname = 'kiso'")
    assert hashed.startswith("SCRAM-SHA-256$")
    assert asked(server, "SELECT 1", "kiso", "kiso") == "1"
    assert "permission denied" in asked(server, "SELECT 1", "hida", "kiso")
    told = first.output + again.output + (server.folder / "log").read_text()
    assert not [password for password in PASSWORDS.values() if password in told]
