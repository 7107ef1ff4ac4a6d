"""Tables that recipes are made of, each checked by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,60}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


MARGINS: Final = {
    "softmax": (),
    "cosface": ("margin", "scale"),
    "arcface": ("margin", "scale"),
    "adaface": ("margin", "scale", "h", "alpha"),
}
"""What each head can be told."""
MILESTONES: Final = (12, 20, 24)
"""Source: AdaFace's published training of 26 epochs."""


class Section(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Section):
    """What is trained, and from which weights."""

    architecture: Literal["resnet18", "resnet50", "face-resnet18", "face-resnet50", "lean-resnet14"]
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

    @model_validator(mode="after")
    def _check(self) -> Head:
        for key in ("margin", "scale", "h", "alpha"):
            if key in self.model_fields_set and key not in MARGINS[self.kind]:
                raise ValueError(f"{key}: {self.kind} has none; take it away")
        return self

    @model_serializer(mode="wrap")
    def _only_its_own(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A record says nothing of what the head has not."""
        return {key: value for key, value in dump(self).items() if key == "kind" or key in MARGINS[self.kind]}


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
    milestones: tuple[Annotated[float, Field(gt=0)], ...] = MILESTONES
    """Epochs at which the rate is multiplied by ``gamma``; empty: one cosine to zero. Nothing said: those of 12, 20 and
    24 that come before the end, so a run of 12 epochs or fewer has the cosine."""
    gamma: Share = 0.1
    clip: NotNegative = 5.0
    """Largest norm of the gradient, 0: any."""
    precision: Precision = "32-true"

    @model_validator(mode="before")
    @classmethod
    def _within_short_runs(cls, values: Any) -> Any:
        epochs = values.get("epochs") if isinstance(values, dict) else None
        if not isinstance(epochs, int) or "milestones" in values:
            return values
        return {**values, "milestones": tuple(milestone for milestone in MILESTONES if milestone < epochs)}

    @model_validator(mode="after")
    def _check(self) -> Schedule:
        if late := [milestone for milestone in self.milestones if milestone >= self.epochs]:
            raise ValueError(f"milestones: {late[0]:g} never comes in {self.epochs} epochs")
        return self


class Teaching(Section):
    """Finished stages that say what the faces show; their voices are mixed with the labels.

    Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """

    teachers: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of stages that learned the same labels; each is one voice."""
    weight: Share = 0.5
    """Of the teachers in the targets; the rest is the labels'."""
    temperature: Positive = 1.0
    """Softens what the teachers say."""
    voices: str = ""
    """File beside the recipe with what the teachers have said (`ffe-edge train voices`); they need not be there."""
    about: tuple[Name, ...] = ()
    """Sets with labels that the teachers speak of; empty: all. The others are taught by their labels alone."""
    unlabelled: tuple[Name, ...] = ()
    """Prepared sets of which the teachers alone say what they show."""

    @model_validator(mode="after")
    def _check(self) -> Teaching:
        no_repeats("teachers", self.teachers)
        no_repeats("unlabelled", self.unlabelled)
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


def no_repeats(key: str, values: Sequence[object]) -> None:
    """Names, labels and seeds count once.

    Raises:
        ValueError: one comes twice.
    """
    if repeated := [value for number, value in enumerate(values) if value in values[:number]]:
        raise ValueError(f"{key}: {repeated[0]} comes twice")
