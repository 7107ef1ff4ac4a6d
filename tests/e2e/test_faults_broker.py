"""The broker and the daemon die at any moment; the network stops without a word. Nothing is lost."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from e2e.conftest import Rows
from e2e.daemon import Daemon, counted, everything_came, write_busy_clip
from e2e.fault_table import Counts, Fault
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.proxy import Proxy

KILLS = 24

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_busy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=300)


def cameras(clip: Path, count: int) -> list[str]:
    return [f'id = "room-{number}"\nsource = "{clip}"\nrealtime = true' for number in range(1, count + 1)]


def row(fault: str, did: str, saw: str, counts: Counts) -> Fault:
    return Fault(fault, did, saw, counts.produced, counts.delivered, counts.duplicates, counts.gaps)


def kill_broker(broker: Mosquitto, subscriber: Subscriber, rng: random.Random) -> None:
    """SIGKILL while the subscriber listens, so that nothing is in the broker's memory alone."""
    before = subscriber.connections
    broker.kill()
    time.sleep(rng.uniform(0.0, 1.5))
    broker.start()
    assert wait_for(lambda: subscriber.connections > before, 20)


@pytest.mark.faults
@pytest.mark.slow
def test_kills_of_broker_and_daemon_at_random_lose_nothing(tmp_path: Path, clip: Path, fault_table: Rows) -> None:
    rng = random.Random(5)
    whom = rng.sample(["broker", "daemon"] * (KILLS // 2), KILLS)
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        daemon = Daemon(tmp_path, broker.url)
        daemon.configure(*cameras(clip, 3))
        with daemon:
            assert daemon.tells(1)
            for one in whom:
                time.sleep(rng.uniform(0.3, 3.0))
                if one == "broker":
                    kill_broker(broker, subscriber, rng)
                else:
                    daemon.kill()
                    daemon.start()
                    daemon.tells(rng.randint(0, 3), 10)
            assert daemon.tells(1)
            assert everything_came(daemon, subscriber)
            assert daemon.stop() == 0
        assert everything_came(daemon, subscriber)
        counts = counted(daemon, subscriber)
    assert (counts.missing, counts.holes, counts.gaps) == (frozenset(), (), 0)
    assert counts.produced > KILLS
    reconnected = sum("connected (MQTT 5)" in line for line in daemon.log("info"))
    did = f"{KILLS // 2} times each, in random order, 0.3 to 3 s apart, while three cameras told events"
    fault_table.add(
        row(
            "broker and daemon killed (SIGKILL) and started again",
            did,
            f"connected {reconnected} times; every event came, no hole in the sequences",
            counts,
        )
    )


@pytest.mark.faults
@pytest.mark.slow
def test_a_half_open_network_is_noticed_and_everything_comes_when_it_heals(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber, Proxy(broker.port) as proxy:
        daemon = Daemon(tmp_path, proxy.url)
        daemon.configure(*cameras(clip, 2))
        with daemon:
            assert daemon.tells(5)
            proxy.blackhole()
            began = time.monotonic()
            assert wait_for(lambda: 'ffe_broker_state{state="unreachable"} 1' in daemon.get("/metrics"), 20)
            noticed = time.monotonic() - began
            assert daemon.tells(5)
            unsent = counted(daemon, subscriber).missing
            assert unsent
            proxy.heal()
            assert everything_came(daemon, subscriber)
            assert daemon.tells(5)
            assert daemon.stop() == 0
        assert everything_came(daemon, subscriber)
        counts = counted(daemon, subscriber)
    assert (counts.holes, counts.gaps) == ((), 0)
    assert "3.1.1" not in "".join(daemon.log())
    did = f"for {noticed + 1:.0f} s and more nothing went through in either direction, connections stayed open"
    saw = f"noticed after {noticed:.0f} s (keepalive 5 s); {len(unsent)} events waited and came when it healed"
    fault_table.add(row("half-open network (black hole)", did, saw, counts))
