"""Stages of a recipe: data in, a checkpoint with its JSON out; a finished stage is not run again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_train.data import Samples, check_subjects
from ffe_train.fit import Epoch, fit
from ffe_train.model import SmallResNet
from ffe_train.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """A finished stage."""

    weights: Path
    """safetensors of the averaged network."""
    record: dict[str, Any]
    """Recipe, digest, commit and history; stands beside the weights as JSON."""


def run_stage(recipe: Recipe, samples: Samples, folder: Path, report: Any = None) -> Stage:
    """Train one stage, or give back its result when the same recipe has been run on the same data and start.

    Args:
        recipe: what to do.
        samples: every split of every source; only ``train`` is learned from.
        folder: where checkpoints lie.
        report: called with each finished ``Epoch``.

    Raises:
        DataError: a class has no sample, a person stands in two splits, or training diverged.
    """
    check_subjects(samples)
    weights, record_path = folder / f"{recipe.name}.safetensors", folder / f"{recipe.name}.json"
    digest = _digest(recipe, samples, folder)
    if weights.is_file() and record_path.is_file():
        record = json.loads(record_path.read_text(encoding="utf-8"))
        if record["digest"] == digest:
            logger.info("stage %s is done already", recipe.name)
            return Stage(weights, record)
    train = samples[np.flatnonzero((samples.split == "train") & np.isin(samples.source, recipe.sources))]
    val = samples[np.flatnonzero((samples.split == "val") & np.isin(samples.source, recipe.sources))]
    _check_classes(train, recipe)
    code = commit()
    network = new_network(recipe, folder)
    history: list[Epoch] = []
    for epoch in fit(network, train, val, recipe):
        history.append(epoch)
        if report:
            report(epoch)
    record = {
        "recipe": recipe.model_dump(),
        "digest": digest,
        "commit": code,
        "images": {source: int((train.source == source).sum()) for source in recipe.sources},
        "history": [asdict(epoch) for epoch in history],
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = weights.with_suffix(".part")
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, temporary)
    _put(temporary, weights)
    temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    _put(temporary, record_path)
    return Stage(weights, record)


def new_network(recipe: Recipe, folder: Path) -> SmallResNet:
    """A network with fresh weights, or with those of the stage that the recipe starts from."""
    torch.manual_seed(recipe.seed)
    network = SmallResNet(len(LABELS), recipe.widths)
    if recipe.start_from is not None:
        source = folder / f"{recipe.start_from}.safetensors"
        if not source.is_file():
            raise DataError(
                f"{recipe.name} starts from stage {recipe.start_from}, but {source} is not there: run it first"
            )
        try:
            network.load_state_dict(load_file(source))
        except RuntimeError as error:
            raise DataError(f"{source}: holds another network than {recipe.name}: widths must agree") from error
    return network


def load_network(stage: Stage) -> SmallResNet:
    """The network of a finished stage."""
    network = SmallResNet(len(LABELS), stage.record["recipe"]["widths"])
    network.load_state_dict(load_file(stage.weights))
    return network.eval()


def commit() -> str:
    """The repository's commit, with ``+`` where files differ from it; empty outside a repository."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def _check_classes(train: Samples, recipe: Recipe) -> None:
    counts = np.bincount(train.class_id, minlength=len(LABELS))
    missing = [label for label, count in zip(LABELS, counts, strict=True) if count == 0]
    if missing and "rendered" in recipe.sources:
        raise DataError(f"{recipe.name}: no training image shows {', '.join(missing)}")
    if missing:
        logger.info("%s: no image shows %s; a later stage has to", recipe.name, ", ".join(missing))


def _digest(recipe: Recipe, samples: Samples, folder: Path) -> str:
    """Of everything that decides the result: recipe, data, starting weights."""
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    digest.update(samples.crops.tobytes())
    digest.update(samples.targets.tobytes())
    for names in (samples.split, samples.source):
        digest.update("\n".join(names.tolist()).encode())
    if recipe.start_from is not None and (folder / f"{recipe.start_from}.safetensors").is_file():
        digest.update((folder / f"{recipe.start_from}.safetensors").read_bytes())
    return digest.hexdigest()


def _put(temporary: Path, path: Path) -> None:
    """Give a complete file its name, so that a full disk leaves the old one."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.rename(path)
