"""The main job as a user runs it: a video in, events out, through a real broker."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from e2e.mosquitto import Mosquitto, Subscriber, wait_for
from e2e.program import events, ffe_edge, started, write_rendered_clip

from ffe_edge.emotions import LABELS, UNCERTAIN
from ffe_edge.wire import parse_event


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rendered_clip(tmp_path_factory.mktemp("clip") / "clip.avi")


CAMERA = "ffe/v1/home/edge-01/camera/camera"
STATUS = "ffe/v1/home/edge-01/status"


def read(subscriber: Subscriber, topic: str, count: int) -> list[dict[str, Any]]:
    """The first ``count`` messages of a topic or more; what came after twenty seconds."""
    wait_for(lambda: len(subscriber.payloads(topic)) >= count, 20)
    return [json.loads(payload) for payload in subscriber.payloads(topic)]


def test_a_clip_gives_valid_events_on_stdout(clip: Path, tmp_path: Path) -> None:
    result = ffe_edge("run", "--source", str(clip), "--print", state=tmp_path)
    assert result.returncode == 0, result.stderr
    told = events(result.stdout)
    assert [parse_event(line.encode()).sequence for line in result.stdout.splitlines()] == list(range(1, len(told) + 1))
    assert (told[0]["data"]["change"], told[-1]["data"]["change"]) == ("start", "end")
    assert {event["data"]["emotion"] for event in told} <= {*LABELS, UNCERTAIN}


def test_a_broker_gets_the_same_events_as_stdout(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "ffe.toml"
    config.write_text('[model]\nbackend = "onnxruntime"\n')  # what measures faster may differ from run to run
    watch = ["run", "--source", str(clip), "--config", str(config)]
    printed = events(ffe_edge(*watch, "--print", state=tmp_path / "a").stdout)
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        result = ffe_edge(*watch, "--broker", broker.url, "--site", "kiso", state=tmp_path / "b")
        delivered = read(subscriber, "ffe/v1/kiso/edge-01/camera/camera/emotion", len(printed))
    assert result.returncode == 0, result.stderr
    assert [event["data"] for event in delivered] == [event["data"] for event in printed]


def test_the_birth_names_the_detector_and_sigterm_leaves_a_stopped_status(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        process = started("run", "--source", "demo:", "--broker", broker.url, state=tmp_path)
        read(subscriber, f"{CAMERA}/emotion", 1)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=30)
        changes = [event["data"]["change"] for event in read(subscriber, f"{CAMERA}/emotion", 2)]
        birth, last = read(subscriber, STATUS, 2)
    assert process.returncode == 0, stderr
    assert (changes[0], changes[-1]) == ("start", "end")
    assert (birth["state"], birth["detector"]) == ("online", "haar")
    assert (last["state"], last["session"]) == ("stopped", birth["session"])


def test_events_of_an_absent_broker_are_kept_and_delivered_at_the_next_start(clip: Path, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    process = started("run", "--source", str(clip), "--broker", broker.url, "--print", state=tmp_path)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert "events are kept" in stderr
    assert "not delivered yet" in stderr
    with broker, Subscriber(broker, "ffe/v1/#") as subscriber:
        result = ffe_edge("run", "--source", str(clip), "--broker", broker.url, state=tmp_path)
        told = read(subscriber, f"{CAMERA}/emotion", 3)
        minutes = read(subscriber, f"{CAMERA}/summary", 1)
    assert result.returncode == 0, result.stderr
    assert told[0] == first
    sequences = sorted(event["sequence"] for event in told + minutes)
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_real_video_gives_events_that_fit_its_truth(shared: Path, tmp_path: Path) -> None:
    detector = shared / "detector_yunet" / "yunet_n_640_640.onnx"
    video = shared / "videos" / "london_timeline.mp4"
    result = ffe_edge("run", "--source", str(video), "--detector", str(detector), "--print", state=tmp_path)
    told = [event["data"]["emotion"] for event in events(result.stdout)]
    assert {"joy", "neutral"} <= set(told)
    assert sum(label in {"joy", "neutral"} for label in told) > 0.7 * len(told)


def test_the_demo_delivers_events_to_its_page(tmp_path: Path) -> None:
    result = ffe_edge("demo", "--seconds", "12", "--no-browser", "--port", "0", state=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "http://127.0.0.1:" in result.stderr
