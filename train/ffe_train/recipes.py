"""A stage of training as a TOML file, validated before anything starts.

``stage = "pretrain"`` learns identities or expressions of large sets; ``stage = "transfer"`` takes its network to the
people one cares for; ``stage = "distil"`` has transfers teach a smaller network. A stage's result lies in the folder of
its name, and a later stage starts from that name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from ffe_edge.errors import ConfigError
from ffe_train.recipe_sections import (
    Augment,
    Choice,
    FineTune,
    Folds,
    Head,
    Name,
    Network,
    NotNegative,
    Positive,
    Precision,
    Probe,
    Schedule,
    Section,
    Share,
    Targets,
    Teaching,
    no_repeats,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Augment",
    "Choice",
    "Distil",
    "FineTune",
    "Folds",
    "Head",
    "Name",
    "Network",
    "Precision",
    "Pretrain",
    "Probe",
    "Schedule",
    "Section",
    "Targets",
    "Teaching",
    "Transfer",
    "load_stage",
    "stage_of",
]


class Pretrain(Section):
    """Learns identities or expressions of prepared sets."""

    stage: Literal["pretrain"]
    name: Name
    learn: Literal["identity", "expression"]
    data: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of prepared sets: their split ``train`` is learned, ``val`` watched, ``test`` never seen."""
    labels: tuple[str, ...] = ()
    """Those of the task's labels that are learned (expressions); faces of others are left out. Empty: all."""
    weights: dict[Name, NotNegative] = Field(default={})
    """How often an image of a set is drawn in an epoch: 2 means twice, nothing said means once."""
    pairs: str = ""
    """Name of the prepared set whose ``pairs.csv`` measures verification (identities)."""
    seed: int = 0
    rater_weight: Share = 1.0
    """Weight of the raters' votes in the target where there are any (expressions)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    doubt: dict[Name, Share] = Field(default={})
    """Share of a set's targets that is spread evenly over all labels (expressions): smoothing for sets whose labels, or
    whose teachers, are less right than sure, lest a network be surer of their faces than it is right."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of averaged weights, which are then the result; 0: the last weights."""
    network: Network
    head: Head = Head()
    augment: Augment = Augment()
    schedule: Schedule = Schedule()
    teaching: Teaching | None = None
    """Expressions only."""
    calibrate: tuple[Name, ...] = ()
    """Sets whose split ``val`` fits the temperature (expressions); empty: all. It changes no weight."""

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of all sets whose faces are learned."""
        return self.data + (self.teaching.unlabelled if self.teaching else ())

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A record says nothing of what is not there."""
        return {
            key: value for key, value in dump(self).items() if value or key not in {"teaching", "calibrate", "doubt"}
        }

    @model_validator(mode="after")
    def _check_names(self) -> Pretrain:
        """Sets that are named must be learned."""
        of_sets = {
            "calibrate": (self.calibrate, self.data),
            "doubt": (self.doubt, self.learned),
            "teaching.about": (self.teaching.about if self.teaching else (), self.data),
            "weights": (self.weights, self.learned),
        }
        for key, (named, known) in of_sets.items():
            if unknown := set(named) - set(known):
                raise ValueError(f"{key}: {', '.join(sorted(unknown))} is not in data")
        no_repeats("data", self.learned)
        no_repeats("labels", self.labels)
        return self

    @model_validator(mode="after")
    def _check_kind(self) -> Pretrain:
        """What only expressions or only identities have."""
        if self.learn == "expression":
            if self.head.kind != "softmax":
                raise ValueError("head.kind: expressions are learned with softmax")
            if self.pairs:
                raise ValueError("pairs: they measure identities; with expressions the split val is watched")
            return self
        for key in ("teaching", "labels", "doubt"):
            if getattr(self, key):
                raise ValueError(f"{key}: identities have none; take it away")
        return self


class OnTarget(Section):
    """What trains on a small target set in nested folds that keep people apart."""

    name: Name
    data: Name
    """The prepared target set."""
    labels: tuple[str, ...] = ()
    """Those of the task's labels that are told apart; images of others are left out. Empty: all."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """One network a seed in every fold; their mean is the ensemble."""
    network: Network
    folds: Folds = Folds()
    probe: Probe = Probe()
    fine_tune: FineTune = FineTune()
    targets: Targets = Targets()
    augment: Augment = Augment(crop=0.0, low_resolution=0.0, photometric=0.2, jitter=0.5)
    choice: Choice = Choice()
    flip: bool = True
    """Predict by the mean of the picture and its mirror image."""
    ship: bool = False
    """After the folds, train once more on everybody: the weights to export."""
    allow_seen_people: bool = False
    """Measure on people whom an earlier stage has learned; the result says so."""

    @model_validator(mode="after")
    def _check(self) -> OnTarget:
        no_repeats("labels", self.labels)
        no_repeats("seeds", self.seeds)
        return self


class Transfer(OnTarget):
    """Takes a network to the target set."""

    stage: Literal["transfer"]


class Distil(OnTarget):
    """Trains a student on the target set, taught by the networks of transfers to the same set, labels and folds."""

    stage: Literal["distil"]
    teachers: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of transfers that are done; every seed of each is one voice."""
    temperature: Positive = 2.0
    """Softens what the teachers say."""
    weight: Share = 0.7
    """Of the teachers in the student's targets; the rest is the labels'."""

    @model_validator(mode="after")
    def _check_teachers(self) -> Distil:
        no_repeats("teachers", self.teachers)
        if self.name in self.teachers:
            raise ValueError(f"teachers: {self.name} cannot teach itself; give the student another name")
        return self

    def student(self) -> Transfer:
        """The student's part, which is a transfer's."""
        own = {"stage", "teachers", "temperature", "weight"}
        return Transfer.model_validate({"stage": "transfer", **self.model_dump(exclude=own)})


_GRIDDED: TypeAdapter[Pretrain | Transfer] = TypeAdapter(Annotated[Pretrain | Transfer, Field(discriminator="stage")])
_STAGES: TypeAdapter[Pretrain | Transfer | Distil] = TypeAdapter(
    Annotated[Pretrain | Transfer | Distil, Field(discriminator="stage")]
)
AnyStage = TypeVar("AnyStage")


def load_stage(path: Path) -> Pretrain | Transfer | Distil:
    """Read a recipe, TOML or (as a grid writes it) JSON.

    Raises:
        ConfigError: it cannot be read, or a key is unknown or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _checked(_STAGES, json.loads(text) if path.suffix == ".json" else tomllib.loads(text), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); see train/recipes/") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be parsed: {error}") from error


def stage_of(values: object, where: str) -> Pretrain | Transfer:
    """Validate the values of a recipe that a grid may hold: a pretraining or a transfer.

    Raises:
        ConfigError: a key is unknown, missing or out of range; it is named.
    """
    return _checked(_GRIDDED, values, where)


def _checked(stages: TypeAdapter[AnyStage], values: object, where: str) -> AnyStage:
    try:
        return stages.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"][1:])
        if first["type"] == "value_error":
            told = first["msg"].removeprefix("Value error, ")
            raise ConfigError(f"{where}: {key + '.' if key else ''}{told}") from error
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{where}: {key or 'stage'}: {reason}") from error
