"""docs/broker.md, typed in from top to bottom: below another root, with a systemctl that starts a real mosquitto."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer.main
from deploy.broker_home import SHIPPED, answers, broker_user
from e2e.mosquitto import free_port, require_mosquitto, wait_for

from ffe_edge.cli import app

ROOT = SHIPPED.parents[1]
TEXT = (ROOT / "docs" / "broker.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PLACES = ("/etc/mosquitto", "/etc/ffe-edge", "/var/lib/mosquitto", "/run/mosquitto")

FFE_EDGE = """#!{python}
import sys
from pathlib import Path
words = sys.argv[1:]
if "deploy" in words:
    words += ["--user", "{user}", *([] if "--to" in words else ["--to", "{root}/etc/mosquitto/ffe-edge"])]
sys.argv = ["ffe-edge", *words, "--folder", "{root}/etc/ffe-edge/provision"]
from ffe_edge.cli import main
main()
"""
SYSTEMCTL = """#!/bin/sh
pid="{root}/run/mosquitto/mosquitto.pid"
if test -e "$pid"; then kill "$(cat "$pid")"; while test -e "$pid"; do sleep 0.05; done; fi
exec {mosquitto} -d -c "{root}/etc/mosquitto/mosquitto.conf" 2>>"{root}/log"
"""
SUDO = '#!/bin/sh\nexec "$@"\n'


class Machine:
    """A root of its own, with the guide's programs first on the path."""

    def __init__(self, root: Path) -> None:
        user = broker_user()
        self.root, self.port, self.wss_port = root, free_port(), free_port()
        for name in ("etc/ffe-edge/tls", "etc/ffe-edge/credentials", "etc/mosquitto/conf.d", "bin", "work"):
            (root / name).mkdir(parents=True)
        for name in ("var/lib/mosquitto", "run/mosquitto"):
            (root / name).mkdir(parents=True)
            os.chown(root / name, pwd.getpwnam(user).pw_uid, -1)
        texts = {
            "ffe-edge": FFE_EDGE.format(python=sys.executable, root=root, user=user),
            "systemctl": SYSTEMCTL.format(root=root, mosquitto=require_mosquitto()),
            "sudo": SUDO,
        }
        for name, text in texts.items():
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        for path in SHIPPED.rglob("*.conf"):
            copy = root / "work" / "deploy" / "broker" / path.relative_to(SHIPPED)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self.here(path.read_text(encoding="utf-8")))

    def here(self, text: str) -> str:
        for place in PLACES:
            text = text.replace(place, f"{self.root}{place}")
        text = text.replace("listener 8883\n", f"listener {self.port}\n")
        return text.replace("listener 8084\n", f"listener {self.wss_port}\n")

    def type_in(self, block: str) -> str:
        """What the block says; it must end well."""
        variables = {**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "COLUMNS": "120"}
        command = ["bash", "-euo", "pipefail", "-c", self.here(block)]
        done = subprocess.run(
            command, cwd=self.root / "work", env=variables, capture_output=True, text=True, timeout=120, check=False
        )
        log = self.root / "log"
        assert done.returncode == 0, block + done.stderr + (log.read_text() if log.exists() else "")
        return done.stdout

    def stop(self) -> None:
        pid = self.root / "run" / "mosquitto" / "mosquitto.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGTERM)
            wait_for(lambda: not pid.exists())


@contextmanager
def new_machine() -> Iterator[Machine]:
    """One that nothing was typed into."""
    folder = Path(tempfile.mkdtemp(prefix="ffe-guide-"))
    folder.chmod(0o755)
    made = Machine(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


@pytest.fixture
def machine() -> Iterator[Machine]:
    with new_machine() as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_can_be_typed_in_from_top_to_bottom(machine: Machine) -> None:
    said = []
    for block in BLOCKS:
        said.append(machine.type_in(block))
        if "restart" in block:
            assert wait_for(lambda: answers(machine.port)), (machine.root / "log").read_text()
    text = "\n".join(said)
    assert 'key_file = "/run/credentials/ffe-edge.service/node.key"' in text
    assert "nothing ends within 30 days" in text
    assert "1 ended" in text
    assert answers(machine.wss_port)
    assert (machine.root / "etc/ffe-edge/credentials/node.key").stat().st_mode & 0o777 == 0o600
    rules = (machine.root / "etc/mosquitto/ffe-edge/acl").read_text()
    assert re.findall(r"^user (.+)$", rules, re.MULTILINE) == ["chief", "floor", "grafana", "ha"]


def test_what_is_not_run_says_so() -> None:
    kinds = re.findall(r"^```(\w*)\n", TEXT, re.MULTILINE)[::2]
    assert sorted(set(kinds)) == ["sh", "text"]
    assert "needs a home network" in TEXT.split("```text")[0]


def test_every_option_is_taken_by_a_command() -> None:
    taken, left = {"--user", "--namespace"}, [typer.main.get_command(app)]
    while left:
        command = left.pop()
        taken |= {option for parameter in command.params for option in parameter.opts}
        left += getattr(command, "commands", {}).values()
    assert sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXT)) - taken) == []


def test_every_role_has_a_row() -> None:
    from ffe_edge.provision.names import CLIENT_ROLES

    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)) == sorted(CLIENT_ROLES)


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"((?:deploy|tests)/[\w/.-]+\.(?:conf|py))", TEXT)
    assert [name for name in named if not (ROOT / name).exists()] == []
