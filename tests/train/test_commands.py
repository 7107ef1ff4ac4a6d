"""The whole protocol from the command line: prepare, pretrain, transfer, distil, evaluate, raters, grid."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from enum import Enum
from pathlib import Path
from shutil import copytree
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ffe_edge import cli_choices
from ffe_edge.cli import app
from ffe_edge.emotions import LABELS
from ffe_edge.errors import ConfigError, DataError, FfeError
from ffe_train import import_weights, networks, recipes
from ffe_train.commands import figures_in_words
from ffe_train.grid import Cell, Job
from ffe_train.grid_state import Place, State, States
from ffe_train.predictions import Predictions, read_predictions, write_predictions
from ffe_train.prepared import open_prepared
from ffe_train.recipes import load_stage

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
DISTIL = """
stage = "distil"
name = "student"
teachers = ["elderly"]
temperature = 3.0
weight = 0.6
data = "old"
network = { architecture = "resnet18", preset = "tiny" }
folds = { outer = 2, inner = 2 }
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


def test_answers_that_are_another_label_than_the_predictions_count_as_other(tmp_path: Path) -> None:
    count, none = 8, np.zeros(8, np.int64)
    names = np.array([f"{n}.png" for n in range(count)])
    probs = np.eye(2, dtype=np.float32)[np.arange(count) // 2 % 2]
    predictions = Predictions(
        ("joy", "neutral"), names, np.array(list("aabbccdd")), np.full(count, "set"), np.arange(count) % 2, probs,
        none, none, np.full(count, np.nan, np.float32), np.full(count, ""), np.zeros((count, 3), np.float32),
    )  # fmt: skip
    write_predictions(predictions, tmp_path / "predictions.csv")
    answers = [f"{name},{rater},{answer}" for name in names for rater, answer in enumerate(("joy", "恐怖"))]
    (tmp_path / "answers.csv").write_text("\n".join(["path,rater,answer", *answers]), encoding="utf-8")
    words = (tmp_path / "predictions.csv", "--answers", tmp_path / "answers.csv", "--resamples", "100")
    assert "16 answers, 8 of them other" in ffe_edge("train", "raters", *words)
    ffe_edge("train", "evaluate", *words, "--out", tmp_path / "report")
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["raters"]["other"] == 8


def test_a_student_is_taught_by_a_finished_transfer(place: Path, tmp_path: Path) -> None:
    (tmp_path / "student.toml").write_text(DISTIL, encoding="utf-8")
    words = ("distil", tmp_path / "student.toml", "--sets", place / "sets", "--out", place / "runs", "--threads", "1")
    ffe_edge("train", *words)
    record = json.loads((place / "runs" / "student" / "stage.json").read_text(encoding="utf-8"))
    assert (record["distilled"]["temperature"], record["distilled"]["weight"]) == (3.0, 0.6)
    assert [teacher["recipe"]["name"] for teacher in record["distilled"]["teachers"]] == ["elderly"]
    assert len(read_predictions(place / "runs" / "student" / "predictions.csv")) == 72


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        pytest.param("nobody", "teachers: nobody is no stage", id="not-done"),
        pytest.param("identities", "teachers: identities is a pretraining", id="pretraining"),
    ],
)
def test_a_teacher_must_be_a_finished_transfer(place: Path, tmp_path: Path, teacher: str, message: str) -> None:
    (tmp_path / "student.toml").write_text(DISTIL.replace('["elderly"]', f'["{teacher}"]'), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        ffe_edge("train", "distil", tmp_path / "student.toml", "--sets", place / "sets", "--out", place / "runs")


def test_people_of_another_set_are_left_out(place: Path, tmp_path: Path) -> None:
    same = ("rendered-expressions", "--option", "people=8", "--option", "images=1", "--option", "size_px=96")
    more = ("rendered-expressions", "--option", "people=11", "--option", "images=1", "--option", "size_px=96")
    ffe_edge("train", "prepare", *more, "-o", tmp_path / "more", "--without", place / "sets" / "old")
    kept = {(row.source, row.subject) for row in open_prepared(tmp_path / "more").rows}
    tested = {(row.source, row.subject) for row in open_prepared(place / "sets" / "old").rows}
    assert (len(kept), kept & tested) == (3, set())
    with pytest.raises(ConfigError, match="nobody is left"):
        ffe_edge("train", "prepare", *same, "-o", tmp_path / "none", "--without", place / "sets" / "old")


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
        pytest.param(("raters", "{place}/runs/elderly", "--published"), "leave one out", id="published-and-stage"),
        pytest.param(("raters", "--answers", "{tmp}/a.csv", "--published"), "leave one out", id="published-answers"),
        pytest.param(
            ("prepare", "rendered-expressions", "-o", "{tmp}/x", "--option", "seed=1", "--option", "seed=2"),
            "seed is given twice",
            id="option-twice",
        ),
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


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        pytest.param(("transfer", "r.toml", "--sets", "s", "--device", "gpu"), ("cpu", "cuda"), id="device"),
        pytest.param(("distil", "r.toml", "--sets", "s", "--device", "gpu"), ("cpu", "cuda"), id="distil-device"),
        pytest.param(("pretrain", "r.toml", "--sets", "s", "--accelerator", "foo"), ("cpu", "cuda"), id="accelerator"),
        pytest.param(("import", "w", "-o", "x", "--licence", "l", "--kind", "k"), ("adaface", "cvlface"), id="kind"),
        pytest.param(
            ("import", "w", "-o", "x", "--licence", "l", "--architecture", "vgg"), ("resnet18", "face-resnet50"),
            id="architecture",
        ),
        pytest.param(
            ("import", "w", "-o", "x", "--licence", "l", "--flavour", "f"), ("adaface", "insightface"), id="flavour"
        ),
        pytest.param(("grid", "g.toml", "--sets", "s", "--script", "pbs"), ("slurm", "age"), id="script"),
    ],
)  # fmt: skip
def test_a_word_that_is_no_choice_is_refused_with_the_choices(words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["train", *words], terminal_width=200)
    assert result.exit_code == 2
    for choice in choices:
        assert choice in result.output


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        pytest.param(cli_choices.Architecture, networks.Imported, id="architecture"),
        pytest.param(cli_choices.WeightKind, import_weights.Kind, id="kind"),
        pytest.param(cli_choices.Flavour, recipes.Network.model_fields["flavour"].annotation, id="flavour"),
    ],
)
def test_choices_are_those_that_the_training_knows(choices: type[Enum], words: Any) -> None:
    assert [choice.value for choice in choices if choice.value != "auto"] == list(get_args(words))


def test_the_published_tables_need_no_torch() -> None:
    program = "import sys; sys.modules.update(torch=None, safetensors=None); from ffe_edge.cli import main; main()"
    words = [sys.executable, "-c", program, "train", "raters", "--published"]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "divided by ten" in result.stdout


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
def test_a_grid_ends_in_a_table_with_marks_and_goes_on_where_it_was(place: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    words = ("train", "grid", tmp_path / "grid.toml", "--sets", place / "sets", "--out", tmp_path / "runs")
    ffe_edge(*words, "--threads", "1", "--table", tmp_path / "table.md")
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "n = 72 images of 8 people, 9 labels" in table
    assert "whom an earlier stage has learned: none" in table
    assert table.count("**0.") == 1
    assert (tmp_path / "table-old.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "grid.toml").write_text(GRID.replace("0.05", "0.04"), encoding="utf-8")
    ffe_edge(*words, "--table-only", "--table", tmp_path / "table.md")
    changed = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| softmax | stale |" in changed
    assert "- softmax.resnet18.0.1: stale" in changed


def job_of(place: Path, recipe: str) -> Job:
    return Job(load_stage(place / recipe), (), Cell("toy", "resnet18"))  # type: ignore[arg-type]


def test_a_job_is_done_only_by_its_own_recipe_sets_and_start(place: Path, tmp_path: Path) -> None:
    here = Place(place / "sets", place / "runs")
    for recipe in ("pretrain.toml", "transfer.toml"):
        job = job_of(place, recipe)
        assert States([job], here).of(job) == State("done")
        other = replace(
            job,
            recipe=job.recipe.model_copy(
                update={"network": job.recipe.network.model_copy(update={"embedding": False})}
            ),
        )
        assert States([other], here).of(other).kind == "stale"
    for name in ("young", "old"):
        copytree(place / "sets" / name, tmp_path / "sets" / name)
        manifest = tmp_path / "sets" / name / "manifest.csv"
        manifest.write_text(manifest.read_text(encoding="utf-8").replace(",f,", ",m,"), encoding="utf-8")
    changed = Place(tmp_path / "sets", place / "runs")
    assert [
        States([job], changed).of(job).kind for job in (job_of(place, "pretrain.toml"), job_of(place, "transfer.toml"))
    ] == ["stale", "stale"]


def test_a_cluster_s_script_is_printed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID, encoding="utf-8")
    told = ffe_edge("train", "grid", tmp_path / "grid.toml", "--sets", place / "sets", "--script", "slurm")
    assert told.count("sbatch") == 2


def test_a_stage_s_line_counts_whole_people_and_repeats_the_warning() -> None:
    metrics = {
        "accuracy": 0.51234,
        "accuracy_95": [0.4, 0.6],
        "subjects": 111,
        "seen_people": 2,
        "warning": "2 were seen",
    }
    assert figures_in_words(metrics) == "accuracy 0.512, subjects 111, seen people 2, 2 were seen"
    assert figures_in_words({"seen_people": None}) == "done"
