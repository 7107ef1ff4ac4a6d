"""A real RTSP server on loopback: `RtspServer` for the tests, and the script that Debian's python3 runs."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, final

SYSTEM_PYTHON = Path("/usr/bin/python3")
PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "import sys; sys.exit(any(Gst.ElementFactory.find(n) is None for n in ('videotestsrc', 'x264enc', 'rtph264pay')))"
)
ENCODER = (
    "x264enc tune=zerolatency sliced-threads=false speed-preset=ultrafast key-int-max=5 ! h264parse config-interval=-1"
)
PAYLOAD = "rtph264pay name=pay0 pt=96"
TEST_PICTURE = (
    "videotestsrc is-live=true pattern=ball ! capsfilter name=size caps=video/x-raw,width={},height={},framerate=30/1 "
    f"! {ENCODER} ! {PAYLOAD}"
)
PICTURES = (
    "appsrc name=pictures is-live=true format=time caps=image/jpeg,framerate={}/1 ! jpegdec ! videoconvert "
    f"! videoscale ! capsfilter name=size caps=video/x-raw,width={{}},height={{}} ! {ENCODER} ! {PAYLOAD}"
)
ACCESS_UNITS = "video/x-h264,stream-format=byte-stream,alignment=au"
RECORDING = f"appsrc name=pictures is-live=true format=time caps={ACCESS_UNITS} ! h264parse ! {PAYLOAD}"


@lru_cache
def missing_rtsp() -> str:
    """What keeps this machine from serving RTSP; empty when nothing does."""
    packages = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,bad,ugly}"
    if not SYSTEM_PYTHON.exists():
        return f"{SYSTEM_PYTHON} is missing"
    probe = subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True, timeout=60, check=False)
    return "" if probe.returncode == 0 else f"no GStreamer RTSP server: apt install {packages}"


def require_rtsp() -> None:
    import pytest  # the system's python3 has none

    if reason := missing_rtsp():
        pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def record(images: Path, fps: int, folder: Path, *, key_frames: int) -> None:
    """Encode numbered JPEG files (%05d.jpg) once, one H.264 access unit a file, for `RtspServer` to repeat."""
    stages = (
        f"multifilesrc location={images}/%05d.jpg caps=image/jpeg,framerate={fps}/1",
        "jpegdec",
        "videoconvert",
        f"x264enc tune=zerolatency speed-preset=fast key-int-max={key_frames} bitrate=2000",
        f"{ACCESS_UNITS},profile=baseline",
        "h264parse config-interval=-1",
        f"multifilesink location={folder}/%06d.h264",
    )
    subprocess.run(["gst-launch-1.0", "-q", *" ! ".join(stages).split()], check=True, timeout=600)
    (folder / "fps").write_text(str(fps))


@final
class RtspServer:
    """Serves a moving test picture, or a recording over and over, until the block ends."""

    def __init__(
        self,
        port: int | None = None,
        credentials: str = "",
        size_px: tuple[int, int] = (320, 240),
        pictures: Path | None = None,
    ) -> None:
        """Prepare.

        Args:
            port: None takes a free one.
            credentials: ``user:password``, where they are asked for.
            size_px: of the pictures; a recording has its own.
            pictures: folder with JPEG files or with a recording, which are repeated at the rate in its file ``fps``.
        """
        self.port = port or free_port()
        self.url = f"rtsp://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}/test"
        self._credentials = credentials
        self._launch = launch(pictures, size_px)
        self._pictures = str(pictures or "")

    def __enter__(self) -> RtspServer:
        words = [str(self.port), self._credentials, self._launch, self._pictures]
        command = [str(SYSTEM_PYTHON), __file__, *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.__exit__(None, None, None)
            raise RuntimeError("the RTSP server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def hang(self) -> None:
        """Keep the connections and answer nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def resize(self, width_px: int, height_px: int) -> None:
        """Change the test picture's size while it plays, as a camera whose settings are changed."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"video/x-raw,width={width_px},height={height_px}\n".encode())
        self._process.stdin.flush()


def launch(pictures: Path | None, size_px: tuple[int, int]) -> str:
    """The pipeline that makes the pictures."""
    if pictures is None:
        return TEST_PICTURE.format(*size_px)
    if any(pictures.glob("*.h264")):
        return RECORDING
    return PICTURES.format((pictures / "fps").read_text(), *size_px)


def serve(port: str, credentials: str, elements: str, pictures: str) -> None:
    """Run by Debian's python3, which has GStreamer's bindings."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(f"( {elements} )")
    if credentials:
        user, _, password = credentials.partition(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        role = Gst.Structure.new_from_string("viewer, media.factory.access=true, media.factory.construct=true;")
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_role_from_structure(role)
        factory.set_permissions(permissions)
    playing = Playing(Gst, pictures)
    factory.connect("media-configure", lambda _, media: playing.begin(media.get_element()))
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_IN, lambda *_: playing.resize(sys.stdin.readline()))
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


@final
class Playing:
    """The server's pictures: they begin when a first client comes and end when the last has gone."""

    def __init__(self, gst: Any, pictures: str) -> None:
        self._gst = gst
        self._pictures = pictures
        self._element: Any = None
        self._caps = ""

    def begin(self, element: Any) -> None:
        self._element = element
        self.resize(self._caps)
        if self._pictures:
            self._repeat(element.get_by_name("pictures"))

    def resize(self, caps: str) -> bool:
        """Obey `RtspServer.resize`, for those who come later, too."""
        self._caps = caps.strip()
        if self._caps and self._element:
            self._element.get_by_name("size").set_property("caps", self._gst.Caps.from_string(self._caps))
        return bool(self._caps)

    def _repeat(self, source: Any) -> None:
        folder = Path(self._pictures)
        units = itertools.cycle([path.read_bytes() for path in sorted(folder.glob("*.[hj]*"))])
        period = self._gst.SECOND // int((folder / "fps").read_text())
        numbers = itertools.count()

        def push(_source: Any, _length: int) -> None:
            buffer = self._gst.Buffer.new_wrapped(next(units))
            buffer.pts = buffer.dts = next(numbers) * period
            buffer.duration = period
            source.emit("push-buffer", buffer)

        source.connect("need-data", push)


if __name__ == "__main__":
    serve(*sys.argv[1:5])
