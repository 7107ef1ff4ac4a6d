"""Kills, cuts and bad models in the middle of a model update: the daemon goes on, and so do its events."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from e2e.daemon import NODE, everything_came
from e2e.mosquitto import wait_for
from e2e.program import ffe_edge
from e2e.proxy import Proxy
from model_updates import DESIRED_OF_SITE, Home, Release, folders, forged, node
from update_models import blind_to_faces, bundle, changed_model, shipped, slow, write_clip

from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.engine.model_file import digest_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SHIPPED = digest_of(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "hall.avi", 300)


def on_disk(home: Home) -> str:
    path = home.daemon.state / "ffe-edge" / "model-updates" / "home.edge-01" / "state.json"
    phase: str = json.loads(path.read_text())["phase"]
    return phase


def killed_in(home: Home, phase: str, release: Release) -> None:
    home.comes(phase, release.counter)
    home.daemon.kill()
    assert on_disk(home) == phase
    home.daemon.start()


def is_on_trial(home: Home, told: int) -> bool:
    """Whether a model has come to its probation since so many states were told, not just been remembered there."""
    phases = [state["phase"] for state in home.states()[told:]]
    return "building" in phases and phases[-1] == "probation"


def all_is_told(home: Home) -> None:
    """Nothing that was told before, while and after is missing."""
    assert everything_came(home.daemon, home.subscriber)
    assert home.daemon.stop() == 0


@pytest.mark.parametrize("phase", ["downloading", "verifying", "building", "probation"])
def test_a_kill_in_any_phase_costs_nothing_but_time(tmp_path: Path, clip: Path, phase: str) -> None:
    times = 150 if phase == "verifying" else 1
    with node(tmp_path, clip, probation=6) as home:
        assert home.serves(SHIPPED)
        release = home.publisher.release(bundle(tmp_path / "a", "a", times=times), 3)
        if phase == "downloading":
            home.publisher.site.cut_after = 3_000_000
        home.wish(release.payload)
        killed_in(home, phase, release)
        home.publisher.site.cut_after = None
        assert home.comes("active", 3, 180)["current"]["sha256"] == release.sha256
        assert home.serves(digest_of(tmp_path / "a" / "model.onnx"))
        all_is_told(home)


def test_a_model_with_which_the_daemon_dies_again_and_again_is_abandoned(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip, probation=60) as home:
        release = home.publisher.release(bundle(tmp_path / "a", "a"), 3)
        home.wish(release.payload)
        for _ in range(3):
            told = len(home.states())
            assert wait_for(partial(is_on_trial, home, told), 120), home.states()[told:]
            killed_in(home, "probation", release)
        assert "ended 3 times" in home.comes("rolled-back", 3)["reason"]
        assert home.serves(SHIPPED)
        asked = len(home.publisher.site.asked)
        home.daemon.kill()
        home.daemon.start()
        assert home.serves(SHIPPED, 120)
        assert on_disk(home) == "rolled-back"
        assert (len(home.publisher.site.asked), folders(home.daemon, "models")) == (asked, [])  # it is not tried again
        all_is_told(home)


def test_a_download_goes_on_when_the_network_is_back(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        proxy = Proxy(home.publisher.site.server_port)
        with proxy:
            home.publisher.url = f"https://127.0.0.1:{proxy.port}"
            release = home.publisher.release(shipped(tmp_path / "a"), 3)
            home.publisher.site.cut_after = 3_000_000
            home.wish(release.payload)
            assert home.says("was cut after")
            proxy.blackhole()
            assert home.says("timed out", 120), home.states()[-3:]
            home.publisher.site.cut_after = None
            proxy.heal()
            home.comes("active", 3, 180)
            spans = [span for path, span in home.publisher.site.asked if path == "/3/model.onnx"]
            assert spans[0] == ""
            assert "" not in spans[1:]
            all_is_told(home)


def test_a_model_that_fails_on_faces_gives_way_within_the_batch(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip, shadow=0, probation=60) as home:
        assert home.serves(SHIPPED)
        release = home.publisher.release(blind_to_faces(tmp_path / "a" / "model.onnx"), 3)
        home.wish(release.payload)
        assert "gave no probabilities" in home.comes("rolled-back", 3)["reason"]
        assert home.phases(3)[-2:] == ["probation", "rolled-back"]
        assert home.serves(SHIPPED)
        told = [json.loads(payload)["data"] for payload in home.subscriber.payloads(f"{NODE}/camera/hall/emotion")]
        assert {one["model"]["sha256"] for one in told} == {SHIPPED}
        all_is_told(home)


def test_the_shadow_run_keeps_such_a_model_from_serving_at_all(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        assert home.serves(SHIPPED)
        home.wish(home.publisher.release(blind_to_faces(tmp_path / "a" / "model.onnx"), 3).payload)
        assert "gave no probabilities" in home.comes("refused", 3)["reason"]
        assert "probation" not in home.phases(3)
        all_is_told(home)


def test_a_model_that_is_too_slow_for_the_machine_is_rolled_back(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip, shadow=0, probation=60, share=0.5) as home:
        assert home.serves(SHIPPED)
        home.wish(home.publisher.release(slow(tmp_path / "a" / "model.onnx"), 3).payload)
        assert "too slow here" in home.comes("rolled-back", 3, 200)["reason"]
        assert home.serves(SHIPPED)
        all_is_told(home)


def test_what_was_updated_serves_at_the_next_start_and_gives_way_when_it_is_damaged(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        for counter, name in enumerate("ab", 1):
            home.wish(home.publisher.release(bundle(tmp_path / name, name), counter).payload)
            home.comes("active", counter)
        assert home.daemon.stop() == 0
        home.daemon.start()
        assert home.serves(digest_of(tmp_path / "b" / "model.onnx"))
        assert home.daemon.stop() == 0
        model = home.daemon.state / "ffe-edge/model-updates/home.edge-01/models"
        broken = model / digest_of(tmp_path / "b" / "bundle.json")[:16] / "model.onnx"
        broken.write_bytes(broken.read_bytes()[:-1000])
        home.daemon.start()
        assert home.serves(digest_of(tmp_path / "a" / "model.onnx"))
        assert "cannot be loaded at the start" in home.comes("rolled-back", 2)["reason"]
        all_is_told(home)


def test_the_model_before_comes_back_by_a_command_and_by_hand(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        for counter, name in enumerate("ab", 1):
            home.wish(home.publisher.release(bundle(tmp_path / name, name), counter).payload)
            home.comes("active", counter)
        home.subscriber.client.publish(f"{NODE}/command/rollback", b"{}", qos=1)
        assert home.comes("rolled-back", 2)["current"]["counter"] == 1
        assert home.serves(digest_of(tmp_path / "a" / "model.onnx"))
        result = ffe_edge("models", "rollback", "--config", str(tmp_path / "ffe.toml"), state=home.daemon.state)
        assert (result.returncode, result.stdout) == (0, "the model of the settings serves\n"), result.stderr
        assert "current" not in home.comes("rolled-back", 1)
        assert home.serves(SHIPPED)
        all_is_told(home)


def test_a_wish_for_the_whole_site_is_followed_where_no_own_one_is(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        home.wish(home.publisher.release(bundle(tmp_path / "a", "a"), 1).payload, DESIRED_OF_SITE)
        home.comes("active", 1)
        all_is_told(home)


def test_what_was_changed_on_its_way_is_refused(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        release = home.publisher.release(bundle(tmp_path / "a", "a"), 3)
        home.wish(forged(release, counter=9))
        assert home.says("was changed after it was signed")
        home.publisher.site.files["/3/model.onnx"] = changed_model("b")
        home.wish(release.payload)
        assert home.says("not the pinned")
        assert home.states()[-1]["phase"] == "refused"
        assert home.serves(SHIPPED)
        all_is_told(home)
