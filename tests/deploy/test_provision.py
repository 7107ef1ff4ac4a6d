"""`ffe-edge provision` without a broker: what is made, refused and told."""

from __future__ import annotations

import json
import stat
import tarfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deploy.provisioning import Provision, states
from e2e.program import ffe_edge
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.errors import FfeError
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.members import Bundle, Members


def test_a_bundle_holds_a_key_that_only_its_user_reads(provision: Provision, tmp_path: Path) -> None:
    provision("node", "kiso", "edge-01")
    archive = tmp_path / "ffe-kiso-edge-01.tar"
    with tarfile.open(archive) as bundle:
        modes = {entry.name: entry.mode for entry in bundle}
    assert modes == {"ca.pem": 0o644, "node.pem": 0o644, "node.key": 0o600, "broker.toml": 0o644}
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_a_bundle_may_be_a_folder(provision: Provision, tmp_path: Path) -> None:
    provision("client", "floor", "--role", "dashboard", "--site", "kiso", "--to", "floor", "--password")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "floor").iterdir()}
    assert modes["dashboard.key"] == modes["dashboard.password"] == 0o600
    assert 'certificate_file = "/etc/ffe-edge/tls/dashboard.pem"' in (tmp_path / "floor" / "broker.toml").read_text()


def test_no_key_of_a_device_stays_and_what_stays_is_private(provision: Provision, authority: Path) -> None:
    provision("node", "kiso", "edge-01")
    keys = [path.name for path in authority.iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    broker = json.loads((authority / "register.json").read_text())["broker"]["serial"]
    assert sorted(keys) == [f"broker-{broker}.pem", "ca-1.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in authority.iterdir()} == {0o600}
    assert stat.S_IMODE(authority.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        pytest.param(["init", "--host", "broker.lan"], "already", id="second-authority"),
        pytest.param(["node", "Kiso", "edge-01"], "site 'Kiso'", id="site"),
        pytest.param(["node", "kiso", "../edge"], "node '../edge'", id="path"),
        pytest.param(["node", "kiso", "a\nuser admin"], "a-z, 0-9", id="line-of-the-rules"),
        pytest.param(["node", "kiso", "x" * 33], "1 to 32", id="long"),
        pytest.param(["node", "kiso", "model"], "taken by topics", id="reserved"),
        pytest.param(["node", "kiso", "edge-01"], "has a certificate already", id="twice"),
        pytest.param(["node", "kiso-edge", "01"], "could not tell it from kiso/edge-01", id="twin"),
        pytest.param(["node", "kiso", "b", "--to", "taken.tar"], "is there already", id="file"),
        pytest.param(["node", "kiso", "b", "--to", "no/such/x.tar"], "cannot be written", id="folder"),
        pytest.param(["node", "kiso", "b", "--days", "3650"], "3649 days at most", id="outlives"),
        pytest.param(["client", "a", "--role", "king", "--site", "kiso"], "--role 'king'", id="role"),
        pytest.param(["client", "a", "--role", "reader"], "--site", id="no-site"),
        pytest.param(["client", "a", "--role", "reader", "--site", "#"], "--site '#'", id="wildcard"),
        pytest.param(["client", "a", "--role", "admin", "--site", "kiso"], "leave it out", id="admin"),
        pytest.param(["rotate", "node", "kiso", "edge-09"], "there are kiso/edge-01", id="unknown"),
        pytest.param(["rotate", "broker", "--host", "a b"], "--host 'a b'", id="host"),
        pytest.param(["rotate", "broker", "--host", "10.0.0.256"], "--host '10.0.0.256'", id="address"),
        pytest.param(["revoke", "client", "nobody"], "there are kiso/edge-01", id="nobody"),
        pytest.param(["deploy", "--to", "x", "--user", "nobody-here"], "no such user", id="user"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    provision: Provision, authority: Path, tmp_path: Path, words: list[str], reason: str
) -> None:
    provision("node", "kiso", "edge-01")
    (tmp_path / "taken.tar").touch()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FfeError, match=reason.replace("(", r"\(")):
        provision(*words)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("topic", ["", "/ffe", "ffe/#", "a b", "ffe\nuser x"])
def test_a_topic_that_would_widen_the_rules_is_refused(topic: str, tmp_path: Path) -> None:
    words = ["provision", "init", "--host", "a", "--root-topic", topic, "--folder", str(tmp_path / "new")]
    assert isinstance(CliRunner().invoke(app, words).exception, FfeError)
    assert not (tmp_path / "new").exists()


def test_an_error_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    done = ffe_edge("provision", "list", "--folder", str(tmp_path / "none"), state=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "ffe-edge provision init" in done.stderr


def test_a_folder_that_others_can_look_into_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    result = CliRunner().invoke(app, ["provision", "init", "--host", "a", "--folder", str(tmp_path / "open")])
    assert "others can look into" in str(result.exception)


def test_a_rotation_leaves_the_old_one_and_old_ones_are_revoked_without_the_newest(provision: Provision) -> None:
    provision("node", "kiso", "edge-01")
    provision("rotate", "node", "kiso", "edge-01", "--to", "2.tar")
    assert states(provision, "kiso/edge-01") == ["old", "good"]
    assert "1 certificates revoked" in provision("revoke", "node", "kiso", "edge-01", "--old")
    assert "nothing left" in provision("revoke", "node", "kiso", "edge-01", "--old")
    assert states(provision, "kiso/edge-01") == ["revoked", "good"]
    provision("revoke", "node", "kiso", "edge-01")
    assert "nothing left" in provision("revoke", "node", "kiso", "edge-01")
    with pytest.raises(FfeError, match="is revoked"):
        provision("rotate", "node", "kiso", "edge-01", "--to", "3.tar")
    provision("node", "kiso", "edge-01", "--to", "4.tar")
    assert states(provision, "kiso/edge-01") == ["revoked", "revoked", "good"]


def test_an_authority_ends_only_when_nobody_needs_it(provision: Provision) -> None:
    provision("node", "kiso", "edge-01")
    assert "no old one" in provision("rotate", "authority", "--end-old")
    provision("rotate", "authority")
    with pytest.raises(FfeError, match="has not ended yet"):
        provision("rotate", "authority")
    assert "by authority 1" in provision("rotate", "broker")  # the node knows no other yet
    with pytest.raises(FfeError, match="the broker, kiso/edge-01 would be refused"):
        provision("rotate", "authority", "--end-old")
    provision("rotate", "node", "kiso", "edge-01", "--to", "2.tar")
    assert "by authority 2" in provision("rotate", "broker")
    provision("revoke", "node", "kiso", "edge-01", "--old")
    assert "1 ended" in provision("rotate", "authority", "--end-old")
    assert (states(provision, "authority 1"), states(provision, "authority 2")) == (["ended"], ["good"])


def test_check_has_an_exit_code_for_what_ends_soon(provision: Provision, authority: Path, tmp_path: Path) -> None:
    assert "nothing ends" in provision("check")
    provision("node", "kiso", "edge-01", "--days", "20")
    assert [row["name"] for row in json.loads(provision("check", "--json", code=1))] == ["kiso/edge-01"]
    assert "nothing ends" in provision("check", "--days", "19")
    provision("rotate", "node", "kiso", "edge-01", "--to", "2.tar")
    assert "nothing ends" in provision("check")
    then = datetime.now(timezone.utc) - timedelta(days=9)
    bundle = Bundle(tmp_path / "late", timedelta(days=5))
    Members(Folder(authority), clock=lambda: then).admit("late", "reader", ("kiso",), bundle)
    assert "expired" in provision("check", code=1)
    provision("revoke", "client", "late")
    assert "nothing ends" in provision("check")


def test_the_table_tells_no_secret(provision: Provision, authority: Path) -> None:
    provision("client", "web", "--role", "reader", "--site", "kiso", "--password")
    kept = json.loads((authority / "register.json").read_text())["members"][0]["password"]
    told = provision("list") + provision("list", "--json")
    assert "web" in told
    assert kept.split("$")[-1] not in told
