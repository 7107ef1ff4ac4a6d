"""What one check has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ffe_edge.errors import FfeError

Status = Literal["ok", "warning", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    """What was looked at."""
    status: Status
    """``missing``: the program cannot do what the settings ask for; ``warning``: it can, with less."""
    found: str
    remedy: str | None = None
    """What to do, in one line."""


def from_error(name: str, error: FfeError, remedy: str) -> Finding:
    """A missing thing from the error that it would cause; such a message often ends in what to do."""
    found, separator, advice = str(error).rpartition("; ")
    return Finding(name, "missing", found, advice) if separator else Finding(name, "missing", advice, remedy)
