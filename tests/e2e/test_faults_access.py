"""A broker that does not want us: wrong password, denied topics, a certificate of somebody else's authority."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.conftest import Rows
from e2e.daemon import NODE, Daemon, counted, everything_came, write_busy_clip
from e2e.fault_table import Fault
from e2e.mosquitto import Mosquitto, Subscriber, free_port, require_mosquitto, wait_for
from e2e.program import ffe_edge
from e2e.proxy import Proxy

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> str:
    clip = write_busy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=120)
    return f'id = "hall"\nsource = "{clip}"\nrealtime = true'


def users(folder: Path, **passwords: str) -> Path:
    program = Path(require_mosquitto()).with_name("mosquitto_passwd")
    program = program if program.exists() else Path("/usr/bin/mosquitto_passwd")
    file = folder / "users"
    file.touch()
    for name, password in passwords.items():
        subprocess.run([program, "-b", file, name, password], check=True, stderr=subprocess.DEVNULL)
    return file


def told(daemon: Daemon, word: str) -> int:
    return sum(word in line for line in daemon.log("warning", "error"))


def state_is(daemon: Daemon, state: str) -> bool:
    return wait_for(lambda: f'ffe_broker_state{{state="{state}"}} 1' in daemon.get("/metrics"), 20)


@pytest.mark.faults
@pytest.mark.slow
def test_a_wrong_password_is_told_apart_from_an_absent_broker_and_a_new_one_is_used_without_a_restart(
    tmp_path: Path, camera: str, fault_table: Rows
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("very-wrong\n")
    config = f"allow_anonymous false\npassword_file {users(tmp_path, edge='right', eye='eye')}"
    broker = Mosquitto(tmp_path, config=config)
    daemon = Daemon(tmp_path, broker.url)
    daemon.configure(camera, broker=f'username = "edge"\npassword_file = "{secret}"')
    with daemon:
        assert daemon.tells(2)
        assert state_is(daemon, "unreachable")
        with broker, Subscriber(broker, "ffe/v1/#", username="eye", password="eye") as subscriber:
            assert state_is(daemon, "refused")
            assert "broker: refused" in daemon.get("/readyz")
            doctor = ffe_edge("doctor", "--config", str(tmp_path / "ffe.toml"), state=daemon.state).stdout
            assert "refuses the credentials" in " ".join(doctor.split())
            time.sleep(5)
            assert (told(daemon, "unreachable (Connection refused)"), told(daemon, "refuses us (Not authorized)")) == (
                1,
                1,
            )
            secret.unlink()
            assert wait_for(lambda: told(daemon, "password cannot be read") == 1)
            secret.write_text("right\n")
            assert state_is(daemon, "connected")
            assert everything_came(daemon, subscriber)
            assert daemon.stop() == 0
            assert everything_came(daemon, subscriber)
            counts = counted(daemon, subscriber)
    assert (counts.holes, counts.gaps) == ((), 0)
    assert b"very-wrong" not in daemon.raw_log()
    fault_table.add(
        Fault(
            "wrong password, then none, then the right one in the password file",
            "the broker was absent, came, refused for 5 s; the file was taken away, then written anew; no restart",
            "`unreachable`, `refused` and `connected` in log, metrics and health page, once each; doctor names it",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@pytest.mark.faults
@pytest.mark.slow
def test_events_that_the_rules_deny_are_kept_until_they_are_allowed(
    tmp_path: Path, camera: str, fault_table: Rows
) -> None:
    rules = tmp_path / "rules"
    rules.write_text(f"topic read #\ntopic write {NODE}/status\ntopic write {NODE}/camera/+/state\n")
    with (
        Mosquitto(tmp_path, config=f"allow_anonymous true\nacl_file {rules}") as broker,
        Subscriber(broker, "ffe/v1/#") as subscriber,
    ):
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(camera)
        with daemon:
            assert daemon.tells(25)  # more than a window
            assert counted(daemon, subscriber).delivered == 0
            assert f"ffe_outbox_entries {len(daemon.printed)}" in daemon.get("/metrics")
            daemon.kill()  # nor does a crash lose them
            daemon.start()
            assert daemon.tells(3)
            assert told(daemon, f"denies {NODE}/camera/hall/emotion (Not authorized): events are kept") == 2  # lives
            rules.write_text("topic readwrite #\n")
            broker.send_signal(signal.SIGHUP)
            assert everything_came(daemon, subscriber)
            assert daemon.stop() == 0
        assert everything_came(daemon, subscriber)
        counts = counted(daemon, subscriber)
    assert (counts.holes, counts.gaps) == ((), 0)
    fault_table.add(
        Fault(
            "access rules deny the emotion topic (MQTT 5 reason 135)",
            "for more than a window of events and one SIGKILL of the daemon; then allowed (SIGHUP of the broker)",
            "one line in the log for each life; all were kept and came when allowed",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[str], tuple[Path, Path, Path]]:
    """Makes a certificate of an authority of its own; gives the files of authority, certificate and key."""

    def make(name: str) -> tuple[Path, Path, Path]:
        def run(command: str) -> None:
            subprocess.run(command.split(), check=True, cwd=tmp_path, stderr=subprocess.DEVNULL)

        new = "openssl req -newkey rsa:2048 -nodes -days 1"
        run(f"{new} -x509 -subj /CN={name} -keyout {name}-ca.key -out {name}-ca.pem")
        (tmp_path / f"{name}.ext").write_text("subjectAltName=DNS:localhost\n")
        run(f"{new} -subj /CN=localhost -keyout {name}.key -out {name}.csr")
        run(f"openssl x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -days 1"
            f" -extfile {name}.ext -out {name}.pem")  # fmt: skip
        return tmp_path / f"{name}-ca.pem", tmp_path / f"{name}.pem", tmp_path / f"{name}.key"

    return make


@pytest.mark.faults
@pytest.mark.slow
def test_a_certificate_of_another_authority_is_one_clear_reason_and_disturbs_no_camera(
    tmp_path: Path, camera: str, authority: Callable[[str], tuple[Path, Path, Path]], fault_table: Rows
) -> None:
    ours, _, _ = authority("ours")
    theirs, certificate, key = authority("theirs")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(ours.read_bytes())
    port = free_port()
    secure = f"allow_anonymous true\nlistener {port} 127.0.0.1\nkeyfile {key}\ncertfile {certificate}"
    with (
        Mosquitto(tmp_path, config=secure) as broker,
        Subscriber(broker, "ffe/v1/#") as subscriber,
        Proxy(port) as proxy,
    ):
        daemon = Daemon(tmp_path, f"mqtts://localhost:{proxy.port}")
        daemon.configure(camera, broker=f'ca_file = "{trusted}"')
        with daemon:
            assert state_is(daemon, "refused")
            before = proxy.connections
            assert daemon.tells(10)
            time.sleep(5)
            tries = proxy.connections - before
            assert told(daemon, "refuses us (its certificate is not trusted: ") == 1
            trusted.write_bytes(theirs.read_bytes())
            assert state_is(daemon, "connected")
            assert everything_came(daemon, subscriber)
            assert daemon.stop() == 0
        assert everything_came(daemon, subscriber)
        counts = counted(daemon, subscriber)
    assert (counts.holes, counts.gaps) == ((), 0)
    assert 1 <= tries <= 25  # a try a second at most: less than 2 were a loop, and 100 without a wait
    fault_table.add(
        Fault(
            "TLS: the broker's certificate is of another authority",
            "for 10 events and 5 s; then the right authority was written into `broker.ca_file`; no restart",
            f"one line in the log, {tries} tries (longest wait set to 1 s), the camera went on; then connected",
            counts.produced, counts.delivered, counts.duplicates, counts.gaps,
        )
    )  # fmt: skip
