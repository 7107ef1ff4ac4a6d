"""One TOML file, validated: a wrong key is named, flags win over the file, the file over the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ffe_edge.config import BrokerSettings, Config, default_state_dir, load_config
from ffe_edge.errors import ConfigError

WHOLE = """
site = "kiso"
node = "edge-07"
[camera]
id = "lounge"
source = "rtsp://10.0.0.7/main"
timeout_seconds = 5
[events]
hold_seconds = 1.2
[broker]
url = "mqtts://broker.example:8883"
root_topic = "ffe/v1"
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "ffe.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_file_the_defaults_hold() -> None:
    config = load_config(None)
    assert config == Config()
    assert (config.camera.source, config.broker.url, config.events.min_frames) == ("demo:", None, 3)


def test_a_file_is_read(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, WHOLE))
    assert (config.site, config.camera.timeout_seconds, config.events.hold_seconds) == ("kiso", 5.0, 1.2)
    assert config.broker.url == "mqtts://broker.example:8883"
    assert config.node_topic == "ffe/v1/kiso/edge-07"
    assert config.source_topic == "ffe/v1/kiso/edge-07/camera/lounge"


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    flags = {"site": "nagoya", "node": None, "camera": {"source": "0", "id": None}, "model": {"threads": 4}}
    config = load_config(written(tmp_path, WHOLE), flags)
    assert (config.site, config.node) == ("nagoya", "edge-07")
    assert (config.camera.source, config.camera.id, config.camera.fps) == ("0", "lounge", 15.0)
    assert (config.model.threads, config.model.path) == (4, None)


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        pytest.param("sight = 'kiso'", "sight", id="unknown-key"),
        pytest.param("[camera]\nsauce = '0'", "camera.sauce", id="unknown-key-in-section"),
        pytest.param("[kamera]\nsource = '0'", "kamera", id="unknown-section"),
        pytest.param("camera = 3", "camera", id="section-is-a-number"),
        pytest.param("site = 7", "site", id="number-for-text"),
        pytest.param("[camera]\nfps = 'fast'", "camera.fps", id="text-for-number"),
        pytest.param("[camera]\nwidth_px = 640.5", "camera.width_px", id="broken-pixels"),
        pytest.param("[camera]\nrealtime = 'perhaps'", "camera.realtime", id="text-for-bool"),
        pytest.param("[camera]\nfps = 0", "camera.fps", id="no-frames"),
        pytest.param("[camera]\nfps = inf", "camera.fps", id="infinite"),
        pytest.param("[camera]\nfps = nan", "camera.fps", id="not-a-number"),
        pytest.param("[model]\nbackend = 'tpu'", "model.backend", id="no-such-backend"),
        pytest.param("[model]\ndla_core = -1", "model.dla_core", id="no-such-core"),
        pytest.param("[events]\nhold_seconds = nan", "events.hold_seconds", id="hold-not-a-number"),
        pytest.param("[events]\nhold_seconds = -1", "events.hold_seconds", id="negative"),
        pytest.param("[events]\nmin_frames = 1", "events.min_frames", id="one-frame"),
        pytest.param("[events]\nmin_probability = 1.1", "events.min_probability", id="more-than-all"),
        pytest.param("[detector]\nlong_side_px = 63", "detector.long_side_px", id="too-small"),
        pytest.param("[outbox]\nmax_bytes = 1000", "outbox.max_bytes", id="tiny-outbox"),
        pytest.param("site = 'Kiso'", "site", id="id-upper-case"),
        pytest.param("site = 'kiso/2'", "site", id="id-slash"),
        pytest.param("site = ''", "site", id="id-empty"),
        pytest.param("node = '" + "a" * 33 + "'", "node", id="id-long"),
        pytest.param('site = "kiso\\n"', "site", id="id-line-end"),
        pytest.param("[camera]\nid = '居間'", "camera.id", id="id-japanese"),
        pytest.param("[broker]\nroot_topic = 'ffe/#'", "broker.root_topic", id="topic-wildcard"),
        pytest.param("[broker]\nroot_topic = 'ffe/'", "broker.root_topic", id="topic-ends-in-slash"),
        pytest.param("[broker]\nurl = 'http://broker'", "broker.url", id="url-scheme"),
        pytest.param("[broker]\nurl = 'broker:1883'", "broker.url", id="url-no-scheme"),
        pytest.param("[broker]\nurl = 'mqtt://'", "broker.url", id="url-no-host"),
        pytest.param("[broker]\nurl = 'mqtt://host:0'", "broker.url", id="url-port-zero"),
        pytest.param("[broker]\nurl = 'mqtt://host:99999'", "broker.url", id="url-port-high"),
        pytest.param("[broker]\nurl = 'mqtt://[::1'", "broker.url", id="url-bracket"),
        pytest.param("[broker]\nurl = 'mqtt://host/topic'", "broker.url", id="url-path"),
    ],
)
def test_a_bad_setting_is_refused_with_file_and_key(tmp_path: Path, toml: str, key: str) -> None:
    path = written(tmp_path, toml)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {key}: ")
    assert "\n" not in message


TWO = "[[camera]]\nid = 'lounge'\nsource = 'rtsp://10.0.0.7/a'\n[[camera]]\nid = 'hall'\nfps = 7\n"


def test_several_cameras_are_tables_of_an_array(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, TWO))
    assert [(camera.id, camera.fps) for camera in config.cameras] == [("lounge", 15.0), ("hall", 7.0)]
    assert config.camera == config.cameras[0]
    assert config.camera_topic("hall") == "ffe/v1/home/edge-01/camera/hall"


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        pytest.param("[[camera]]\n[[camera]]", "camera: several cameras are called camera", id="one-id-twice"),
        pytest.param(TWO + "width_px = 1", r"camera\[2\].width_px: ", id="in-the-second"),
        pytest.param("camera = []", "camera: a node has 1 to 32 cameras, not 0", id="none"),
    ],
)
def test_a_mistake_among_several_cameras_names_which(tmp_path: Path, toml: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        load_config(written(tmp_path, toml))


def test_sources_given_as_flags_replace_the_cameras_of_the_file(tmp_path: Path) -> None:
    flags = {"camera": {"source": ["a.mp4", "b.mp4"], "realtime": True}}
    of_one = load_config(written(tmp_path, WHOLE), flags).cameras
    assert [(camera.id, camera.source, camera.realtime) for camera in of_one] == [
        ("lounge", "a.mp4", True),
        ("lounge-2", "b.mp4", True),
    ]
    of_two = load_config(written(tmp_path, TWO), flags).cameras
    assert [(camera.id, camera.source) for camera in of_two] == [("camera", "a.mp4"), ("camera-2", "b.mp4")]
    assert [c.realtime for c in load_config(written(tmp_path, TWO), {"camera": {"realtime": True}}).cameras] == [
        True
    ] * 2


def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, "[broker]\nurl = 'mqtt://carer:geheim@broker'")
    with pytest.raises(ConfigError, match=r"broker\.url: .*password_file") as caught:
        load_config(path)
    assert "geheim" not in str(caught.value)


def test_several_faults_are_counted(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"camera\.width_px: .* \(and 1 more\)$"):
        load_config(written(tmp_path, "[camera]\nfps = 0\nwidth_px = 1"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"site = ", id="not-toml"),
        pytest.param(b"\xff\xfe\x00site", id="not-text"),
        pytest.param(b"site = 'a'\nsite = 'b'", id="twice"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        load_config(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", [pytest.param("nowhere.toml", id="missing"), pytest.param(".", id="folder")])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_config(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize(
    ("flags", "key"),
    [
        pytest.param({"site": "Kiso"}, "site", id="top"),
        pytest.param({"broker": {"url": "ftp://x"}}, "broker.url", id="section"),
    ],
)
def test_a_bad_flag_is_named(flags: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"^command line: {key}: "):
        load_config(None, flags)


@pytest.mark.parametrize("url", ["mqtt://host", "mqtt://host:1883/", "mqtts://192.168.0.7:8883", "mqtt://[::1]:1883"])
def test_a_brokers_url_is_kept_as_it_is(url: str) -> None:
    assert BrokerSettings(url=url).url == url


def test_a_model_has_a_backend_and_a_place_for_engines(tmp_path: Path) -> None:
    path = written(
        tmp_path, b"[model]\npath = 'exported'\nbackend = 'tensorrt-rtx'\nengine_dir = '/var/engines'\ndla_core = 1"
    )
    model = load_config(path).model
    assert (model.path, model.backend) == (Path("exported"), "tensorrt-rtx")
    assert (model.engine_dir, model.dla_core) == (Path("/var/engines"), 1)
    assert Config().model.backend == "auto"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().camera.fps = 3


def test_the_outbox_lies_in_systemds_state_directory_else_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/ffe-edge:/var/lib/other")
    assert load_config(None).outbox.state_dir == Path("/var/lib/ffe-edge")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_state_dir() == Path("/state/ffe-edge")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/carer")
    assert default_state_dir() == Path("/home/carer/.local/state/ffe-edge")
