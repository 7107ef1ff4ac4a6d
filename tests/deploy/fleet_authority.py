"""An authority of the tests, its certificates and its list of revocations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any, final

import pytest


@final
class Authority:
    """Makes certificates, each with its key in a file of its own."""

    def __init__(self, folder: Path) -> None:
        ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
        self.folder = folder
        self._new_key: Callable[[], Any] = lambda: ec.generate_private_key(ec.SECP256R1())
        self._key = self._new_key()
        folder.mkdir(parents=True, exist_ok=True)
        self._write("ca", self._key, self._signed("authority", self._key, is_authority=True))

    def issue(self, name: str, file: str | None = None) -> tuple[str, str]:
        """Paths of the certificate and the key of somebody."""
        key = self._new_key()
        return self._write(file or name, key, self._signed(name, key))

    def no_revocations(self) -> bytes:
        """An empty list of revocations."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.x509.oid import NameOID

        now = datetime.now(timezone.utc)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        builder = x509.CertificateRevocationListBuilder().issuer_name(name)
        made = builder.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=1))
        pem: bytes = made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return pem

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def _signed(self, name: str, key: Any, *, is_authority: bool = False) -> Any:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.now(timezone.utc)
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, file: str, key: Any, certificate: Any) -> tuple[str, str]:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pem, private = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        pem.write_bytes(certificate.public_bytes(Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(pem), str(private)
