"""A stage of training as a TOML file, validated before anything starts.

``stage = "pretrain"`` learns identities or expressions of large sets; ``stage = "transfer"`` takes its network to the
people one cares for. A stage's result lies in the folder of its name, and a later stage starts from that name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ffe_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Section(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Section):
    """What is trained, and from which weights."""

    architecture: Literal["resnet18", "resnet50", "face-resnet18", "face-resnet50"]
    preset: Literal["tiny", "small", "paper"] = "paper"
    flavour: Literal["adaface", "insightface"] = "adaface"
    """Of a Face-ResNet: the two public code bases differ in shortcut and last norm."""
    embedding: bool = True
    """Whether a plain ResNet gets the BN-FC-BN embedding; a Face-ResNet always has it."""
    start_from: str = ""
    """Name of an earlier stage, or the folder of imported weights; empty: from scratch."""


class Head(Section):
    """The last layer and its loss. Defaults are AdaFace's."""

    kind: Literal["softmax", "cosface", "arcface", "adaface"] = "softmax"
    margin: NotNegative = 0.4
    scale: Positive = 64.0
    h: Positive = 0.333
    """AdaFace's concentration."""
    alpha: Share = 0.01
    """Weight of a new batch in AdaFace's running mean and deviation of the norms; 0.1 in short runs."""


class Augment(Section):
    """What may happen to a picture, each with its probability. Source: AdaFace, section 4.1."""

    flip: Share = 0.5
    crop: Share = 0.2
    low_resolution: Share = 0.2
    photometric: Share = 0.2
    jitter: Share = 0.0
    """A small turn, zoom and shift, as a detector's landmarks would."""
    erase: Share = 0.0
    """Random erasing."""


class Schedule(Section):
    """Stochastic gradient descent with momentum 0.9; no decay on norms and biases."""

    epochs: int = Field(default=26, ge=1, le=1000)
    batch: int = Field(default=128, ge=2)
    learning_rate: Positive = 0.1
    weight_decay: NotNegative = 5e-4
    warm_up_epochs: NotNegative = 1.0
    milestones: tuple[Annotated[float, Field(gt=0)], ...] = (12, 20, 24)
    """Epochs at which the rate is multiplied by ``gamma``; empty: one cosine to zero."""
    gamma: Share = 0.1
    clip: NotNegative = 5.0
    """Largest norm of the gradient, 0: any."""
    precision: Precision = "32-true"


class Pretrain(Section):
    """Learns identities or expressions of prepared sets."""

    stage: Literal["pretrain"]
    name: Name
    learn: Literal["identity", "expression"]
    data: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of prepared sets: their split ``train`` is learned, ``val`` watched, ``test`` never seen."""
    labels: tuple[str, ...] = ()
    """Those of the task's labels that are learned (expressions); faces of others are left out. Empty: all."""
    weights: dict[Name, NotNegative] = {}
    """How often an image of a set is drawn in an epoch: 2 means twice, nothing said means once."""
    pairs: str = ""
    """Name of the prepared set whose ``pairs.csv`` measures verification (identities)."""
    seed: int = 0
    rater_weight: Share = 1.0
    """Weight of the raters' votes in the target where there are any (expressions)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of averaged weights, which are then the result; 0: the last weights."""
    network: Network
    head: Head = Head()
    augment: Augment = Augment()
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _check(self) -> Pretrain:
        if self.learn == "expression" and self.head.kind != "softmax":
            raise ValueError("head.kind: expressions are learned with softmax")
        if unknown := set(self.weights) - set(self.data):
            raise ValueError(f"weights: {', '.join(sorted(unknown))} is not in data")
        return self


class Folds(Section):
    """Outer folds measure, inner folds choose; people never cross."""

    outer: int = Field(default=5, ge=2, le=20)
    repeats: int = Field(default=1, ge=1, le=20)
    inner: int = Field(default=3, ge=2, le=20)


class Probe(Section):
    """A linear layer on frozen features, before everything may move."""

    epochs: int = Field(default=5, ge=0, le=1000)
    learning_rate: Positive = 0.01
    tap: Literal["embedding", "pooled"] = "embedding"
    """Features of the probe: the embedding, or what comes before it."""


class FineTune(Section):
    """The whole network on the target."""

    epochs: int = Field(default=10, ge=0, le=1000)
    batch: int = Field(default=32, ge=2)
    learning_rate: Positive = 0.01
    decay_by_layer: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor of the learning rate from one group of layers to the next towards the input."""
    weight_decay: NotNegative = 5e-4
    l2_sp: NotNegative = 0.0
    """Pull towards the starting weights. Source: Li et al., Explicit inductive bias for transfer, ICML 2018."""
    freeze_norms: bool = False
    """Keep the source's batch-norm statistics."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: NotNegative = 5.0
    sam: NotNegative = 0.0
    """Radius of sharpness-aware minimisation, 0: off. Source: Foret et al., ICLR 2021."""
    precision: Precision = "32-true"


class Targets(Section):
    """What the network is asked to say for an image."""

    rater_weight: Share = 0.0
    """Lambda of q = (1 - lambda) onehot + lambda raters."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    logit_adjustment: NotNegative = 0.0
    """Tau. Source: Menon et al., Long-tail learning via logit adjustment, ICLR 2021."""
    mixup: NotNegative = 0.0
    """Alpha of the beta distribution, 0: off. Source: Zhang et al., ICLR 2018."""


class Choice(Section):
    """Values that the inner folds choose from; an empty tuple keeps the recipe's own value."""

    rater_weight: tuple[Share, ...] = ()
    learning_rate: tuple[Positive, ...] = ()
    epochs: tuple[Annotated[int, Field(ge=1)], ...] = ()


class Transfer(Section):
    """Takes a network to a small target set, in nested folds that keep people apart."""

    stage: Literal["transfer"]
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


Stage = Annotated[Pretrain | Transfer, Field(discriminator="stage")]
_STAGES: TypeAdapter[Pretrain | Transfer] = TypeAdapter(Stage)


def load_stage(path: Path) -> Pretrain | Transfer:
    """Read a recipe, TOML or (as a grid writes it) JSON.

    Raises:
        ConfigError: it cannot be read, or a key is unknown or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return stage_of(json.loads(text) if path.suffix == ".json" else tomllib.loads(text), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); see train/recipes/") from error
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be parsed: {error}") from error


def stage_of(values: object, where: str) -> Pretrain | Transfer:
    """Validate a recipe's values.

    Raises:
        ConfigError: a key is unknown, missing or out of range; it is named.
    """
    try:
        return _STAGES.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part not in ("pretrain", "transfer"))
        reason = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: {key or 'stage'}: {reason}") from error
