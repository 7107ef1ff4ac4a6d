"""What is taken to a device: its key, its certificate, whom it trusts, and its part of the settings."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ffe_edge.atomic_file import PRIVATE_MODE, sync_folder, temporary_beside, write_new
from ffe_edge.errors import StoreError
from ffe_edge.provision.names import Role
from ffe_edge.provision.register import Member, Register

SETTINGS: Final = "broker.toml"
PUBLIC_MODE: Final = 0o644
DEFAULT_ROOT: Final = "ffe/v1"
DEFAULT_DISCOVERY: Final = "homeassistant"
PUBLIC: Final = Path("/etc/ffe-edge/tls")
CREDENTIALS: Final = {
    "node": Path("/run/credentials/ffe-edge.service"),
    "dashboard": Path("/run/credentials/ffe-dashboard.service"),
}
"""Of the services of deploy/systemd, which read them from /etc/ffe-edge/credentials."""

Files = Mapping[str, bytes]
"""By name."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a bundle lie on the device."""

    public: Path
    secret: Path
    """Of the key, as the program reads it."""


def stem_of(role: Role) -> str:
    """What certificate and key are called in the bundle."""
    return role if role in ("node", "dashboard") else "client"


def layout_of(role: Role, folder: Path | None) -> Layout:
    """All in one folder, or where the installed services look: what is secret comes to them from systemd."""
    if folder is not None:
        return Layout(folder, folder)
    return Layout(PUBLIC, CREDENTIALS.get(role, PUBLIC))


def settings(register: Register, member: Member, layout: Layout) -> bytes:
    """``[broker]`` of the device's or the dashboard's file of settings, and who the device is.

    Args:
        register: where the broker is.
        member: whose settings.
        layout: where the files of the bundle will lie.
    """
    stem = stem_of(member.role)
    host = register.hosts[0]
    shown = f"[{host}]" if ":" in host else host
    values = {
        "url": f"mqtts://{shown}:{register.port}",
        "ca_file": f"{layout.public / 'ca.pem'}",
        "certificate_file": f"{layout.public / f'{stem}.pem'}",
        "key_file": f"{layout.secret / f'{stem}.key'}",
    }
    if register.root_topic != DEFAULT_ROOT:
        values["root_topic"] = register.root_topic
    return (_identity(member) + _toml("broker", values) + _discovery(register, member)).encode()


@contextmanager
def staged(path: Path, files: Files) -> Iterator[None]:
    """Write a bundle down to the disk; it gets its name when the block ends well, and is gone when it does not.

    Args:
        path: ``….tar``, or the name of a folder.
        files: what is in it.

    Raises:
        StoreError: something of that name is there, or it cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        refuse_existing(path)
        _write(temporary, files, is_tar=path.suffix == ".tar")
        yield
        refuse_existing(path)
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); give --to a place that is yours") from error
    finally:
        _remove(temporary)


def refuse_existing(path: Path) -> None:
    """Nothing is overwritten.

    Raises:
        StoreError: there is something of that name.
    """
    if path.exists() or path.is_symlink():
        raise StoreError(f"{path}: is there already; move it away, or give --to another name")


def _write(path: Path, files: Files, *, is_tar: bool) -> None:
    if is_tar:
        write_new(path, _tar(files))
        return
    path.mkdir(mode=0o700)
    for name, data in files.items():
        write_new(path / name, data)
        (path / name).chmod(_mode(name))
    sync_folder(path)


def _tar(files: Files) -> bytes:
    """An archive that belongs to nobody: who unpacks it owns the files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), _mode(name)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _mode(name: str) -> int:
    return PUBLIC_MODE if name.endswith((".pem", ".toml")) else PRIVATE_MODE


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _identity(member: Member) -> str:
    """Before every table, as TOML wants it."""
    if member.role != "node":
        return ""
    site, _, node = member.name.partition("/")
    return f"site = {json.dumps(site)}\nnode = {json.dumps(node)}\n\n"


def _discovery(register: Register, member: Member) -> str:
    if member.role != "node" or register.discovery_prefix == DEFAULT_DISCOVERY:
        return ""
    return "\n" + _toml("home_assistant", {"discovery_prefix": register.discovery_prefix})


def _toml(section: str, values: Mapping[str, str]) -> str:
    return f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
