"""The privacy switch: while anything asks for privacy or a pause, nothing is looked at."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from ffe_edge.atomic_file import write_atomically
from ffe_edge.config_people import PrivacySettings

logger = logging.getLogger(__name__)

VERSION: Final = 2
COMMAND: Final = "command"
PAUSE: Final = "pause"
PRIVACY_FILE: Final = "privacy.json"
"""Name of the state in the state folder."""
MAX_STATE_BYTES: Final = 65_536


class PrivacySource(Protocol):
    """Something on site that asks for privacy: a file, a lever on a GPIO line."""

    name: str
    """For the reason that is told."""

    def is_on(self) -> bool:
        """Whether it asks for privacy now, at once and without an exception: what cannot be told is on."""
        ...


class FileSource:
    """On while a path exists, whatever it is."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_on(self) -> bool:
        """Whether the path is there; on too where that cannot be seen."""
        try:
            self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True


class LineSource:
    """A GPIO line whose level the kernel tells in a file: ``/sys/class/gpio/gpio17/value``.

    A line that cannot be read, a cable or a driver that is gone, is on.
    """

    name = "gpio"

    def __init__(self, value: Path, *, active_low: bool = False) -> None:
        self._value = value
        self._off = b"1" if active_low else b"0"

    def is_on(self) -> bool:
        """Whether the level is not the one that says off."""
        try:
            with self._value.open("rb", buffering=0) as file:
                return bytes(file.read(8) or b"").strip() != self._off
        except OSError:
            return True


def sources(settings: PrivacySettings) -> tuple[PrivacySource, ...]:
    """What the settings name."""
    found: list[PrivacySource] = []
    if settings.file is not None:
        found.append(FileSource(settings.file))
    if settings.gpio_value is not None:
        found.append(LineSource(settings.gpio_value, active_low=settings.gpio_active_low))
    return tuple(found)


Why = Literal["command", "pause"]
"""What a command asks for: privacy, or a pause. Neither is ended by the end of the other."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What commands have asked for, of one kind."""

    everywhere: bool = False
    cameras: frozenset[str] = frozenset()

    def after(self, camera_id: str | None, *, on: bool) -> _Asked:
        if camera_id is None:
            return _Asked(on, self.cameras if on else frozenset())
        return _Asked(self.everywhere, self.cameras | {camera_id} if on else self.cameras - {camera_id})

    def holds(self, camera_id: str) -> bool:
        return self.everywhere or camera_id in self.cameras


@dataclass(frozen=True, slots=True)
class _State:
    """What survives a restart: each is ended only by its own command."""

    command: _Asked = _Asked()
    pause: _Asked = _Asked()

    def after(self, why: Why, camera_id: str | None, *, on: bool) -> _State:
        if why == PAUSE:
            return replace(self, pause=self.pause.after(camera_id, on=on))
        return replace(self, command=self.command.after(camera_id, on=on))


class PrivacySwitch:
    """Commands, which survive a restart, and the sources on site, looked at once a second at most.

    May be asked and set from several threads.
    """

    def __init__(
        self,
        state: Path,
        sources: Sequence[PrivacySource] = (),
        *,
        check_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state
        self._sources = tuple(sources)
        self._check_seconds = check_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._asked = _read(state)
        self._checked_seconds = -float("inf")
        self._site: tuple[str, ...] = ()
        self.changes = 0
        """How often a command was obeyed: who looks rarely sees by it that the switch was on in between."""

    def is_on(self, camera_id: str) -> bool:
        """Whether the camera must not be looked at."""
        return bool(self.reasons(camera_id))

    def reasons(self, camera_id: str) -> tuple[str, ...]:
        """What keeps the camera from looking now: ``command``, ``file`` and ``gpio`` by privacy, then ``pause``."""
        with self._lock:
            asked = (COMMAND,) if self._asked.command.holds(camera_id) else ()
            paused = (PAUSE,) if self._asked.pause.holds(camera_id) else ()
            return (*asked, *self._on_site(), *paused)

    def set(self, *, on: bool, camera_id: str | None = None, why: Why = COMMAND) -> None:
        """Obey a command for one camera, or for all of them.

        Off for all ends what was asked for single cameras too, of the same kind: a pause and privacy do not end each
        other. Sources on site cannot be overruled.

        Raises:
            StoreError: it would not survive a restart. On holds until then; off is not obeyed.
        """
        with self._lock:
            asked = self._asked.after(why, camera_id, on=on)
            if on:
                self._asked = asked
            self.changes += 1
            _write(self._state, asked)
            self._asked = asked

    def _on_site(self) -> tuple[str, ...]:
        now = self._clock()
        if now - self._checked_seconds >= self._check_seconds:
            self._site = tuple(source.name for source in self._sources if source.is_on())
            self._checked_seconds = now
        return self._site


def _write(path: Path, state: _State) -> None:
    values = {"version": VERSION, COMMAND: _values(state.command), PAUSE: _values(state.pause)}
    write_atomically(path, json.dumps(values).encode())


def _values(asked: _Asked) -> dict[str, Any]:
    return {"everywhere": asked.everywhere, "cameras": sorted(asked.cameras)}


def _read(path: Path) -> _State:
    """What was asked for before the restart; all the privacy there is where that cannot be read."""
    try:
        with path.open("rb") as file:
            return _parsed(json.loads(file.read(MAX_STATE_BYTES)))
    except FileNotFoundError:
        return _State()
    except (OSError, TypeError, ValueError, RecursionError):
        logger.warning("%s: cannot be read, so privacy is on everywhere until a command ends it", path)
        return _State(command=_Asked(everywhere=True))


def _parsed(values: Any) -> _State:
    if isinstance(values, Mapping) and values.get("version") == 1:  # which knew no pause of its own
        return _State(command=_parsed_asked(values))
    if not isinstance(values, Mapping) or values.get("version") != VERSION:
        raise ValueError("no state of this version")
    return _State(_parsed_asked(values.get(COMMAND)), _parsed_asked(values.get(PAUSE)))


def _parsed_asked(values: Any) -> _Asked:
    if not isinstance(values, Mapping):
        raise TypeError("an entry is of the wrong type")
    everywhere, cameras = values.get("everywhere"), values.get("cameras")
    if not isinstance(everywhere, bool) or not isinstance(cameras, list):
        raise TypeError("an entry is of the wrong type")
    if not all(isinstance(name, str) for name in cameras):
        raise TypeError("a camera's id is a text")
    return _Asked(everywhere, frozenset(cameras))
