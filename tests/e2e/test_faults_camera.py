"""Cameras that go, hang, come back, change and give rubbish, while another camera goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import final

import cv2
import numpy as np
import pytest
from e2e.conftest import Rows
from e2e.daemon import write_busy_clip
from e2e.home import home, readers
from e2e.mosquitto import wait_for
from e2e.rtsp_server import RtspServer, free_port, record, require_rtsp

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(180)]

FPS = 8
DAMAGED_SHARE = 0.02


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person who changes often."""
    return write_busy_clip(tmp_path_factory.mktemp("clip") / "clip.avi", seconds=150, fps=FPS)


@pytest.fixture(scope="module")
def pictures(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as JPEG files for an RTSP server."""
    folder = tmp_path_factory.mktemp("pictures")
    capture = cv2.VideoCapture(str(clip))
    for index in range(60):
        cv2.imwrite(f"{folder}/{index:05d}.jpg", capture.read()[1])
    (folder / "fps").write_text(str(FPS))
    return folder


@pytest.fixture(scope="module")
def recording(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same encoded."""
    require_rtsp()
    folder = tmp_path_factory.mktemp("recording")
    record(pictures, FPS, folder, key_frames=FPS)
    return folder


def test_an_rtsp_server_that_stops_is_tried_ever_more_slowly_and_taken_up_again(
    tmp_path: Path, pictures: Path, clip: Path, fault_table: Rows
) -> None:
    require_rtsp()
    port = free_port()
    with (
        RtspServer(port, pictures=pictures, size_px=(640, 480)) as server,
        home(tmp_path, f'source = "{server.url}"', clip) as house,
    ):
        house.settle()
        told, seen, end = len(house.states()), set[int](), time.monotonic() + 12
        server.__exit__(None, None, None)
        while time.monotonic() < end:
            seen |= readers(house.daemon)
            time.sleep(0.05)
        reason = house.comes("offline", told)
        assert house.tells("hall")
        with RtspServer(port, pictures=pictures, size_px=(640, 480)):
            house.comes("online", told, seconds=60)
            assert house.tells("door")
            row = house.row(
                "RTSP server stopped and started again",
                "killed, for 12 s or more nobody listened on its port, started again",
                f"told offline, with the reason; {len(seen)} tries in 12 s; online again, events again; "
                "the other camera went on",
            )
    assert any("Connection refused" in why for _, why in house.states()), reason
    assert 2 <= len(seen) <= 8
    fault_table.add(row)


def test_a_camera_that_hangs_is_told_and_its_reader_killed(
    tmp_path: Path, pictures: Path, clip: Path, fault_table: Rows
) -> None:
    require_rtsp()
    with (
        RtspServer(pictures=pictures, size_px=(640, 480)) as server,
        home(tmp_path, f'source = "{server.url}"', clip) as house,
    ):
        house.settle()
        told, (reader,) = len(house.states()), readers(house.daemon)
        server.hang()
        stalled, offline = house.comes("stalled", told), house.comes("offline", told)
        assert wait_for(lambda: not Path(f"/proc/{reader}").exists(), 5)
        assert wait_for(house.has_left, 5)
        assert house.tells("hall")
        server.go_on()
        house.comes("online", told, seconds=60)
        assert house.tells("door")
        row = house.row(
            "RTSP server hangs",
            "SIGSTOP, so that its connections stay open and silent, later SIGCONT; time-out 2 s",
            f"told stalled ({stalled}), then offline ({offline}), everybody there has left; the reader "
            "killed; online again, events again; the other camera went on",
        )
    assert (stalled, offline) == ("no frame for 1 s", "no frame for 2 s")
    fault_table.add(row)


def test_a_reader_that_is_killed_is_started_again(
    tmp_path: Path, pictures: Path, clip: Path, fault_table: Rows
) -> None:
    require_rtsp()
    with (
        RtspServer(pictures=pictures, size_px=(640, 480)) as server,
        home(tmp_path, f'source = "{server.url}"', clip) as house,
    ):
        house.settle()
        for _ in range(3):
            told, (reader,) = len(house.states()), readers(house.daemon)
            os.kill(reader, signal.SIGKILL)
            reason = house.comes("offline", told)
            house.comes("online", told)
            assert house.tells("door")
        row = house.row(
            "camera reader killed (SIGKILL)",
            "3 times, each when events came again",
            f"told offline ({reason}), started again, online, events again; the other camera went on",
        )
    fault_table.add(row)


def test_a_camera_whose_pictures_change_their_size_is_opened_again(
    tmp_path: Path, pictures: Path, clip: Path, fault_table: Rows
) -> None:
    require_rtsp()
    with (
        RtspServer(pictures=pictures, size_px=(1280, 720)) as server,
        home(tmp_path, f'source = "{server.url}"', clip) as house,
    ):
        house.settle()
        told = len(house.states())
        server.resize(640, 480)
        reason = house.comes("offline", told)
        house.comes("online", told)
        assert house.tells("door")
        before = house.boxes()
        assert wait_for(lambda: house.boxes()[-1][2] <= 640 and house.boxes()[-1][3] <= 480, 20), house.boxes()
        row = house.row(
            "resolution changed while playing",
            "1280 x 720, then 640 x 480 in the same RTSP session",
            f"told offline ({reason}), opened again, online; events again, with boxes in the new size; "
            "the other camera went on",
        )
    assert before[0][2] > 640
    fault_table.add(row)


def damaged(source: Path, folder: Path, rng: random.Random) -> Path:
    """A recording of which bytes of the pictures are others; the headers stay."""
    shutil.copytree(source, folder)
    for path in sorted(folder.glob("*.h264")):
        data = bytearray(path.read_bytes())
        for _ in range(round(len(data) * DAMAGED_SHARE)):
            data[rng.randrange(64, len(data))] = rng.randrange(256)
        path.write_bytes(data)
    return folder


def test_a_stream_with_damaged_bytes_harms_nobody_and_events_come_when_it_is_whole_again(
    tmp_path: Path, recording: Path, clip: Path, fault_table: Rows
) -> None:
    port, bad = free_port(), damaged(recording, tmp_path / "damaged", random.Random(5))
    with (
        RtspServer(port, pictures=recording) as server,
        home(tmp_path, f'source = "{server.url}"', clip) as house,
    ):
        house.settle()
        told = len(house.states())
        server.__exit__(None, None, None)
        with RtspServer(port, pictures=bad):
            time.sleep(8)
            assert house.tells("hall")
            during = {state for state, _ in house.states()[told:]}
        told = len(house.states())
        with RtspServer(port, pictures=recording):
            house.comes("online", told, seconds=60)
            assert house.tells("door")
            row = house.row(
                "corrupt frames: damaged bytes in an H.264 stream",
                f"{DAMAGED_SHARE:.0%} of the bytes of every picture replaced at random (seed 5) for 8 s, then whole",
                f"told {' and '.join(sorted(during))} meanwhile; events again when the stream was whole; "
                "the other camera went on",
            )
    assert during <= {"starting", "online", "stalled", "offline"}
    fault_table.add(row)


def test_a_file_with_damaged_bytes_is_read_to_its_end(tmp_path: Path, clip: Path, fault_table: Rows) -> None:
    whole = write_busy_clip(tmp_path / "door.avi", seconds=12, fps=FPS)
    data, rng = bytearray(whole.read_bytes()), random.Random(6)
    for _ in range(len(data) // 2000):
        data[rng.randrange(8192, len(data) - 8192)] = rng.randrange(256)
    whole.write_bytes(data)
    with home(tmp_path, f'source = "{whole}"\nrealtime = true', clip) as house:
        house.settle()
        reason = house.comes("offline", 0)
        assert house.tells("hall")
        row = house.row(
            "corrupt frames: a file with damaged bytes",
            "one byte in 2000 of an MJPG file replaced at random (seed 6), played to its end",
            f"read to its end, events of its faces told; then offline ({reason}); the other camera went on",
        )
    assert reason == "the source has ended"
    fault_table.add(row)


@final
class Garbage(BaseHTTPRequestHandler):
    """A camera that answers with noise: as bytes that are no picture, or as pictures of noise."""

    is_picture = False

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        rng = np.random.default_rng(7)
        while True:
            noise = rng.integers(0, 256, (120, 160, 3), np.uint8)
            body = cv2.imencode(".jpg", noise)[1].tobytes() if self.server.is_picture else noise.tobytes()  # type: ignore[attr-defined]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + body + b"\r\n")
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def garbage(*, is_picture: bool) -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Garbage)
    server.daemon_threads = True
    server.is_picture = is_picture  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video.mjpg"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_camera_that_gives_bytes_that_are_no_picture_is_offline(
    tmp_path: Path, clip: Path, fault_table: Rows
) -> None:
    with garbage(is_picture=False) as url, home(tmp_path, f'source = "{url}"', clip) as house:
        reason = house.comes("offline", 0)
        assert house.tells("hall")
        time.sleep(5)
        assert house.tells("hall")
        assert house.states()[-1][0] == "offline"
        row = house.row(
            "corrupt frames: a camera that gives garbage",
            "an HTTP camera whose parts are random bytes (seed 7) instead of JPEG",
            f"told offline ({reason}) and tried ever more slowly; the other camera went on",
        )
    assert house.events("door") == 0
    fault_table.add(row)


def test_pictures_of_noise_are_no_people(tmp_path: Path, clip: Path, fault_table: Rows) -> None:
    with garbage(is_picture=True) as url, home(tmp_path, f'source = "{url}"', clip) as house:
        house.comes("online", 0)
        assert house.tells("hall")
        time.sleep(5)
        row = house.row(
            "corrupt frames: pictures of noise",
            "an HTTP camera that gives valid JPEG pictures of random pixels (seed 7)",
            "online, nobody seen, no event; the other camera went on",
        )
    assert house.events("door") == 0
    fault_table.add(row)
