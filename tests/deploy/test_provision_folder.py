"""The authority's folder and the broker's: two runs at once, a run that is killed, damage, what deploy writes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from deploy.provisioning import Provision, listed, states
from e2e.program import PROGRAM

from ffe_edge.errors import FfeError, StoreError
from ffe_edge.provision.broker_files import broker_files
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.members import Bundle, Members


def test_two_runs_at_once_wait_for_one_another(provision: Provision, authority: Path) -> None:
    errors: list[BaseException] = []

    def admit(number: int) -> None:
        try:
            bundle = Bundle(authority.parent / f"{number}.tar", timedelta(days=9))
            Members(Folder(authority)).admit(f"kiso/edge-{number}", "node", ("kiso",), bundle)
        except FfeError as error:
            errors.append(error)

    threads = [threading.Thread(target=admit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({name for name, _ in listed(provision) if name.startswith("kiso/")}) == 8


def test_a_run_that_never_ends_is_told(authority: Path, monkeypatch: pytest.MonkeyPatch, provision: Provision) -> None:
    monkeypatch.setattr("ffe_edge.provision.folder.LOCK_SECONDS", 0.1)
    with Folder(authority).locked(), pytest.raises(StoreError, match="another run"):
        provision("rotate", "broker")


def test_a_run_that_is_killed_leaves_an_authority_that_goes_on(provision: Provision, authority: Path) -> None:
    words = ["provision", "node", "kiso", "edge-01", "--folder", str(authority)]
    for number in range(3):
        process = subprocess.Popen([*PROGRAM, *words, "--to", f"{number}.tar"], stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.3 + 0.3 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    provision("client", "floor", "--role", "dashboard", "--site", "+")
    assert states(provision, "floor") == ["good"]


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2}', "no JSON", '{"version": 1, "hosts": ["a"], "more": 1}'])
def test_a_damaged_register_is_told_and_not_overwritten(authority: Path, provision: Provision, text: str) -> None:
    (authority / "register.json").write_text(text)
    with pytest.raises(StoreError, match=r"register\.json"):
        provision("node", "kiso", "edge-01")
    assert (authority / "register.json").read_text() == text


def test_what_a_register_says_cannot_write_rules_of_its_own(authority: Path, provision: Provision) -> None:
    provision("node", "kiso", "edge-01")
    register = (authority / "register.json").read_text()
    (authority / "register.json").write_text(register.replace('"kiso/edge-01"', '"kiso/edge-01\\nuser x"'))
    with pytest.raises(StoreError):
        broker_files(Folder(authority), datetime.now(timezone.utc))


def test_deploy_writes_what_has_changed_and_nothing_else(provision: Provision) -> None:
    deploy = ("deploy", "--to", "broker", "--user", Path.home().owner())
    assert "ca.pem, crl.pem, broker.pem, acl, passwords written" in provision(*deploy)
    assert "nothing has changed" in provision(*deploy)
    assert "has not read it yet" in provision(*deploy)
    provision("node", "kiso", "edge-01")
    assert "broker: acl written" in provision(*deploy)
    provision("revoke", "node", "kiso", "edge-01")
    assert "broker: crl.pem, acl written" in provision(*deploy)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_the_user_of_a_container_is_named_by_its_number(provision: Provision, tmp_path: Path) -> None:
    provision("deploy", "--to", "broker", "--user", "1883")
    assert {path.stat().st_uid for path in (tmp_path / "broker").iterdir() if path.name != "restart-needed"} == {1883}


def test_restart_asks_systemd_once_and_tells_what_it_says(
    provision: Provision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ntest ! -e {tmp_path}/broken || {{ echo no >&2; false; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    deploy = ("deploy", "--to", "broker", "--user", Path.home().owner(), "--restart")
    (tmp_path / "broken").touch()
    with pytest.raises(FfeError, match=r"does not start \(no\)"):
        provision(*deploy)
    (tmp_path / "broken").unlink()
    assert "mosquitto restarted" in provision(*deploy)  # it was still due
    assert "restarted" not in provision(*deploy)
    assert (tmp_path / "asked").read_text() == "restart -- mosquitto\n" * 2
