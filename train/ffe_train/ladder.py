"""A ladder: stages that each add one thing to another, on the same faces and from several seeds, rung beside rung.

A rung is measured on people whom none of its stages has learned, and on faces that choose and do not test: what the
ladder keeps goes into the model whose figures are then taken on the split ``test``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
from pydantic import Field, ValidationError, model_validator

from ffe_edge.errors import ConfigError, DataError
from ffe_edge.types import FloatArray
from ffe_train.calibration import softmax
from ffe_train.checkpoint import load_expression_network, read_stored
from ffe_train.devices import Options, device_of
from ffe_train.logits import logits_of
from ffe_train.people import people_of, read_people
from ffe_train.prepared import PreparedSet, open_prepared
from ffe_train.pretrain import pretrain
from ffe_train.recipes import Name, Pretrain, Section, stage_of
from ffe_train.tasks import NINE
from ffe_train.toml_file import read_toml

LIKE: Final = "like"
"""Key of a stage that takes over what another has."""


class Judge(Section):
    """Faces that a rung is measured on."""

    name: str
    data: Name
    """A prepared set."""
    split: str = "val"
    min_age: float | None = None


class Rung(Section):
    """One line of the table."""

    name: str
    stage: Name
    against: str = ""
    """Name of the rung that it adds something to."""
    flip: bool = False
    """Take the mean of each face and its mirror image."""
    ensemble: bool = False
    """Take the mean of all seeds' probabilities."""


class Ladder(Section):
    """Stages and rungs in their order."""

    name: Name
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    judges: Annotated[tuple[Judge, ...], Field(min_length=1)]
    common: dict[str, Any] = Field(default={})
    """What every stage has, unless it says otherwise; tables are merged key by key."""
    stages: dict[Name, dict[str, Any]]
    """Pretrainings by name, each after those that it starts from or is taught by."""
    rungs: Annotated[tuple[Rung, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Ladder:
        before: set[str] = set()
        for rung in self.rungs:
            if rung.stage not in self.stages:
                raise ValueError(f"rungs: {rung.name} is of the stage {rung.stage}, which is not there")
            if rung.against and rung.against not in before:
                raise ValueError(f"rungs: {rung.name} is against {rung.against}, which does not stand before it")
            before.add(rung.name)
        return self

    def recipe(self, stage: str, seed: int) -> Pretrain:
        """One stage of one seed.

        Raises:
            ConfigError: a key is unknown, missing or out of range.
        """
        where = f"{self.name}: stages.{stage}"
        values = merged(self.common, self._own(stage, where))
        network, teaching = {**values.get("network", {})}, {**values.get("teaching", {})}
        if network.get("start_from"):
            network["start_from"] = f"{network['start_from']}.{seed}"
        if teaching:
            voices = [f"{name}.{one}" for name in teaching.get("teachers", ()) for one in self.seeds]
            values["teaching"] = {**teaching, "teachers": voices}
        named = {"stage": "pretrain", "name": f"{stage}.{seed}", "seed": seed, "network": network}
        recipe = stage_of({**values, **named}, where)
        if not isinstance(recipe, Pretrain):
            raise ConfigError(f"{where}: only pretrainings can stand here")
        return recipe

    def _own(self, stage: str, where: str) -> dict[str, Any]:
        own = dict(self.stages[stage])
        like = own.pop(LIKE, "")
        if not like:
            return own
        names = list(self.stages)
        if like not in names[: names.index(stage)]:
            raise ConfigError(f"{where}: is like {like}, which does not stand before it")
        return merged(self._own(like, where), own)


@dataclass(frozen=True)
class Place:
    """Where a ladder finds and leaves things."""

    sets: Path
    out: Path
    options: Options = field(default_factory=Options)
    """Where and how stages run."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What the networks of a rung say about a judge's N faces."""

    judge: Judge
    truth: np.ndarray[Any, np.dtype[np.int64]]
    """(N,) class ids."""
    person: np.ndarray[Any, np.dtype[np.int64]]
    """(N,) number of the person, from 0."""
    probs: FloatArray
    """(S, N, 9) calibrated, by seed; of an ensemble S is 1."""


def load_ladder(path: Path) -> Ladder:
    """Read a ladder's TOML; every recipe in it is checked.

    Raises:
        ConfigError: it cannot be read, or a key is unknown, missing or out of range.
    """
    try:
        ladder = Ladder.model_validate(read_toml(path, "see train/recipes/model/"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc'])) or 'ladder'}: {told}") from error
    for stage in ladder.stages:
        ladder.recipe(stage, ladder.seeds[0])
    return ladder


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The second's values over the first's; tables are merged key by key."""
    both = {**first, **second}
    tables = [key for key in first if isinstance(first[key], Mapping) and isinstance(second.get(key), Mapping)]
    return {**both, **{key: merged(first[key], second[key]) for key in tables}}


def climb(ladder: Ladder, place: Place, *, seed: int | None, only: Collection[str], say: Callable[[str], None]) -> None:
    """Train every stage that is not done yet.

    Args:
        ladder: what to train.
        place: prepared sets and the folder of stages.
        seed: only stages of this seed; None: of all.
        only: names of stages; empty: all.
        say: told each stage as it begins.

    Raises:
        ConfigError: a stage is not the ladder's, a set is not there, or a teacher of another seed is not trained yet.
        DataError: as ``pretrain``.
    """
    if unknown := [name for name in only if name not in ladder.stages]:
        raise ConfigError(f"{ladder.name}: has no stage {unknown[0]}; its stages are {', '.join(ladder.stages)}")
    for stage in only or ladder.stages:
        for one in ladder.seeds if seed is None else (seed,):
            recipe = ladder.recipe(stage, one)
            say(recipe.name)
            start = place.out / recipe.network.start_from if recipe.network.start_from else None
            names = [*recipe.learned, *([recipe.pairs] if recipe.pairs else [])]
            pretrain(
                recipe,
                {name: open_prepared(place.sets / name) for name in names},
                place.out,
                start=start,
                teachers=[place.out / name for name in recipe.teaching.teachers] if recipe.teaching else (),
                options=place.options,
            )


def judged(ladder: Ladder, rung: Rung, place: Place) -> Iterator[Judged]:
    """What a rung's networks say to every judge.

    Raises:
        DataError: a judge's set is not there, shows nobody, or shows people whom a network has learned.
        ModelError: a stage is not trained yet.
    """
    for judge in ladder.judges:
        faces, truth = _faces(judge, place)
        folders = [place.out / f"{rung.stage}.{seed}" for seed in ladder.seeds]
        for folder in folders:
            _check_strangers(judge, faces, folder)
        device = device_of(place.options.accelerator)
        probs = np.stack([_probs(folder, faces, rung.flip, device) for folder in folders])
        person, _names = faces.identity()
        yield Judged(judge, truth, person, probs.mean(axis=0, keepdims=True) if rung.ensemble else probs)


def _probs(folder: Path, faces: PreparedSet, flip: bool, device: torch.device) -> FloatArray:
    """(N, 9) calibrated; labels that the stage has not learned get 0."""
    about = read_stored(folder).about
    logits = logits_of(load_expression_network(folder).to(device), faces, device, flip=flip)
    probs = np.zeros((len(faces), len(NINE)), np.float32)
    probs[:, [NINE.class_id(label) for label in about["labels"]]] = softmax(logits, about.get("temperature", 1.0))
    return probs


def _faces(judge: Judge, place: Place) -> tuple[PreparedSet, np.ndarray[Any, np.dtype[np.int64]]]:
    faces = open_prepared(place.sets / judge.data)
    class_id = faces.class_id(NINE)
    wanted = (faces.split == judge.split) & (class_id >= 0)
    if judge.min_age is not None:
        wanted &= faces.age >= judge.min_age
    index = np.flatnonzero(wanted)
    if not len(index):
        raise DataError(f"judge {judge.name}: the set {judge.data} shows nobody of it")
    return faces.select(index), class_id[index]


def _check_strangers(judge: Judge, faces: PreparedSet, folder: Path) -> None:
    about = read_stored(folder).about
    people = read_people(folder, about.get("people_sha256"))
    if known := people_of(faces.identity()[1]).lines & people.lines:
        raise DataError(f"judge {judge.name}: shows {len(known)} people whom {folder.name} has learned")
