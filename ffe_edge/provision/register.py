"""What the authority knows: its own certificates, whom it gave which, and what it took back. One JSON file."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ffe_edge.errors import ConfigError, StoreError
from ffe_edge.provision.names import Host, Role, Topic, checked_id, node_name

Serial = Annotated[str, Field(pattern=r"^[0-9a-f]{1,40}$")]
Site = Annotated[str, Field(pattern=r"^([a-z0-9-]{1,32}|\+)$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Certificate(_Entry):
    """One that was given out; who has it has its key, too, which is nowhere else."""

    serial: Serial
    authority: int = Field(ge=1)
    """Number of the authority that signed it."""
    begins: AwareDatetime
    ends: AwareDatetime
    revoked_at: AwareDatetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether a broker takes it."""
        return self.revoked_at is None and self.begins <= now < self.ends


class Authority(_Entry):
    """One that signs, or has signed."""

    number: int = Field(ge=1)
    serial: Serial
    ends: AwareDatetime
    ended_at: AwareDatetime | None = None
    """Since when nobody is to trust it any more, before its time."""

    def is_trusted(self, now: datetime) -> bool:
        """Whether certificates of it are good."""
        return self.ended_at is None and now < self.ends


class Member(_Entry):
    """A node or a client."""

    name: Annotated[str, Field(max_length=65)]
    role: Role
    sites: tuple[Site, ...]
    certificates: tuple[Certificate, ...]
    """Oldest first."""
    password: Annotated[str, Field(pattern=r"^\$7\$[0-9]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$")] | None = None
    """As mosquitto keeps it; None: none, a certificate is all."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        site, slash, node = name.partition("/")
        try:
            return node_name(site, node) if slash else checked_id(name, "client")
        except ConfigError as error:
            raise ValueError(str(error)) from error

    @property
    def is_admitted(self) -> bool:
        """Whether some certificate of it is not revoked."""
        return any(one.revoked_at is None for one in self.certificates)

    @property
    def newest(self) -> Certificate:
        """The certificate that it should be using."""
        return self.certificates[-1]


class Register(_Entry):
    """Everything."""

    version: Literal[1] = 1
    hosts: tuple[Host, ...] = Field(min_length=1)
    """Names and addresses of the broker; devices are told the first one."""
    port: int = Field(default=8883, ge=1, le=65535)
    root_topic: Topic = "ffe/v1"
    discovery_prefix: Topic = "homeassistant"
    authorities: tuple[Authority, ...] = Field(min_length=1)
    """Oldest first; the last one signs for nodes and clients."""
    broker: Certificate
    members: tuple[Member, ...] = ()

    def member(self, name: str) -> Member | None:
        """The one of that name."""
        return next((one for one in self.members if one.name == name), None)

    def with_member(self, member: Member) -> Register:
        """The same, with this one added or in the place of that of its name."""
        others = tuple(one for one in self.members if one.name != member.name)
        return self.model_copy(update={"members": tuple(sorted((*others, member), key=lambda one: one.name))})

    def trusted(self, now: datetime) -> tuple[Authority, ...]:
        """Authorities that everybody is to trust, oldest first."""
        return tuple(one for one in self.authorities if one.is_trusted(now))

    def good_by(self, number: int, now: datetime) -> tuple[str, ...]:
        """Who uses a certificate of that authority that is still good, the broker among them."""
        names = [one.name for one in self.members if any(_is_of(each, number, now) for each in one.certificates)]
        return (*(["the broker"] if _is_of(self.broker, number, now) else []), *names)


def parse_register(text: str, where: str) -> Register:
    """Read it.

    Args:
        text: JSON.
        where: it comes from, for the error.

    Raises:
        StoreError: it is damaged, or of another version of this program.
    """
    try:
        return Register.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise StoreError(f"{where}: cannot be used, {place}: {first['msg']}; give back a copy that is whole") from error


def _is_of(certificate: Certificate, number: int, now: datetime) -> bool:
    return certificate.authority == number and certificate.is_good(now)
