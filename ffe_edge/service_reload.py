"""Settings that change while the daemon runs: what differs, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass

from ffe_edge.config import CameraSettings, Config
from ffe_edge.errors import ConfigError

FIXED = ("site", "node", "outbox", "service", "model_updates")
"""Sections that a running daemon cannot change."""
SHARED = tuple(name for name in Config.model_fields if name not in (*FIXED, "cameras", "broker"))
"""Sections that all cameras share."""
APART = ("zones", "schedule", "privacy", "home_assistant")
"""Those among them that change without new lines, so that nobody in view is taken for gone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload has to do."""

    removed: tuple[CameraSettings, ...]
    """Cameras that are to be closed, those among them that come back with other settings."""
    added: tuple[CameraSettings, ...]
    """Cameras that are to be opened."""
    broker: bool
    """The connection to the broker is to be made anew."""
    sections: tuple[str, ...]
    """Shared sections that changed."""


def difference(old: Config, new: Config) -> Difference:
    """What changes from one to the other.

    Raises:
        ConfigError: something that only a restart can change.
    """
    fixed = [name for name in FIXED if getattr(old, name) != getattr(new, name)]
    if old.broker.root_topic != new.broker.root_topic:
        fixed.append("broker.root_topic")
    if (old.broker.url is None) != (new.broker.url is None):
        fixed.append("broker.url")
    if fixed:
        raise ConfigError(f"{', '.join(fixed)}: cannot be changed by a reload; restart ffe-edge")
    return Difference(
        removed=tuple(camera for camera in old.cameras if camera not in new.cameras),
        added=tuple(camera for camera in new.cameras if camera not in old.cameras),
        broker=old.broker != new.broker,
        sections=tuple(name for name in SHARED if getattr(old, name) != getattr(new, name)),
    )
