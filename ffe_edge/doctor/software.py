"""Python and its packages."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
from pathlib import Path
from typing import Final

import cv2

from ffe_edge.config import Config
from ffe_edge.doctor.finding import Finding, from_error
from ffe_edge.engine.onnxruntime_runner import load_spec
from ffe_edge.errors import DetectorError, ModelError
from ffe_edge.faces import HAAR_FILE, find_yunet, load_detector

TENSORRT: Final = ("tensorrt", "tensorrt_rtx")


def check_python() -> Finding:
    """The interpreter."""
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.machine()}")


def check_opencv(build: str | None = None) -> Finding:
    """OpenCV and what it can open.

    Args:
        build: its build information, None: ask it.
    """
    build = cv2.getBuildInformation() if build is None else build
    ffmpeg, gstreamer = _has(build, "FFMPEG"), _has(build, "GStreamer")
    found = f"{cv2.__version__}, FFmpeg {_yes_no(ffmpeg)}, GStreamer {_yes_no(gstreamer)}"
    if ffmpeg:
        return Finding("OpenCV", "ok", found)
    return Finding("OpenCV", "warning", found, "for videos and rtsp://: pip install opencv-python-headless")


def check_cascade() -> Finding:
    """The face detector that needs no file of ours."""
    path = Path(cv2.data.haarcascades) / HAAR_FILE if hasattr(cv2, "data") else None
    if hasattr(cv2, "CascadeClassifier") and path is not None and path.is_file():
        return Finding("Haar cascade", "ok", "comes with OpenCV")
    remedy = "`ffe-edge models fetch` gets the better YuNet; or pip install 'opencv-python-headless<5'"
    return Finding("Haar cascade", "warning", "not in this OpenCV", remedy)


def check_detector(config: Config) -> Finding:
    """The face detector that the settings lead to."""
    name = "Face detector"
    try:
        path = find_yunet(config.detector.path)
        if path is None:
            return Finding(name, "warning", "no YuNet file: Haar is used instead", "`ffe-edge models fetch`")
        load_detector(config.detector)
    except DetectorError as error:
        return from_error(name, error, "`ffe-edge models fetch`")
    return Finding(name, "ok", f"YuNet, {path}")


def check_model(config: Config) -> Finding:
    """The expression model."""
    name = "Expression model"
    try:
        spec = load_spec(config.model.path)
    except ModelError as error:
        return from_error(name, error, "give --model a file made by `ffe-edge export`")
    return Finding(name, "ok", f"{spec.name}, {len(spec.labels)} labels, {spec.precision}, {spec.size_px} px")


def check_onnxruntime() -> Finding:
    """The runtime that works everywhere."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        return Finding("ONNX Runtime", "missing", _one_line(error), "pip install onnxruntime")
    providers = [name.removesuffix("ExecutionProvider") for name in runtime.get_available_providers()]
    return Finding("ONNX Runtime", "ok", f"{runtime.__version__}, {', '.join(providers)}")


def check_tensorrt(packages: tuple[str, ...] = TENSORRT) -> Finding:
    """NVIDIA's runtime: comes with JetPack, or as TensorRT for RTX on a PC."""
    installed = [package for package in packages if importlib.util.find_spec(package) is not None]
    if not installed:
        remedy = "needed for an NVIDIA GPU only: on a Jetson make the venv with --system-site-packages"
        return Finding("TensorRT", "warning", "not installed", remedy)
    try:
        runtime = importlib.import_module(installed[0])
    except (ImportError, OSError) as error:
        return Finding("TensorRT", "warning", _one_line(error), "install TensorRT's libraries again")
    return Finding("TensorRT", "ok", f"{installed[0]} {getattr(runtime, '__version__', 'without a version')}")


def check_pycuda(package: str = "pycuda") -> Finding:
    """The bridge from NumPy to the GPU's memory, for TensorRT on a Jetson."""
    try:
        importlib.import_module(f"{package}.driver")
    except (ImportError, OSError) as error:
        remedy = "needed for TensorRT on a Jetson only: pip install pycuda (it is compiled on the device)"
        return Finding("pycuda", "warning", _one_line(error), remedy)
    return Finding("pycuda", "ok", str(getattr(importlib.import_module(package), "VERSION_TEXT", "installed")))


def _has(build: str, feature: str) -> bool:
    return re.search(rf"^\s*{feature}:\s+YES", build, re.MULTILINE) is not None


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def _one_line(error: ImportError | OSError) -> str:
    return str(error).partition("\n")[0]
