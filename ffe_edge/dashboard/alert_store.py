"""Alerts in the store: begun and ended by the watch, seen and dealt with by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, select, update

from ffe_edge.dashboard import options
from ffe_edge.dashboard.alert_hold import Held
from ffe_edge.dashboard.alert_rules import Finding, Sentence
from ffe_edge.dashboard.alert_settings import AlertSettings, RuleName
from ffe_edge.dashboard.refusal import RefusedError
from ffe_edge.dashboard.tables import alerts

MAX_NOTE_LETTERS: Final = 2_000
Key = tuple[str, str]
"""Rule and subject."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    id: int
    rule: str
    subject: str
    """``resident:<id>``, ``node:<id>`` or ``camera:<id>``."""
    opened_ms: int
    ended_ms: int | None
    severity: str
    detail: dict[str, Any] = field(default_factory=dict)
    """``key`` and ``figures`` of a sentence, ``found_ms``, ``is_delayed``; empty of who was forgotten."""
    acknowledged_by: str | None = None
    acknowledged_ms: int | None = None
    handled_by: str | None = None
    handled_ms: int | None = None
    note: str | None = None


_COLUMNS: Final = tuple(alerts.c[name] for name in Alert.__dataclass_fields__)


def open_alert(
    connection: Connection,
    rule: RuleName,
    subject: str,
    finding: Finding,
    *,
    now_ms: int,
    found_ms: int,
    is_delayed: bool,
) -> Alert:
    """Begin an alert.

    Args:
        connection: a writing one.
        rule: which rule found it.
        subject: of whom or what.
        finding: what was found.
        now_ms: when it is told.
        found_ms: when it was found first.
        is_delayed: it waited for the end of quiet hours.
    """
    detail = {
        "key": finding.sentence.key,
        "figures": dict(finding.sentence.figures),
        "found_ms": found_ms,
        "is_delayed": is_delayed,
    }
    values = {"rule": rule, "subject": subject, "opened_ms": now_ms, "severity": finding.severity, "detail": detail}
    return Alert(*connection.execute(insert(alerts).values(values).returning(*_COLUMNS)).one())


def end_alert(connection: Connection, rule: str, subject: str, now_ms: int) -> list[Alert]:
    """End what is open of a rule and its subject; returns it."""
    chosen = (alerts.c.rule == rule) & (alerts.c.subject == subject) & alerts.c.ended_ms.is_(None)
    change = update(alerts).where(chosen).values(ended_ms=now_ms).returning(*_COLUMNS)
    return [Alert(*row) for row in connection.execute(change)]


def alerts_page(
    connection: Connection,
    *,
    subject: str | None = None,
    from_ms: int | None = None,
    to_ms: int | None = None,
    only_open: bool = False,
    before: int | None = None,
    limit: int = 100,
) -> list[Alert]:
    """Alerts, newest first.

    Args:
        connection: to read by.
        subject: only of this one.
        from_ms: only those that lasted until then or later.
        to_ms: only those that began before.
        only_open: only those that nobody has dealt with yet, ended or not.
        before: only those that come after the one of this id in the list.
        limit: at most so many.
    """
    conditions: list[ColumnElement[bool]] = [] if subject is None else [alerts.c.subject == subject]
    conditions += [] if from_ms is None else [alerts.c.ended_ms.is_(None) | (alerts.c.ended_ms >= from_ms)]
    conditions += [] if to_ms is None else [alerts.c.opened_ms < to_ms]
    conditions += [alerts.c.handled_ms.is_(None)] if only_open else []
    conditions += [] if before is None else [alerts.c.id < before]
    query = select(*_COLUMNS).where(*conditions).order_by(alerts.c.id.desc()).limit(limit)
    return [Alert(*row) for row in connection.execute(query)]


def get_alert(connection: Connection, alert_id: int) -> Alert:
    """One alert.

    Raises:
        RefusedError: there is none of this id.
    """
    row = connection.execute(select(*_COLUMNS).where(alerts.c.id == alert_id)).first()
    if row is None:
        raise RefusedError("not-found", "there is no such alert")
    return Alert(*row)


def acknowledge(connection: Connection, alert_id: int, user_name: str, now_ms: int) -> Alert:
    """Somebody has seen it (確認); who was first stays.

    Raises:
        RefusedError: there is none of this id.
    """
    alert = get_alert(connection, alert_id)
    if alert.acknowledged_ms is None:
        _change(connection, alert_id, acknowledged_by=user_name, acknowledged_ms=now_ms)
    return get_alert(connection, alert_id)


def handle(connection: Connection, alert_id: int, user_name: str, now_ms: int, note: str | None = None) -> Alert:
    """Somebody has dealt with it (対応済), and so has seen it; who was first stays, the last note counts.

    Raises:
        RefusedError: there is none of this id.
    """
    alert = acknowledge(connection, alert_id, user_name, now_ms)
    if alert.handled_ms is None:
        _change(connection, alert_id, handled_by=user_name, handled_ms=now_ms)
    if note:
        _change(connection, alert_id, note=note[:MAX_NOTE_LETTERS])
    return get_alert(connection, alert_id)


def read_settings(connection: Connection) -> AlertSettings:
    """The rules as they are set; what cannot be read counts as not set."""
    kept = options.read(connection, "alert-settings")
    try:
        return AlertSettings.model_validate(kept or {})
    except ValueError:
        return AlertSettings()


def read_held(connection: Connection) -> dict[Key, Held]:
    """What the watch remembers between two looks."""
    kept = options.read(connection, "alerts-held") or []
    return {(rule, subject): _held(values) for rule, subject, values in kept}


def write_held(connection: Connection, held: Mapping[Key, Held]) -> None:
    """Remember it, in the transaction of what was found."""
    options.write(connection, "alerts-held", [[*key, asdict(one)] for key, one in held.items()])


def _held(values: dict[str, Any]) -> Held:
    waiting = values.get("waiting")
    if waiting is not None:
        sentence = Sentence(waiting["sentence"]["key"], waiting["sentence"]["figures"])
        values = values | {"waiting": Finding(waiting["severity"], sentence)}
    return Held(**values)


def _change(connection: Connection, alert_id: int, **values: object) -> None:
    connection.execute(update(alerts).where(alerts.c.id == alert_id).values(**values))
