"""The thread that follows wishes: real files from a real server, real models proven, a stage that only takes notes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from e2e.mosquitto import wait_for
from https_server import certificate
from model_updates import DESIRED_OF_SITE, Publisher
from update_following import following
from update_models import bundle, shipped


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"))


def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = publisher.release(shipped(tmp_path), 1)
        publisher.site.cut_after = 4_000_000
        node.wish(release.payload)
        node.comes("downloading", "was cut after 4000000 of")
        node.comes("active")
        ranges = [span for path, span in publisher.site.asked if path == "/1/model.onnx"]
        assert ranges == ["", "bytes=4000000-"]
        assert node.stage.done == ["rehearse mode", "switch", "keep"]


@pytest.mark.slow
def test_the_node_s_own_wish_is_followed_first_and_the_site_s_when_it_is_taken_back(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        own = publisher.release(bundle(tmp_path / "own", "own"), 1)
        of_site = publisher.release(bundle(tmp_path / "site", "site"), 2)
        node.wish(of_site.payload, DESIRED_OF_SITE)
        node.wish(own.payload)
        told = node.comes("active").current
        assert told is not None
        assert told.counter == 1
        node.wish(b"")
        assert wait_for(lambda: node.states[-1].phase == "active" and node.states[-1].current.counter == 2, 60)  # type: ignore[union-attr]
        assert node.states[-1].previous == told


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        pytest.param("golden", "failed the golden check", id="other-golden-outputs"),
        pytest.param("digest", "not the pinned", marks=pytest.mark.slow, id="another-file-of-the-same-size"),
        pytest.param("short", "bytes, not the pinned", marks=pytest.mark.slow, id="a-shorter-file"),
        pytest.param("stage", "no engine", id="it-cannot-serve-here"),
    ],
)
def test_what_is_wrong_is_refused_once_and_not_fetched_again(tmp_path: Path, pem: Path, what: str, reason: str) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = _released(publisher, tmp_path / "a", what)
        node.stage.refuses = "no engine here" if what == "stage" else ""
        node.wish(release)
        assert node.comes("refused", reason).current is None
        asked = len(publisher.site.asked)
        node.wish(release)
        time.sleep(0.8)
        assert len(publisher.site.asked) == asked
        assert not list((tmp_path / "updates" / "models").glob("*"))


def _released(publisher: Publisher, folder: Path, what: str) -> bytes:
    """A release with a fault."""
    is_good = what != "golden"
    release = publisher.release(bundle(folder, "a", golden_is_good=is_good), 1, is_looked_over=is_good)
    body = publisher.site.files["/1/model.onnx"]
    publisher.site.files["/1/model.onnx"] = {"digest": body[:-1] + b"!", "short": body[:-9]}.get(what, body)
    return release.payload


@pytest.mark.slow
def test_a_model_that_fails_on_probation_gives_way(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem, probation_seconds=60) as (node, publisher):
        node.wish(publisher.release(shipped(tmp_path), 3).payload)
        node.comes("probation")
        node.stage.trouble = "it gave no probabilities for faces in view"
        node.comes("rolled-back", "gave no probabilities")
        assert node.stage.done[-1] == "back"
        node.wish(publisher.release(shipped(tmp_path), 4).payload)
        node.stage.trouble = None
        node.comes("probation")


@pytest.mark.slow
def test_a_wish_that_is_taken_back_ends_its_download(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        release = publisher.release(shipped(tmp_path), 3)
        publisher.site.files.clear()
        node.wish(release.payload)
        node.comes("downloading", "Not Found")
        node.wish(b"")
        node.comes("idle", "not wanted any more")
        assert node.ledger.state.target is None


@pytest.mark.slow
def test_a_newer_release_ends_the_download_of_an_older_one(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        old = publisher.release(shipped(tmp_path), 3)
        publisher.site.files.clear()
        node.wish(old.payload)
        node.comes("downloading", "Not Found")
        node.wish(publisher.release(bundle(tmp_path / "new", "new"), 4).payload)
        assert node.comes("active").release.counter == 4  # type: ignore[union-attr]


def test_a_node_s_own_wish_that_is_cleared_gives_way_to_what_serves_already(tmp_path: Path, pem: Path) -> None:
    with following(tmp_path, pem) as (node, publisher):
        node.wish(publisher.release(shipped(tmp_path), 7).payload, DESIRED_OF_SITE)
        node.comes("active")
        own = publisher.release(bundle(tmp_path / "own", "own"), 8)
        publisher.site.files.clear()
        node.wish(own.payload)
        node.comes("downloading", "Not Found")
        node.wish(b"")
        told = node.comes("active")
        assert (told.release.counter, told.current.counter) == (7, 7)  # type: ignore[union-attr]
        assert (node.ledger.state.target, node.ledger.state.counter) == (None, 8)
