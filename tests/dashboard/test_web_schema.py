"""The description of the interface, and whether the interface keeps to it whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from dashboard.website import API, PASSWORD, Site
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from ffe_edge.dashboard.database import Database
from ffe_edge.dashboard.web.app import serve

EXAMPLES = 15
"""Of each operation, of what it takes and of what it does not."""
CONFORMANCE = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
NOT_ASKED = {f"{API}/stream", f"{API}/session", f"{API}/me/password", f"{API}/users/{{user_id}}/password"}
"""The first never ends; the others end the session that the test has."""


@pytest.fixture
def site(sqlite: Database) -> Site:
    return Site(sqlite, web={"port": 0})


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    site.add_user("admin", "admin")
    server = serve(site.app, site.parts.settings.web)
    try:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            me = client.post(f"{API}/session", json={"name": "admin", "password": PASSWORD}).json()
            client.headers["x-csrf-token"] = me["csrf"]
            yield client
    finally:
        server.stop()


def operations(site: Site) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in site.app.openapi()["paths"].items():
        for method, told in methods.items():
            yield method, path, told


def test_every_operation_says_how_it_may_be_refused(site: Site) -> None:
    for method, path, told in operations(site):
        refusals = {status for status in told["responses"] if int(status) >= 400}
        wanted = {"503"} | ({"401"} if path != f"{API}/session" or method != "post" else set())
        wanted |= {"403"} if method != "get" else set()
        wanted |= {"422"} if "requestBody" in told or told.get("parameters") else set()
        assert wanted <= refusals, (method, path)
        for status in refusals:
            assert list(told["responses"][status]["content"]) == ["application/problem+json"], (method, path, status)


def test_every_operation_has_a_summary_and_a_described_answer(site: Site) -> None:
    for method, path, told in operations(site):
        assert told["summary"], (method, path)
        good = [answer for status, answer in told["responses"].items() if status.startswith("2")]
        assert good, (method, path)
        if "204" not in told["responses"]:
            assert good[0]["content"], (method, path)


def test_the_description_needs_no_session_and_names_no_other_host(site: Site) -> None:
    answer = site.browser().get(f"{API}/openapi.json")
    assert answer.status_code == 200
    assert "http" not in answer.text.replace("httpx", "")


def ask(client: httpx.Client, case: Any) -> None:
    """Send one case; the answer is one that the description has, whatever was sent."""
    headers = {"x-csrf-token": client.headers["x-csrf-token"]}
    address = str(client.base_url).rstrip("/")
    answer = case.call(base_url=address, headers=headers, cookies=dict(client.cookies), timeout=10)
    assert answer.status_code < 500, answer.text
    case.validate_response(answer, checks=[CHECKS.get_one(name) for name in CONFORMANCE])


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_asked_is_answered_as_described(site: Site, client: httpx.Client, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{client.base_url}api/v1/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    asked = [operation for operation in operations if operation.path not in NOT_ASKED]
    if mode == GenerationMode.NEGATIVE:
        asked = [operation for operation in asked if {"requestBody", "parameters"} & set(operation.definition.raw)]
    assert len(asked) >= 7
    for operation in asked:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def asked_once(case: Any) -> None:
            ask(client, case)

        asked_once()
    assert client.get(f"{API}/me").status_code == 200
