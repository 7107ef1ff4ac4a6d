"""The page in a real browser, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from dashboard.browser import console_errors, open_chromium, require_chromium, text_of, wait_until
from dashboard.payloads import CAMERA, SITE, camera, event, probabilities, status
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ffe_edge.dashboard.app import serve
from ffe_edge.dashboard.live import LiveView
from ffe_edge.dashboard.web.server import WebServer
from ffe_edge.demo_broker import DemoBroker

XSS = "<img src=x onerror=document.title='hacked'>"


@dataclass
class Stage:
    """A broker, a device's client, the page's server and a browser."""

    broker: DemoBroker
    device: paho.Client
    view: LiveView
    browser: Chrome
    server: WebServer

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.device.publish(topic, payload, 1, retain).wait_for_publish(10)

    def open(self, query: str = "?lang=ja") -> None:
        """The page, with its device and camera working."""
        self.publish(f"{SITE}/status", status(), retain=True)
        self.publish(f"{CAMERA}/state", camera(), retain=True)
        wait_until(lambda: self.view.snapshot()["cameras"], "the camera is known")
        self.browser.get(self.server.url + query)
        wait_until(lambda: "day-room" in self.text("#connections"), "the page shows its camera")

    def text(self, selector: str) -> str:
        return text_of(self.browser, selector)

    def shows(self, selector: str, words: str) -> None:
        wait_until(lambda: words in self.text(selector), f"{selector} shows {words}")


@contextmanager
def device_at(url: str) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, "device", protocol=MQTTProtocolVersion.MQTTv311)
    client.connect("127.0.0.1", urlsplit(url).port or 0)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    require_chromium()
    profile: Path = tmp_path_factory.mktemp("profile")
    with open_chromium(profile) as browser:
        yield browser


@pytest.fixture
def stage(browser: Chrome) -> Iterator[Stage]:
    with DemoBroker() as broker, device_at(broker.url) as device, LiveView(broker.url) as view:
        server = serve(view, port=0)
        try:
            wait_until(lambda: view.snapshot()["broker"]["connected"], "the view is connected")
            yield Stage(broker, device, view, browser, server)
            assert console_errors(browser) == []
        finally:
            browser.get("about:blank")
            server.stop()


def test_an_emotion_appears_changes_and_goes(stage: Stage) -> None:
    stage.open()
    stage.shows("#nobody", "いま映っている人はいません")
    stage.publish(f"{CAMERA}/emotion", event("start", "joy", track=17, sequence=1))
    stage.shows(".card .word", "喜び")
    stage.shows(".card .name", "人物 17")
    stage.shows(".card .sure", "71%")
    stage.publish(f"{CAMERA}/emotion", event("change", "sadness", track=17, sequence=2, previous="joy"))
    stage.shows(".card .word", "悲しみ")
    stage.shows("#events", "喜び → 悲しみ")
    assert stage.browser.find_element(By.ID, "announce").get_attribute("textContent") == "人物 17: 喜び → 悲しみ"
    stage.publish(f"{CAMERA}/emotion", event("end", "sadness", track=17, sequence=3, previous="sadness"))
    stage.shows("#nobody", "いま映っている人はいません")
    assert stage.text(".card") == ""


def test_every_emotion_has_its_own_shape_colour_sign_and_word(stage: Stage) -> None:
    stage.open()
    stage.publish(f"{CAMERA}/emotion", event("start", "joy", probabilities=probabilities("joy", 0.2)))
    stage.shows(".card .word", "喜び")
    rows = stage.browser.find_elements(By.CSS_SELECTOR, ".all li")
    shapes = [row.find_element(By.CSS_SELECTOR, ".shape") for row in rows]
    assert len(rows) == 9
    assert len({shape.get_attribute("d") for shape in shapes}) == 9
    assert len({shape.value_of_css_property("fill") for shape in shapes}) == 9
    assert len({row.find_element(By.CSS_SELECTOR, ".sign").text for row in rows}) == 9
    assert len({row.find_element(By.CSS_SELECTOR, ".label").text for row in rows}) == 9


def test_an_abstaining_model_is_shown_as_not_known(stage: Stage) -> None:
    stage.open()
    stage.publish(f"{CAMERA}/emotion", event("start", "uncertain", confidence=0.3))
    stage.shows(".card .word", "不明")
    assert "30%" not in stage.text(".card .sure")


def test_the_language_is_switched_by_keyboard_and_remembered(stage: Stage) -> None:
    stage.open()
    stage.publish(f"{CAMERA}/emotion", event("start", "joy"))
    stage.shows(".card .word", "喜び")
    stage.shows("footer", "診断ではありません")
    stage.browser.find_element(By.CSS_SELECTOR, "[data-lang=en]").send_keys(Keys.ENTER)
    stage.shows(".card .word", "Joy")
    stage.shows("footer", "not a diagnosis")
    stage.browser.get(stage.server.url)
    stage.shows(".card .word", "Joy")
    assert stage.browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def test_a_broken_broker_never_looks_like_an_empty_room(stage: Stage) -> None:
    stage.open("?lang=en")
    stage.shows("#nobody", "Nobody is in view")
    stage.broker.stop()
    stage.shows("#alarms", "The MQTT broker cannot be reached")
    stage.shows("#nobody", "not known at present")
    assert "Nobody is in view" not in stage.text("#nobody")


def test_behind_a_broken_broker_people_are_marked_as_last_known(stage: Stage) -> None:
    stage.open("?lang=en")
    stage.publish(f"{CAMERA}/emotion", event("start", "joy"))
    stage.shows(".card .word", "Joy")
    stage.broker.stop()
    stage.shows(".card.stale .since", "last known")


@pytest.mark.parametrize(
    ("topic", "payload", "alarm", "panel"),
    [
        pytest.param(f"{SITE}/status", status("lost"), "does not answer", "not known", id="node-lost"),
        pytest.param(f"{SITE}/status", status("stopped"), "has been stopped", "Not watching", id="node-stopped"),
        pytest.param(f"{CAMERA}/state", camera("stalled", "why"), "is frozen why", "not known", id="camera-stalled"),
        pytest.param(f"{CAMERA}/state", camera("privacy"), "privacy mode", "Not watching", id="privacy"),
    ],
)
def test_each_trouble_looks_different(stage: Stage, topic: str, payload: bytes, alarm: str, panel: str) -> None:
    stage.open("?lang=en")
    stage.publish(topic, payload)
    wait_until(lambda: alarm in stage.text("#alarms").replace("\n", " "), f"the alarm says {alarm}")
    stage.shows("#nobody", panel)


def test_a_page_that_has_lost_its_server_says_so(stage: Stage) -> None:
    stage.open("?lang=en")
    stage.shows("#nobody", "Nobody is in view")
    stage.server.stop()
    stage.shows("#alarms", "This page has lost its server")
    stage.shows("#nobody", "not known at present")
    console_errors(stage.browser)  # of the lost connection


def test_html_in_a_string_is_shown_as_text(stage: Stage) -> None:
    stage.open()
    stage.publish(f"{CAMERA}/state", camera("online", XSS))
    stage.publish(f"{CAMERA}/emotion", event("start", XSS, emotion_ja=XSS, previous=None))
    stage.shows(".card .word", XSS)
    stage.shows("#events", XSS)
    stage.publish(f"{CAMERA}/state", camera("offline", XSS))
    stage.shows("#alarms", XSS)
    assert stage.browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert stage.browser.title == "いまの表情 – FFE-Edge"
