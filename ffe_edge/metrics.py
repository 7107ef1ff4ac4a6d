"""The daemon's figures in Prometheus' text format.

Written here, not by ``prometheus_client``: the figures exist already and are only read when somebody asks, which needs
no registry, no locks and no further package in the daemon's memory. Nothing about a person is among them.

Source: Prometheus, exposition formats, text-based format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np

from ffe_edge import __version__
from ffe_edge.messages import CameraState
from ffe_edge.mqtt_news import BrokerState
from ffe_edge.service_camera import Camera
from ffe_edge.service_health import memory_bytes
from ffe_edge.stopwatch import Stopwatch

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
QUANTILES: Final = (0.5, 0.95)
Kind = Literal["counter", "gauge", "summary"]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure, for each of its labels."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """What concerns the node as a whole."""

    events: int
    pending: int
    gaps: int
    broker_state: str
    reloads: int
    failed_reloads: int
    is_alive: bool
    commands: Mapping[str, int] = field(default_factory=dict)
    """By what became of them."""


def render(metrics: Iterable[Metric]) -> str:
    """The text that Prometheus reads."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value:.9g}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def of_node(totals: Totals) -> list[Metric]:
    """Figures of the node and its process."""
    states = [({"state": state}, state == totals.broker_state) for state in (*get_args(BrokerState), "none")]
    commands = [({"result": result}, totals.commands.get(result, 0)) for result in ("done", "refused", "dropped")]
    return [
        _one("ffe_build_info", "gauge", "Version of ffe-edge.", 1, {"version": __version__}),
        _one("ffe_alive", "gauge", "1 while capture, inference and publishing make progress.", totals.is_alive),
        _one("ffe_events_total", "counter", "Events stored since the start.", totals.events),
        _one("ffe_outbox_entries", "gauge", "Events that the broker does not have yet.", totals.pending),
        _one("ffe_gaps_total", "counter", "Gaps told since the start.", totals.gaps),
        _one("ffe_broker_connected", "gauge", "1 while the broker is connected.", totals.broker_state == "connected"),
        Metric("ffe_broker_state", "gauge", "1 for how things stand with the broker.", tuple(states)),
        Metric("ffe_commands_total", "counter", "Commands, by what became of them.", tuple(commands)),
        _one("ffe_reloads_total", "counter", "Reloads that took effect.", totals.reloads),
        _one("ffe_failed_reloads_total", "counter", "Reloads that were refused.", totals.failed_reloads),
        _one("process_resident_memory_bytes", "gauge", "Memory of this process in RAM.", memory_bytes()),
        _one("process_open_fds", "gauge", "Open file descriptors.", sum(1 for _ in Path("/proc/self/fd").iterdir())),
    ]


def of_cameras(cameras: Iterable[Camera]) -> list[Metric]:
    """Figures of each camera."""
    listed = tuple(cameras)
    frames = [({"camera": camera.id}, camera.feed.frames if camera.feed else 0) for camera in listed]
    dropped = [({"camera": camera.id}, camera.feed.dropped if camera.feed else 0) for camera in listed]
    events = [({"camera": camera.id}, camera.events) for camera in listed]
    states = [
        ({"camera": camera.id, "state": state}, camera.state == state)
        for camera in listed
        for state in get_args(CameraState)
    ]
    return [
        Metric("ffe_camera_frames_total", "counter", "Frames that were looked at.", tuple(frames)),
        Metric("ffe_camera_dropped_frames_total", "counter", "Frames overtaken by a later one.", tuple(dropped)),
        Metric("ffe_camera_events_total", "counter", "Events since the camera was opened.", tuple(events)),
        Metric("ffe_camera_state", "gauge", "1 for the state that the camera is in.", tuple(states)),
    ]


def of_steps(stopwatch: Stopwatch) -> list[Metric]:
    """How long each step took lately."""
    samples = [
        ({"step": step, "quantile": f"{share:g}"}, float(np.quantile(seconds, share)))
        for step, kept in sorted(dict(stopwatch.durations).items())
        for seconds in [list(kept)]
        for share in QUANTILES
    ]
    return [Metric("ffe_step_seconds", "summary", "Seconds a step took, over the last thousand.", tuple(samples))]


def _one(name: str, kind: Kind, told: str, value: float, labels: Labels | None = None) -> Metric:
    return Metric(name, kind, told, ((labels or {}, value),))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
