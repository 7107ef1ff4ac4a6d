"""The temperature that a pretraining on expressions is given: of least loss on faces that it has not learned."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from ffe_train.calibration import fit_temperature
from ffe_train.checkpoint import load_expression_network, read_stored, save_expression_network
from ffe_train.files import write_json
from ffe_train.logits import logits_of
from ffe_train.pretrain_data import Lesson
from ffe_train.recipes import Pretrain
from ffe_train.resume import RECORD

WRITTEN_ANEW: Final = {"network", "labels", "tap", "temperature"}
"""Metadata that come from elsewhere when weights are written again."""

logger = logging.getLogger(__name__)


def temperature_of(network: nn.Module, lesson: Lesson, recipe: Pretrain, device: torch.device) -> float | None:
    """The temperature of least loss on the split ``val`` of ``recipe.calibrate``; None where these sets have none.

    Args:
        network: images (B, 3, 112, 112) -> logits (B, K), on the device.
        lesson: holds the faces.
        recipe: names the sets; nothing named: all.
        device: where the network is.
    """
    if lesson.val is None or lesson.val_class is None or lesson.val_set is None:
        return None
    wanted = [number for number, name in enumerate(recipe.data) if name in (recipe.calibrate or recipe.data)]
    index = np.flatnonzero(np.isin(lesson.val_set, wanted))
    if not len(index):
        return None
    return fit_temperature(logits_of(network, lesson.val.select(index), device), lesson.val_class[index])


def calibrated_anew(folder: Path, record: dict[str, Any], lesson: Lesson, recipe: Pretrain) -> dict[str, Any]:
    """The record of a finished stage; where it was calibrated on other sets, the temperature is fitted again first.

    Raises:
        ModelError: the weights are absent or damaged.
        DataError: the disk is full or the folder cannot be written.
    """
    if recipe.learn != "expression" or tuple(record["recipe"].get("calibrate", ())) == recipe.calibrate:
        return record
    network, stored = load_expression_network(folder), read_stored(folder)
    temperature = temperature_of(network, lesson, recipe, torch.device("cpu"))
    logger.info("stage %s has a new temperature", recipe.name)
    now = {} if temperature is None else {"temperature": temperature}
    kept = {name: value for name, value in stored.about.items() if name not in WRITTEN_ANEW}
    save_expression_network(stored.tensors, folder, stored.spec, lesson.classes, {**kept, **now}, tap=network.tap)
    old = {name: value for name, value in record.items() if name != "temperature"}
    new = {**old, **now, "recipe": recipe.model_dump(mode="json")}
    write_json(new, folder / RECORD)
    return new
