"""What a person at the device may ask about its model updates, whether the daemon runs or not."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from ffe_edge.config import Config
from ffe_edge.errors import ModelError, StoreError
from ffe_edge.updates.book import BY_COMMAND, taken_back
from ffe_edge.updates.ledger import ROLLBACK_FILE, TAKEN_FILE, Ledger, ledger_folder

DAEMON_SECONDS: Final = 60.0
"""What a running daemon gets to load the model before."""
LOOK_SECONDS: Final = 0.1


def state_of(config: Config) -> dict[str, Any]:
    """How far this node is, as its topic tells it, and which releases it does not try again.

    Raises:
        StoreError: it cannot be read.
    """
    state = Ledger(ledger_folder(config)).state
    failed = [failure.model_dump(mode="json") for failure in state.failed]
    return {**state.told().model_dump(mode="json", exclude_none=True), "failed": failed}


def roll_back(config: Config) -> str:
    """Go back to the model before the last update; returns what serves, in words.

    Raises:
        ModelError: there is nothing to go back from, or the daemon does not do it.
        StoreError: the state cannot be read or written.
    """
    ledger = Ledger(ledger_folder(config))
    _check_owner(ledger)
    if ledger.state.current is None and ledger.state.target is None:
        raise ModelError("no updated model serves or is on its way: there is nothing to go back from")
    if ledger.try_to_hold():
        try:
            _change(ledger)
        finally:
            ledger.let_go()
        return f"{_name(ledger)} serves from the next start of the daemon on"
    _ask_daemon(ledger)
    return f"{_name(ledger)} serves"


def _check_owner(ledger: Ledger) -> None:
    """What another user writes there the daemon could not read."""
    try:
        owner = ledger.folder.stat().st_uid
    except OSError:
        return
    if owner != os.geteuid():
        raise StoreError(f"{ledger.folder}: is user {owner}'s; run this as the daemon's user: sudo -u '#{owner}' …")


def _change(ledger: Ledger) -> None:
    state, release = ledger.state, ledger.state.release
    if state.target is not None and release is not None:
        failed = state.with_failure(release, BY_COMMAND)
        ledger.write(phase="rolled-back", reason=BY_COMMAND, target=None, trials=0, failed=failed)
    elif state.current is not None:
        ledger.write(**taken_back(state, state.previous))
    ledger.sweep()


def _ask_daemon(ledger: Ledger) -> None:
    """A file that the daemon takes away when it has done what it asks for, or could not."""
    before = ledger.state
    request, taken = ledger.folder / ROLLBACK_FILE, ledger.folder / TAKEN_FILE
    until = time.monotonic() + DAEMON_SECONDS
    try:
        request.touch(mode=0o600)
        while (request.exists() or taken.exists()) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
    except OSError as error:
        raise StoreError(f"{request}: cannot be written ({error.strerror}); run this as the daemon's user") from error
    if request.exists() or taken.exists():
        request.unlink(missing_ok=True)
        raise ModelError(f"the daemon did not go back in {DAEMON_SECONDS:g} s; see its log")
    ledger.refresh()
    if ledger.state.phase != "rolled-back" and ledger.state.current == before.current:
        raise ModelError(f"the daemon did not go back: {ledger.state.reason or 'see its log'}")


def _name(ledger: Ledger) -> str:
    current = ledger.state.current
    return f"{current.name} (release {current.counter})" if current else "the model of the settings"
