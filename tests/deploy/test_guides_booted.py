"""docs/operations.md on a booted machine that docs/install.md has set up: broker, dashboard and device in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.guide import walked
from deploy.guide_blocks import BOOTED, INSTALL, commands_of

LOOK = """systemctl list-timers --no-pager 'ffe-*' >timers
ls /var/backups >copies
health='import urllib.request as web; print(web.urlopen("http://127.0.0.1:8080/healthz").read().decode())'
for _ in $(seq 60); do python3 -c "$health" >healthy 2>/dev/null && break; sleep 0.5; done
"""


def lines(test: str) -> str:
    """As root, who needs no sudo; the camera is one that this machine has."""
    text = "\n".join(block.text for block in commands_of(test))
    return text.replace("sudo ", "").replace("/dev/video0", "demo:") + "\n"


@pytest.mark.deploy
@pytest.mark.timeout(1800)
def test_an_installed_home_is_looked_after_as_the_pages_say(tmp_path: Path) -> None:
    seen = walked(lines(INSTALL) + lines(BOOTED) + LOOK, tmp_path)
    assert seen["failed"] == "", seen["log"][-3000:]
    assert "broker connected" in seen["status"]
    assert "ffe-certificates.service" in seen["timers"]
    assert "ffe-backup.service" in seen["timers"]
    assert "dashboard.sqlite" in seen["copies"]
    assert seen["healthy"].strip() == "ok"  # of the dashboard, on the copy that was put back
    assert seen["log"].count("MB, checked.") == 2  # what the timer's service says is in the journal
    assert "nothing ends within 30 days" in seen["log"]
    assert "/etc/ffe-edge/ffe.toml: in order" in seen["log"]
