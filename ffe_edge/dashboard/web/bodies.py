"""What all bodies of the interface have in common. All that comes in is bounded, and is text and numbers only."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ffe_edge.dashboard.users import Role

RoleName = Role
MAX_MS: Final = 253_402_300_799_000
"""The year 9999: a time beyond it is none."""
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""Nor what turns the direction of writing round, and makes a name look like another."""

Millis = Annotated[int, Field(ge=0, le=MAX_MS)]
"""Unix milliseconds."""
Key = Annotated[int, Field(ge=1, le=2**31 - 1)]
LongKey = Annotated[int, Field(ge=1, le=2**63 - 1)]
Line = Annotated[str, StringConstraints(max_length=200, pattern=_NO_CONTROLS, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_CONTROLS, strip_whitespace=True)]
UserName = Annotated[str, StringConstraints(min_length=2, max_length=64, pattern=r"^[\w.\-]+$")]
ResidentId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
Note = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")]
"""Several lines."""
Password = Annotated[str, Field(min_length=1, max_length=1024)]
Limit = Annotated[int, Field(ge=1, le=500)]


class Asked(BaseModel):
    """What comes in: an unknown key is an error, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """What goes out."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)
