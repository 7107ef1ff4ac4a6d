"""A job is done only by what was made of its recipe, of the sets as they are and of its start as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ffe_train import grid_run
from ffe_train.checkpoint import weights_digest
from ffe_train.grid import Grid, Job, jobs_of
from ffe_train.grid_run import command_of, run_here
from ffe_train.grid_state import Place, States
from ffe_train.manifest import Row
from ffe_train.prepared import open_prepared, write_prepared
from ffe_train.recipes import Transfer
from ffe_train.resume import digest_of, save_position
from ffe_train.stage_folder import made
from ffe_train.tasks import NINE

TOY = {
    "name": "toy",
    "architectures": ["resnet18"],
    "pretraining": {"softmax": {"learn": "identity", "data": ["faces"]}},
    "targets": {"old": {"data": "old", "labels": ["joy", "neutral"]}},
}
PRETRAINING, TRANSFER = "softmax.resnet18.0.1", "old.softmax.resnet18.0"


def write_set(folder: Path, seed: int = 0) -> None:
    crops = np.random.default_rng(seed).integers(0, 256, (4, 112, 112, 3), np.uint8)
    rows = [Row(f"{n}.png", f"person-{n}", label=("joy", "neutral")[n % 2]) for n in range(4)]
    write_prepared(folder, folder.name, crops, rows)


def made_of(job: Job, place: Place) -> dict[str, object]:
    """What the stage itself writes down."""
    if isinstance(job.recipe, Transfer):
        task = NINE.only(job.recipe.labels)
        return made(job.recipe, open_prepared(place.sets / "old"), task, place.out / PRETRAINING, None)
    digests = {"faces": open_prepared(place.sets / "faces").digest}
    return {"recipe": job.recipe.model_dump(mode="json"), "data": digests, "pairs": {}, "start": ""}


def finish(job: Job, place: Place, weights: bytes = b"weights") -> None:
    """Leave what a finished stage leaves."""
    folder = place.out / job.name
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    (folder / ("predictions.csv" if job.target else "weights.safetensors")).write_bytes(weights)
    parts = made_of(job, place)
    record = {"recipe": job.recipe.model_dump(mode="json"), "made_of": parts, "digest": digest_of(parts)}
    (folder / "stage.json").write_text(json.dumps(record), encoding="utf-8")
    if job.target:
        (folder / "parts" / "made_of.json").write_text(json.dumps(parts), encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Both sets, and both jobs done."""
    here = Place(tmp_path / "sets", tmp_path / "runs", device="cpu")
    for name in ("faces", "old"):
        write_set(here.sets / name)
    for job in jobs_of(Grid.model_validate(TOY)):
        finish(job, here)
    return here


def states_of(place: Place, **changes: object) -> dict[str, tuple[str, str]]:
    states = States(jobs_of(Grid.model_validate({**TOY, **changes})), place).all()
    return {name: (state.kind, state.why) for name, state in states.items()}


def test_what_matches_is_done(place: Place) -> None:
    assert {kind for kind, _ in states_of(place).values()} == {"done"}


def test_a_set_that_has_changed_makes_its_jobs_and_what_follows_stale(place: Place) -> None:
    write_set(place.sets / "faces", seed=1)
    states = states_of(place)
    assert states[PRETRAINING][0] == "stale"
    assert "data.faces was" in states[PRETRAINING][1]
    assert states[TRANSFER] == ("stale", f"needs {PRETRAINING}, which is stale")


def test_a_target_s_set_that_has_changed_makes_only_the_transfer_stale(place: Place) -> None:
    write_set(place.sets / "old", seed=1)
    states = states_of(place)
    assert states[PRETRAINING][0] == "done"
    assert (states[TRANSFER][0], "data.digest was" in states[TRANSFER][1]) == ("stale", True)


def test_other_starting_weights_make_a_transfer_stale(place: Place) -> None:
    (place.out / PRETRAINING / "weights.safetensors").write_bytes(b"others")
    states = states_of(place)
    assert states[PRETRAINING][0] == "done"
    assert states[TRANSFER][0] == "stale"
    assert f"is {weights_digest(place.out / PRETRAINING)[:12]}" in states[TRANSFER][1]


def test_another_recipe_is_named_by_what_differs(place: Place) -> None:
    targets = {"old": {"data": "old", "labels": ["joy", "neutral"], "folds": {"outer": 7}}}
    kind, why = states_of(place, targets=targets)[TRANSFER]
    assert (kind, "recipe.folds.outer was 5 and is 7" in why) == ("stale", True)


def test_a_transfer_whose_answers_are_gone_is_not_done_and_begins_anew(place: Place) -> None:
    (place.out / TRANSFER / "predictions.csv").unlink()
    jobs = jobs_of(Grid.model_validate(TOY))
    states = States(jobs, place)
    assert (states.of(jobs[1]).kind, states.goes_on(jobs[1])) == ("stale", False)


def test_an_unfinished_training_of_the_same_job_goes_on_even_when_fresh_is_said(place: Place) -> None:
    jobs = jobs_of(Grid.model_validate(TOY))
    (place.out / TRANSFER / "stage.json").unlink()
    save_position(place.out / PRETRAINING, made_of(jobs[0], place), {"step": 3})
    states = States(jobs, place)
    assert [states.goes_on(job) for job in jobs] == [True, True]
    write_set(place.sets / "faces", seed=1)
    assert [States(jobs, place).goes_on(job) for job in jobs] == [False, True]


def test_a_job_that_comes_out_as_it_was_leaves_what_follows_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pretraining is stale; trained anew it gives the same weights, so the transfer stands."""
    write_set(place.sets / "faces", seed=1)
    ran: list[tuple[str, bool]] = []

    def run(job: Job, here: Place, *, fresh: bool = False, environment: object = None) -> None:
        ran.append((job.name, fresh))
        finish(job, here)

    monkeypatch.setattr(grid_run, "run_job", run)
    anew = Place(place.sets, place.out, device="cpu", fresh=True)
    assert run_here(jobs_of(Grid.model_validate(TOY)), anew, workers=1, say=lambda _: None) == {}
    assert ran == [(PRETRAINING, True)]


def test_each_kind_of_job_gets_the_words_that_its_command_takes(tmp_path: Path) -> None:
    here = Place(tmp_path / "s", tmp_path / "o", tmp_path / "pain.toml", "cuda", 3)
    pretraining, transfer = (command_of(job, here, fresh=True) for job in jobs_of(Grid.model_validate(TOY)))
    assert pretraining[pretraining.index("--accelerator") + 1] == transfer[transfer.index("--device") + 1] == "cuda"
    for command in (pretraining, transfer):
        assert command[command.index("--labels") + 1] == str(tmp_path / "pain.toml")
        assert command[command.index("--threads") + 1] == "3"
        assert command[-1] == "--fresh"
