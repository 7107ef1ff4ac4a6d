"""Cameras and files as frame sources: ``open_source`` chooses by the address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ffe_edge.camera.address import NETWORK_SCHEMES, scheme_of
from ffe_edge.camera.csi import csi_elements, probed_properties
from ffe_edge.camera.devices import checked_device
from ffe_edge.camera.files import IMAGE_SUFFIXES, ImageFolder, VideoFile
from ffe_edge.camera.live import CameraState, LiveSource, OnState
from ffe_edge.camera.order import OrderKind, ReaderOrder
from ffe_edge.camera.rendered import RenderedSource
from ffe_edge.errors import SourceError
from ffe_edge.redaction import redacted
from ffe_edge.types import FrameSource

if TYPE_CHECKING:  # the reader process imports this package and has no use for pydantic
    from ffe_edge.config import CameraSettings

__all__ = ["CameraState", "LiveSource", "is_live", "open_source"]

POSSIBLE: Final = (
    "a video file, a folder of images, rtsp://host/path, http://host/path, /dev/video0 or 0, csi://0, demo: or demo:7"
)


def open_source(settings: CameraSettings, on_state: OnState | None = None) -> FrameSource:
    """The camera, file or rendering that the settings name.

    A live camera gives a ``LiveSource``: it is opened by the first iteration and again whenever it is lost.

    Args:
        settings: where pictures come from.
        on_state: told each change of a live camera's state, on the iterating thread.

    Raises:
        SourceError: there is nothing to open: no such file, device or kind of source.
    """
    source, scheme = settings.source, scheme_of(settings.source)
    if source.startswith("demo:"):
        return RenderedSource(source, settings.fps)
    if scheme == "csi":
        return _csi(settings, on_state)
    if scheme in NETWORK_SCHEMES:
        return _network(settings, on_state)
    if scheme:
        raise SourceError(f"{redacted(source)}: {scheme}:// is unknown; a source is {POSSIBLE}")
    if _is_device(source):
        return _device(settings, on_state)
    return _file(settings)


def is_live(source: str) -> bool:
    """Whether it is a camera, which has no end and may come back, and not a file or a rendering."""
    return scheme_of(source) in ("csi", *NETWORK_SCHEMES) or _is_device(source)


def _is_device(source: str) -> bool:
    return (source.isascii() and source.isdigit()) or source.startswith("/dev/")


def _file(settings: CameraSettings) -> FrameSource:
    path = Path(settings.source)
    if path.is_dir() or (path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES):
        return ImageFolder(path, settings.fps, settings.realtime)
    if path.is_file():
        return VideoFile(path, settings.fps, settings.realtime)
    raise SourceError(f"{redacted(settings.source)}: no such file or folder; a source is {POSSIBLE}")


def _network(settings: CameraSettings, on_state: OnState | None) -> LiveSource:
    name = redacted(settings.source)
    try:
        has_host = bool(urlsplit(settings.source).hostname)
    except ValueError:
        has_host = False
    if not has_host:
        raise SourceError(f"{name}: names no host; write rtsp://host:554/path")
    return _live(settings, on_state, name, kind="network", address=settings.source)


def _device(settings: CameraSettings, on_state: OnState | None) -> LiveSource:
    device = checked_device(settings.source)
    return _live(settings, on_state, device, kind="v4l2", address=device)


def _csi(settings: CameraSettings, on_state: OnState | None) -> LiveSource:
    properties = probed_properties(settings.source)
    elements = csi_elements(settings.source, settings.width_px, settings.height_px, settings.fps, properties)
    return _live(settings, on_state, settings.source, kind="pipeline", elements=elements)


def _live(
    settings: CameraSettings,
    on_state: OnState | None,
    name: str,
    *,
    kind: OrderKind,
    address: str = "",
    elements: tuple[str, ...] = (),
) -> LiveSource:
    order = ReaderOrder(
        kind=kind,
        timeout_seconds=settings.timeout_seconds,
        address=address,
        elements=elements,
        width_px=settings.width_px,
        height_px=settings.height_px,
        fps=settings.fps,
    )
    return LiveSource(name, order, on_state)
