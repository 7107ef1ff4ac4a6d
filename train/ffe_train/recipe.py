"""A training stage as a TOML file, validated before anything starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffe_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SourceName = Literal["ferplus", "lfw", "rendered"]


class Section(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rendered(Section):
    """How many rendered people are made, and how."""

    old: int = Field(default=220, ge=1)
    """People of 60 to 95 years."""
    young: int = Field(default=100, ge=0)
    """People of 20 to 60 years."""
    images: int = Field(default=24, ge=9)
    """Pictures of each, spread over the nine expressions."""
    seed: int = 1


class Recipe(Section):
    """One stage of training."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    sources: Annotated[tuple[SourceName, ...], Field(min_length=1)]
    weights: dict[SourceName, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    """How often an image of each source is drawn in an epoch: 2 means twice."""
    epochs: int = Field(ge=1, le=1000)
    batch: int = Field(default=128, ge=2)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=5e-4, ge=0)
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    ema: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the averaged weights, which are the result."""
    widths: Annotated[tuple[Annotated[int, Field(ge=16)], ...], Field(min_length=1)] = (32, 64, 128, 192)
    """Channels of each resolution. On CPUs oneDNN hangs or writes beyond its memory in the gradient of a strided
    1x1 convolution over fewer than 16 channels. Source: uxlfoundation/oneDNN, issue 6035."""
    seed: int = 0
    start_from: str | None = None
    """Name of the stage whose weights this one starts from."""
    rendered: Rendered = Rendered()


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: it cannot be read, or a key is unknown or out of range.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
