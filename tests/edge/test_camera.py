"""Sources of frames: files, folders, the demonstration, pacing, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ffe_edge.camera import open_source
from ffe_edge.camera.files import next_seconds
from ffe_edge.camera.limits import checked_image
from ffe_edge.camera.pacing import Closing, paced
from ffe_edge.config import CameraSettings
from ffe_edge.errors import SourceError
from ffe_edge.types import Frame

GREY_STEP = 8


def picture(grey: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    return np.full((height, width, 3), grey, np.uint8)


def make_video(path: Path, frames: int = 12, fps: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for index in range(frames):
        writer.write(picture(index * GREY_STEP))
    writer.release()
    return path


def opened(source: object, **settings: object) -> list[Frame]:
    return list(open_source(CameraSettings.model_validate({"source": str(source), **settings})))


def frames_every(seconds: float, count: int) -> Iterator[Frame]:
    now = datetime.now(timezone.utc)
    return (Frame(picture(0), index, index * seconds, now) for index in range(count))


class RecordedClosing(Closing):
    """Does not sleep but notes for how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        return self.is_set


def test_every_frame_of_a_video_comes_with_its_position(tmp_path: Path) -> None:
    before = datetime.now(timezone.utc)
    frames = opened(make_video(tmp_path / "clip.avi"))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([index / 10 for index in range(12)])
    assert [round(frame.image.mean() / GREY_STEP) for frame in frames] == list(range(12))
    start = frames[0].captured_at
    assert before <= start <= datetime.now(timezone.utc)
    assert frames[-1].captured_at - start == timedelta(seconds=frames[-1].seconds)


def test_a_video_can_be_played_again(tmp_path: Path) -> None:
    source = open_source(CameraSettings(source=str(make_video(tmp_path / "clip.avi"))))
    assert len(list(source)) == len(list(source)) == 12


def test_real_clips_play_to_their_end(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = sorted((shared / "videos").glob("intel_asl_*.mkv"))
    for clip in clips:
        seconds = [frame.seconds for frame in opened(clip)]
        assert np.diff(seconds).min() > 0
    assert clips
    assert caplog.messages == []


def test_a_cut_off_video_gives_what_can_be_read_and_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = make_video(tmp_path / "whole.avi", frames=30).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    with caplog.at_level(logging.WARNING):
        frames = opened(cut)
    assert 0 < len(frames) < 30
    assert [message for message in caplog.messages if "cut off" in message and str(cut) in message]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("clip.mp4", b"not a video" * 100, id="text"),
        pytest.param("clip.mp4", b"", id="empty"),
        pytest.param("clip.png", b"not an image", id="image"),
    ],
)
def test_a_file_that_is_no_video_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=name):
        opened(path)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"clip\.avi"):
        opened(make_video(tmp_path / "clip.avi", frames=0))


@pytest.mark.parametrize(
    ("previous", "position", "expected"),
    [
        pytest.param(1.0, 1.04, 1.04, id="sane"),
        pytest.param(1.0, 0.0, 1.1, id="backwards"),
        pytest.param(1.0, 1.0, 1.1, id="standing"),
        pytest.param(1.0, 5000.0, 1.1, id="leap"),
        pytest.param(1.0, float("nan"), 1.1, id="none"),
    ],
)
def test_a_broken_time_stamp_is_replaced_by_the_frame_rate(previous: float, position: float, expected: float) -> None:
    assert next_seconds(previous, position, 0.1) == pytest.approx(expected)


def test_a_folder_gives_its_images_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, grey in [("b.png", 20), ("a.jpg", 10), ("c.BMP", 30), ("d.webp", 40)]:
        cv2.imwrite(str(tmp_path / name), picture(grey))
    (tmp_path / "notes.txt").write_text("no image")
    frames = opened(tmp_path, fps=4)
    assert [round(float(frame.image.mean()) / 10) for frame in frames] == [1, 2, 3, 4]
    assert [frame.seconds for frame in frames] == [0, 0.25, 0.5, 0.75]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image"):
        opened(tmp_path)


def test_an_unreadable_image_in_a_folder_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(10))
    (tmp_path / "broken.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"broken\.png"):
        opened(tmp_path)


def test_one_image_is_a_source_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture(10))
    assert len(opened(tmp_path / "a.png")) == 1


def test_an_image_beyond_8k_is_refused() -> None:
    image = np.broadcast_to(np.zeros(3, np.uint8), (7681, 7681, 3))
    with pytest.raises(SourceError, match="larger than 8K"):
        checked_image(image, "camera")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        pytest.param("/nowhere/clip.mp4", "no such file", id="missing-file"),
        pytest.param("ftp://user:secret@host/clip", "rtsp://host/path", id="unknown-scheme"),
        pytest.param("/dev/video9", "no such camera", id="missing-device"),
        pytest.param("97", "/dev/video97", id="missing-index"),
        pytest.param("/dev/shm", "no camera device", id="no-device"),
        pytest.param("rtsp://", "names no host", id="no-host"),
        pytest.param("demo:x", "whole number", id="seed"),
    ],
)
def test_a_source_that_cannot_be_opened_says_what_to_do(source: str, told: str) -> None:
    with pytest.raises(SourceError, match=told) as refused:
        open_source(CameraSettings(source=source))
    assert "secret" not in str(refused.value)


def test_frames_are_given_when_their_time_has_come() -> None:
    closing = RecordedClosing()
    clock = iter([100.0, 100.0, 100.05, 100.5, 100.5])
    given = list(paced(frames_every(0.1, 4), closing, lambda: next(clock)))
    assert len(given) == 4
    assert closing.waits == [0, 0.05, -0.3, -0.2]


def test_a_paced_file_keeps_every_frame(tmp_path: Path) -> None:
    assert len(opened(make_video(tmp_path / "clip.avi", fps=100), realtime=True)) == 12


@pytest.mark.parametrize("realtime", [False, True])
def test_close_ends_an_iteration(tmp_path: Path, realtime: bool) -> None:
    source = open_source(CameraSettings(source=str(make_video(tmp_path / "clip.avi")), realtime=realtime))
    for frame in source:
        if frame.index == 2:
            source.close()
    assert frame.index == 2


def test_the_demonstration_tells_the_truth_beside_each_frame() -> None:
    pytest.importorskip("ffe_edge.rendered.timeline", reason="ffe_edge/rendered/timeline.py is not written yet")
    frames = list(islice(open_source(CameraSettings(source="demo:3", fps=15)), 3))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert all(frame.truth for frame in frames)
    assert frames[0].image.shape == (480, 640, 3)
    assert frames[2].seconds == pytest.approx(2 / 15, abs=0.01)
