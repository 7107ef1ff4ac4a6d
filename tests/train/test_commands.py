"""The whole protocol from the command line: prepare, pretrain, transfer, evaluate, raters, grid."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ffe_edge.cli import app
from ffe_edge.emotions import LABELS
from ffe_edge.errors import ConfigError, DataError, FfeError
from ffe_train.prepared import open_prepared

PRETRAIN = """
stage = "pretrain"
name = "identities"
learn = "identity"
data = ["young"]
pairs = "young"
network = { architecture = "resnet18", preset = "tiny" }
head = { kind = "adaface", scale = 16, alpha = 0.1 }
schedule = { epochs = 1, batch = 16, learning_rate = 0.05, warm_up_epochs = 0.1, milestones = [] }
"""
TRANSFER = """
stage = "transfer"
name = "elderly"
data = "old"
network = { architecture = "resnet18", preset = "tiny", start_from = "identities" }
folds = { outer = 2, inner = 2 }
probe = { epochs = 1 }
fine_tune = { epochs = 1, batch = 16 }
"""
PAIN = """
name = "pain"
[[label]]
id = "pain"
japanese = "痛み"
valence = -0.9
arousal = 0.6
[[label]]
id = "no-pain"
japanese = "痛みなし"
"""


def ffe_edge(*words: str | Path) -> str:
    """Run a command in this process; its standard output."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prepared sets of rendered people, the recipes, and both stages done."""
    folder = tmp_path_factory.mktemp("protocol")
    few = ("--option", "size_px=96")
    young = ("--option", "people=10", "--option", "images=4", "--option", "ages=20,60", *few)
    old = ("--option", "people=8", "--option", "images=9", *few)
    ffe_edge("train", "prepare", "rendered-identities", "-o", folder / "sets" / "young", *young)
    ffe_edge("train", "prepare", "rendered-expressions", "-o", folder / "sets" / "old", *old)
    (folder / "pretrain.toml").write_text(PRETRAIN, encoding="utf-8")
    (folder / "transfer.toml").write_text(TRANSFER, encoding="utf-8")
    for stage in ("pretrain", "transfer"):
        ffe_edge("train", stage, folder / f"{stage}.toml", "--sets", folder / "sets", "--out", folder / "runs")
    return folder


def test_every_person_is_answered_for_once_by_a_network_that_has_not_seen_them(place: Path) -> None:
    with (place / "runs" / "elderly" / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(open_prepared(place / "sets" / "old")) == 72
    assert len({row["path"] for row in rows}) == 72
    assert len({(row["subject"], row["fold"]) for row in rows}) == 8
    np.testing.assert_allclose([sum(float(row[f"prob_{label}"]) for label in LABELS) for row in rows], 1, atol=1e-4)


def test_evaluate_writes_a_report_that_names_people_and_intervals(place: Path, tmp_path: Path) -> None:
    ffe_edge("train", "evaluate", place / "runs" / "elderly", "--out", tmp_path, "--resamples", "200")
    written = {path.name for path in tmp_path.iterdir()}
    assert {"report.html", "report.json", "per_class.csv", "confusion.csv"} <= written
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "喜び" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_raters_are_compared_from_their_answers(place: Path, tmp_path: Path) -> None:
    rows = open_prepared(place / "sets" / "old").rows
    lines = [f"{row.path},{rater},{row.label if rater else 'other'}" for row in rows for rater in range(3)]
    (tmp_path / "answers.csv").write_text("\n".join(["path,rater,answer", *lines]), encoding="utf-8")
    answers = ("--answers", tmp_path / "answers.csv", "--resamples", "200")
    told = ffe_edge("train", "raters", place / "runs" / "elderly", *answers, "--out", tmp_path / "raters.json")
    assert "72 images of 8 people, 216 answers, 72 of them other" in told
    assert json.loads((tmp_path / "raters.json").read_text(encoding="utf-8"))["human_accuracy"][
        "value"
    ] == pytest.approx(2 / 3)


def test_the_slides_tables_are_rebuilt(tmp_path: Path) -> None:
    told = ffe_edge("train", "raters", "--published", "--out", tmp_path / "published.json")
    assert "divided by ten" in told
    assert (tmp_path / "published.json").is_file()


def test_a_finished_stage_is_given_back_and_another_recipe_needs_fresh(place: Path, tmp_path: Path) -> None:
    again = ("--sets", place / "sets", "--out", place / "runs")
    weights = place / "runs" / "identities" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    ffe_edge("train", "pretrain", place / "pretrain.toml", *again)
    assert weights.stat().st_mtime_ns == before
    (tmp_path / "other.toml").write_text(PRETRAIN.replace("0.05", "0.04"), encoding="utf-8")
    with pytest.raises(DataError, match="fresh"):
        ffe_edge("train", "pretrain", tmp_path / "other.toml", *again)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("prepare", "{place}/none", "-o", "{tmp}/x"), "does not exist", id="no-source"),
        pytest.param(("prepare", "{place}", "-o", "{tmp}/x", "--kind", "mnist"), "the kinds are", id="unknown-kind"),
        pytest.param(
            ("prepare", "rendered-expressions", "-o", "{tmp}/x", "--option", "people"), "KEY=VALUE", id="bad-option"
        ),
        pytest.param(
            ("transfer", "{place}/pretrain.toml", "--sets", "{place}/sets"), "ffe-edge train pretrain", id="other-stage"
        ),
        pytest.param(
            ("transfer", "{place}/transfer.toml", "--sets", "{place}/sets", "--out", "{tmp}"),
            "no such stage",
            id="start-not-trained",
        ),
        pytest.param(("pretrain", "{place}/pretrain.toml", "--sets", "{tmp}"), "young", id="set-not-prepared"),
        pytest.param(("evaluate", "{tmp}"), "predictions.csv: is not there", id="nothing-to-evaluate"),
        pytest.param(("raters",), "--published", id="no-stage-named"),
        pytest.param(("grid", "{tmp}/none.toml", "--sets", "{tmp}"), "none.toml", id="no-grid"),
        pytest.param(("import", "{place}/transfer.toml", "-o", "{tmp}/w", "--licence", ""), "licence", id="no-licence"),
    ],
)
def test_bad_input_is_told_before_anything_is_trained(
    place: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    filled = [word.replace("{place}", str(place)).replace("{tmp}", str(tmp_path)) for word in words]
    with pytest.raises(FfeError, match=message):
        ffe_edge("train", *filled)


def test_pain_is_learned_with_labels_of_its_own_and_no_change_of_code(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["path,subject,label,landmarks"]
    template = "38 52 74 52 56 72 42 92 71 92"
    for person in range(6):
        for number, label in enumerate(["pain", "no-pain"] * 3):
            name = f"{person}-{number}.png"
            cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (112, 112, 3), np.uint8))
            lines.append(f"{name},person-{person},{label},{template}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "pain.toml").write_text(PAIN, encoding="utf-8")
    recipe = TRANSFER.replace('"old"', '"pain"').replace(', start_from = "identities"', "")
    (tmp_path / "transfer.toml").write_text(recipe, encoding="utf-8")
    ffe_edge("train", "prepare", tmp_path, "-o", tmp_path / "sets" / "pain", "--allow-odd-colours")
    labels = ("--labels", tmp_path / "pain.toml")
    ffe_edge("train", "transfer", tmp_path / "transfer.toml", "--sets", tmp_path / "sets", "--out", tmp_path, *labels)
    ffe_edge("train", "evaluate", tmp_path / "elderly", *labels, "--resamples", "200")
    report = json.loads((tmp_path / "elderly" / "report" / "report.json").read_text(encoding="utf-8"))
    assert (report["labels"], report["japanese"]) == (["pain", "no-pain"], ["痛み", "痛みなし"])


GRID = """
name = "toy"
preset = "tiny"
architectures = ["resnet18"]
[pretraining]
scratch = []
[pretraining.softmax]
learn = "identity"
data = ["young"]
schedule = { epochs = 1, batch = 16, learning_rate = 0.05, warm_up_epochs = 0.1, milestones = [] }
[targets.old]
data = "old"
folds = { outer = 2, inner = 2 }
probe = { epochs = 1 }
fine_tune = { epochs = 1, batch = 16 }
"""


@pytest.mark.slow
def test_a_grid_ends_in_a_table_with_marks(place: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    words = ("grid", tmp_path / "grid.toml", "--sets", place / "sets", "--out", tmp_path / "runs", "--threads", "1")
    ffe_edge("train", *words, "--table", tmp_path / "table.md")
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "n = 72 images of 8 people, 9 labels" in table
    assert "| scratch |" in table
    assert "| softmax |" in table
    assert table.count("**0.") == 1
    assert (tmp_path / "table-old.png").read_bytes().startswith(b"\x89PNG")


def test_a_cluster_s_script_is_printed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    told = ffe_edge("train", "grid", tmp_path / "grid.toml", "--sets", place / "sets", "--script", "slurm")
    assert told.count("sbatch") == 2
    with pytest.raises(ConfigError, match="slurm or age"):
        ffe_edge("train", "grid", tmp_path / "grid.toml", "--sets", place / "sets", "--script", "pbs")
