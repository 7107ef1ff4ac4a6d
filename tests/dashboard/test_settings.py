from __future__ import annotations

from pathlib import Path

import pytest

from ffe_edge.dashboard.settings import DatabaseSettings, database_url, load_settings
from ffe_edge.errors import ConfigError

FILE = """
[broker]
url = "mqtts://broker.example:8883"
[database]
url = "postgresql://care@db.example/care"
[home]
time_zone = "Europe/Berlin"
language = "en"
[retention]
events_days = 30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dashboard.toml"
    path.write_text(FILE)
    return path


def test_flags_win_over_the_file_and_the_file_over_the_defaults(file: Path) -> None:
    settings = load_settings(file, {"web": {"port": 9000}, "retention": {"events_days": 7, "audit_days": None}})
    assert (settings.web.port, settings.retention.events_days, settings.retention.audit_days) == (9000, 7, 800)
    assert (settings.home.zone.key, settings.home.language, settings.home.name_ja) == ("Europe/Berlin", "en", "")


def test_without_a_file_there_is_a_database_in_the_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    assert load_settings(None).database.url == f"sqlite:///{tmp_path}/dashboard.sqlite"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param('[database]\nurl = "mysql://x/y"', "database.url: a database is", id="database"),
        pytest.param('[database]\nurl = "postgresql://a:geheim@x/y"', "put the whole URL into url_file", id="password"),
        pytest.param('[home]\ntime_zone = "Asia/Edo"', "home.time_zone: no such time zone", id="zone"),
        pytest.param('[home]\nlanguage = "de"', "home.language", id="language"),
        pytest.param("[retention]\nevents_days = 0", "retention.events_days", id="days"),
        pytest.param("[web]\nport = 70000", "web.port", id="port"),
        pytest.param('[webhook]\nurl = "ftp://x"', "webhook.url: a webhook is", id="webhook"),
        pytest.param('[webhook]\nurl = "http://[x"', "webhook.url: a webhook is", id="bracket"),
        pytest.param('[webhook]\nsecret_file = "x"', "needs the url", id="secret"),
        pytest.param("[webs]\nport = 1", "webs: unknown key", id="unknown"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_key(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "dashboard.toml"
    path.write_text(line)
    with pytest.raises(ConfigError, match=reason) as told:
        load_settings(path)
    assert "geheim" not in str(told.value)


def test_a_url_with_a_password_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://care:geheim@db.example/care\n")
    assert database_url(DatabaseSettings(url_file=path)) == "postgresql://care:geheim@db.example/care"


@pytest.mark.parametrize("kept", ["geheim", None])
def test_a_file_without_a_url_is_told_without_what_it_holds(tmp_path: Path, kept: str | None) -> None:
    path = tmp_path / "url"
    if kept is not None:
        path.write_text(kept)
    with pytest.raises(ConfigError, match=r"database\.url_file") as told:
        database_url(DatabaseSettings(url_file=path))
    assert "geheim" not in str(told.value)
