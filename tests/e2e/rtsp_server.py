"""A real RTSP server on loopback: `RtspServer` for the tests, and the script that Debian's python3 runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import final

SYSTEM_PYTHON = Path("/usr/bin/python3")
PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "import sys; sys.exit(any(Gst.ElementFactory.find(n) is None for n in ('videotestsrc', 'x264enc', 'rtph264pay')))"
)


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


@final
class RtspServer:
    """Serves a moving test picture, until the block ends."""

    def __init__(self, port: int | None = None, credentials: str = "") -> None:
        self.port = port or free_port()
        self.url = f"rtsp://{credentials + '@' if credentials else ''}127.0.0.1:{self.port}/test"
        self._credentials = credentials

    def __enter__(self) -> RtspServer:
        command = [str(SYSTEM_PYTHON), __file__, str(self.port), self._credentials]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
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
        if self._process.stdout is not None:
            self._process.stdout.close()

    def hang(self) -> None:
        """Keep the connections and answer nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)


def serve(port: str, credentials: str) -> None:
    """Run by Debian's python3, which has GStreamer's bindings."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 "
        "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 pt=96 )"
    )
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
    server.get_mount_points().add_factory("/test", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:3])
