"""A node takes signed models from a real server over a real broker, and nothing else; the old one serves meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.daemon import everything_came
from e2e.test_schema import check
from model_updates import STATE, Home, folders, node
from update_models import bundle, write_clip

from ffe_edge.engine.model_file import digest_of
from ffe_edge.updates.minisign_secret import SecretKey


@pytest.mark.timeout(300)
def test_a_signed_model_serves_and_no_other_one_does(tmp_path: Path) -> None:
    with node(tmp_path, write_clip(tmp_path / "hall.avi", 100), probation=1) as home:
        publisher = home.publisher
        stranger = publisher.release(bundle(tmp_path / "a", "a"), 6, key=SecretKey.new())
        refused(home, stranger.payload, "signed by key")
        good = publisher.release(tmp_path / "a", 7)
        home.wish(good.payload)
        assert home.comes("active", 7)["current"]["sha256"] == good.sha256
        assert home.phases(7) == ["downloading", "verifying", "building", "probation", "active"]
        serving = digest_of(tmp_path / "a" / "model.onnx")
        assert home.serves(serving)

        refused(home, publisher.release(bundle(tmp_path / "b", "b"), 5).payload, "counter 5 is lower than 7")
        wrong = bundle(tmp_path / "c", "c", golden_is_good=False)
        refused(home, publisher.release(wrong, 8, is_looked_over=False).payload, "failed the golden check")

        assert home.serves(serving)
        assert folders(home.daemon, "models") == [good.sha256[:16]]
        assert folders(home.daemon, "staging") == []
        assert everything_came(home.daemon, home.subscriber)
        assert home.daemon.stop() == 0
        fits_its_schema(home)


def refused(home: Home, payload: bytes, reason: str) -> None:
    home.wish(payload)
    assert home.says(reason), home.states()[-3:]
    assert home.states()[-1]["phase"] == "refused"


def fits_its_schema(home: Home) -> None:
    for message in home.subscriber.messages:
        if message.topic == STATE:
            assert check(message) == "./model-state-v1.json"
