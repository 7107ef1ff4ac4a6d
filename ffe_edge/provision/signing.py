"""What everything that signs needs: files of the folder, authorities that lie there, entries of the register."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

from cryptography import x509

from ffe_edge.errors import ConfigError, StoreError
from ffe_edge.provision import certificates
from ffe_edge.provision.certificates import Issuer
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.register import Authority, Certificate

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


def certificate_file(number: int) -> str:
    """Of an authority."""
    return f"ca-{number}.pem"


def key_file(number: int) -> str:
    """Of an authority."""
    return f"ca-{number}.key"


def revocation_file(number: int) -> str:
    """Of an authority."""
    return f"crl-{number}.pem"


def broker_file(certificate: Certificate) -> str:
    """The broker's certificate and its key in one file: they change together."""
    return f"broker-{certificate.serial}.pem"


def read_issuer(folder: Folder, number: int) -> Issuer:
    """An authority that can sign.

    Raises:
        StoreError: its files cannot be read or do not belong together.
    """
    try:
        return certificates.read_issuer(folder.read(certificate_file(number)), folder.read(key_file(number)))
    except ValueError as error:
        raise StoreError(
            f"{folder.path / key_file(number)}: cannot be used ({error}); give back a copy of the folder"
        ) from error


def entry_of(certificate: x509.Certificate, authority: int) -> Certificate:
    """What the register keeps of a certificate."""
    return Certificate(
        serial=f"{certificate.serial_number:x}",
        authority=authority,
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def refuse_outliving(authority: Authority, lifetime: timedelta, now: datetime) -> None:
    """No certificate is good for longer than its authority.

    Raises:
        ConfigError: it would be.
    """
    left = authority.ends - now
    if lifetime > left:
        raise ConfigError(
            f"--days: authority {authority.number} ends on {authority.ends:%Y-%m-%d}, before this certificate "
            f"would; {max(0, left.days)} days at most, or rotate the authority first"
        )


def some_of(names: Sequence[str]) -> str:
    """The first few of many names."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
