"""Names that certificates and access rules are made of: sites, nodes, clients, roles, hosts."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from ffe_edge.config_section import Id
from ffe_edge.errors import ConfigError

ClientRole = Literal["dashboard", "reader", "home-assistant", "bridge", "admin"]
Role = Literal["node", ClientRole]

CLIENT_ROLES: Final[tuple[ClientRole, ...]] = get_args(ClientRole)
EVERY_SITE: Final = "+"
"""As MQTT writes it."""
RESERVED_NODES: Final = frozenset({"model"})
"""``<site>/model/desired`` is the site's; a node of that name could write it."""

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_ID: Final = TypeAdapter(Id)

Topic = Annotated[str, Field(pattern=r"^[^#+\s\x00/]+(/[^#+\s\x00/]+)*$", max_length=128)]
"""One or more levels, without wildcards: neither may stand in a rule of access."""
_TOPIC: Final = TypeAdapter(Topic)


def _host(text: str) -> str:
    address = address_of(text)
    if address is not None:
        return address.compressed
    name = text.lower()
    if not _HOST.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise ValueError("a host is a name as broker.lan or an address as 192.168.1.10, without a port")
    return name


Host = Annotated[str, AfterValidator(_host)]
"""Name or address of the broker, as devices reach it."""


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that the text is; None: it is none."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def checked_id(text: str, what: str) -> str:
    """The id itself.

    Args:
        text: what somebody typed.
        what: it is the name of.

    Raises:
        ConfigError: it is none.
    """
    try:
        return _ID.validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{what} {text!r}: a name has 1 to 32 letters of a-z, 0-9 and -") from error


def checked_host(text: str) -> str:
    """The host as it is written into certificates.

    Raises:
        ConfigError: it is none.
    """
    try:
        return _host(text)
    except ValueError as error:
        raise ConfigError(f"--host {text!r}: {error}") from error


def checked_topic(text: str, option: str) -> str:
    """The topic itself.

    Raises:
        ConfigError: it is none.
    """
    try:
        return _TOPIC.validate_python(text)
    except ValidationError as error:
        raise ConfigError(f"{option} {text!r}: is one or more words with / between, without +, # or blanks") from error


def checked_role(text: str) -> ClientRole:
    """The role itself.

    Raises:
        ConfigError: there is no such role.
    """
    for role in CLIENT_ROLES:
        if role == text:
            return role
    raise ConfigError(f"--role {text!r}: there are {', '.join(CLIENT_ROLES)}")


def checked_sites(sites: tuple[str, ...], role: str) -> tuple[str, ...]:
    """Sites of a client, each once.

    Raises:
        ConfigError: one is no name, or there are none, or some for a role that has all.
    """
    if role == "admin":
        if sites:
            raise ConfigError("--site: an admin may do everything at every site; leave it out")
        return (EVERY_SITE,)
    if not sites:
        raise ConfigError(f"--site: say whose topics this {role} is to read; '+' is every site of this broker")
    return tuple(sorted({site if site == EVERY_SITE else checked_id(site, "--site") for site in sites}))


def node_name(site: str, node: str) -> str:
    """What a node is called in its certificate, and so by the broker.

    Raises:
        ConfigError: one of the two cannot be used.
    """
    checked_id(site, "site")
    if checked_id(node, "node") in RESERVED_NODES:
        raise ConfigError(f"node {node!r}: is taken by topics of the site; give the device another name")
    return f"{site}/{node}"


def device_id(site: str, node: str) -> str:
    """What Home Assistant calls the device, and the node itself as a client of the broker."""
    return f"ffe-{site}-{node}"
