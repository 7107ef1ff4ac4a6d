"""The card says every figure with its interval, and what the figures do not say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shipped_run import EVALUATION, finished_run
from small_models import crops_graph

from ffe_edge.emotions import LABELS
from ffe_edge.engine.model import load_model
from ffe_edge.errors import ConfigError, DataError
from ffe_edge.spec import ModelSpec
from ffe_export.card import model_card
from ffe_export.export import Exported, Wish, export_model
from ffe_export.latency import Plan

SPEC = ModelSpec("small", LABELS, temperature=1.2345, data=tuple(EVALUATION["data"]), recipe="{}", commit="abc123+")


@pytest.fixture(scope="module")
def card() -> str:
    return model_card(SPEC, EVALUATION, size_bytes=2_340_000)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            "| lfw 60+ | 350 | 120 | 0.366 (0.333-0.401) | 0.355 (0.321-0.388) | 2 labels | 0.041 |", id="lfw"
        ),
        pytest.param(
            "| london | 204 | 102 | 0.900 (0.333-0.401) | 0.355 (0.321-0.388) | 2 labels | 0.041 |", id="london"
        ),
        pytest.param("| ferplus | 3400 | not known | 0.770 (0.333-0.401) |", id="ferplus-knows-no-subjects"),
        pytest.param("| joy | 喜び | 20 | 0.52 | 0.45 (0.36-0.55) | 0.48 |", id="class"),
    ],
)
def test_a_figure_stands_with_its_interval(card: str, row: str) -> None:
    assert row in card


def test_every_test_set_has_a_table_of_its_classes(card: str) -> None:
    assert [line[4:] for line in card.splitlines() if line.startswith("### ")] == list(EVALUATION["test"])
    assert card.count("| joy | 喜び |") == card.count("| neutral | 無感情 |") == 3


@pytest.mark.parametrize(
    "warning",
    [
        "learned from rendered people alone",
        "No elderly Japanese people are in the data",
        "FER+ names no people",
        "a figure on them says that the pipeline works",
        "inferring emotions at the workplace is banned",
        "Diagnosis",
        "did not consent",
    ],
)
def test_the_card_warns(card: str, warning: str) -> None:
    assert warning in " ".join(card.split())


@pytest.mark.parametrize(
    "fact",
    [
        "# small\n",
        "(B, 112, 112, 3) uint8 BGR",
        "probabilities of 9 expressions: joy, sadness,",
        "2.3 MB, fp32; temperature 1.234",
        "- FER+ (research)",
        "ferplus 25,678, lfw 3,000",
        "stage `mixed`",
        "commit `abc123+`",
    ],
)
def test_the_card_says_what_the_model_is_and_where_it_comes_from(card: str, fact: str) -> None:
    assert fact in card


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exported, Path]:
    folder = tmp_path_factory.mktemp("run")
    card = folder / "model.md"
    plan = Plan(batches=(1,), seconds=0, least_rounds=1, warm_up=0)
    return export_model(finished_run(folder / "run"), folder / "out", Wish(name="small", card=card, plan=plan)), card


def test_a_finished_run_becomes_a_model_and_its_card(exported: tuple[Exported, Path]) -> None:
    bundle, card = exported
    model = load_model(bundle.folder, backend="onnxruntime")
    assert (model.spec.name, model.spec.temperature, model.spec.data) == ("small", 1.2345, SPEC.data)
    assert model.spec.metrics["lfw 60+"]["accuracy"] == {"value": 0.366, "low": 0.333, "high": 0.401}
    assert model.run(np.zeros((1, 112, 112, 3), np.uint8)).shape == (1, 9)
    assert f"{model.path.stat().st_size / 1e6:.1f} MB" in card.read_text(encoding="utf-8")


def test_a_card_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    wish = Wish(card=tmp_path / "none" / "model.md", plan=Plan(batches=(1,), seconds=0, least_rounds=1, warm_up=0))
    with pytest.raises(ConfigError, match=r"model\.md: the card cannot be written"):
        export_model(finished_run(tmp_path / "run"), tmp_path / "out", wish)
    assert (tmp_path / "out" / "bundle.json").is_file()


def test_a_card_is_only_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no evaluation\.json"):
        export_model(crops_graph(tmp_path / "model.onnx"), tmp_path / "out", Wish(card=tmp_path / "model.md"))
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("lacking", ["stages/mixed.json", "stages/mixed.safetensors"])
def test_an_unfinished_run_is_told_and_nothing_written(tmp_path: Path, lacking: str) -> None:
    run = finished_run(tmp_path / "run")
    (run / lacking).unlink()
    with pytest.raises(DataError, match=Path(lacking).name.replace(".", r"\.")):
        export_model(run, tmp_path / "out", Wish(card=tmp_path / "model.md"))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
