"""Keys, certificates and revocation lists: elliptic curve P-256, signed with SHA-256.

Source: RFC 5280 (profile), RFC 5480 (curve), CA/Browser Forum serial numbers: 159 bits of chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ffe_edge.provision.names import address_of

Key = ec.EllipticCurvePrivateKey

BACKDATED = timedelta(days=1)
"""A device whose clock is behind is not to find its certificate in the future."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate authority that can sign."""

    certificate: x509.Certificate
    key: Key


def new_key() -> Key:
    """A private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    """The key as PKCS#8, not encrypted: the file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def read_issuer(certificate: bytes, key: bytes) -> Issuer:
    """An authority of its two PEM files.

    Raises:
        ValueError: they are none, or do not belong together.
    """
    found = x509.load_pem_x509_certificate(certificate)
    private = serialization.load_pem_private_key(key, None)
    if not isinstance(private, Key) or private.public_key() != found.public_key():
        raise ValueError("the key does not belong to the certificate")
    return Issuer(found, private)


def new_authority(name: str, now: datetime, lifetime: timedelta) -> Issuer:
    """An authority that signs certificates of clients and brokers, and no further authority."""
    key = new_key()
    subject = _subject(name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(subject, subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return Issuer(builder.sign(key, hashes.SHA256()), key)


def client_certificate(issuer: Issuer, key: Key, name: str, now: datetime, lifetime: timedelta) -> x509.Certificate:
    """A certificate by which a client is known as ``name``, and that no broker can use."""
    return _leaf(issuer, key, name, now, lifetime, ExtendedKeyUsageOID.CLIENT_AUTH).sign(issuer.key, hashes.SHA256())


def broker_certificate(
    issuer: Issuer, key: Key, hosts: Iterable[str], now: datetime, lifetime: timedelta
) -> x509.Certificate:
    """A certificate of a broker that is reached by these names and addresses, and that no client can use."""
    names = list(hosts)
    alternatives = x509.SubjectAlternativeName([_general_name(host) for host in names])
    builder = _leaf(issuer, key, names[0][:64], now, lifetime, ExtendedKeyUsageOID.SERVER_AUTH)
    return builder.add_extension(alternatives, critical=False).sign(issuer.key, hashes.SHA256())


def revocation_list(
    issuer: Issuer,
    revoked: Iterable[tuple[int, datetime]],
    now: datetime,
    before: x509.CertificateRevocationList | None,
) -> x509.CertificateRevocationList:
    """The list of an authority's certificates that are no longer good.

    It ends with the authority and not sooner: a broker refuses everybody once its list has ended, and the list comes
    from this program only, never over a network where somebody could hold back a newer one.

    Args:
        issuer: whose certificates.
        revoked: serial numbers, and since when.
        now: the time.
        before: the list that this one takes the place of.
    """
    begin, number = now.replace(microsecond=0), 1
    if before is not None:
        begin = max(begin, before.last_update_utc + timedelta(seconds=1))  # OpenSSL takes the newer one
        number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begin)
        .next_update(issuer.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_identifier_of(issuer), critical=False)
    )
    for serial, since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def _leaf(
    issuer: Issuer, key: Key, name: str, now: datetime, lifetime: timedelta, purpose: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        _builder(_subject(name), issuer.certificate.subject, key.public_key(), now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_identifier_of(issuer), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _identifier_of(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    own = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    address = address_of(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)
