"""Video files and image folders as frame sources: every frame, none dropped."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ffe_edge.camera.limits import checked_image
from ffe_edge.camera.pacing import Closing, paced
from ffe_edge.errors import SourceError
from ffe_edge.types import Frame, ImageArray

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
MAX_GAP_SECONDS: Final = 60.0
"""A larger step of the file's clock is taken for a broken time stamp."""


class VideoFile:
    """A video file; each iteration plays it from its start."""

    def __init__(self, path: Path, fallback_fps: float, realtime: bool = False) -> None:
        """Try the file.

        Args:
            path: the file.
            fallback_fps: its rate when the file does not tell one.
            realtime: play it at its own speed.

        Raises:
            SourceError: it is no video, or has no frame.
        """
        self._path = path
        self._realtime = realtime
        self._closing = Closing()
        capture = self._opened()
        fps = capture.get(cv2.CAP_PROP_FPS)
        self._fps = fps if math.isfinite(fps) and 0 < fps <= 1000 else fallback_fps
        if self._next_image(capture) is None:
            raise SourceError(f"{path}: holds no frame that can be read; record it again or convert it with ffmpeg")
        capture.release()

    def __iter__(self) -> Iterator[Frame]:
        frames = self._frames()
        return paced(frames, self._closing) if self._realtime else frames

    def close(self) -> None:
        """End every iteration."""
        self._closing.set()

    def _frames(self) -> Iterator[Frame]:
        capture = self._opened()
        started_at = datetime.now(timezone.utc)
        index, seconds, first_position = 0, 0.0, 0.0
        try:
            while not self._closing.is_set and (image := self._next_image(capture)) is not None:
                position = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if index == 0:
                    first_position = position
                else:
                    seconds = next_seconds(seconds, position - first_position, 1 / self._fps)
                yield Frame(image, index, seconds, started_at + timedelta(seconds=seconds))
                index += 1
            self._warn_if_truncated(index, capture.get(cv2.CAP_PROP_FRAME_COUNT))
        finally:
            capture.release()

    def _opened(self) -> cv2.VideoCapture:
        has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getStreamBackends()
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY)
        if not capture.isOpened():
            raise SourceError(f"{self._path}: is not a video that OpenCV can read; convert it with ffmpeg")
        return capture

    def _next_image(self, capture: cv2.VideoCapture) -> ImageArray | None:
        try:
            ok, image = capture.read()
        except cv2.error as error:
            raise SourceError(f"{self._path}: cannot be decoded ({error.err}); convert it with ffmpeg") from error
        return checked_image(image, str(self._path)) if ok else None

    def _warn_if_truncated(self, frames: int, promised: float) -> None:
        if not self._closing.is_set and math.isfinite(promised) and frames < 0.95 * promised - 2:
            logger.warning("%s: ends after %d of %d frames; the file is cut off", self._path, frames, promised)


class ImageFolder:
    """The images of a folder in the order of their names, or a single image."""

    def __init__(self, path: Path, fps: float, realtime: bool = False) -> None:
        """List the images.

        Args:
            path: the folder, or one image file.
            fps: images come this often.
            realtime: play them at that speed.

        Raises:
            SourceError: there are none.
        """
        self._paths = [path] if path.is_file() else _images_in(path)
        if not self._paths:
            kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
            raise SourceError(f"{path}: this folder holds no image; put {kinds} files into it")
        self._fps = fps
        self._realtime = realtime
        self._closing = Closing()

    def __iter__(self) -> Iterator[Frame]:
        frames = self._frames()
        return paced(frames, self._closing) if self._realtime else frames

    def close(self) -> None:
        """End every iteration."""
        self._closing.set()

    def _frames(self) -> Iterator[Frame]:
        started_at = datetime.now(timezone.utc)
        for index, path in enumerate(self._paths):
            if self._closing.is_set:
                return
            seconds = index / self._fps
            yield Frame(read_image(path), index, seconds, started_at + timedelta(seconds=seconds))


def next_seconds(previous: float, position: float, step: float) -> float:
    """The file's own time stamp where it is sane, else one frame after the previous."""
    return position if previous < position <= previous + MAX_GAP_SECONDS else previous + step


def read_image(path: Path) -> ImageArray:
    """An image file as (H, W, 3) uint8 BGR.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise SourceError(f"{path}: this image cannot be read; mend or remove it") from error
    if image is None:
        raise SourceError(f"{path}: this is not an image; mend or remove it")
    return checked_image(image, str(path))


def _images_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
