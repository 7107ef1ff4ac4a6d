"""The authority itself and the broker's certificate: how they begin and are renewed, the old beside the new."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from ffe_edge.errors import ConfigError
from ffe_edge.provision import certificates
from ffe_edge.provision.folder import Folder
from ffe_edge.provision.register import Authority, Certificate, Register
from ffe_edge.provision.signing import (
    Clock,
    broker_file,
    certificate_file,
    entry_of,
    key_file,
    now_utc,
    read_issuer,
    refuse_outliving,
    some_of,
)

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
"""Every broker is reached by these, too: a dashboard on the same machine needs no other name."""


class Authorities:
    """Makes and renews authorities and what the broker shows."""

    def __init__(self, folder: Folder, clock: Clock = now_utc) -> None:
        self._folder = folder
        self._clock = clock

    def begin(
        self,
        hosts: Sequence[str],
        lifetime: timedelta,
        broker_lifetime: timedelta,
        *,
        port: int = 8883,
        root_topic: str = "ffe/v1",
        discovery_prefix: str = "homeassistant",
    ) -> Register:
        """Make an authority and the broker's certificate.

        Args:
            hosts: names and addresses of the broker, the one that devices are told first.
            lifetime: of the authority.
            broker_lifetime: of the broker's certificate.
            port: of the broker.
            root_topic: what the nodes' topics begin with.
            discovery_prefix: of Home Assistant.

        Raises:
            ConfigError: one is there, or the broker's certificate would outlive it.
            StoreError: the folder cannot be used.
        """
        with self._folder.locked():
            if self._folder.is_made:
                raise ConfigError(
                    f"{self._folder.path}: an authority is there already, and nothing of it is overwritten; "
                    "`ffe-edge provision rotate` renews what it has"
                )
            authority = self._new_authority(1, lifetime)
            broker = self._new_broker(authority, _with_loopback(hosts), broker_lifetime)
            register = Register(
                hosts=tuple(hosts),
                port=port,
                root_topic=root_topic,
                discovery_prefix=discovery_prefix,
                authorities=(authority,),
                broker=broker,
            )
            self._folder.save(register)
        return register

    def renew_broker(self, lifetime: timedelta, hosts: Sequence[str] = ()) -> Register:
        """Give the broker a new key and certificate, signed by the newest authority that all members know.

        Args:
            lifetime: of the certificate.
            hosts: in the place of those that it has; none: the same.

        Raises:
            ConfigError: the certificate would outlive its authority.
            StoreError: the folder cannot be used.
        """
        with self._folder.locked():
            register = self._folder.load()
            authority = self._known_to_all(register)
            told = tuple(hosts) or register.hosts
            broker = self._new_broker(authority, _with_loopback(told), lifetime)
            register = register.model_copy(update={"hosts": told, "broker": broker})
            self._folder.save(register)
        return register

    def renew_authority(self, lifetime: timedelta) -> Register:
        """Begin a new authority, which signs from now on; the old one stays trusted until it ends.

        Raises:
            ConfigError: an older one has not ended yet.
            StoreError: the folder cannot be used.
        """
        with self._folder.locked():
            register = self._folder.load()
            trusted = register.trusted(self._clock())
            if len(trusted) > 1:
                raise ConfigError(
                    f"authority {trusted[0].number} has not ended yet: renew what it has signed, then "
                    "`ffe-edge provision rotate authority --end-old`"
                )
            new = self._new_authority(register.authorities[-1].number + 1, lifetime)
            register = register.model_copy(update={"authorities": (*register.authorities, new)})
            self._folder.save(register)
        return register

    def end_old_authorities(self) -> int:
        """Trust the newest authority only; returns how many others were trusted.

        Raises:
            ConfigError: somebody still uses a certificate of an old one.
            StoreError: the folder cannot be used.
        """
        with self._folder.locked():
            register, now = self._folder.load(), self._clock()
            old = {one.number for one in register.trusted(now)} - {register.authorities[-1].number}
            for number in sorted(old):
                if users := register.good_by(number, now):
                    raise ConfigError(
                        f"authority {number} cannot end: {some_of(users)} would be refused; rotate these, and revoke "
                        "what they had before"
                    )
            ended = tuple(
                one.model_copy(update={"ended_at": now}) if one.number in old else one for one in register.authorities
            )
            if old:
                self._folder.save(register.model_copy(update={"authorities": ended}))
        return len(old)

    def _new_authority(self, number: int, lifetime: timedelta) -> Authority:
        name = f"ffe-edge authority {number} {secrets.token_hex(4)}"
        made = certificates.new_authority(name, self._clock(), lifetime)
        self._folder.write(key_file(number), certificates.key_pem(made.key))
        self._folder.write(certificate_file(number), certificates.certificate_pem(made.certificate))
        entry = entry_of(made.certificate, number)
        return Authority(number=number, serial=entry.serial, ends=entry.ends)

    def _new_broker(self, authority: Authority, hosts: Sequence[str], lifetime: timedelta) -> Certificate:
        refuse_outliving(authority, lifetime, self._clock())
        key, issuer = certificates.new_key(), read_issuer(self._folder, authority.number)
        made = certificates.broker_certificate(issuer, key, hosts, self._clock(), lifetime)
        entry = entry_of(made, authority.number)
        self._folder.write(broker_file(entry), certificates.certificate_pem(made) + certificates.key_pem(key))
        return entry

    def _known_to_all(self, register: Register) -> Authority:
        """Members got all authorities of their day with their newest certificate: the oldest of these knows least."""
        now = self._clock()
        trusted = register.trusted(now)
        known = [one.newest.authority for one in register.members if one.newest.is_good(now)]
        numbers = [one for one in trusted if one.number <= min(known, default=trusted[-1].number)]
        return numbers[-1] if numbers else trusted[-1]


def _with_loopback(hosts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*hosts, *LOOPBACK)))
