"""`ffe-edge provision` in the test's own process, and what it lists."""

from __future__ import annotations

import json
from collections.abc import Callable

Provision = Callable[..., str]
"""Runs the command with these words; returns what it says. An error is raised."""


def listed(provision: Provision) -> dict[tuple[str, str], str]:
    """State by name and the first letters of the serial number."""
    return {(row["name"], row["serial"]): row["state"] for row in json.loads(provision("list", "--json"))}


def states(provision: Provision, name: str) -> list[str]:
    return [state for (one, _), state in listed(provision).items() if one == name]
