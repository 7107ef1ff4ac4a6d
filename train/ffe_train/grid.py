"""Pretraining x architecture x seed as one file: expanded into jobs that can be run anywhere and resumed anywhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ffe_edge.errors import ConfigError
from ffe_train.recipes import Name, Pretrain, Section, Transfer, stage_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCRATCH = "scratch"
Architecture = Literal["resnet18", "resnet50", "face-resnet18", "face-resnet50"]


class Grid(Section):
    """What is combined. Tables are recipes without their name, network and seed, which the grid fills in."""

    name: Name
    preset: Literal["tiny", "small", "paper"] = "paper"
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    pretrain_every_seed: bool = False
    """Pretrain anew for each seed, instead of once with the first."""
    pretraining: Annotated[dict[Name, list[dict[str, Any]] | dict[str, Any]], Field(min_length=1)]
    """Stages by name, one table or a chain of them; ``scratch = []`` has none."""
    targets: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """Transfer recipes by name of the target."""

    @model_validator(mode="after")
    def _check(self) -> Grid:
        for name, stages in self.pretraining.items():
            if not stages and name != SCRATCH:
                raise ValueError(f"pretraining.{name}: has no stage; only {SCRATCH} may be empty")
        return self


@dataclass(frozen=True)
class Cell:
    """One pretraining on one architecture."""

    pretraining: str
    architecture: str


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
        return Grid.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); see train/recipes/") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
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
    for seed in grid.seeds:
        chain = list(_pretraining_jobs(grid, cell, seed if grid.pretrain_every_seed else grid.seeds[0]))
        yield from chain
        needs = tuple(job.name for job in chain)
        for target, table in grid.targets.items():
            name = f"{target}.{cell.pretraining}.{cell.architecture}.{seed}"
            values = {**table, "stage": "transfer", "name": name, "seeds": [seed]}
            recipe = stage_of(_with_network(values, grid, cell, needs), f"grid {grid.name}, target {target}")
            yield Job(recipe, needs, cell, target, seed)


def _pretraining_jobs(grid: Grid, cell: Cell, seed: int) -> Iterator[Job]:
    needs: tuple[str, ...] = ()
    stages = grid.pretraining[cell.pretraining]
    for number, table in enumerate([stages] if isinstance(stages, dict) else stages, start=1):
        name = f"{cell.pretraining}.{cell.architecture}.{seed}.{number}"
        values = {**table, "stage": "pretrain", "name": name, "seed": seed}
        recipe = stage_of(_with_network(values, grid, cell, needs), f"grid {grid.name}, pretraining {cell.pretraining}")
        yield Job(recipe, needs, cell, seed=seed)
        needs = (*needs, name)


def _with_network(values: dict[str, Any], grid: Grid, cell: Cell, needs: tuple[str, ...]) -> dict[str, Any]:
    """The recipe with the cell's network; a start of its own (imported weights) stands where no stage comes before."""
    given = values.get("network", {})
    network = {"preset": grid.preset, **given, "architecture": cell.architecture}
    if needs:
        network["start_from"] = needs[-1]
    return {**values, "network": network}


def recipe_json(job: Job) -> str:
    """The job's recipe as a file that ``ffe-edge train`` reads."""
    return json.dumps(job.recipe.model_dump(), indent=1)
