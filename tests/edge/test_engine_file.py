"""Engines on the disk: whole or not there, found by their key, and never read where they do not fit or came along."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffe_edge.engine import sealed_file
from ffe_edge.engine.engine_file import (
    describe,
    newest_engine,
    read_engine,
    read_timing_cache,
    write_engine,
    write_timing_cache,
)
from ffe_edge.engine.engine_key import EngineKey, Machine, l4t_release, misfits
from ffe_edge.errors import ModelError

ORIN = Machine("tensorrt", "10.3.0", "Orin", "8.7", "36.4.3")
KEY = EngineKey("a" * 64, "int8", ORIN)
DATA = b"ftrt" + bytes(5000)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation: where its secret lies."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "engines"


def other(**changes: Any) -> EngineKey:
    return replace(KEY, machine=replace(ORIN, **changes))


def test_an_engine_is_found_and_read_again(home: Path) -> None:
    engine = write_engine(home, "network.int8", KEY, DATA, seconds=12.3)
    assert read_engine(engine.path, KEY) == DATA
    assert sorted(path.name for path in home.iterdir()) == [engine.path.name, f"{engine.path.name}.json"]
    assert newest_engine(home, KEY.onnx_sha256, ORIN) == engine


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param(other(gpu_name="Xavier"), "built for the GPU Orin, here it is Xavier", id="gpu"),
        pytest.param(other(runtime_version="10.7.0"), "version 10.3.0, here it is 10.7.0", id="runtime"),
        pytest.param(other(compute_capability="7.2"), "compute capability 8.7, here it is 7.2", id="capability"),
        pytest.param(other(l4t="36.5.0"), "L4T release 36.4.3, here it is 36.5.0", id="l4t"),
        pytest.param(other(runtime="tensorrt-rtx"), "runtime tensorrt, here it is tensorrt-rtx", id="other-runtime"),
        pytest.param(replace(KEY, onnx_sha256="b" * 64), "built of another ONNX", id="onnx"),
        pytest.param(replace(KEY, precision="fp16"), "it is int8, not fp16", id="precision"),
        pytest.param(replace(KEY, max_batch=8), r"batches \(1, 4, 16\), not \(1, 4, 8\)", id="batches"),
        pytest.param(replace(KEY, dla_core=0), "for the GPU, not for DLA core 0", id="dla"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(home: Path, wanted: EngineKey, told: str) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    with pytest.raises(ModelError, match=f"{told}.*export --rebuild"):
        read_engine(engine.path, wanted)


def test_an_engine_from_elsewhere_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    monkeypatch.setenv("STATE_DIRECTORY", str(home.parent / "another installation"))
    with pytest.raises(ModelError, match="not built by this installation"):
        read_engine(engine.path, KEY)
    write_engine(home.parent / "mine", "network", KEY, DATA)
    with pytest.raises(ModelError, match="not built by this installation"):
        read_engine(engine.path, KEY)


def test_a_folder_that_brings_its_own_secret_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = home.parent / "hostile"
    engine = write_engine(hostile, "network", KEY, DATA, state_dir=hostile)
    with pytest.raises(ModelError, match="not built by this installation"):
        read_engine(engine.path, KEY)


def test_a_sidecar_that_was_changed_is_refused(home: Path) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    sidecar = engine.path.with_name(f"{engine.path.name}.json")
    values = json.loads(sidecar.read_text())
    values["facts"]["gpu_name"] = "Xavier"
    sidecar.write_text(json.dumps(values))
    with pytest.raises(ModelError, match="not built by this installation"):
        read_engine(engine.path, other(gpu_name="Xavier"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(DATA[:-1], id="truncated"),
        pytest.param(b"F" + DATA[1:], id="a byte"),
        pytest.param(b"", id="empty"),
    ],
)
def test_damage_is_found(home: Path, data: bytes) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    engine.path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged"):
        read_engine(engine.path, KEY)


def test_what_is_no_regular_file_is_refused(home: Path) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    engine.path.rename(home / "elsewhere")
    with pytest.raises(ModelError, match="cannot be read"):
        read_engine(engine.path, KEY)
    engine.path.symlink_to(home / "elsewhere")
    with pytest.raises(ModelError, match="cannot be read"):
        read_engine(engine.path, KEY)
    engine.path.unlink()
    os.mkfifo(engine.path)
    with pytest.raises(ModelError, match="no regular file"):
        read_engine(engine.path, KEY)


def test_a_file_too_large_is_not_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    monkeypatch.setattr(sealed_file, "MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="larger"):
        read_engine(engine.path, KEY)


@pytest.mark.parametrize("full_at", [pytest.param(1, id="the engine"), pytest.param(2, id="the sidecar")])
def test_a_full_disk_leaves_the_old_engine(home: Path, monkeypatch: pytest.MonkeyPatch, full_at: int) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    calls, sync = [], os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == full_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(ModelError, match=r"No space left on device.*untouched.*free"):
        write_engine(home, "network", KEY, DATA * 2)
    assert read_engine(engine.path, KEY) == DATA
    assert len(list(home.iterdir())) == 2


def test_a_new_engine_takes_the_old_ones_place(home: Path) -> None:
    write_engine(home, "network", KEY, DATA)
    engine = write_engine(home, "network", KEY, DATA * 2)
    assert read_engine(engine.path, KEY) == DATA * 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 5000, id="deep"),
        pytest.param('{"facts": ' * 900 + "1" + "}" * 900, id="nested"),
        pytest.param("null", id="null"),
        pytest.param('{"version": 1, "facts": {"seconds": 1' + "0" * 4000 + "}}", id="huge number"),
        pytest.param('{"version": 1, "facts": {"gpu_name": "\\ud800"}}', id="surrogate"),
        pytest.param("\xff", id="no text"),
        pytest.param("1" * 70_000, id="too large"),
    ],
)
def test_a_hostile_sidecar_is_one_clear_error(home: Path, text: str) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    sealed_file.sidecar_path(engine.path).write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError):
        read_engine(engine.path, KEY)
    with pytest.raises(ModelError):
        describe(engine.path, ORIN)
    assert newest_engine(home, KEY.onnx_sha256, ORIN) is None


PLACES = ["version", "sha256", "size_bytes", "seal", "facts", "seconds", *KEY.to_json()]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(["version", "sha256", "size_bytes", "seal", "facts", *KEY.to_json(), "seconds"]), value=VALUES
)
def test_any_value_anywhere_in_a_sidecar_is_refused(tmp_path_factory: Any, place: str, value: Any) -> None:
    folder = tmp_path_factory.getbasetemp() / "hostile"
    engine = write_engine(folder, "network", KEY, DATA, state_dir=folder)
    sidecar = sealed_file.sidecar_path(engine.path)
    values = json.loads(sidecar.read_text())
    held = values if place in values else values["facts"]
    unchanged = held[place] == value and type(held[place]) is type(value)
    held[place] = value
    sidecar.write_text(json.dumps(values))
    if not unchanged:
        with pytest.raises(ModelError):
            read_engine(engine.path, KEY, state_dir=folder)


def test_two_programs_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    write_engine(tmp_path / "a", "network", KEY, DATA, state_dir=tmp_path)
    secret = (tmp_path / "engine-secret").read_bytes()
    sealed_file._create_secret(tmp_path / "engine-secret")
    assert (tmp_path / "engine-secret").read_bytes() == secret
    assert (tmp_path / "engine-secret").stat().st_mode & 0o777 == 0o600
    assert len(secret) == 32


@pytest.mark.parametrize("spoil", ["readable", "short", "link"])
def test_a_secret_that_others_know_is_none(tmp_path: Path, spoil: str) -> None:
    engine = write_engine(tmp_path / "a", "network", KEY, DATA, state_dir=tmp_path)
    secret = tmp_path / "engine-secret"
    if spoil == "readable":
        secret.chmod(0o644)
    elif spoil == "short":
        secret.write_bytes(b"short")
    else:
        secret.rename(tmp_path / "moved")
        secret.symlink_to(tmp_path / "moved")
    with pytest.raises(ModelError, match="engine-secret"):
        read_engine(engine.path, KEY, state_dir=tmp_path)
    with pytest.raises(ModelError, match="engine-secret"):
        write_engine(tmp_path / "a", "network", KEY, DATA, state_dir=tmp_path)


def test_it_tells_what_an_engine_is_and_why_it_does_not_fit(home: Path) -> None:
    engine = write_engine(home, "network", KEY, DATA, seconds=3.25)
    told = describe(engine.path, ORIN)
    assert (told["fits"], told["why_not"], told["seconds"], told["size_bytes"]) == (True, [], 3.25, len(DATA))
    assert told["key"]["gpu_name"] == "Orin"
    told = describe(engine.path, replace(ORIN, gpu_name="Xavier"), state_dir=home.parent / "none")
    assert not told["fits"]
    assert ["GPU" in told["why_not"][0], "not built by this installation" in told["why_not"][1]] == [True, True]
    json.dumps(told)


def test_telling_of_no_engine_is_an_error(home: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.engine\.json"):
        describe(home / "none.engine", ORIN)


@pytest.mark.parametrize(
    ("built", "here", "fits"),
    [
        pytest.param("8.6,8.9", "8.9", True, id="one-of-several"),
        pytest.param("8.6,8.9", "12.0", False, id="none-of-several"),
        pytest.param("", "12.0", True, id="for-all"),
        pytest.param("8.6", "", True, id="no-gpu-here"),
    ],
)
def test_an_engine_of_rtx_is_for_compute_capabilities_not_for_a_gpu(built: str, here: str, fits: bool) -> None:
    machine = Machine("tensorrt-rtx", "1.7.1", "", built)
    wanted = replace(machine, gpu_name="RTX 4090", compute_capability=here)
    assert (misfits(replace(KEY, machine=machine), replace(KEY, machine=wanted)) == []) is fits


def test_the_newest_engine_wins(home: Path) -> None:
    old = write_engine(home, "network", KEY, DATA)
    new = write_engine(home, "network", replace(KEY, max_batch=8), DATA)
    os.utime(old.path, (1, 1))
    assert newest_engine(home, KEY.onnx_sha256, ORIN) == new
    assert newest_engine(home, "c" * 64, ORIN) is None
    assert newest_engine(home, KEY.onnx_sha256, ORIN, dla_core=0) is None
    assert newest_engine(home / "absent", KEY.onnx_sha256, ORIN) is None


def test_a_timing_cache_is_for_this_machine_and_ours(home: Path) -> None:
    assert read_timing_cache(home, ORIN) == b""
    path = write_timing_cache(home, ORIN, b"measured")
    assert read_timing_cache(home, ORIN) == b"measured"
    assert read_timing_cache(home, replace(ORIN, runtime_version="11.4.1")) == b""
    with pytest.raises(ModelError, match="not built by this installation"):
        read_timing_cache(home, ORIN, state_dir=home)
    path.write_bytes(b"hostile!")
    with pytest.raises(ModelError, match="damaged"):
        read_timing_cache(home, ORIN)


def test_a_copied_bundle_is_refused_as_a_whole(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine = write_engine(home, "network", KEY, DATA)
    shutil.copytree(home, tmp_path / "other machine")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "other state"))
    with pytest.raises(ModelError, match="not built by this installation"):
        read_engine(tmp_path / "other machine" / engine.path.name, KEY)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        pytest.param("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic", "36.4.3", id="jetpack-6"),
        pytest.param("nothing", "", id="unknown"),
    ],
)
def test_the_l4t_release_is_read(tmp_path: Path, text: str, release: str) -> None:
    assert l4t_release(tmp_path) == ""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(text)
    assert l4t_release(tmp_path) == release


@pytest.mark.parametrize(
    "changes",
    [{"min_batch": 5}, {"max_batch": 5000}, {"precision": "int4"}, {"onnx_sha256": "x"}, {"dla_core": -1}],
)
def test_a_key_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"batches|SHA-256|DLA"):
        replace(KEY, **changes)
