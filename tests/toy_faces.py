"""Prepared sets of coloured pictures that a small network learns in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ffe_edge.types import ImageArray
from ffe_train.manifest import Row
from ffe_train.prepared import IntArray, PreparedSet, open_prepared, write_prepared
from ffe_train.recipes import Pretrain

LABELS = ("joy", "sadness")


def pictures(kinds: IntArray, seed: int) -> ImageArray:
    """Each kind has a colour above and another below, under noise."""
    rng = np.random.default_rng(99)
    colours = rng.integers(0, 255, (int(kinds.max()) + 1, 2, 1, 1, 3))
    halves = colours[kinds].repeat(56, axis=2).reshape(len(kinds), 112, 1, 3)
    noise = np.random.default_rng(seed).normal(0, 10, (len(kinds), 112, 112, 3))
    return np.asarray(np.clip(halves + noise, 0, 255), np.uint8)


def identities(folder: Path, people: int = 8, each: int = 5, *, strangers: int = 4) -> PreparedSet:
    """People to learn, and strangers in the split ``test`` whose pairs measure verification."""
    kinds = np.arange(people + strangers).repeat(each)
    rows = [
        Row(f"{kind}/{number}.png", f"person-{kind}", split="train" if kind < people else "test", source="toy")
        for number, kind in enumerate(kinds.tolist())
    ]
    write_prepared(folder, "toy", pictures(kinds, 1), rows)
    first = people * each
    same = [f"{first + k * each + i},{first + k * each + i + 1},1" for k in range(strangers) for i in range(each - 1)]
    apart = [f"{first + i},{first + each + k},0" for i in range(each) for k in range(each * (strangers - 1))]
    (folder / "pairs.csv").write_text("\n".join(["a,b,same", *same, *apart]) + "\n")
    return open_prepared(folder)


def expressions(folder: Path, *, labels: tuple[str, ...] = LABELS, count: int = 48) -> PreparedSet:
    """Every picture another person; two in three to learn, the others to measure."""
    kinds = np.arange(count) % len(labels)
    rows = [
        Row(f"{k}.png", f"{k}", label=labels[kind], split="val" if k % 3 == 2 else "train", source="toy")
        for k, kind in enumerate(kinds.tolist())
    ]
    write_prepared(folder, "faces", pictures(kinds, 2), rows)
    return open_prepared(folder)


def recipe_of(learn: str = "identity", **changes: Any) -> Pretrain:
    """A tiny network, two epochs of a few steps; a section may be given in part."""
    values: dict[str, Any] = {
        "stage": "pretrain",
        "name": "toy",
        "learn": learn,
        "data": ["toy" if learn == "identity" else "faces"],
        "network": {"architecture": "face-resnet18", "preset": "tiny"},
        "schedule": {"epochs": 2, "batch": 8, "learning_rate": 0.05, "milestones": []},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return Pretrain.model_validate(values)
