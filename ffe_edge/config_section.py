"""What every section of the settings has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Settings(BaseModel):
    """A section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
