"""Whom the broker that is shipped lets in: with which certificate, before and after it is renewed or taken back."""

from __future__ import annotations

import socket
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deploy.broker_home import BrokerHome, Client

from ffe_edge.provision.folder import Folder
from ffe_edge.provision.members import Bundle, Members

ROOT = "ffe/v1/kiso"
TLS = [
    pytest.param(ssl.TLSVersion.TLSv1_2, id="TLS 1.2"),
    pytest.param(ssl.TLSVersion.TLSv1_3, id="TLS 1.3"),
]


def is_let_in(home: BrokerHome, bundle: Path, tls_max: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bool:
    with Client(home, bundle, tls_max=tls_max) as client:
        return client.is_accepted


def broker_serial(home: BrokerHome, bundle: Path) -> str:
    context = ssl.create_default_context(cafile=bundle / "ca.pem")
    context.load_cert_chain(bundle / "node.pem", bundle / "node.key")
    with (
        socket.create_connection(("127.0.0.1", home.port)) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        shown = secured.getpeercert()
        assert shown is not None
        return str(shown["serialNumber"]).lower()


@pytest.mark.parametrize("tls_max", TLS)
def test_without_a_certificate_nobody_gets_in(home: BrokerHome, tls_max: ssl.TLSVersion) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    with Client(home, bundle, with_certificate=False, tls_max=tls_max) as client:
        assert not client.is_accepted
    assert "peer did not return a certificate" in home.log()
    assert is_let_in(home, bundle, tls_max)


def test_without_tls_nobody_gets_in(home: BrokerHome) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    home.plain_port = home.port
    with Client(home, bundle, password=("kiso/edge-01", ""), port=home.port) as client:
        assert not client.is_accepted


def test_the_certificate_of_another_authority_is_refused(home: BrokerHome, tmp_path: Path) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    ours, home.authority = (bundle / "ca.pem").read_bytes(), tmp_path / "other"
    home.begin()
    stranger = home.bundle("node", "kiso", "edge-01", tag="-stranger")
    (stranger / "ca.pem").write_bytes(ours)
    assert not is_let_in(home, stranger)


def test_the_broker_s_own_certificate_opens_nothing(home: BrokerHome, tmp_path: Path) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    (tmp_path / "ca.pem").write_bytes((bundle / "ca.pem").read_bytes())
    for name in ("node.pem", "node.key"):
        (tmp_path / name).write_bytes((home.files / "broker.pem").read_bytes())
    assert not is_let_in(home, tmp_path)
    assert "certificate verify failed" in home.log()


def test_an_expired_certificate_is_refused(home: BrokerHome) -> None:
    then = datetime.now(timezone.utc) - timedelta(days=40)
    bundle = Bundle(home.folder / "late", timedelta(days=30))
    Members(Folder(home.authority), clock=lambda: then).admit("kiso/edge-01", "node", ("kiso",), bundle)
    home.deploy()
    home.start()
    assert not is_let_in(home, bundle.path)
    assert "certificate verify failed" in home.log()


@pytest.mark.parametrize("tls_max", TLS)
def test_a_revoked_certificate_is_refused_and_the_one_after_it_is_not(
    home: BrokerHome, tls_max: ssl.TLSVersion
) -> None:
    stolen = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    assert is_let_in(home, stolen, tls_max)
    fresh = home.bundle("rotate", "node", "kiso", "edge-01")
    assert is_let_in(home, fresh, tls_max)  # the broker need not be told of a new one
    assert is_let_in(home, stolen, tls_max)
    home.provision("revoke", "node", "kiso", "edge-01", "--old")
    home.redeploy()
    assert (is_let_in(home, stolen, tls_max), is_let_in(home, fresh, tls_max)) == (False, True)


def test_who_is_revoked_has_no_rules_either_and_may_be_admitted_again(home: BrokerHome) -> None:
    before, other = home.bundle("node", "kiso", "edge-01"), home.bundle("node", "kiso", "edge-02")
    home.provision("revoke", "node", "kiso", "edge-01")
    home.deploy()
    home.start()
    assert (is_let_in(home, before), is_let_in(home, other)) == (False, True)
    assert "kiso/edge-01" not in (home.files / "acl").read_text()
    again = home.bundle("node", "kiso", "edge-01", tag="-again")
    home.redeploy()
    with Client(home, again) as client:
        assert client.publish(f"{ROOT}/edge-01/status") != "Not authorized"
    assert not is_let_in(home, before)


def test_a_new_certificate_of_the_broker_is_shown_after_a_restart_and_by_its_new_name(home: BrokerHome) -> None:
    bundle = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    before = broker_serial(home, bundle)
    home.provision("rotate", "broker", "--host", "broker.lan")
    home.redeploy()
    assert broker_serial(home, bundle) != before
    assert is_let_in(home, bundle)  # localhost stays in every certificate
    assert "mqtts://broker.lan:" in (home.bundle("node", "kiso", "edge-02") / "broker.toml").read_text()


def test_two_authorities_are_trusted_until_the_old_one_ends(home: BrokerHome) -> None:
    old = home.bundle("node", "kiso", "edge-01")
    home.deploy()
    home.start()
    home.provision("rotate", "authority")
    new = home.bundle("rotate", "node", "kiso", "edge-01")
    home.redeploy()
    assert (is_let_in(home, old), is_let_in(home, new)) == (True, True)
    assert "by authority 2" in home.provision("rotate", "broker")
    home.redeploy()
    assert is_let_in(home, new)
    home.provision("revoke", "node", "kiso", "edge-01", "--old")
    home.provision("rotate", "authority", "--end-old")
    home.redeploy()
    assert (is_let_in(home, old), is_let_in(home, new)) == (False, True)
    only = home.bundle("rotate", "node", "kiso", "edge-01", tag="-only")
    assert (only / "ca.pem").read_text().count("BEGIN") == 1
    assert is_let_in(home, only)


def test_a_revocation_holds_under_both_authorities(home: BrokerHome) -> None:
    old, floor = home.bundle("node", "kiso", "edge-01"), home.bundle("node", "kiso", "edge-02")
    home.provision("rotate", "authority")
    new = home.bundle("rotate", "node", "kiso", "edge-01")
    home.provision("revoke", "node", "kiso", "edge-01")
    home.deploy()
    home.start()
    assert [is_let_in(home, one) for one in (old, new, floor)] == [False, False, True]
