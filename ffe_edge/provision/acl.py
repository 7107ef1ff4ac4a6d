"""Access rules of mosquitto: what each name may read and write.

mosquitto lets everybody subscribe to anything and then delivers only what may be read. Source: mosquitto.conf(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ffe_edge.provision.names import Role, device_id
from ffe_edge.provision.register import Member, Register

HEAD: Final = """\
# Written by `ffe-edge provision deploy`: the next one overwrites what is changed here.
# Who has no lines may do nothing. Names are those of the certificates.
"""


def access_rules(register: Register) -> str:
    """The file of rules, for everybody who has a certificate that is not revoked."""
    members = sorted((one for one in register.members if one.is_admitted), key=lambda one: one.name)
    return HEAD + "".join(f"\nuser {one.name}\n{_lines(one, register)}" for one in members)


def _lines(member: Member, register: Register) -> str:
    rules = RULES[member.role](member, register.root_topic, register.discovery_prefix)
    return "".join(f"topic {rule}\n" for rule in rules)


def _node(member: Member, root: str, discovery: str) -> Iterable[str]:
    site, _, node = member.name.partition("/")
    own = f"{root}/{site}/{node}"
    return (
        f"write {own}/#",
        f"write {discovery}/device/{device_id(site, node)}/config",
        f"read {own}/command/#",
        f"read {own}/model/desired",
        f"read {root}/{site}/model/desired",
        f"read {discovery}/status",
    )


def _dashboard(member: Member, root: str, _discovery: str) -> Iterator[str]:
    for site in member.sites:
        yield f"read {root}/{site}/#"
        yield f"write {root}/{site}/+/command/#"


def _reader(member: Member, root: str, _discovery: str) -> Iterator[str]:
    for site in member.sites:
        yield from (f"read {root}/{site}/+/{level}" for level in ("status", "health", "camera/#"))


def _home_assistant(member: Member, root: str, discovery: str) -> Iterator[str]:
    yield f"read {discovery}/#"
    yield f"write {discovery}/status"
    yield from _reader(member, root, discovery)
    for site in member.sites:
        yield from (f"write {root}/{site}/+/command/{name}" for name in ("privacy", "reload"))


def _bridge(member: Member, root: str, _discovery: str) -> Iterator[str]:
    for site in member.sites:
        yield f"write {root}/{site}/#"
        yield f"read {root}/{site}/+/command/#"
        yield f"read {root}/{site}/+/model/desired"
        yield f"read {root}/{site}/model/desired"


def _admin(_member: Member, root: str, discovery: str) -> Iterable[str]:
    return (f"readwrite {root}/#", f"readwrite {discovery}/#", "read $SYS/#")


RULES: Final[dict[Role, Callable[[Member, str, str], Iterable[str]]]] = {
    "node": _node,
    "dashboard": _dashboard,
    "reader": _reader,
    "home-assistant": _home_assistant,
    "bridge": _bridge,
    "admin": _admin,
}
