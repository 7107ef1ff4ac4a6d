"""A stage that prepares a finished network for INT8: it learns to say with rounded numbers what it says without.

The result is the same network with other FP32 weights, in a folder like any other stage's, and is exported and
quantized like any other. Tuning is worth its while where quantizing alone loses too much: the stage measures that
first, and writes both figures down.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn.functional import log_softmax

from ffe_edge.types import FloatArray
from ffe_train.checkpoint import WEIGHTS, Stored, load_expression_network, read_stored, save_expression_network
from ffe_train.devices import device_of, silent
from ffe_train.files import commit, load_resume, save_resume, write_json
from ffe_train.networks import ExpressionNetwork
from ffe_train.people import PEOPLE, write_people
from ffe_train.prepared import IntArray, PreparedSet
from ffe_train.pretrain import StageResult
from ffe_train.pretrain_loop import Step
from ffe_train.quantization_aware_data import Aware, Lesson, lesson_of
from ffe_train.quantization_aware_tuning import Epoch, Tuning, logits_of, quantized_logits
from ffe_train.resume import RECORD, check_same, digest_of, finished
from ffe_train.significance import wilson
from ffe_train.stage_folder import TUNING, Origin, check_own, origin_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """Who is told how far it is."""

    on_epoch: Callable[[Epoch], None] = silent
    on_step: Callable[[Step], None] = silent


def quantization_aware(
    recipe: Aware,
    start: Path,
    sets: Sequence[PreparedSet],
    out: Path,
    *,
    device: str | torch.device = "auto",
    threads: int = 1,
    fresh: bool = False,
    told: Told | None = None,
) -> StageResult:
    """Tune a finished network, go on where it was stopped, or give back what came of it.

    The same recipe, network and sets give the same weights on the same machine, device and threads.

    Args:
        recipe: what to do.
        start: folder of a stage that learned expressions.
        sets: the prepared sets of ``recipe.data``; labels are needed only where they are to count.
        out: folder of stages; this one's is made in it, with ``weights.safetensors``, ``stage.json``, ``people.txt``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of torch, and of the preparation of pictures.
        fresh: begin anew, whatever the stage's folder holds.
        told: of every step and epoch.

    Raises:
        ConfigError: the device is not there, the folder is another kind's, or labels are to count and there are none.
        DataError: as ``lesson_of``; another recipe's result in the folder; a loss that is no longer a number; a full
            disk.
        ModelError: the network is absent, damaged, or tells no expressions.
    """
    place, told = device_of(device), told or Told()
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    network = load_expression_network(start)
    plan = _planned(recipe, start, sets, out / recipe.name)
    if (record := _begun(plan, fresh)) is not None:
        return StageResult(plan.folder, record)
    position = _position(plan)
    torch.manual_seed(recipe.seed)
    lesson = plan.lesson
    network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    said = {"fp32": logits_of(network, lesson.measured, place), "before": quantized_logits(network, lesson, recipe)}
    tuning = Tuning(network, lesson, recipe, threads=threads)
    if position is not None:
        tuning.go_on_from(position)
        logger.info("%s: going on after epoch %d", recipe.name, len(tuning.history))
    while not tuning.is_done:
        epoch = tuning.run_epoch(told.on_step)
        save_resume({**tuning.state(), "made_of": json.dumps(plan.made_of)}, plan.folder / TUNING)
        told.on_epoch(epoch)
    said["after"] = quantized_logits(network, lesson, recipe)
    said["fp32_after"] = logits_of(network, lesson.measured, place)
    return StageResult(plan.folder, _finish(plan, network, tuning.history, figures(said, lesson.truth)))


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a tuning starts from, looked over."""

    recipe: Aware
    folder: Path
    stored: Stored
    origin: Origin
    lesson: Lesson
    made_of: Mapping[str, Any]
    """All that decides the result."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the network's outputs."""
        return tuple(self.stored.about["labels"])


def _planned(recipe: Aware, start: Path, sets: Sequence[PreparedSet], folder: Path) -> _Plan:
    check_own(folder, "aware", [start])
    stored, origin = read_stored(start), origin_of(start)
    made_of = {
        "recipe": recipe.model_dump(mode="json"),
        "data": {one.name: one.digest for one in sets},
        "start": origin.sha256,
    }
    lesson = lesson_of(recipe, sets, tuple(stored.about["labels"]), origin.people)
    return _Plan(recipe, folder, stored, origin, lesson, made_of)


def _begun(plan: _Plan, fresh: bool) -> dict[str, Any] | None:
    """The record of this very stage where it is finished; with ``fresh`` nothing is left of it."""
    if fresh:
        for name in (RECORD, TUNING, WEIGHTS, PEOPLE):
            (plan.folder / name).unlink(missing_ok=True)
    return None if (plan.folder / TUNING).is_file() else finished(plan.folder, plan.made_of)


def _position(plan: _Plan) -> dict[str, Any] | None:
    """Where an earlier run was stopped, None at a beginning."""
    path = plan.folder / TUNING
    if not path.is_file():
        return None
    state = load_resume(path)
    check_same(path, json.loads(state.get("made_of", "{}")), plan.made_of)
    return state


def _finish(
    plan: _Plan, network: ExpressionNetwork, history: Sequence[Epoch], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """People and weights first, then the record that makes the stage a finished one, then the position goes.

    The temperature stays: what the network says is what it said before.
    """
    recipe, stored, people = plan.recipe, plan.stored, plan.origin.people | plan.lesson.people
    about = {
        "stage": recipe.name,
        "learn": "expression",
        "colour": "RGB",
        "digest": digest_of(plan.made_of),
        **plan.origin.about(recipe.data, people),
        **({"temperature": stored.about["temperature"]} if "temperature" in stored.about else {}),
        "quantization_aware": {"weight_bits": recipe.bits, "activation_bits": 8},
    }
    write_people(people, plan.folder)
    save_expression_network(network.state_dict(), plan.folder, stored.spec, plan.labels, about, tap=network.tap)
    record = {
        **about,
        "recipe": recipe.model_dump(mode="json"),
        "made_of": dict(plan.made_of),
        "commit": commit(),
        "images": len(plan.lesson.train),
        "people": len(people.lines),
        "history": [asdict(epoch) for epoch in history],
        "metrics": {**metrics, **plan.lesson.seen},
    }
    write_json(record, plan.folder / RECORD)
    (plan.folder / TUNING).unlink(missing_ok=True)
    return record


def figures(said: Mapping[str, FloatArray], truth: IntArray) -> dict[str, Any]:
    """How often the most likely label is that of the FP32 network before, and is the truth, of those measured.

    Args:
        said: (M, K) logits of ``fp32``, and of what is compared with it.
        truth: (M,) class ids, -1 where a face has no label.

    Returns:
        ``measured`` faces, ``divergence_...`` (KL, nats) and ``agreement_...`` and, of the ``labelled``,
        ``accuracy_...``; ``intervals`` of 95 % over images, as agreement is near 1, where drawing people again would
        show no doubt at all.
    """
    compared = [name for name in said if name != "fp32"]
    chosen = {name: logits.argmax(axis=1) for name, logits in said.items()}
    labelled = truth >= 0
    right = {f"agreement_{name}": chosen[name] == chosen["fp32"] for name in compared}
    if labelled.any():
        right |= {f"accuracy_{name}": answer[labelled] == truth[labelled] for name, answer in chosen.items()}
    shares = {name: wilson(int(np.sum(hits)), len(hits)) for name, hits in right.items()}
    return {
        "measured": len(truth),
        "labelled": int(labelled.sum()),
        **{f"divergence_{name}": _divergence(said["fp32"], said[name]) for name in compared},
        **{name: share.value for name, share in shares.items()},
        "intervals": {name: share.as_dict() for name, share in shares.items()},
    }


def _divergence(taught: FloatArray, said: FloatArray) -> float:
    """Mean KL of what is said from what was taught, both (M, K) logits."""
    goal, answer = (np.asarray(log_softmax(torch.from_numpy(logits).double(), dim=1)) for logits in (taught, said))
    return float((np.exp(goal) * (goal - answer)).sum(axis=1).mean())
