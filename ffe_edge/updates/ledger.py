"""What a node knows of its model updates, on disk: written whole before each step, read at the next start.

Nothing else decides what serves: files of a model that this file does not name are rubbish, and are swept away.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from ffe_edge.atomic_file import write_atomically
from ffe_edge.config import Config
from ffe_edge.engine.bundle import BUNDLE_FILE
from ffe_edge.errors import StoreError
from ffe_edge.file_lock import took
from ffe_edge.messages import Count, Payload, Text, Time
from ffe_edge.updates.manifest import MAX_DESIRED_BYTES, Manifest, ModelState, Phase, Release

logger = logging.getLogger(__name__)

FOLDER: Final = "model-updates"
STATE_FILE: Final = "state.json"
ROLLBACK_FILE: Final = "rollback"
"""While it is there, a running daemon is asked to go back ..."""
TAKEN_FILE: Final = "rollback.taken"
"""... and while this is, it does so."""
MAX_STATE_BYTES: Final = 2**20
MAX_FAILURES: Final = 64
DIGITS: Final = 16
"""Of a digest, in the name of a folder."""


class Slot(Release):
    """A model that has been updated to and lies on this device."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Failure(Release):
    """A release that is not tried again: only a higher counter, signed anew, is."""

    reason: Text


class State(Payload):
    """Everything that is remembered."""

    version: Literal[1] = 1
    phase: Phase = "idle"
    reason: Text | None = None
    release: Release | None = None
    """What the phase is about."""
    counter: Count = 0
    """The highest that was accepted."""
    counter_sha256: str = ""
    """Of the release that had it."""
    target: Annotated[str, Field(max_length=2 * MAX_DESIRED_BYTES)] | None = None
    """The wish that is being followed, as it came."""
    trials: Count = 0
    """How often the daemon began to try the target out without coming to an end."""
    current: Slot | None = None
    previous: Slot | None = None
    failed: Annotated[tuple[Failure, ...], Field(max_length=MAX_FAILURES)] = ()
    changed_at: Time | None = None

    def changed(self, **values: Any) -> State:
        """The same with other values, which are checked."""
        now = datetime.now(timezone.utc)
        return State.model_validate({**dict(self), "changed_at": now, **values})

    def has_failed(self, release: Release) -> bool:
        """Whether it is not to be tried any more."""
        return any(one.sha256 == release.sha256 and one.counter >= release.counter for one in self.failed)

    def with_failure(self, release: Release, reason: str) -> tuple[Failure, ...]:
        """The failures and one more; the oldest are forgotten, which their counters make up for."""
        failure = Failure(**_release(release), reason=reason[:256])
        return (*self.failed, failure)[-MAX_FAILURES:]

    def told(self) -> ModelState:
        """For the topic."""
        current, previous = (
            None if slot is None else Release(**_release(slot)) for slot in (self.current, self.previous)
        )
        return ModelState(
            phase=self.phase,
            reason=self.reason,
            release=self.release,
            current=current,
            previous=previous,
            changed_at=self.changed_at,
        )


class Ledger:
    """The state's file and the folders of models. Written by one thread, read by any."""

    def __init__(self, folder: Path) -> None:
        """Read what there is; nothing is written."""
        self.folder = folder
        self.state = _read(folder / STATE_FILE)
        self._lock: int | None = None

    def hold(self) -> None:
        """Be the only program that changes it, until ``let_go``.

        Raises:
            StoreError: another one does, or the folder cannot be written.
        """
        if not self.try_to_hold():
            raise StoreError(f"{self.folder}: another program of this node uses it; stop that one")

    def try_to_hold(self) -> bool:
        """The same; False where another program does.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(f"{self.folder}: cannot be written ({error.strerror}); it must be the daemon's") from error
        if not took(descriptor):
            os.close(descriptor)
            return False
        self._lock = descriptor
        self.refresh()
        return True

    def refresh(self) -> None:
        """Read what another program may have written.

        Raises:
            StoreError: it cannot be read.
        """
        self.state = _read(self.folder / STATE_FILE)

    def let_go(self) -> None:
        """Others may change it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, **values: Any) -> None:
        """Change the state; it is on the disk when this returns.

        Raises:
            StoreError: it cannot be written; the change holds for this run all the same.
        """
        self.state = self.state.changed(**values)
        write_atomically(self.folder / STATE_FILE, self.state.model_dump_json(exclude_none=True, indent=1).encode())

    def staging(self, manifest: Manifest) -> Path:
        """Where files of a release come down to."""
        return self.folder / "staging" / manifest.sha256[:DIGITS]

    def home_of(self, release: Release) -> Path:
        """The folder of a release that has been proven."""
        return self.folder / "models" / release.sha256[:DIGITS]

    def path_of(self, slot: Slot | None) -> Path | None:
        """What the settings would call this model; None: what they call it now."""
        if slot is None:
            return None
        return self.home_of(slot) if slot.file == BUNDLE_FILE else self.home_of(slot) / slot.file

    def sweep(self) -> None:
        """Remove models and downloads that nothing names any more. What cannot be removed stays."""
        state = self.state
        kept = {release.sha256[:DIGITS] for release in (state.current, state.previous) if release}
        if state.target is not None and state.release is not None:
            kept.add(state.release.sha256[:DIGITS])
        for parent in ("staging", "models"):
            for folder in self._folders(parent):
                if folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)

    def _folders(self, parent: str) -> list[Path]:
        try:
            return list((self.folder / parent).iterdir())
        except OSError:
            return []


def ledger_folder(config: Config) -> Path:
    """Where a node's updates lie."""
    return config.outbox.state_dir / FOLDER / f"{config.site}.{config.node}"


def _release(release: Release) -> dict[str, Any]:
    return {name: getattr(release, name) for name in Release.model_fields}


def _read(path: Path) -> State:
    """What the file says; nothing, where there is none. A damaged one is kept under another name."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE_BYTES)
        return State.model_validate_json(data)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); it must be the daemon's") from error
    except ValidationError as error:
        damaged = path.with_name(f"{path.name}.damaged")
        with suppress(OSError):
            path.replace(damaged)
        logger.error(  # noqa: TRY400 - one line, no traceback
            "%s: is damaged (%s) and kept as %s: the model of the settings serves, and the highest release seen is"
            " forgotten",
            path, error.errors(include_url=False, include_input=False)[0]["msg"], damaged.name,
        )  # fmt: skip
        return State()
