"""Where the broker is and who we are, as read from the settings."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ffe_edge.config import BrokerSettings
from ffe_edge.errors import BrokerError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker, and what is needed to talk to it."""

    url: str
    """Without credentials: fit for a log."""
    host: str
    port: int
    client_id: str
    keepalive_seconds: int
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)

    @classmethod
    def from_settings(cls, settings: BrokerSettings, client_id: str) -> Endpoint:
        """Read what the settings name.

        Raises:
            BrokerError: no broker is set, or a file of the settings cannot be used.
        """
        parts = urlsplit(settings.url or "")
        if parts.hostname is None:
            raise BrokerError("no broker is set; give broker.url as mqtt://host:1883")
        secure = parts.scheme == "mqtts"
        port = parts.port or (8883 if secure else 1883)
        return cls(
            url=f"{parts.scheme}://{parts.hostname}:{port}",
            host=parts.hostname,
            port=port,
            client_id=client_id,
            keepalive_seconds=settings.keepalive_seconds,
            username=settings.username,
            password=_password(settings),
            tls=_tls_context(settings) if secure else None,
        )


def reason_of(error: OSError | ValueError) -> str:
    """Why a connection failed, in a few words that hold no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _password(settings: BrokerSettings) -> str | None:
    if settings.password_file is None:
        return None
    if settings.username is None:
        raise BrokerError("broker.password_file needs broker.username")
    try:
        return settings.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerError(f"{settings.password_file}: the broker's password cannot be read ({error})") from error


def _tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except OSError as error:
        raise BrokerError(
            f"broker.ca_file, certificate_file or key_file cannot be used ({reason_of(error)}); they are PEM files"
        ) from error
    return context
