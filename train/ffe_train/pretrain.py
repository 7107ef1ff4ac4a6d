"""A stage that learns identities or expressions of large sets: on one device or on many nodes, stopped or not."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.rank_zero import rank_zero_only

from ffe_edge.errors import ConfigError
from ffe_train.batches import Epochs
from ffe_train.checkpoint import (
    load_backbone,
    load_expression_network,
    read_stored,
    save_backbone,
    save_expression_network,
    weights_digest,
)
from ffe_train.devices import Options, device_of, launched, silent
from ffe_train.files import commit, read_json, write_atomically, write_json
from ffe_train.heads import new_head
from ffe_train.networks import ExpressionNetwork, NetworkSpec, new_backbone
from ffe_train.people import PEOPLE, People, people_of, write_people
from ffe_train.prepared import PreparedSet
from ffe_train.pretrain_data import Lesson, lesson_of
from ffe_train.pretrain_loop import Epoch, IdentityLearner, Training
from ffe_train.recipes import Network, Pretrain
from ffe_train.resume import RECORD, RESUME, digest_of, finished, load_position
from ffe_train.stage_folder import Origin, check_own, origin_of
from ffe_train.tasks import NINE, Task
from ffe_train.teaching import taught, taught_by_voices
from ffe_train.temperature import calibrated_anew, temperature_of
from ffe_train.voices import read_voices

logger = logging.getLogger(__name__)

HISTORY: Final = "history.csv"
TOLD: Final = "told"
"""Folder of what teachers have said, beside the stages."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage."""

    folder: Path
    """Holds ``weights.safetensors``, ``stage.json``, ``history.csv`` and ``people.txt``."""
    record: dict[str, Any]
    """What stands in ``stage.json``."""


def pretrain(
    recipe: Pretrain,
    sets: Mapping[str, PreparedSet],
    out: Path,
    *,
    task: Task = NINE,
    start: Path | None = None,
    teachers: Sequence[Path] = (),
    voices: Path | None = None,
    options: Options | None = None,
) -> StageResult:
    """Run a stage, go on with it where it was stopped, or give back its result where it is done.

    Several devices need the program to be started by torchrun, or be able to start itself again.

    Args:
        recipe: what to learn.
        sets: prepared sets by the recipe's names.
        out: folder of stages; this one's is made in it.
        task: labels, where expressions are learned.
        start: folder of the stage or the imported weights that ``recipe.network.start_from`` names.
        teachers: folders of the stages that ``recipe.teaching`` names, in its order; not asked where there is
            ``voices``.
        voices: file of what they have said, see ``voices.py``.
        options: where and how.

    Raises:
        ConfigError: a set, the start or a teacher is not given, a teacher tells other labels, the folder is another
            kind's, or the devices are not there.
        DataError: the data cannot be learned, the folder holds another recipe's result, the loss is no longer a
            number, or the disk is full.
        ModelError: the start is absent, damaged or of another network.
    """
    options = options or Options()
    lesson, told = lesson_of(recipe, sets, task), read_voices(voices) if voices else None
    if told is not None:
        lesson = taught_by_voices(lesson, recipe, told)
    elif recipe.teaching is not None:
        lesson = taught(lesson, recipe, teachers, out / TOLD, device_of(options.accelerator))
    folder, made_of = out / recipe.name, _made_of(recipe, lesson, start)
    check_own(folder, "pretrain", [start, *teachers])
    origin = origin_of(start, teachers) if told is None else origin_of(start).taught_by(told)
    people = origin.people | people_of(lesson.people)
    record = None if options.fresh else finished(folder, made_of)
    if record is not None:
        logger.info("stage %s is done already", recipe.name)
        _add_people(folder, people)
        return StageResult(folder, calibrated_anew(folder, record, lesson, recipe))
    learner = new_learner(recipe, lesson, start)
    fabric = launched(options, precision=recipe.schedule.precision, batch=recipe.schedule.batch)
    training = Training(recipe, lesson, learner, fabric, epochs_of(recipe, lesson, fabric, options))
    if options.fresh and fabric.is_global_zero:
        (folder / RESUME).unlink(missing_ok=True)
    fabric.barrier()
    _run(training, folder, made_of, options)
    if fabric.is_global_zero:
        _finish(training, folder, made_of, origin, people)
    fabric.barrier()
    return StageResult(folder, read_json(folder / RECORD))


def spec_of(network: Network) -> NetworkSpec:
    """The network that a recipe names."""
    return NetworkSpec(network.architecture, network.preset, network.flavour, network.embedding)


def new_learner(recipe: Pretrain, lesson: Lesson, start: Path | None) -> IdentityLearner | ExpressionNetwork:
    """Backbone and head: the backbone from the start where there is one, and the head too if it tells the same labels.

    Raises:
        ModelError: the start is absent, damaged or of another network.
    """
    torch.manual_seed(recipe.seed)
    spec, head = spec_of(recipe.network), recipe.head
    backbone = new_backbone(spec) if start is None else load_backbone(start, spec)
    if recipe.learn == "expression":
        if start is not None and tuple(read_stored(start).about.get("labels", ())) == lesson.classes:
            return load_expression_network(start)
        return ExpressionNetwork(backbone, len(lesson.classes))
    return IdentityLearner(
        backbone,
        new_head(
            head.kind,
            backbone.dim,
            len(lesson.classes),
            margin=head.margin,
            scale=head.scale,
            h=head.h,
            alpha=head.alpha,
        ),
    )


def epochs_of(recipe: Pretrain, lesson: Lesson, fabric: Fabric, options: Options) -> Epochs:
    """This rank's batches."""
    return Epochs(
        lesson.train.crops,
        lesson.targets,
        lesson.counts,
        lesson.weights,
        recipe.schedule.batch,
        recipe.seed,
        recipe.augment,
        fabric.global_rank,
        fabric.world_size,
        options.threads,
        options.workers,
    )


def _made_of(recipe: Pretrain, lesson: Lesson, start: Path | None) -> dict[str, Any]:
    if recipe.network.start_from and start is None:
        raise ConfigError(f"{recipe.name}: starts from {recipe.network.start_from}, which is not given")
    digest = "" if start is None else weights_digest(start)
    weights = {key: value for key, value in recipe.model_dump(mode="json").items() if key != "calibrate"}
    return {"recipe": weights, **lesson.made_of, "start": digest}


def _run(training: Training, folder: Path, made_of: Mapping[str, Any], options: Options) -> None:
    state = load_position(folder, made_of)
    if state is not None:
        training.go_on_from(state)
        logger.info("going on in epoch %d after step %d", training.at.epoch + 1, training.at.step)
    save = partial(training.save, folder, made_of)
    is_first = training.fabric.is_global_zero
    on_step = options.on_step if is_first else silent
    with closing(training.batches()) as batches:
        while training.at.epoch < training.recipe.schedule.epochs:
            epoch = training.run_epoch(batches, save, options.checkpoint_every_steps, on_step)
            save()
            if is_first:
                _write_history(training.at.history, folder / HISTORY)
                options.on_epoch(epoch)


def _write_history(history: list[Epoch], path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *(field.name for field in fields(Epoch)[1:])])
    writer.writerows(astuple(epoch) for epoch in history)
    write_atomically(path, text.getvalue().encode())


@rank_zero_only
def _add_people(folder: Path, people: People) -> None:
    """To a stage that was finished before stages wrote down whom they learned."""
    if not (folder / PEOPLE).is_file():
        write_people(people, folder)


def _finish(training: Training, folder: Path, made_of: Mapping[str, Any], origin: Origin, people: People) -> None:
    """People and weights first, then the record that makes the stage a finished one, then the position goes."""
    recipe, lesson, result = training.recipe, training.lesson, training.result
    about = {
        "stage": recipe.name,
        "learn": recipe.learn,
        "colour": "RGB",
        "digest": digest_of(made_of),
        **origin.about(recipe.learned, people),
    }
    write_people(people, folder)
    if isinstance(result, ExpressionNetwork):
        spec = result.backbone.spec
        temperature = temperature_of(training.result_network, lesson, recipe, training.fabric.device)
        about |= {} if temperature is None else {"temperature": temperature}
        save_expression_network(training.result_state, folder, spec, lesson.classes, about)
    else:
        save_backbone(training.result_state, folder, result.spec, about)
    record = {
        **about,
        "recipe": recipe.model_dump(mode="json"),
        "made_of": dict(made_of),
        "commit": commit(),
        "images": dict(zip(recipe.learned, lesson.counts, strict=True)),
        "classes": len(lesson.classes),
        "people": len(people.lines),
        "history": [asdict(epoch) for epoch in training.at.history],
        "metrics": training.at.figures,
    }
    write_json(record, folder / RECORD)
    (folder / RESUME).unlink(missing_ok=True)
