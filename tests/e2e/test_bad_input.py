"""Bad input gets one line that names it, exit code 2, and no traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from e2e.program import ffe_edge


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(("run", "--source", "{tmp}/none.mp4", "--print"), "none.mp4: no such file", id="missing-file"),
        pytest.param(("run", "--source", "{tmp}/text.mp4", "--print"), "text.mp4: is not a video", id="no-video"),
        pytest.param(("run", "--source", "/dev/video97", "--print"), "/dev/video97", id="no-camera"),
        pytest.param(("run", "--source", "ftp://x/y", "--print"), "ftp:// is unknown", id="unknown-scheme"),
        pytest.param(("run", "--source", "demo:", "--model", "{tmp}/text.mp4", "--print"), "ONNX", id="corrupt-model"),
        pytest.param(("run", "--source", "demo:", "--model", "{tmp}/x.onnx", "--print"), "x.onnx", id="missing-model"),
        pytest.param(("run", "--config", "{tmp}/bad.toml", "--print"), "camera.sauce", id="unknown-key"),
        pytest.param(("run", "--config", "{tmp}/none.toml", "--print"), "none.toml", id="missing-config"),
        pytest.param(("run", "--source", "demo:"), "--broker", id="nowhere-to-tell"),
        pytest.param(("run", "--source", "demo:", "--broker", "http://x"), "mqtt://host:port", id="bad-broker"),
        pytest.param(
            ("run", "--source", "demo:", "--detector", "{tmp}/text.mp4", "--print"), "YuNet", id="bad-detector"
        ),
        pytest.param(("run", "--site", "Kiso Home", "--print"), "site", id="bad-site"),
        pytest.param(("demo", "--port", "{port}", "--no-browser"), "--port", id="port-in-use"),
        pytest.param(("models", "fetch", "--from", "{tmp}/text.mp4"), "not the pinned", id="wrong-size"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    (tmp_path / "bad.toml").write_text('[camera]\nsauce = "demo:"\n')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        filled = [part.replace("{tmp}", str(tmp_path)).replace("{port}", port) for part in arguments]
        result = ffe_edge(*filled, state=tmp_path)
    ours = (" WARNING ffe_edge.", " INFO ffe_edge.dashboard.", "broker: ")
    said = [line for line in result.stderr.splitlines() if not any(word in line for word in ours)]
    assert result.returncode == 2, result.stderr
    assert [line.startswith("error: ") and named in line for line in said] == [True], result.stderr
