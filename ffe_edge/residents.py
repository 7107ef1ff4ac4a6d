"""Who agreed to be known: a resident, with the consent that was given."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

RESIDENT_ID: Final = r"^resident-[0-9a-f]{8}$"
MAX_LOOKS: Final = 32
MAX_RESIDENTS: Final = 500
UNIT_TOLERANCE: Final = 1e-3


def new_resident_id() -> str:
    """A number of chance: nothing of the person is in it, so it may go over the wire."""
    return f"resident-{secrets.token_hex(4)}"


class Record(BaseModel):
    """What is kept: frozen, exact, and nothing more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class RestingRecord(Record):
    """How a resident's face reads at rest, for the baseline."""

    log_probs: Annotated[tuple[float, ...], Field(min_length=2, max_length=64, repr=False)]
    quiet_seconds: Annotated[float, Field(ge=0)]
    negative_share: Annotated[float, Field(ge=0, le=1)]

    @field_validator("log_probs")
    @classmethod
    def _check_finite(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if not all(map(math.isfinite, values)):
            raise ValueError("log-probabilities are finite")
        return values


class Agreement(Record):
    """Who agreed, and how."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$", repr=False)]
    consent: Annotated[str, Field(min_length=8, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$", repr=False)]
    """Who gave it, when and how."""


class Resident(Agreement):
    """One enrolled person."""

    id: Annotated[str, Field(pattern=RESIDENT_ID)]
    """All that leaves the store."""
    enrolled_at: AwareDatetime
    model: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the FP32 model that read the embeddings: those of another model mean something else."""
    embeddings: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1, max_length=MAX_LOOKS, repr=False)]
    """(M, D), each of norm 1."""
    resting: RestingRecord | None = Field(default=None, repr=False)

    @field_validator("embeddings")
    @classmethod
    def _check_unit(cls, looks: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if len({len(look) for look in looks}) != 1 or not all(map(_is_unit, looks)):
            raise ValueError("embeddings are of one length and of norm 1")
        return looks


def _is_unit(values: Sequence[float]) -> bool:
    return abs(math.sqrt(sum(value * value for value in values)) - 1) < UNIT_TOLERANCE
