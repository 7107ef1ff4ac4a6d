"""Nodes and clients: who gets a certificate, a new one, and has it taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ffe_edge.errors import ConfigError
from ffe_edge.provision import certificates
from ffe_edge.provision.bundle import layout_of, refuse_existing, settings, staged, stem_of
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.names import Role, device_id
from ffe_edge.provision.password import new_password
from ffe_edge.provision.register import Member, Register
from ffe_edge.provision.signing import (
    Clock,
    certificate_file,
    entry_of,
    now_utc,
    read_issuer,
    refuse_outliving,
    some_of,
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What somebody takes away."""

    path: Path
    """Where it is written."""
    lifetime: timedelta
    folder: Path | None = None
    """Where its files will lie on the device; None: where the installed services look."""
    with_password: bool = False
    """Make one, for listeners that ask for no certificate."""


class Members:
    """Admits, renews and revokes."""

    def __init__(self, folder: Folder, clock: Clock = now_utc) -> None:
        self._folder = folder
        self._clock = clock

    def admit(self, name: str, role: Role, sites: tuple[str, ...], bundle: Bundle) -> Member:
        """Give a node or a client its first certificate, or one after it was revoked.

        Raises:
            ConfigError: it has one, or its name cannot be told from that of another node.
            StoreError: the folder or the bundle cannot be written.
        """
        with self._folder.locked():
            register = self._folder.load()
            known = register.member(name)
            if known is not None and known.is_admitted:
                raise ConfigError(f"{name}: has a certificate already; `ffe-edge provision rotate` gives it a new one")
            _refuse_twin(register, name, role)
            history = known.certificates if known else ()
            return self._give(register, Member(name=name, role=role, sites=sites, certificates=history), bundle)

    def renew(self, name: str, bundle: Bundle) -> Member:
        """Give a node or a client a new key and certificate; the old one stays good until it ends or is revoked.

        Raises:
            ConfigError: nobody of that name is admitted.
            StoreError: the folder or the bundle cannot be written.
        """
        with self._folder.locked():
            register = self._folder.load()
            member = register.member(name)
            if member is None or not member.is_admitted:
                raise ConfigError(f"{name}: {_missing(register, name)}")
            return self._give(register, member, bundle)

    def revoke(self, name: str, *, only_old: bool = False) -> int:
        """Take certificates back; returns how many. Nothing happens to those that are revoked or have ended.

        Args:
            name: of the node or client.
            only_old: leave it the newest one.

        Raises:
            ConfigError: nobody has that name.
            StoreError: the folder cannot be used.
        """
        with self._folder.locked():
            register, now = self._folder.load(), self._clock()
            member = register.member(name)
            if member is None:
                raise ConfigError(f"{name}: {_missing(register, name)}")
            chosen = {one.serial for one in (member.certificates[:-1] if only_old else member.certificates)}
            chosen = {one.serial for one in member.certificates if one.serial in chosen and one.revoked_at is None}
            if not chosen:
                return 0
            changed = tuple(
                one.model_copy(update={"revoked_at": now}) if one.serial in chosen else one
                for one in member.certificates
            )
            password = member.password if only_old else None
            update = {"certificates": changed, "password": password}
            self._folder.save(register.with_member(member.model_copy(update=update)))
        return len(chosen)

    def _give(self, register: Register, member: Member, bundle: Bundle) -> Member:
        refuse_existing(bundle.path)
        authority, now = register.authorities[-1], self._clock()
        refuse_outliving(authority, bundle.lifetime, now)
        key, issuer = certificates.new_key(), read_issuer(self._folder, authority.number)
        made = certificates.client_certificate(issuer, key, member.name, now, bundle.lifetime)
        stem = stem_of(member.role)
        files = {
            "ca.pem": b"".join(self._folder.read(certificate_file(one.number)) for one in register.trusted(now)),
            f"{stem}.pem": certificates.certificate_pem(made),
            f"{stem}.key": certificates.key_pem(key),
        }
        changed = {"certificates": (*member.certificates, entry_of(made, authority.number))}
        if bundle.with_password:
            password, changed["password"] = new_password()  # type: ignore[assignment]  # a value of another field
            files[f"{stem}.password"] = password.encode() + b"\n"
        files["broker.toml"] = settings(register, member, layout_of(member.role, bundle.folder))
        member = member.model_copy(update=changed)
        with staged(bundle.path, files):
            self._folder.save(register.with_member(member))
        return member


def _refuse_twin(register: Register, name: str, role: Role) -> None:
    """Home Assistant's id of a node has no slash: a/b-c and a-b/c would be one device, and share its topic."""
    if role != "node":
        return
    device = device_id(*name.split("/"))
    for one in register.members:
        if one.role == "node" and one.name != name and one.is_admitted and device_id(*one.name.split("/")) == device:
            raise ConfigError(f"{name}: Home Assistant could not tell it from {one.name}; give it another name")


def _missing(register: Register, name: str) -> str:
    if register.member(name) is not None:
        return "is revoked; `ffe-edge provision node` or `client` admits it again"
    names = [one.name for one in register.members]
    return f"nobody has that name; there are {some_of(names)}" if names else "nobody has a certificate yet"
