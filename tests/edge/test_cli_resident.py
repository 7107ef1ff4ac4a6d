"""`ffe-edge resident`: enrolled from a folder, listed, forgotten; refused without consent or a model that can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_models
from typer.testing import CliRunner, Result

from ffe_edge.cli_resident import resident_app
from ffe_edge.config import load_config
from ffe_edge.errors import ConfigError, DataError, FfeError, ModelError
from ffe_edge.people import open_store, open_switch
from ffe_edge.rendered.people import Person
from ffe_edge.rendered.render import View, render_face
from ffe_edge.rendered.units import UNITS

IDENTITY = {"threshold": 0.5, "tar": 0.95, "far": 0.001, "different": 2000}
CONSENT = "herself, 2026-11-24, signed form 12"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, yaw in enumerate((-6, -2, 2, 6)):
        view = View(yaw_degrees=yaw)
        face = render_face(Person(seed=3), np.zeros(len(UNITS), np.float32), view, size_px=320)
        cv2.imwrite(str(folder / f"{number}.png"), face.image)
    return folder


@pytest.fixture
def config(tmp_path: Path, shared: Path) -> Path:
    spec = replace(small_models.SPEC, metrics={"identity": IDENTITY})
    model = small_models.crops_graph(tmp_path / "model.onnx", spec)
    detector = shared / "detector_yunet" / "yunet_n_640_640.onnx"
    path = tmp_path / "ffe.toml"
    path.write_text(
        f"[camera]\nid = 'lounge'\n[model]\npath = '{model}'\n[detector]\npath = '{detector}'\n"
        f"[outbox]\nstate_dir = '{tmp_path / 'state'}'\n"
    )
    return path


def resident(*arguments: str, config: Path, error: type[FfeError] | None = None) -> Result:
    result = CliRunner().invoke(resident_app, [*arguments, "--config", str(config)])
    assert isinstance(result.exception, error or type(None)), result.exception
    return result


def add(config: Path, source: Path | str, name: str = "花子", error: type[FfeError] | None = None) -> Result:
    return resident("add", name, "--from", str(source), "--consent", CONSENT, config=config, error=error)


def test_somebody_is_enrolled_listed_and_forgotten(config: Path, photos: Path) -> None:
    added = add(config, photos).stdout
    assert added.startswith("resident-")
    assert added.endswith(" enrolled from 4 pictures\n")
    number = added.split()[0]
    listed = resident("list", config=config).stdout.split("\t")
    assert (listed[:2], listed[3]) == ([number, "花子"], f"{CONSENT}\n")
    resident("forget", number, config=config)
    assert resident("list", config=config).stdout == ""


def test_no_picture_is_left_behind(config: Path, photos: Path) -> None:
    add(config, photos)
    written = sorted(path.name for path in (config.parent / "state").rglob("*"))
    assert written == ["residents.ffe", "residents.ffe.lock", "residents.key"]
    (kept,) = open_store(load_config(config)).load()
    assert (len(kept.embeddings), len(kept.embeddings[0])) == (4, small_models.WIDTH)


def test_the_same_face_is_not_enrolled_twice(config: Path, photos: Path) -> None:
    add(config, photos)
    assert "already enrolled as resident-" in str(add(config, photos, "Taro", DataError).exception)


def test_a_model_that_cannot_tell_people_apart_enrols_nobody(config: Path, photos: Path) -> None:
    small_models.crops_graph(config.parent / "model.onnx")
    assert "cannot tell people apart" in str(add(config, photos, error=ModelError).exception)
    assert not (config.parent / "state").exists()
    assert "cannot tell people apart" in resident("list", config=config).stderr


def test_without_a_consent_nobody_is_looked_at(config: Path, photos: Path) -> None:
    arguments = ["add", "Hanako", "--from", str(photos)]
    assert CliRunner().invoke(resident_app, [*arguments, "--config", str(config)]).exit_code == 2
    resident(*arguments, "--consent", "yes", config=config, error=DataError)
    assert not (config.parent / "state").exists()


def test_what_is_no_folder_and_no_camera_is_refused(config: Path) -> None:
    assert "no camera; cameras are lounge" in str(add(config, "nowhere", error=ConfigError).exception)


def test_a_camera_whose_privacy_switch_is_on_enrols_nobody(config: Path) -> None:
    open_switch(load_config(config)).set(on=True, camera_id="lounge")
    assert "lounge may not look, asked for by command" in str(add(config, "lounge", error=ConfigError).exception)


def test_after_another_model_came_the_list_says_to_enrol_again(config: Path, photos: Path) -> None:
    add(config, photos)
    spec = replace(small_models.SPEC, metrics={"identity": IDENTITY})
    small_models.crops_graph(config.parent / "model.onnx", spec, seed=1)
    assert "another model: enrol again" in resident("list", config=config).stdout
