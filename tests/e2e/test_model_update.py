"""A node takes signed models from a real server over a real broker, and nothing else; the old one serves meanwhile."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from e2e.daemon import everything_came, write_busy_clip
from model_updates import Home, bundle, changed_model, folders, forged, node

from ffe_edge.engine.model import SHIPPED_MODEL
from ffe_edge.engine.model_file import digest_of
from ffe_edge.updates.minisign_secret import SecretKey

SHIPPED = digest_of(SHIPPED_MODEL)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_busy_clip(tmp_path_factory.mktemp("clip") / "hall.avi", seconds=150)


def test_a_signed_model_serves_and_no_other_one_does(tmp_path: Path, clip: Path) -> None:
    with node(tmp_path, clip) as home:
        publisher = home.publisher
        assert home.serves(SHIPPED)
        refuse(home, publisher.release(bundle(tmp_path / "a", "a"), 6, key=SecretKey.new()).payload, "signed by key")
        good = publisher.release(tmp_path / "a", 7)
        refuse(home, forged(good, counter=8), "is wrong: it was changed")

        home.wish(good.payload)
        assert home.comes("active", 7)["current"]["sha256"] == good.sha256
        assert home.phases(7) == ["downloading", "verifying", "building", "probation", "active"]
        serving = hashlib.sha256(changed_model("a")).hexdigest()
        assert home.serves(serving)

        refuse(home, publisher.release(bundle(tmp_path / "b", "b"), 5).payload, "counter 5 is lower than 7")
        bad = publisher.release(bundle(tmp_path / "c", "c", golden_is_good=True), 8)
        publisher.site.files["/8/model.onnx"] = changed_model("d")
        refuse(home, bad.payload, "not the pinned")
        assert home.serves(serving)
        assert folders(home.daemon, "models") == [good.sha256[:16]]
        assert folders(home.daemon, "staging") == []
        assert everything_came(home.daemon, home.subscriber)
        assert home.daemon.stop() == 0


def refuse(home: Home, payload: bytes, reason: str) -> None:
    told = len(home.states())
    home.wish(payload)
    home.comes("refused") if told == len(home.states()) else None
    from e2e.mosquitto import wait_for

    assert wait_for(lambda: reason in home.states()[-1].get("reason", ""), 20), home.states()[-3:]
    assert home.states()[-1]["phase"] == "refused"
