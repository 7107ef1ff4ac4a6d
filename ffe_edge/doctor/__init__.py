"""What this machine has and lacks, with a remedy for each."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final

from rich.table import Table
from rich.text import Text

from ffe_edge.config import CameraSettings, Config
from ffe_edge.doctor import machine, software, surroundings
from ffe_edge.doctor.finding import Finding, Status

__all__ = ["Finding", "as_json", "as_table", "examine", "exit_code"]

Check = Callable[[], Finding]

LIMIT_SECONDS: Final = 30.0
"""For all checks, which run side by side."""
STYLES: Final[dict[Status, str]] = {"ok": "green", "warning": "yellow", "missing": "bold red"}


def examine(config: Config, *, limit_seconds: float = LIMIT_SECONDS) -> list[Finding]:
    """Look at everything; ends within the limit whatever hangs.

    Args:
        config: the settings.
        limit_seconds: a check that has no answer by then is told as missing.
    """
    return run_checks(checks(config), limit_seconds)


def checks(config: Config) -> dict[str, Check]:
    """All checks by name, in the order of the report."""
    return {
        "Python": software.check_python,
        "OpenCV": software.check_opencv,
        "Haar cascade": software.check_cascade,
        "Face detector": partial(software.check_detector, config),
        "Expression model": partial(software.check_model, config),
        "ONNX Runtime": software.check_onnxruntime,
        "OpenVINO": software.check_openvino,
        "TensorRT": software.check_tensorrt,
        "TensorRT-RTX": software.check_tensorrt_rtx,
        "pycuda": software.check_pycuda,
        "Engine": partial(software.check_engine, config),
        "GPU": machine.check_gpu,
        "GStreamer": partial(machine.check_gstreamer, config),
        "State folder": partial(machine.check_state_dir, config),
        "Clock": machine.check_clock,
        **{name: partial(surroundings.check_camera, camera, name) for name, camera in _named(config.cameras).items()},
        "Residents": partial(software.check_residents, config),
        "Broker": partial(surroundings.check_broker, config),
    }


def _named(cameras: Sequence[CameraSettings]) -> dict[str, CameraSettings]:
    """By their ids where there are several."""
    if len(cameras) == 1:
        return {"Camera": cameras[0]}
    return {f"Camera {camera.id}": camera for camera in cameras}


def run_checks(named: dict[str, Check], limit_seconds: float) -> list[Finding]:
    """The findings in the order of the checks."""
    findings: dict[str, Finding] = {}

    def run(name: str, check: Check) -> None:
        findings[name] = check()

    deadline = time.monotonic() + limit_seconds
    threads = [threading.Thread(target=run, args=item, name=item[0], daemon=True) for item in named.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(findings)
    return [found.get(name) or _unanswered(name, limit_seconds) for name in named]


def as_table(findings: list[Finding]) -> Table:
    """For people."""
    table = Table(box=None, pad_edge=False)
    for title in ("", "status", "found", "what to do"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        status = Text(finding.status, STYLES[finding.status])
        table.add_row(Text(finding.name), status, Text(finding.found), Text(finding.remedy or ""))
    return table


def as_json(findings: list[Finding]) -> str:
    """For programs: a list of objects with name, status, found and remedy."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)


def exit_code(findings: list[Finding]) -> int:
    """1 when something needed is missing, else 0."""
    return 1 if any(finding.status == "missing" for finding in findings) else 0


def _unanswered(name: str, seconds: float) -> Finding:
    return Finding(name, "missing", f"no answer within {seconds:g} s", "see what hangs; run `ffe-edge doctor` again")
