"""Python and its packages."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
from pathlib import Path

import cv2

from ffe_edge.config import Config
from ffe_edge.doctor.finding import Finding, from_error
from ffe_edge.engine.bundle import ENGINES
from ffe_edge.engine.device_engine import EngineCache, device_engine
from ffe_edge.engine.model import load_spec, open_source
from ffe_edge.engine.openvino_runner import INSTALL, import_openvino
from ffe_edge.errors import DetectorError, ModelError, StoreError
from ffe_edge.faces import HAAR_FILE, find_yunet, load_detector
from ffe_edge.people import open_store, store_path
from ffe_edge.residents_match import identity_threshold

FETCH = "`ffe-edge models fetch`; for the installed service `sudo ffe-edge-node models fetch`"


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
            return Finding(name, "warning", "no YuNet file: Haar is used instead", FETCH)
        load_detector(config.detector)
    except DetectorError as error:
        return from_error(name, error, FETCH)
    return Finding(name, "ok", f"YuNet, {path}")


def check_model(config: Config) -> Finding:
    """The expression model."""
    name = "Expression model"
    try:
        spec = load_spec(config.model.path)
    except ModelError as error:
        return from_error(name, error, "give --model a file made by `ffe-edge export`")
    return Finding(name, "ok", f"{spec.name}, {len(spec.labels)} labels, {spec.precision}, {spec.size_px} px")


def check_residents(config: Config) -> Finding:
    """Whether people can be told apart, where that is asked for."""
    name = "Residents"
    if not config.residents.recognise:
        return Finding(name, "ok", "nobody is recognised (residents.recognise is off)")
    try:
        identity_threshold(load_spec(config.model.path))
        enrolled = len(open_store(config).load()) if store_path(config).exists() else 0
    except (ModelError, StoreError) as error:
        return from_error(name, error, "set residents.recognise to false")
    if not enrolled:
        return Finding(name, "warning", "nobody is enrolled yet", "`ffe-edge resident add`")
    return Finding(name, "ok", f"{enrolled} enrolled")


def check_onnxruntime() -> Finding:
    """The runtime that works everywhere."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        return Finding("ONNX Runtime", "missing", _one_line(error), "pip install onnxruntime")
    providers = [name.removesuffix("ExecutionProvider") for name in runtime.get_available_providers()]
    return Finding("ONNX Runtime", "ok", f"{runtime.__version__}, {', '.join(providers)}")


def check_openvino() -> Finding:
    """The runtime that is often faster on a CPU. It is not asked by ``import``, which would tell its maker."""
    if importlib.util.find_spec("openvino") is None:
        return Finding("OpenVINO", "warning", "not installed", f"often faster on a CPU: {INSTALL}")
    try:
        module = import_openvino()
    except ModelError as error:
        return Finding("OpenVINO", "warning", str(error).rpartition("; ")[0], INSTALL)
    return Finding("OpenVINO", "ok", str(module.__version__))


def check_tensorrt(package: str = "tensorrt") -> Finding:
    """NVIDIA's runtime, which comes with JetPack."""
    remedy = "needed for an NVIDIA GPU only: on a Jetson make the venv with --system-site-packages"
    return _nvidia("TensorRT", package, remedy)


def check_tensorrt_rtx(package: str = "tensorrt_rtx") -> Finding:
    """TensorRT for RTX: the GPU of a PC."""
    return _nvidia("TensorRT-RTX", package, "needed for the RTX GPU of a PC only: pip install 'ffe-edge[rtx]'")


def _nvidia(name: str, package: str, remedy: str) -> Finding:
    if importlib.util.find_spec(package) is None:
        return Finding(name, "warning", "not installed", remedy)
    try:
        runtime = importlib.import_module(package)
    except (ImportError, OSError) as error:
        return Finding(name, "warning", _one_line(error), f"install {name}'s libraries again")
    return Finding(name, "ok", str(getattr(runtime, "__version__", "without a version")))


def check_engine(config: Config) -> Finding:
    """What would run the model; nothing is loaded or built."""
    name, settings, state_dir = "Engine", config.model, config.outbox.state_dir
    try:
        cache = EngineCache(settings.engine_dir or state_dir / ENGINES, state_dir)
        engine = device_engine(open_source(settings.path), settings.backend, cache, settings.dla_core)
    except ModelError as error:
        return from_error(name, error, "set model.backend to auto")
    if engine is None:
        return Finding(name, "ok", f"a CPU runs the model (backend {settings.backend})")
    try:
        return Finding(name, "ok", f"{engine.runtime}, {engine.find()}")
    except ModelError as error:
        found = f"none for this machine yet ({error})"
        return Finding(name, "warning", found, "it is built when the program first runs; a CPU serves meanwhile")


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
