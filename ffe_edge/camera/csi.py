"""CSI cameras of a Jetson, through GStreamer: OpenCV's wheel cannot open them."""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from typing import Final

from ffe_edge.errors import SourceError

SOURCE_ELEMENT: Final = "nvarguscamerasrc"
_SENSOR: Final = re.compile(r"csi://(\d{1,2})/?", re.IGNORECASE)
_PROPERTY: Final = re.compile(r"^  ([a-z][a-z0-9-]*) +: ", re.MULTILINE)


def csi_elements(source: str, width_px: int, height_px: int, fps: float, properties: frozenset[str]) -> tuple[str, ...]:
    """Words of a ``gst-launch-1.0`` pipeline that ends in raw BGR.

    Args:
        source: ``csi://0``; the number is the sensor's.
        width_px: asked of the camera.
        height_px: asked of the camera.
        fps: asked of the camera.
        properties: what this version of ``nvarguscamerasrc`` can be told.

    Raises:
        SourceError: the address is none, or the sensor cannot be chosen.
    """
    match = _SENSOR.fullmatch(source)
    if match is None:
        raise SourceError(f"{source}: a CSI camera is csi:// and the sensor's number, as csi://0")
    sensor = int(match[1])
    if "sensor-id" not in properties and sensor != 0:
        raise SourceError(f"{source}: this {SOURCE_ELEMENT} cannot choose a sensor; use csi://0")
    rate = Fraction(fps).limit_denominator(1001)
    size = f"width={width_px},height={height_px},framerate={rate.numerator}/{rate.denominator}"
    chosen = (f"sensor-id={sensor}",) if "sensor-id" in properties else ()
    stages = (
        (SOURCE_ELEMENT, *chosen),
        (f"video/x-raw(memory:NVMM),{size}",),
        ("nvvidconv",),
        ("video/x-raw,format=BGRx",),
        ("videoconvert",),
        ("video/x-raw,format=BGR",),
    )
    return pipeline(*stages)


def pipeline(*stages: tuple[str, ...]) -> tuple[str, ...]:
    """Elements with their properties, joined by ``!``."""
    words: list[str] = []
    for stage in stages:
        words += ["!", *stage] if words else stage
    return tuple(words)


def element_properties(element: str, timeout_seconds: float = 20.0) -> frozenset[str] | None:
    """Names of the properties of a GStreamer element; None when there is no such element, or no GStreamer.

    The first call after an installation scans all plug-ins, which takes seconds on a small device.
    """
    program = shutil.which("gst-inspect-1.0")
    if program is None:
        return None
    try:
        told = subprocess.run([program, element], capture_output=True, text=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    return frozenset(_PROPERTY.findall(told.stdout)) if told.returncode == 0 else None


def probed_properties(source: str) -> frozenset[str]:
    """Properties of the camera source of this machine.

    Raises:
        SourceError: this is no Jetson, or its multimedia packages are missing.
    """
    if shutil.which("gst-launch-1.0") is None:
        raise SourceError(f"{source}: gst-launch-1.0 is missing; `sudo apt install gstreamer1.0-tools` on a Jetson")
    properties = element_properties(SOURCE_ELEMENT)
    if properties is None:
        raise SourceError(
            f"{source}: GStreamer has no {SOURCE_ELEMENT}: a CSI camera needs a Jetson with nvidia-l4t-gstreamer; "
            "use /dev/video0 or rtsp:// elsewhere"
        )
    return properties
