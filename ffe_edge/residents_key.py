"""The key of the residents' store: 32 random bytes in a file that only its user reads, or a systemd credential."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from ffe_edge.atomic_file import sync_folder, temporary_beside, write_new
from ffe_edge.config_people import RESIDENTS_KEY, ResidentSettings, residents_credential
from ffe_edge.errors import StoreError

KEY_BYTES: Final = 32
OTHERS: Final = 0o077
"""No right for anybody but the owner."""
WORLD: Final = 0o007
"""systemd gives a credential to the service's user by an access list, which shows as a right of the group."""


def key_path(settings: ResidentSettings, state_dir: Path) -> Path:
    """Where the key lies: the setting, else systemd's credential, else the state folder."""
    return settings.key_file or residents_credential() or state_dir / RESIDENTS_KEY


def read_key(path: Path) -> bytes:
    """The key.

    Raises:
        StoreError: it is missing, others can read it, or it is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{path}: the residents' key cannot be read ({error.strerror}); give back the file") from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path}: is no regular file; give residents.key_file the key")
        forbidden = WORLD if path == residents_credential() else OTHERS
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & forbidden:
            raise StoreError(f"{path}: others can read the residents' key; chown it to the daemon's user and chmod 600")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise StoreError(f"{path}: is no key of {KEY_BYTES} bytes; give back the right file")
    return key


def create_key(path: Path) -> bytes:
    """The key, made where there is none. Two programs that start at once get the same one: the first link wins.

    Raises:
        StoreError: it cannot be written, or cannot be used.
    """
    temporary = temporary_beside(path)
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_new(temporary, secrets.token_bytes(KEY_BYTES))
            with suppress(FileExistsError):
                os.link(temporary, path)
            sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: the residents' key cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return read_key(path)
