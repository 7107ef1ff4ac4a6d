"""Pretraining x architecture x seed as one file: expanded into jobs that can be run anywhere and resumed anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from ffe_edge.errors import ConfigError
from ffe_train.recipes import Name, Pretrain, Section, Transfer, stage_of
from ffe_train.toml_file import read_toml

SCRATCH = "scratch"
Architecture = Literal["resnet18", "resnet50", "face-resnet18", "face-resnet50", "lean-resnet14"]


class Imported(Section):
    """Weights that were trained elsewhere: `ffe-edge train import` makes their folders."""

    start: Annotated[dict[Architecture, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """Name in the folder of stages, or folder, by architecture; an architecture that is not named has no cell."""


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "chain"
    return "imported" if isinstance(value, Imported) or (isinstance(value, dict) and "start" in value) else "stage"


Stages = Annotated[
    Annotated[Imported, Tag("imported")]
    | Annotated[list[dict[str, Any]], Tag("chain")]
    | Annotated[dict[str, Any], Tag("stage")],
    Discriminator(_kind),
]


class Grid(Section):
    """What is combined. Tables are recipes without their name, network and seed, which the grid fills in."""

    name: Name
    preset: Literal["tiny", "small", "paper"] = "paper"
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    pretrain_every_seed: bool = False
    """Pretrain anew for each seed, instead of once with the first."""
    pretraining: Annotated[dict[Name, Stages], Field(min_length=1)]
    """Stages by name, one table, a chain of them, or imported weights; ``scratch = []`` has none."""
    targets: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """Transfer recipes by name of the target."""

    @model_validator(mode="after")
    def _check(self) -> Grid:
        for name, stages in self.pretraining.items():
            if not stages and name != SCRATCH:
                raise ValueError(f"pretraining.{name}: has no stage; only {SCRATCH} may be empty")
            if isinstance(stages, Imported) and not set(stages.start).intersection(self.architectures):
                raise ValueError(f"pretraining.{name}: has weights for none of this grid's architectures")
        return self


@dataclass(frozen=True)
class Cell:
    """One pretraining on one architecture."""

    pretraining: str
    architecture: Architecture


@dataclass(frozen=True)
class Job:
    """One stage of training, and the stages that must be done before."""

    recipe: Pretrain | Transfer
    needs: tuple[str, ...]
    cell: Cell
    target: str = ""
    """Of a transfer."""
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the stage and its folder."""
        return self.recipe.name

    @property
    def level(self) -> int:
        """0 needs nothing of this grid; each level needs those before it."""
        return len(self.needs)


def load_grid(path: Path) -> Grid:
    """Read a grid.

    Raises:
        ConfigError: it cannot be read, or a key is unknown or out of range.
    """
    try:
        return Grid.model_validate(read_toml(path, "see train/recipes/"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for at, part in enumerate(first["loc"]) if (at, first["loc"][0]) != (2, "pretraining"))
        raise ConfigError(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from error


def jobs_of(grid: Grid) -> tuple[Job, ...]:
    """All jobs, each after those that it needs.

    Raises:
        ConfigError: a recipe of the grid has an unknown or missing key.
    """
    jobs: dict[str, Job] = {}
    for pretraining in grid.pretraining:
        for architecture in grid.architectures:
            for job in _jobs_of_cell(grid, Cell(pretraining, architecture)):
                jobs.setdefault(job.name, job)
    return tuple(sorted(jobs.values(), key=lambda job: job.level))


def _jobs_of_cell(grid: Grid, cell: Cell) -> Iterator[Job]:
    stages = grid.pretraining[cell.pretraining]
    imported = stages.start.get(cell.architecture, "") if isinstance(stages, Imported) else ""
    if isinstance(stages, Imported) and not imported:
        return
    tables = [] if isinstance(stages, Imported) else [stages] if isinstance(stages, dict) else stages
    for seed in grid.seeds:
        chain = list(_pretraining_jobs(grid, cell, tables, seed if grid.pretrain_every_seed else grid.seeds[0]))
        yield from chain
        needs = tuple(job.name for job in chain)
        for target, table in grid.targets.items():
            name = f"{target}.{cell.pretraining}.{cell.architecture}.{seed}"
            values = {**table, "stage": "transfer", "name": name, "seeds": [seed]}
            start = needs[-1] if needs else imported
            recipe = stage_of(_with_network(values, grid, cell, start), f"grid {grid.name}, target {target}")
            yield Job(recipe, needs, cell, target, seed)


def _pretraining_jobs(grid: Grid, cell: Cell, tables: Sequence[dict[str, Any]], seed: int) -> Iterator[Job]:
    needs: tuple[str, ...] = ()
    for number, table in enumerate(tables, start=1):
        name = f"{cell.pretraining}.{cell.architecture}.{seed}.{number}"
        values = {**table, "stage": "pretrain", "name": name, "seed": seed}
        network = _with_network(values, grid, cell, needs[-1] if needs else "")
        recipe = stage_of(network, f"grid {grid.name}, pretraining {cell.pretraining}")
        yield Job(recipe, needs, cell, seed=seed)
        needs = (*needs, name)


def _with_network(values: dict[str, Any], grid: Grid, cell: Cell, start: str) -> dict[str, Any]:
    """The recipe with the cell's network; a start of its own stands where the grid gives none."""
    given = values.get("network", {})
    network = {"preset": grid.preset, **given, "architecture": cell.architecture}
    if start:
        network["start_from"] = start
    return {**values, "network": network}


def recipe_json(job: Job) -> str:
    """The job's recipe as a file that ``ffe-edge train`` reads."""
    return json.dumps(job.recipe.model_dump(), indent=1)
