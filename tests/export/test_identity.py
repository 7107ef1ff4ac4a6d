"""What is declared of telling people apart is what was measured on pairs, and the device believes no less."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from export_parts import colours, wish
from small_models import SPEC, crops_graph

from ffe_edge.engine.model import load_model
from ffe_edge.engine.model_file import ModelFile
from ffe_edge.errors import DataError, ModelError
from ffe_edge.residents_match import identity_threshold
from ffe_edge.types import FloatArray
from ffe_export.export import export_model
from ffe_export.identity import FAR, measured

PEOPLE, PICTURES = 50, 2

Cosines = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who are patches of colour, a little noisy; every pair there is."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(1)
    names = [f"{person:02d}/{picture}.png" for person in range(PEOPLE) for picture in range(PICTURES)]
    for person, crop in enumerate(colours(PEOPLE, seed=3)):
        (folder / f"{person:02d}").mkdir()
        for picture in range(PICTURES):
            noisy = np.clip(crop.astype(int) + rng.integers(-2, 3, crop.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / f"{person:02d}" / f"{picture}.png"), noisy)
    pairs = [(a, b, int(a[:2] == b[:2])) for a in names for b in names if a < b]
    write(folder / "pairs.csv", pairs)
    return folder / "pairs.csv"


def write(path: Path, pairs: list[tuple[str, str, int]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("a", "b", "same"), *pairs])
    return path


def naive(model: Path, table: Path) -> tuple[Cosines, Cosines]:
    """Cosines of pairs of one person and of two."""
    run = load_model(model, backend="onnxruntime").run

    def look(name: str) -> FloatArray:
        embedding = run.read(np.asarray(cv2.imread(str(table.parent / name)), np.uint8)[None]).embedding
        assert embedding is not None
        row: FloatArray = embedding[0]
        return row

    rows = list(csv.DictReader(table.read_text().splitlines()))
    looks = {name: look(name) for name in {row["a"] for row in rows} | {row["b"] for row in rows}}
    found: dict[str, list[float]] = {"1": [], "0": []}
    for row in rows:
        found[row["same"]].append(float(looks[row["a"]] @ looks[row["b"]]))
    return np.array(found["1"]), np.array(found["0"])


def test_every_file_declares_what_its_fp32_network_was_measured_to_do(table: Path, tmp_path: Path) -> None:
    model = crops_graph(tmp_path / "small.onnx")
    exported = export_model(model, tmp_path / "out", wish(tmp_path, "fp16", identities=table))
    declared = load_model(exported.folder, backend="onnxruntime").spec.metrics["identity"]
    assert ModelFile.read(exported.folder / "network.fp16.onnx").spec().metrics["identity"] == declared
    same, different = naive(exported.folder / "model.onnx", table)
    assert (declared["same"], declared["different"], declared["people"]) == (50, 4900, 50)
    assert (len(same), len(different)) == (50, 4900)
    assert declared["far"] == pytest.approx(np.mean(different >= declared["threshold"]), abs=5e-4)
    assert declared["far"] <= FAR
    assert declared["tar"] <= np.mean(same >= declared["threshold"])


def test_no_more_strangers_than_declared_reach_the_threshold_and_few_pairs_are_not_enough() -> None:
    rng = np.random.default_rng(0)
    different, same = rng.normal(0.0, 0.1, 5000), rng.normal(0.8, 0.05, 600)
    person = np.arange(600).astype(str)
    declared = measured(same, different, person)
    assert np.mean(different >= declared["threshold"]) == declared["far"] == FAR
    assert np.sort(different)[-6] < declared["threshold"] <= np.sort(different)[-5]
    assert 0.9 < declared["tar"] <= np.mean(same >= declared["threshold"])
    spec = replace(SPEC, metrics={"identity": declared})
    assert identity_threshold(spec) == declared["threshold"]
    few = replace(SPEC, metrics={"identity": measured(same, different[:900], person)})
    with pytest.raises(ModelError, match="well enough"):
        identity_threshold(few)


def test_people_who_look_alike_in_pairs_of_one_give_a_low_figure() -> None:
    declared = measured(np.full(100, 0.1), np.linspace(-1, 1, 2000), np.arange(100).astype(str))
    assert (declared["tar"], declared["people"]) == (0.0, 100)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("x,y\n1,2\n", "its columns are a, b and same", id="other-columns"),
        pytest.param("a,b,same\np/1.png,p/2.png,yes\n", "same, which is 1 or 0", id="a-word"),
        pytest.param("a,b,same\np/1.png,p/2.png,1\n", "of two", id="one-kind"),
        pytest.param("a,b,same\np/1.png,p/2.png,1\np/1.png,q/1.png,0\n", "1.png: cannot be read", id="no-picture"),
        pytest.param(None, "cannot be read", id="absent"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    table = tmp_path / "pairs.csv"
    if text is not None:
        table.write_text(text)
    model = crops_graph(tmp_path / "small.onnx")
    with pytest.raises(DataError, match=reason):
        export_model(model, tmp_path / "out", wish(tmp_path, identities=table))
    assert not (tmp_path / "out").exists()
