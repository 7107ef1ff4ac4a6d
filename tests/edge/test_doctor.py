"""What the doctor says of machines that have and lack things, without such machines."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from ffe_edge.config import CameraSettings, Config
from ffe_edge.doctor import Finding, as_json, as_table, checks, examine, exit_code, run_checks
from ffe_edge.doctor.finding import Status
from ffe_edge.doctor.machine import check_gpu, check_gstreamer, check_state_dir
from ffe_edge.doctor.software import (
    check_detector,
    check_engine,
    check_model,
    check_opencv,
    check_openvino,
    check_pycuda,
    check_residents,
    check_tensorrt,
    check_tensorrt_rtx,
)
from ffe_edge.doctor.surroundings import check_broker, check_camera

# The MQTT 5 and 3.1.1 CONNACK packets of a broker that takes us, and of those that do not.
ACCEPTED_5 = bytes([0x20, 3, 0, 0, 0])
NOT_AUTHORISED_5 = bytes([0x20, 3, 0, 135, 0])
UNSUPPORTED_5 = bytes([0x20, 3, 0, 132, 0])
ACCEPTED_3 = bytes([0x20, 2, 0, 0])
RELEASE = "# R{} (release), REVISION: {}, GCID: 37537400, BOARD: generic, EABI: aarch64\n"


def config(**sections: object) -> Config:
    return Config.model_validate(sections)


@contextmanager
def broker_that_says(*answers: bytes) -> Iterator[str]:
    """A listener that answers each connection's first packet with the next answer; empty: with silence."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                kept.append(connection)
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)
        for connection in kept:
            connection.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_image(folder: Path) -> Path:
    cv2.imwrite(str(folder / "a.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


def test_everything_is_looked_at_and_what_lacks_has_a_remedy(tmp_path: Path) -> None:
    settings = config(camera={"source": str(make_image(tmp_path))}, outbox={"state_dir": tmp_path / "state"})
    findings = examine(settings)
    assert [finding.name for finding in findings] == list(checks(settings))
    assert [finding for finding in findings if finding.status != "ok" and not finding.remedy] == []
    assert not any("\n" in finding.found + (finding.remedy or "") for finding in findings)
    assert not (tmp_path / "state").exists()


def test_a_check_that_hangs_hangs_nothing_else() -> None:
    released = threading.Event()

    def hang() -> Finding:
        released.wait(30)
        return Finding("slow", "ok", "")

    began = time.monotonic()
    findings = run_checks({"slow": hang, "quick": lambda: Finding("quick", "ok", "there")}, limit_seconds=0.2)
    took = time.monotonic() - began
    released.set()
    assert [finding.status for finding in findings] == ["missing", "ok"]
    assert took < 5


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        pytest.param(["ok", "warning"], 0, id="usable"),
        pytest.param(["ok", "missing"], 1, id="unusable"),
    ],
)
def test_only_what_is_missing_fails(statuses: list[Status], code: int) -> None:
    assert exit_code([Finding("part", status, "found") for status in statuses]) == code


def test_the_report_can_be_read_by_people_and_programs() -> None:
    findings = [Finding("Camera", "missing", "[/dev/video9] is not there", "connect it")]
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(as_table(findings))
    assert "[/dev/video9] is not there" in shown.get()
    assert json.loads(as_json(findings)) == [
        {"name": "Camera", "status": "missing", "found": "[/dev/video9] is not there", "remedy": "connect it"}
    ]


@pytest.mark.parametrize(
    ("build", "status", "found"),
    [
        pytest.param("  FFMPEG:   YES\n  GStreamer:  NO\n", "ok", "FFmpeg yes, GStreamer no", id="wheel"),
        pytest.param(
            "  FFMPEG:   NO\n  GStreamer:  YES (1.20.3)\n", "warning", "FFmpeg no, GStreamer yes", id="jetpack"
        ),
    ],
)
def test_opencv_tells_what_it_was_built_with(build: str, status: str, found: str) -> None:
    finding = check_opencv(build)
    assert (finding.status, finding.found) == (status, f"{cv2.__version__}, {found}")


@pytest.mark.parametrize(
    ("major", "revision", "status", "jetpack"),
    [
        pytest.param(35, "4.1", "warning", "JetPack 5.1", id="too-old"),
        pytest.param(36, "4.0", "ok", "JetPack 6", id="orin"),
        pytest.param(39, "2.0", "ok", "JetPack 7.2", id="orin-7"),
        pytest.param(99, "0.0", "warning", "JetPack unknown", id="future"),
    ],
)
def test_a_jetson_is_known_by_its_files(tmp_path: Path, major: int, revision: str, status: str, jetpack: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "etc/nv_tegra_release").write_text(RELEASE.format(major, revision))
    (tmp_path / "proc/device-tree/model").write_text("NVIDIA Jetson Orin Nano\0")
    finding = check_gpu(tmp_path, smi=None)
    assert finding.status == status
    assert f"NVIDIA Jetson Orin Nano, L4T {major}.{revision}, {jetpack}" in finding.found


def test_a_machine_without_a_gpu_can_work(tmp_path: Path) -> None:
    assert check_gpu(tmp_path, smi=None).status == "warning"


def test_absent_packages_are_told_not_raised() -> None:
    assert check_tensorrt("no_such_package").status == "warning"
    assert check_tensorrt_rtx("no_such_package").status == "warning"
    assert check_pycuda("no_such_package").status == "warning"


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
def test_openvino_is_told_with_its_version() -> None:
    version = importlib.metadata.version("openvino")
    finding = check_openvino()
    assert finding.status == "ok"
    assert finding.found.startswith(version)


def test_a_single_file_is_run_by_a_cpu() -> None:
    assert check_engine(config()) == Finding("Engine", "ok", "a CPU runs the model (backend auto)")


def test_an_engine_that_is_forced_and_cannot_be_had_is_missing() -> None:
    finding = check_engine(config(model={"backend": "tensorrt"}))
    assert (finding.status, finding.remedy) == ("missing", "make one with `ffe-edge export`")


def test_a_csi_camera_needs_gstreamer_and_others_do_not() -> None:
    other = check_gstreamer(config())
    csi = check_gstreamer(config(camera={"source": "csi://0"}))
    if other.status == "ok":
        pytest.skip("this is a Jetson")
    assert (other.status, csi.status) == ("warning", "missing")


def test_a_detector_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    finding = check_detector(config(detector={"path": tmp_path / "yunet.onnx"}))
    assert finding.status == "missing"
    assert finding.remedy is not None
    assert "--detector" in finding.remedy


def test_a_model_that_is_none_is_missing(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    finding = check_model(config(model={"path": tmp_path / "model.onnx"}))
    assert finding.status == "missing"
    assert finding.remedy


def test_a_state_folder_that_cannot_be_made_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert check_state_dir(config(outbox={"state_dir": tmp_path / "file/state"})).status == "missing"
    assert check_state_dir(config(outbox={"state_dir": tmp_path / "new/state"})).status == "ok"


def test_a_nearly_full_disk_is_a_warning(tmp_path: Path) -> None:
    too_much = shutil.disk_usage(tmp_path).free + 2**40
    assert check_state_dir(config(outbox={"state_dir": tmp_path, "max_bytes": too_much})).status == "warning"


def test_a_camera_is_tried(tmp_path: Path) -> None:
    finding = check_camera(CameraSettings(source=str(make_image(tmp_path))))
    assert finding.status == "ok"
    assert "64 x 48" in finding.found


def test_a_camera_that_does_not_answer_is_given_up_without_its_password() -> None:
    source = f"rtsp://me:secret@127.0.0.1:{closed_port()}/cam"
    finding = check_camera(CameraSettings(source=source), seconds=1.5)
    assert finding.status == "missing"
    assert "rtsp://***@127.0.0.1" in finding.found
    assert "secret" not in finding.found


def test_a_camera_that_is_not_there_is_missing() -> None:
    finding = check_camera(CameraSettings(source="/dev/video97"))
    assert (finding.status, "no such camera" in finding.found) == ("missing", True)


def test_every_camera_has_its_line(tmp_path: Path) -> None:
    cameras = [
        {"id": "hall", "source": str(make_image(tmp_path))},
        {"id": "door", "source": "/dev/video97"},
        {"id": "old", "source": "csi://0", "enabled": False},
    ]
    named = checks(config(camera=cameras))
    found = {name: named[f"Camera {name}"]() for name in ("hall", "door", "old")}
    assert [finding.status for finding in found.values()] == ["ok", "missing", "ok"]
    assert (found["door"].name, "switched off" in found["old"].found) == ("Camera door", True)
    assert named["GStreamer"]().status != "missing"


def test_a_model_that_cannot_tell_people_apart_is_told_where_it_must(tmp_path: Path) -> None:
    settings = {"state_dir": tmp_path}
    assert check_residents(config(outbox=settings)).status == "ok"
    finding = check_residents(config(outbox=settings, residents={"recognise": True}))
    assert (finding.status, "tell people apart" in finding.found) == ("missing", True)


@pytest.mark.parametrize(
    ("answers", "status", "found"),
    [
        pytest.param([ACCEPTED_5], "ok", "MQTT 5", id="mqtt-5"),
        pytest.param([UNSUPPORTED_5, ACCEPTED_3], "ok", "MQTT 3.1.1", id="mqtt-3-told"),
        pytest.param([b"", ACCEPTED_3], "ok", "MQTT 3.1.1", id="mqtt-3-silent"),
        pytest.param([NOT_AUTHORISED_5], "missing", "refuses the credentials", id="refused"),
        pytest.param([b"", b""], "missing", "does not answer", id="no-broker"),
    ],
)
def test_a_broker_is_knocked_at(answers: list[bytes], status: str, found: str) -> None:
    with broker_that_says(*answers) as url:
        finding = check_broker(config(broker={"url": url}), seconds=0.5)
    assert finding.status == status
    assert found in finding.found


def test_a_broker_that_is_away_is_told_apart() -> None:
    finding = check_broker(config(broker={"url": f"mqtt://127.0.0.1:{closed_port()}"}))
    assert (finding.status, "refused" in finding.found) == ("missing", True)
    assert check_broker(config()).status == "warning"
