from __future__ import annotations

import logging

import pytest

from ffe_edge.mqtt_endpoint import Endpoint
from ffe_edge.mqtt_news import STEADY_SECONDS, News

ENDPOINT = Endpoint("mqtt://b:1883", "b", 1883, "ffe-edge-01", 30, None, None, None)


def test_a_fight_for_the_client_id_is_told_only_at_its_begin_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    news = News(ENDPOINT)
    with caplog.at_level(logging.INFO):
        for _ in range(1000):
            news.connected("MQTT 5")
            assert not news.ended(1.0)
            news.failed("refuses us (another program)", 60.0)
        news.connected("MQTT 5")
        told = len(caplog.records)
        news.lasts(STEADY_SECONDS + 1)
        assert news.ended(STEADY_SECONDS + 2)
    assert (told, len(caplog.records)) == (7, 8)
    assert caplog.records[-1].getMessage() == "broker mqtt://b:1883 connected (MQTT 5)"


def test_one_drop_a_day_is_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    news = News(ENDPOINT)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            news.connected("MQTT 5")
            assert news.ended(86_400.0)
            news.failed("unreachable (the connection was lost)", 1.0)
            news.failed("unreachable (Connection refused)", 1.0)
            news.failed("unreachable (Connection refused)", 2.0)
    assert len(caplog.records) == 15
