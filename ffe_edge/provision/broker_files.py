"""What mosquitto reads, written where it reads it: trust, revocations, its own certificate, rules, passwords."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from ffe_edge.atomic_file import sync_folder, temporary_beside, write_new
from ffe_edge.errors import ConfigError, StoreError
from ffe_edge.provision import certificates
from ffe_edge.provision.acl import access_rules
from ffe_edge.provision.broker_service import mark
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.register import Register
from ffe_edge.provision.signing import broker_file, certificate_file, read_issuer, revocation_file


def broker_files(folder: Folder, now: datetime) -> dict[str, bytes]:
    """Every file by its name.

    Raises:
        StoreError: the folder cannot be used.
    """
    with folder.locked():
        register = folder.load()
        trusted = [one.number for one in register.trusted(now)]
        if not trusted:
            raise StoreError(f"{folder.path}: every authority has ended; `ffe-edge provision rotate authority`")
        return {
            "ca.pem": b"".join(folder.read(certificate_file(number)) for number in trusted),
            "crl.pem": b"".join(_revocations(folder, register, number, now) for number in trusted),
            "broker.pem": folder.read(broker_file(register.broker)),
            "acl": access_rules(register).encode(),
            "passwords": _passwords(register).encode(),
        }


def deploy(folder: Folder, now: datetime, target: Path, user: str) -> list[str]:
    """Write what has changed, readable by the broker's user alone; returns the names of those files.

    Raises:
        ConfigError: there is no such user, or only root can give files to it.
        StoreError: one of the folders cannot be used.
    """
    owner = _owner(user)
    files = broker_files(folder, now)
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o755)
        changed = [name for name, data in files.items() if _differs(target / name, data, owner)]
        if changed:
            mark(target)
        for name in changed:
            _replace(target / name, files[name], owner)
        sync_folder(target)
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror}); run as root, or give --to another"
        ) from error
    return changed


def _revocations(folder: Folder, register: Register, number: int, now: datetime) -> bytes:
    """The authority's list, a new one where the register has other revocations than the file."""
    revoked = {
        int(one.serial, 16): one.revoked_at
        for member in register.members
        for one in member.certificates
        if one.authority == number and one.revoked_at is not None
    }
    name = revocation_file(number)
    before = None
    if (folder.path / name).exists():
        data = folder.read(name)
        before = _read_list(data, folder.path / name)
        if {one.serial_number for one in before} == revoked.keys():
            return data
    made = certificates.revocation_list(read_issuer(folder, number), revoked.items(), now, before)
    data = made.public_bytes(serialization.Encoding.PEM)
    folder.write(name, data)
    return data


def _read_list(data: bytes, path: Path) -> x509.CertificateRevocationList:
    try:
        return x509.load_pem_x509_crl(data)
    except ValueError as error:
        raise StoreError(f"{path}: is damaged; remove it, and it is made again") from error


def _passwords(register: Register) -> str:
    return "".join(f"{one.name}:{one.password}\n" for one in register.members if one.is_admitted and one.password)


def _owner(user: str) -> tuple[int, int]:
    """Of a user here by name, or of one in a container by number."""
    try:
        entry = None if user.isdecimal() else pwd.getpwnam(user)
    except KeyError as error:
        raise ConfigError(f"--user {user!r}: no such user here; install mosquitto, or name who runs it") from error
    owner = (int(user), int(user)) if entry is None else (entry.pw_uid, entry.pw_gid)
    if os.geteuid() not in (0, owner[0]):
        raise ConfigError(f"--user {user}: only root can give it files; run with sudo")
    return owner


def _differs(path: Path, data: bytes, owner: tuple[int, int]) -> bool:
    try:
        found = path.stat()
        return path.read_bytes() != data or (found.st_uid, found.st_gid) != owner or found.st_mode & 0o077 != 0
    except FileNotFoundError:
        return True


def _replace(path: Path, data: bytes, owner: tuple[int, int]) -> None:
    temporary = temporary_beside(path)
    try:
        write_new(temporary, data)
        os.chown(temporary, *owner)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
