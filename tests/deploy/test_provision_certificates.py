"""What stands in the certificates, read by OpenSSL and by cryptography's own verifier."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ffe_edge.provision import certificates
from ffe_edge.provision.certificates import Issuer

NOW = datetime(2026, 11, 24, 3, 0, 0, 500_000, tzinfo=timezone.utc)
YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return certificates.new_authority("an authority", NOW, 10 * YEAR)


@pytest.fixture(scope="module")
def broker(issuer: Issuer) -> x509.Certificate:
    hosts = ["broker.lan", "192.168.1.10", "fd00::1"]
    return certificates.broker_certificate(issuer, certificates.new_key(), hosts, NOW, YEAR)


@pytest.fixture(scope="module")
def node(issuer: Issuer) -> x509.Certificate:
    return certificates.client_certificate(issuer, certificates.new_key(), "kiso/edge-01", NOW, YEAR)


def test_an_authority_signs_certificates_and_no_authority(issuer: Issuer) -> None:
    extensions = issuer.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)


def test_a_node_is_a_client_and_no_server(node: x509.Certificate) -> None:
    (name,) = node.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    purposes = node.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert (name.value, list(purposes)) == ("kiso/edge-01", [ExtendedKeyUsageOID.CLIENT_AUTH])
    assert isinstance(node.public_key().curve, ec.SECP256R1)  # type: ignore[union-attr]


def test_a_broker_is_a_server_of_its_names_and_no_client(broker: x509.Certificate) -> None:
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    purposes = broker.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.lan"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["192.168.1.10", "fd00::1"]
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_clock_that_is_a_day_behind_does_no_harm(node: x509.Certificate) -> None:
    assert node.not_valid_before_utc <= NOW - timedelta(hours=23)
    assert abs(node.not_valid_after_utc - (NOW + YEAR)) < timedelta(seconds=1)


def test_serial_numbers_are_of_chance(issuer: Issuer) -> None:
    key = certificates.new_key()
    made = {certificates.client_certificate(issuer, key, "a", NOW, YEAR).serial_number for _ in range(20)}
    assert len(made) == 20
    assert min(number.bit_length() for number in made) > 128


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl")
@pytest.mark.parametrize(("who", "purpose"), [("broker", "sslserver"), ("node", "sslclient")])
def test_openssl_finds_them_strictly_in_order(
    issuer: Issuer, who: str, purpose: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (tmp_path / "ca").write_bytes(certificates.certificate_pem(issuer.certificate))
    (tmp_path / "leaf").write_bytes(certificates.certificate_pem(request.getfixturevalue(who)))
    at = str(int(NOW.timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-attime", at, "-CAfile", "ca", "leaf"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("leaf: OK\n", 0), done.stderr
    wrong = ["sslclient" if word == "sslserver" else "sslserver" if word == "sslclient" else word for word in command]
    assert subprocess.run(wrong, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_list_of_revocations_lasts_as_long_as_its_authority_and_each_is_newer(issuer: Issuer) -> None:
    first = certificates.revocation_list(issuer, [], NOW, None)
    second = certificates.revocation_list(issuer, [(7, NOW)], NOW, first)
    assert first.next_update_utc == issuer.certificate.not_valid_after_utc
    assert second.last_update_utc > first.last_update_utc  # OpenSSL believes the newer one
    numbers = [one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in (first, second)]
    assert (numbers, [one.serial_number for one in second]) == ([1, 2], [7])
    assert second.is_signature_valid(issuer.certificate.public_key())  # type: ignore[arg-type]


def test_a_key_of_another_authority_is_no_issuer(issuer: Issuer) -> None:
    other = certificates.key_pem(certificates.new_key())
    with pytest.raises(ValueError, match="does not belong"):
        certificates.read_issuer(certificates.certificate_pem(issuer.certificate), other)
