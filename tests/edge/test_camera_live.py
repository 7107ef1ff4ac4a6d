"""What lies between a live camera and its frames: addresses, orders, shared memory, back-off, pipelines."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import numpy as np
import pytest
from numpy.typing import NDArray

from ffe_edge.camera.csi import csi_elements
from ffe_edge.camera.live import BACKOFF_MAX_SECONDS, LiveSource, backoff_seconds
from ffe_edge.camera.order import ReaderOrder
from ffe_edge.camera.process import cause_of
from ffe_edge.camera.slot import SharedMemory
from ffe_edge.errors import SourceError
from ffe_edge.redaction import redacted


def picture(grey: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    return np.full((height, width, 3), grey, np.uint8)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        pytest.param("rtsp://host:554/a", "rtsp://host:554/a", id="nothing-to-hide"),
        pytest.param("rtsp://me:secret@host/a", "rtsp://***@host/a", id="password"),
        pytest.param("rtsps://me:se/cr@et@host/a?b=1", "rtsps://***@host/a?b=1", id="unescaped-password"),
        pytest.param("http://host/mjpg?user=me&pwd=secret&ch=1", "http://host/mjpg?user=***&pwd=***&ch=1", id="query"),
        pytest.param("open RTSP://me:secret@host failed", "open RTSP://***@host failed", id="in-a-message"),
    ],
)
def test_credentials_are_never_shown(address: str, shown: str) -> None:
    assert redacted(address) == shown


def test_an_order_survives_its_way_to_the_reader() -> None:
    order = ReaderOrder("pipeline", 2.0, elements=("videotestsrc", "is-live=true"), width_px=64, fps=29.97)
    assert ReaderOrder.from_json(order.to_json()) == order
    assert json.loads(order.to_json())["kind"] == "pipeline"


def test_the_latest_frame_wins() -> None:
    memory = SharedMemory()
    assert memory.slot.read(after=0) is None
    for index in range(5):
        memory.slot.write(picture(index), seconds=index, utc_seconds=1_700_000_000 + index)
    latest = memory.slot.read(after=0)
    assert latest is not None
    assert (latest.number, latest.seconds, int(latest.image.max()), latest.image.shape) == (5, 4.0, 4, (48, 64, 3))
    assert latest.captured_at == datetime(2023, 11, 14, 22, 13, 24, tzinfo=timezone.utc)
    assert memory.slot.read(after=5) is None


def test_a_camera_may_change_its_size() -> None:
    memory = SharedMemory()
    memory.slot.write(picture(1), 0, 0)
    memory.slot.write(picture(2, width=320, height=240), 0, 0)
    latest = memory.slot.read(after=1)
    assert latest is not None
    assert latest.image.shape == (240, 320, 3)


def test_a_lost_camera_is_opened_again_ever_more_slowly() -> None:
    waits = [backoff_seconds(failures, jitter=1.0) for failures in range(10)]
    assert waits == [1, 1, 2, 4, 8, 16, 32, BACKOFF_MAX_SECONDS, BACKOFF_MAX_SECONDS, BACKOFF_MAX_SECONDS]


def test_a_reader_that_cannot_open_tells_the_cause_without_secrets() -> None:
    text = (
        "[tcp @ 0x55d] Connection to tcp://me:secret@host failed: Connection refused\n"
        "[ WARN:0@0.639] global cap.cpp:212 open VIDEOIO(FFMPEG): backend\n"
        "reader: the camera cannot be opened\n"
    )
    expected = "the camera cannot be opened (Connection to tcp://***@host failed: Connection refused)"
    assert cause_of(text) == expected
    assert cause_of("") == ""


def test_what_ffmpeg_says_below_its_errors_is_no_cause() -> None:
    text = (
        "[OPENCV:FFMPEG:40] SDP:\nv=0\na=control:*\n\n"
        "[OPENCV:FFMPEG:16] method DESCRIBE failed: 404 Not Found\n"
        "[OPENCV:FFMPEG:24] max delay reached. need to consume packet\n"
        "[OPENCV:FFMPEG:40] setting jitter buffer size to 0\n"
    )
    assert cause_of(text) == "method DESCRIBE failed: 404 Not Found"


def test_a_closed_camera_gives_no_frame() -> None:
    source = LiveSource("camera", ReaderOrder("network", 2.0, address="rtsp://127.0.0.1:9/x"))
    source.close()
    assert list(source) == []
    assert source.state == "starting"


def test_a_csi_camera_is_a_pipeline_to_raw_bgr() -> None:
    elements = " ".join(csi_elements("csi://1", 1280, 720, 29.97, frozenset({"sensor-id", "bufapi-version"})))
    assert elements == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1280,height=720,framerate=2997/100 "
        "! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR"
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [pytest.param("csi://front", "csi://0", id="name"), pytest.param("csi://1", "cannot choose", id="old-driver")],
)
def test_a_csi_address_that_cannot_be_met_is_refused(source: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        csi_elements(source, 1280, 720, 30, frozenset())
