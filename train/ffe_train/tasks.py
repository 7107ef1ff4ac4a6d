"""What a model is asked to tell: its labels are data, so that pain or drowsiness needs no change of code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffe_edge.emotions import AFFECT, Emotion
from ffe_edge.errors import ConfigError
from ffe_train.toml_file import read_toml

OTHER: Final = "other"
"""The raters' answer that is none of the labels, and so the name of none."""


@dataclass(frozen=True, slots=True)
class Task:
    """A set of labels, as parallel tuples in the order of the network's outputs."""

    name: str
    labels: tuple[str, ...]
    """(K,) ids."""
    japanese: tuple[str, ...]
    """(K,) names shown to Japanese readers."""
    valence: tuple[float, ...]
    """(K,) unpleasant -1 ... +1 pleasant."""
    arousal: tuple[float, ...]
    """(K,) calm -1 ... +1 aroused."""

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a task needs two or more different labels, not {list(self.labels)}")
        if OTHER in self.labels:
            raise ValueError(f"{OTHER!r} is the raters' answer that is no label; give that label another id")

    def __len__(self) -> int:
        return len(self.labels)

    def class_id(self, label: str) -> int:
        """Position of a label, -1 where it is none of this task."""
        return self.labels.index(label) if label in self.labels else -1

    def only(self, labels: tuple[str, ...]) -> Task:
        """The same task with these of its labels, in its own order; all of them when none is named.

        Raises:
            ConfigError: one is none of this task, or fewer than two are left.
        """
        if not labels:
            return self
        if unknown := [label for label in labels if label not in self.labels]:
            raise ConfigError(f"labels: {', '.join(unknown)} is not of the task {self.name}: {', '.join(self.labels)}")
        kept = [index for index, label in enumerate(self.labels) if label in labels]
        if len(kept) < 2:
            raise ConfigError("labels: a task needs two or more")
        columns = (self.labels, self.japanese, self.valence, self.arousal)
        return Task(self.name, *(tuple(column[index] for index in kept) for column in columns))  # type: ignore[arg-type]


NINE = Task(
    "nine-expressions",
    tuple(emotion.value for emotion in Emotion),
    tuple(AFFECT[emotion].japanese for emotion in Emotion),
    tuple(AFFECT[emotion].valence for emotion in Emotion),
    tuple(AFFECT[emotion].arousal for emotion in Emotion),
)
"""The nine expressions of the wire's contract."""

Signed = Annotated[float, Field(ge=-1, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Label(_Section):
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
    japanese: Annotated[str, Field(min_length=1, max_length=64)]
    valence: Signed = 0.0
    arousal: Signed = 0.0


class _Labels(_Section):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    label: Annotated[tuple[_Label, ...], Field(min_length=2, max_length=64)]


def load_task(path: Path | None) -> Task:
    """Read a ``labels.toml``: a name, and a ``[[label]]`` with id, japanese, valence and arousal for each class.

    Args:
        path: the file, or None for the nine expressions.

    Raises:
        ConfigError: it cannot be read, a key is unknown or out of range, a label comes twice, or one is ``other``.
    """
    if path is None:
        return NINE
    try:
        read = _Labels.model_validate(read_toml(path, "give an existing labels.toml"))
        return _task(read)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _task(read: _Labels) -> Task:
    return Task(
        read.name,
        tuple(label.id for label in read.label),
        tuple(label.japanese for label in read.label),
        tuple(label.valence for label in read.label),
        tuple(label.arousal for label in read.label),
    )
