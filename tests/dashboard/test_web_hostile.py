"""Text that wants to be more than text, through every field, parameter and path of the interface, on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from dashboard.messages import emotion
from dashboard.website import API, Browser, Site
from sqlalchemy import func, select

from ffe_edge.dashboard import alert_store, people_store, places
from ffe_edge.dashboard.alert_rules import Finding, Sentence
from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.ingest import ingest
from ffe_edge.dashboard.tables import METADATA, users

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "'; DROP TABLE users; --",
    '" OR 1=1 UNION SELECT password_hash FROM users --',
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "../../../../etc/passwd",
    "a\0b",
    "\ud800",
    "\u202e\r\nSet-Cookie: x=y",
    "x" * 20_000,
)  # fmt: skip
NOT_ASKED = ("/stream", "/session", "/me/password")
FIRST = "1"
"""There is one of each kind."""


class Field(NamedTuple):
    method: str
    path: str
    where: tuple[str, ...]
    body: Any


@pytest.fixture
def site(database: Database) -> Site:
    site = Site(database)
    with database.writing() as connection:
        ingest(connection, [emotion(1, "start", 0)], site.parts.settings.home.zone)
        places.add_room(connection, {"name_ja": "a", "name_en": "a", "floor": "", "position": 0})
        people_store.add_resident(connection, "1", {"name": "a"}, 0)
        finding = Finding("warning", Sentence("a", {}))
        alert_store.open_alert(connection, "no-joy", "resident:1", finding, now_ms=0, found_ms=0, is_delayed=False)
    return site


def resolved(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return resolved(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return resolved(next(each for each in schema["anyOf"] if each.get("type") != "null"), parts)
    return schema


def sample(schema: dict[str, Any], parts: dict[str, Any]) -> Any:
    """A value that fits; of an object all that it has to have."""
    schema = resolved(schema, parts)
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", [])
        return {name: sample(schema["properties"][name], parts) for name in wanted}
    if kind == "string":
        return schema.get("enum", ["abc-def"])[0]
    return {"integer": 1, "number": 1.0, "boolean": True, "array": []}.get(str(kind))


def text_fields(schema: dict[str, Any], parts: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    schema = resolved(schema, parts)
    if schema.get("type") == "string":
        yield at
    for name, inner in schema.get("properties", {}).items():
        yield from text_fields(inner, parts, (*at, name))


def fields(description: dict[str, Any]) -> Iterator[Field]:
    """Every text field of every body, and every parameter."""
    parts = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        if path.removeprefix(API) in NOT_ASKED:
            continue
        for method, told in methods.items():
            schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            body = sample(schema, parts) if schema else None
            for parameter in told.get("parameters", ()):
                yield Field(method, path, (parameter["in"], parameter["name"]), body)
            for at in text_fields(schema, parts) if schema else ():
                yield Field(method, path, ("body", *at), body)


def ask(browser: Browser, field: Field, text: str) -> Any:
    """Send a request with the text in one place."""
    path, body, query = field.path, json.loads(json.dumps(field.body)), ""
    raw = quote(text.encode("utf-8", "surrogatepass"), safe="")
    kind, *names = field.where
    if kind == "path":
        path = path.replace(f"{{{names[0]}}}", raw)
    elif kind == "query":
        query = f"?{names[0]}={raw}"
    else:
        inner = body
        for name in names[:-1]:
            inner = inner.setdefault(name, {})
        inner[names[-1]] = text
    path = path.partition("{")[0] + FIRST + path.rpartition("}")[2] if "{" in path else path
    return browser.send(field.method.upper(), path.removeprefix(API) + query, body)


@pytest.mark.slow
def test_hostile_text_stays_text_wherever_it_is_sent(site: Site) -> None:
    admin = site.signed_in("admin")
    found = list(fields(site.app.openapi()))
    assert len(found) > 40
    for field in found:
        for text in HOSTILE:
            answer = ask(admin, field, text)
            assert answer.status_code < 500, (field, text, answer.text)
            if answer.status_code >= 400:
                assert text not in answer.text, (field, text)
            if answer.content and answer.status_code != 404:
                assert answer.headers["content-type"].endswith("json"), (field, text, answer.text)
            assert "x" not in answer.cookies
    assert admin.read("/me")["role"] == "admin"
    with site.database.reading() as connection:
        names = connection.execute(select(users.c.name)).scalars().all()
        assert [connection.execute(select(func.count()).select_from(table)) for table in METADATA.sorted_tables]
    assert "admin" in names


def test_what_is_kept_comes_back_as_it_was(site: Site) -> None:
    admin = site.signed_in("admin")
    for text in HOSTILE[:6]:
        room = admin.send("POST", "/rooms", {"name_ja": text, "name_en": text, "floor": text}).json()
        assert (room["name_ja"], room["name_en"], room["floor"]) == (text, text, text)
        resident = admin.send("POST", "/residents", {"name": text, "name_en": text}).json()
        consent = {"by": text, "note": text}
        given = admin.send("PUT", f"/residents/{resident['id']}/consent", consent).json()
        assert (given["name"], given["consent_by"], given["consent_note"]) == (text, text, text)
        assert admin.send("PUT", "/notice", {"ja": text, "en": text}).json() == {"ja": text, "en": text}
    assert [room["name_ja"] for room in admin.read("/rooms")].count(HOSTILE[0]) == 1


@pytest.mark.parametrize("field", ["name", "password", "next", "csrf"])
def test_hostile_text_in_the_form_of_signing_in(site: Site, field: str) -> None:
    site.add_user("yamada")
    for text in HOSTILE:
        browser = site.browser()
        clean = {"name": "yamada", "password": "wrong password", "next": "/"}
        raw = text.encode("utf-8", "replace").decode()
        answer = browser.post_form("/login", **(clean | {field: raw}))
        assert answer.status_code in (401, 403, 429)
        assert "<script>" not in answer.text
        assert "onerror='" not in answer.text
        assert "49" not in answer.text.partition('value="{{')[2][:40]
        site.clock.seconds += 400
