"""The reader process: reads a camera for ever and puts each frame into shared memory.

Started by :class:`ffe_edge.camera.process.ReaderProcess`, never by hand. It may hang in a driver or a network library;
the other side holds the deadline and kills it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import cv2
import numpy as np

from ffe_edge.camera.limits import checked_image
from ffe_edge.camera.order import ReaderOrder
from ffe_edge.camera.process import VOICE
from ffe_edge.camera.slot import FrameSlot
from ffe_edge.errors import SourceError
from ffe_edge.types import ImageArray

PIPE_BYTES: Final = 2**20
END_SECONDS: Final = 0.25
DECODER_THREADS: Final = 2
_PR_SET_PDEATHSIG: Final = 1
_IOLBF: Final = 1
"""Of setvbuf(3): a buffer is written at the end of each line."""
_LIBC: Final = ctypes.CDLL(None)


def main() -> int:
    """Read the order from standard input and obey it until the camera ends."""
    order = ReaderOrder.from_json(sys.stdin.read())
    die_with_parent()
    if os.getppid() != order.parent_pid:
        return 0
    signal.signal(signal.SIGTERM, _leave)
    speak_by_lines()
    slot = FrameSlot(order.memory_fd)
    try:
        for image in images(order):
            slot.write(image, time.monotonic(), time.time())
            os.eventfd_write(order.wake_fd, 1)
    except SourceError as error:
        sys.stderr.write(f"{VOICE}{error}\n")
    return 1


def images(order: ReaderOrder) -> Iterator[ImageArray]:
    """(H, W, 3) uint8 BGR, as they come.

    Raises:
        SourceError: the camera cannot be opened, or gives no more.
    """
    return pipeline_images(order) if order.kind == "pipeline" else captured_images(order)


def captured_images(order: ReaderOrder) -> Iterator[ImageArray]:
    """Images of a V4L2 device or a URL, through OpenCV.

    Raises:
        SourceError: it cannot be opened, or gives no more.
    """
    if order.kind == "v4l2":
        capture = cv2.VideoCapture(order.address, cv2.CAP_V4L2, _device_parameters(order))
    else:
        capture = cv2.VideoCapture(order.address, cv2.CAP_FFMPEG, _network_parameters(order))
    try:
        if not capture.isOpened():
            raise SourceError("the camera cannot be opened")
        while True:
            ok, image = capture.read()
            if not ok:
                raise SourceError("the camera gives no more frames")
            yield checked_image(image, "the camera")
    finally:
        capture.release()


def pipeline_images(order: ReaderOrder) -> Iterator[ImageArray]:
    """Images of a GStreamer process.

    They come through a pipe of their own: NVIDIA's camera source prints on standard output. GStreamer pads each row
    to four bytes.

    Raises:
        SourceError: the pipeline ends.
    """
    source, sink = os.pipe()
    fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    command = [shutil.which("gst-launch-1.0") or "gst-launch-1.0", "-q", *order.elements]
    command += ["!", "fdsink", f"fd={sink}", "sync=false"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},  # ours, not GStreamer's
        pass_fds=(sink,),
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, no locks
    )
    os.close(sink)
    row_bytes = -(-order.width_px * 3 // 4) * 4
    buffer = bytearray(order.height_px * row_bytes)
    padded = np.frombuffer(buffer, np.uint8).reshape(order.height_px, row_bytes)
    try:
        with open(source, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, not a path
            while _filled(memoryview(buffer), pipe.readinto):
                yield padded[:, : order.width_px * 3].reshape(order.height_px, order.width_px, 3)
        raise SourceError("the camera's GStreamer pipeline has ended")
    finally:
        _end(process)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def speak_by_lines() -> None:
    """Have the C library, through which OpenCV prints what FFmpeg says, write each line to the pipe at once."""
    _LIBC.setvbuf(ctypes.c_void_p.in_dll(_LIBC, "stdout"), None, _IOLBF, ctypes.c_size_t(0))


def _device_parameters(order: ReaderOrder) -> list[int]:
    motion_jpeg = cv2.VideoWriter.fourcc(*"MJPG")  # most USB cameras are slow beyond 640 x 480 without it
    return [
        *(cv2.CAP_PROP_FOURCC, motion_jpeg),
        *(cv2.CAP_PROP_FRAME_WIDTH, order.width_px),
        *(cv2.CAP_PROP_FRAME_HEIGHT, order.height_px),
        *(cv2.CAP_PROP_FPS, round(order.fps)),
    ]


def _network_parameters(order: ReaderOrder) -> list[int]:
    """FFmpeg's own deadlines lie beyond ours: where they end a read, OpenCV gives an old frame as if it were new.

    Each decoding thread beyond the first holds back a frame.
    """
    milliseconds = round(order.timeout_seconds * 2000)
    return [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds),
        *(cv2.CAP_PROP_N_THREADS, DECODER_THREADS),
    ]


def _filled(buffer: memoryview, readinto: Callable[[memoryview], int | None]) -> bool:
    """Fill the whole buffer; False at the end of the data."""
    while len(buffer) > 0:
        count = readinto(buffer)
        if not count:
            return False
        buffer = buffer[count:]
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # GStreamer then releases the camera
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
