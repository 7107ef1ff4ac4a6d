"""One alert from the broker to its end, in one run of the real program: page, webhook, acknowledgement."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from dashboard.intake import STATUS, Device
from dashboard.payloads import status
from dashboard.test_running import Program, dashboard, passwords
from dashboard.test_webhook import SECRET, Receiver
from dashboard.waiting import wait_until
from dashboard.website import PASSWORD
from e2e.mosquitto import Mosquitto, wait_for

SOON = {"severity": "urgent", "hold_minutes": 1, "release_minutes": 1, "cool_down_minutes": 0}


def signed_in(program: Program, client: httpx.Client) -> dict[str, str]:
    """The first admin, with a password of their own; the headers that a change needs."""
    wait_until(lambda: passwords(program), "the first password is printed")
    first = passwords(program)[0].split()[-1]
    client.post("api/v1/session", json={"name": "admin", "password": first}).raise_for_status()
    headers = {"X-CSRF-Token": client.get("api/v1/me").json()["csrf"]}
    changed = client.post("api/v1/me/password", json={"old": first, "new": PASSWORD}, headers=headers)
    return {"X-CSRF-Token": changed.raise_for_status().json()["csrf"]}


def alerts(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("api/v1/alerts").raise_for_status().json()["alerts"]
    return found


def genuine(message: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """What a receiver that follows docs/dashboard.md takes."""
    headers, body = message
    expected = "sha256=" + hmac.new(SECRET, headers["FFE-Time"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, headers["FFE-Signature"])
    assert abs(time.time() - int(headers["FFE-Time"])) < 300
    told: dict[str, Any] = json.loads(body)
    return told


def config(folder: Path, url: str) -> str:
    (folder / "secret").write_bytes(SECRET)
    file = folder / "dashboard.toml"
    file.write_text(f'[webhook]\nurl = "{url}"\nsecret_file = "{folder / "secret"}"\n', encoding="utf-8")
    return str(file)


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_device_that_dies_is_told_on_the_page_and_to_the_webhook_until_it_lives_again(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Receiver() as receiver,
        dashboard(tmp_path, broker.url, "--config", config(tmp_path, receiver.url)) as program,
        Device(broker) as device,
        httpx.Client(base_url=program.url, timeout=20) as client,
    ):
        headers = signed_in(program, client)
        client.put("api/v1/rules", json={"node_silent": SOON}, headers=headers).raise_for_status()
        device.told(STATUS, status("online", "s1"))
        device.told(STATUS, status("lost", "s1"))
        began = time.monotonic()
        wait_until(lambda: alerts(client), "the alert is told", 120)
        assert time.monotonic() - began > 55  # not before it has held
        page = client.get("alerts").text
        assert f'data-alert="{alerts(client)[0]["id"]}"' in page
        assert wait_for(lambda: len(receiver.got) == 1)
        opened = genuine(receiver.got[0])
        assert (opened["event"], opened["rule"], opened["severity"]) == ("opened", "node-silent", "urgent")
        acknowledge(client, page)
        assert alerts(client)[0]["acknowledged_by"] == "admin"
        device.told(STATUS, status("online", "s2"))
        wait_until(lambda: alerts(client)[0]["ended_ms"], "the alert has ended", 120)
        assert wait_for(lambda: len(receiver.got) == 2)
        ended = genuine(receiver.got[1])
        assert (ended["event"], ended["alert"]) == ("ended", opened["alert"])
        assert alerts(client)[0]["acknowledged_by"] == "admin"
    assert program.process.returncode == 0


def acknowledge(client: httpx.Client, page: str) -> None:
    """By the page's own form."""
    action = re.search(r'action="/(alerts/\d+/acknowledge)"', page)
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert action is not None
    assert token is not None
    answer = client.post(action[1], data={"csrf": unescape(token[1])})
    assert answer.status_code == 303
