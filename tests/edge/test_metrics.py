"""Figures in Prometheus' text format, and none about a person."""

from __future__ import annotations

import re
import threading

from ffe_edge.config import CameraSettings
from ffe_edge.metrics import Metric, Totals, of_cameras, of_node, of_steps, render
from ffe_edge.service_camera import Camera
from ffe_edge.stopwatch import Stopwatch

LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+$')


def test_a_figure_is_told_with_help_type_and_labels() -> None:
    metric = Metric("ffe_frames_total", "counter", "Frames.", (({"camera": "hall"}, 12_345_678),))
    assert render([metric]).splitlines() == [
        "# HELP ffe_frames_total Frames.",
        "# TYPE ffe_frames_total counter",
        'ffe_frames_total{camera="hall"} 12345678',
    ]


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    metric = Metric("ffe_x", "gauge", "X.", (({"name": 'a"b\\c\nd'}, 1),))
    assert render([metric]).splitlines()[-1] == r'ffe_x{name="a\"b\\c\nd"} 1'


def test_every_line_of_the_daemons_figures_is_well_formed() -> None:
    camera = Camera(CameraSettings(enabled=False), threading.Condition(), lambda *_told: None)
    stopwatch = Stopwatch()
    stopwatch.timed("detect", lambda: None)()
    text = render([*of_node(Totals(1, 2, 3, "refused", 4, 5, True)), *of_cameras([camera]), *of_steps(stopwatch)])
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not LINE.match(line)] == []
    assert 'ffe_camera_state{camera="camera",state="disabled"} 1' in lines
    assert 'ffe_camera_state{camera="camera",state="online"} 0' in lines
    assert "ffe_broker_connected 0" in lines
    assert 'ffe_broker_state{state="refused"} 1' in lines
    assert 'ffe_broker_state{state="connected"} 0' in lines
