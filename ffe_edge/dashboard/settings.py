"""Settings of the dashboard: one TOML file of its own, validated, read once, passed down as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, field_validator, model_validator

from ffe_edge.config_delivery import BrokerSettings, default_state_dir
from ffe_edge.config_file import mistakes, one_line, override, read_toml
from ffe_edge.config_section import Settings
from ffe_edge.errors import ConfigError

Language = Literal["ja", "en"]
MAX_DAYS: Final = 36_500
_DATABASES: Final = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
_FORMS: Final = "a database is sqlite:////path/of/the/file or postgresql://user@host/name"


def default_database_url() -> str:
    """A SQLite file in the state folder."""
    return f"sqlite:///{default_state_dir() / 'dashboard.sqlite'}"


class DatabaseSettings(Settings):
    """Where everything is kept."""

    url: str = Field(default_factory=default_database_url)
    """``sqlite:////path/of/the/file`` for one home, ``postgresql://user@host/name`` for several. A password does not
    belong here."""
    url_file: Path | None = None
    """File that holds the URL instead, with its password; only the dashboard's user reads it."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not url.startswith(_DATABASES):
            raise ValueError(_FORMS)
        if "?" in url or urlsplit(url).password is not None:
            raise ValueError("a password or options do not belong in the URL: put the whole URL into url_file")
        return url


class WebSettings(Settings):
    """The pages. Behind a reverse proxy they are told nothing by it: name what it is called by in ``names``."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free one."""
    names: tuple[str, ...] = ("127.0.0.1", "localhost", "::1")
    """Host names that are answered to."""
    secure_cookies: bool = False
    """Cookies only over https; on where a proxy before the dashboard speaks https."""


class HomeSettings(Settings):
    """The home."""

    name_ja: str = Field(default="", max_length=100)
    name_en: str = Field(default="", max_length=100)
    time_zone: str = "Asia/Tokyo"
    """Its days and hours are counted in."""
    language: Language = "ja"
    """Of who has not chosen one."""

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no such time zone on this machine: {name!r}; write Asia/Tokyo, say") from error

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)


class RetentionSettings(Settings):
    """How long what is kept."""

    events_days: int = Field(default=90, ge=1, le=MAX_DAYS)
    """Single events and spells."""
    minutes_days: int = Field(default=14, ge=1, le=MAX_DAYS)
    """Time in each emotion by the minute."""
    hours_days: int = Field(default=800, ge=1, le=MAX_DAYS)
    """Time in each emotion by the hour and by the day, and alerts."""
    quarantine_days: int = Field(default=14, ge=1, le=MAX_DAYS)
    """Messages that could not be read."""
    audit_days: int = Field(default=800, ge=1, le=MAX_DAYS)
    """Who looked at whom, and changed what."""


class WebhookSettings(Settings):
    """Told of every alert."""

    url: str | None = None
    """``https://…``; None: nobody is told."""
    secret_file: Path | None = None
    """What messages are signed with."""
    with_names: bool = False
    """Whether messages name residents and rooms; only for who may know them."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ValueError("a webhook is https://host/path or http://host/path") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.password is not None:
            raise ValueError("a webhook is https://host/path or http://host/path, without a password")
        return url

    @model_validator(mode="after")
    def _check_secret(self) -> WebhookSettings:
        if self.secret_file is not None and self.url is None:
            raise ValueError("secret_file needs the url of the webhook")
        return self


class DashboardSettings(Settings):
    """Everything that ``ffe-edge dashboard`` needs to know."""

    broker: BrokerSettings = BrokerSettings()
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    web: WebSettings = WebSettings()
    home: HomeSettings = HomeSettings()
    retention: RetentionSettings = RetentionSettings()
    webhook: WebhookSettings = WebhookSettings()


def load_settings(
    path: Path | None, overrides: Mapping[str, Mapping[str, Any] | Any] | None = None
) -> DashboardSettings:
    """Read the settings; ``overrides`` (from flags) win over the file, the file over the defaults.

    Args:
        path: a TOML file, or None for the defaults.
        overrides: values by section, as ``{"web": {"port": 80}}``; None values are ignored.

    Raises:
        ConfigError: the file cannot be read, or a key is unknown, of the wrong type or out of range.
    """
    values = read_toml(path) if path else {}
    override(values, overrides or {})
    try:
        return DashboardSettings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(one_line(mistakes(error, values), str(path or "command line"))) from error


def database_url(settings: DatabaseSettings) -> str:
    """The URL, read from its file where there is one.

    Raises:
        ConfigError: the file cannot be read, or holds no URL of a database. What it holds is not told.
    """
    if settings.url_file is None:
        return settings.url
    try:
        url = settings.url_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"database.url_file: {settings.url_file} cannot be read; write the URL into it") from error
    if not url.startswith(_DATABASES):
        raise ConfigError(f"database.url_file: {settings.url_file} holds no database's URL; {_FORMS}")
    return url
