"""What there is, until when, and what is wrong with it: for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from rich.table import Column, Table

from ffe_edge.provision.register import Authority, Certificate, Member, Register

State = Literal["good", "old", "expired", "revoked", "ended"]
"""``old``: still good, but there is a newer one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A certificate."""

    name: str
    role: str
    sites: tuple[str, ...]
    state: State
    serial: str
    authority: int
    ends: datetime
    days_left: int
    revoked_at: datetime | None = None
    has_password: bool = False


def rows(register: Register, now: datetime) -> list[Row]:
    """Authorities, the broker, then everybody by name, each with the oldest certificate first."""
    signers = [_signer(one, one == register.authorities[-1], now) for one in register.authorities]
    broker = _row("broker", "broker", (), register.broker, now)
    return [*signers, broker, *(row for member in register.members for row in _of_member(member, now))]


def ending(found: Sequence[Row], days: int) -> list[Row]:
    """Those in use that end within so many days, or have ended."""
    in_use = {(row.role, row.name): row for row in found if row.state in ("good", "expired")}  # the newest comes last
    return [row for row in in_use.values() if row.days_left < days]


def as_json(found: Sequence[Row]) -> str:
    """A list of objects."""
    return json.dumps([asdict(row) for row in found], default=datetime.isoformat, indent=2)


def as_table(found: Sequence[Row]) -> Table:
    """A table."""
    firm = [Column(name, no_wrap=True) for name in ("state", "ends", "days", "by", "serial")]
    table = Table(Column("name", overflow="fold"), Column("role"), *firm, Column("sites", overflow="fold"), box=None)
    for row in found:
        role = f"{row.role} + password" if row.has_password else row.role
        by = "" if row.role == "authority" else str(row.authority)
        ends = f"{row.ends:%Y-%m-%d}"
        table.add_row(row.name, role, row.state, ends, str(row.days_left), by, row.serial[:8], " ".join(row.sites))
    return table


def _of_member(member: Member, now: datetime) -> Iterator[Row]:
    for one in member.certificates:
        row = _row(member.name, member.role, member.sites, one, now)
        is_old = row.state == "good" and one != member.newest
        yield replace(row, state="old" if is_old else row.state, has_password=member.password is not None)


def _row(name: str, role: str, sites: tuple[str, ...], one: Certificate, now: datetime) -> Row:
    state: State = "revoked" if one.revoked_at is not None else "expired" if now >= one.ends else "good"
    days = _days(one.ends, now)
    return Row(name, role, sites, state, one.serial, one.authority, one.ends, days, one.revoked_at)


def _signer(one: Authority, is_newest: bool, now: datetime) -> Row:
    state: State = "good"
    if not one.is_trusted(now):
        state = "expired" if is_newest else "ended"
    days = _days(one.ends, now)
    return Row(f"authority {one.number}", "authority", (), state, one.serial, one.number, one.ends, days)


def _days(ends: datetime, now: datetime) -> int:
    """Whole days that are left."""
    return (ends - now) // timedelta(days=1)
