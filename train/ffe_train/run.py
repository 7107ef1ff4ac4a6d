"""`ffe-edge train`: data in, stages, a test on people that no stage has seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track as rich_track

from ffe_edge.config import DetectorSettings
from ffe_edge.errors import DataError
from ffe_edge.faces import YuNet
from ffe_train.data import (
    Progress,
    Samples,
    concatenate,
    load_samples,
    read_ferplus,
    read_lfw,
    read_london,
    save_samples,
)
from ffe_train.evaluate import evaluate, fit_temperature, softmax
from ffe_train.fit import Epoch, predict
from ffe_train.model import SmallResNet
from ffe_train.recipe import Recipe, load_recipe
from ffe_train.rendered import render_people
from ffe_train.stages import Stage, load_network, run_stage

TERMS: Final = {
    "ferplus": "FER2013 images with FER+ votes (votes MIT, images for research)",
    "lfw": "LFW faces with expression labels (research)",
    "rendered": "rendered people (this project, Apache-2.0)",
}
FERPLUS_CONFIDENCE: Final = 0.5
"""FER's 48 px pictures are hard for the detector; a doubtful face is still the only one in them."""


def train_stages(
    recipe_paths: Sequence[Path], *, data: Path, detector_path: Path, out: Path, threads: int, console: Console
) -> None:
    """Run the stages in their order and write ``evaluation.json`` of the last one.

    Raises:
        FfeError: a recipe, a data set or the detector cannot be used; said before training starts.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    recipes = [load_recipe(path) for path in recipe_paths]
    sets = {name: load(out, data, detector_path, recipes, console) for name, load in _loaders(recipes).items()}
    for recipe in recipes:
        console.print(f"stage {recipe.name}: {recipe.epochs} epochs", highlight=False)
        samples = concatenate([sets[name] for name in recipe.sources])
        stage = run_stage(recipe, samples, out / "stages", partial(_say_epoch, console, recipe))
    evaluation = evaluate_stage(stage, sets)
    (out / "evaluation.json").write_text(json.dumps(evaluation, indent=1, ensure_ascii=False), encoding="utf-8")
    for name, result in evaluation["test"].items():
        accuracy = result["accuracy"]
        console.print(f"{name:12} accuracy {accuracy['value']:.3f} ({accuracy['low']:.3f}-{accuracy['high']:.3f})")


def evaluate_stage(stage: Stage, sets: dict[str, Samples]) -> dict[str, Any]:
    """Temperature on val, everything else on test; London is a test set as a whole."""
    network = load_network(stage)
    used = concatenate([sets[name] for name in stage.record["recipe"]["sources"]])
    temperature = _temperature(network, used[np.flatnonzero(used.split == "val")])
    results = {}
    for name, samples in _test_sets(sets):
        results[name] = evaluate(softmax(predict(network, samples.crops), temperature), samples)
    return {
        "stage": stage.record["recipe"]["name"],
        "temperature": temperature,
        "commit": stage.record["commit"],
        "recipe": stage.record["recipe"],
        "images": stage.record["images"],
        "data": [TERMS[name] for name in stage.record["recipe"]["sources"]],
        "test": results,
    }


def _temperature(network: SmallResNet, val: Samples) -> float:
    """Every source counts the same, so that the many FER+ images do not decide alone."""
    by_source = [np.flatnonzero(val.source == source) for source in np.unique(val.source)]
    fewest = min(len(index) for index in by_source)
    picked = val[np.concatenate([index[:fewest] for index in by_source])]
    return fit_temperature(predict(network, picked.crops), picked.class_id)


def _test_sets(sets: dict[str, Samples]) -> Iterator[tuple[str, Samples]]:
    for name, samples in sets.items():
        test = samples[np.flatnonzero(samples.split == "test")]
        yield name, test
        if name == "lfw":
            yield "lfw 60+", test[np.flatnonzero(test.age_60_plus)]
            yield "lfw under 60", test[np.flatnonzero(~test.age_60_plus)]


Loader = Callable[[Path, Path, Path, Sequence[Recipe], Console], Samples]


def _loaders(recipes: Iterable[Recipe]) -> dict[str, Loader]:
    """What the recipes name, and London for the test."""
    names = list(dict.fromkeys(source for recipe in recipes for source in recipe.sources))
    return {name: partial(_cached, name) for name in [*names, "london"]}


def _cached(
    name: str, out: Path, data: Path, detector_path: Path, recipes: Sequence[Recipe], console: Console
) -> Samples:
    rendered = next((recipe.rendered for recipe in recipes if "rendered" in recipe.sources), None)
    tag = (
        "" if name != "rendered" or rendered is None else "-" + "-".join(str(n) for n in rendered.model_dump().values())
    )
    path = out / "prepared" / f"{name}{tag}.npz"
    if path.is_file():
        return load_samples(path)
    bar: Progress = partial(_bar, console)
    if name == "ferplus":
        detector = YuNet(detector_path, DetectorSettings(confidence=FERPLUS_CONFIDENCE, long_side_px=640))
        samples = read_ferplus(data / "ferplus" / "ferplus_dev.zip", detector, bar)
    elif name == "lfw":
        samples = read_lfw(data / "lfw_expressions", bar)
    elif name == "london":
        samples = read_london(data / "london", bar)
    elif rendered is not None:
        samples = render_people(rendered, bar)
    else:
        raise DataError(f"{name}: is no source of this program")
    save_samples(samples, path)
    return samples


def _bar(console: Console, items: Iterable[Any], description: str, total: int) -> Iterable[Any]:
    return rich_track(items, description, total, console=console)


def _say_epoch(console: Console, recipe: Recipe, epoch: Epoch) -> None:
    console.print(
        f"  epoch {epoch.number}/{recipe.epochs}: loss {epoch.loss:.3f}, val {epoch.val_accuracy:.3f},"
        f" {epoch.seconds:.0f} s",
        highlight=False,
    )
