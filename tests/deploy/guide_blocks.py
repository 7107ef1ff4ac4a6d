"""Every command of the guides in docs/, and the test that types it, or why none can."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
SHELLS: Final = ("sh", "bash", "shell", "console")
PROGRAMS: Final = {
    "ansible-playbook", "ansible-vault", "apt-get", "apt", "cp", "curl", "docker", "ffe-edge", "ffe-edge-join",
    "ffe-edge-node", "git", "journalctl", "ls", "make", "minisign", "mkdir", "mosquitto_pub", "mosquitto_sub",
    "openssl", "pg_dump", "pip", "psql", "python", "scp", "shred", "sqlite3", "ssh", "sudo", "systemctl", "tar",
    "timeout",
}  # fmt: skip
"""With these a block without a language, or one that is indented, is one of commands all the same."""
MARK: Final = re.compile(r"^<!-- needs (hardware|a network|a release): .{8,} -->$")
SAYS_SO: Final = re.compile(r"marked `text`|[Nn]eeds? (a|the|hardware)\b")
"""How a page says in words that its ``text`` blocks are not run."""

INSTALL: Final = "tests/test_docs_install.py::test_the_guide_leads_to_events_that_arrive"
BROKER: Final = "tests/deploy/test_broker_guide.py::test_the_guide_can_be_typed_in_from_top_to_bottom"
FLEET: Final = "tests/deploy/test_fleet_docs.py::test_its_commands_prepare_two_homes_and_the_playbook_sets_them_up"
UPDATES: Final = "tests/edge/test_model_update_docs.py::test_every_command_does_what_it_is_said_to"
ALONE: Final = "tests/deploy/test_guides_alone.py::test_what_needs_nothing_else_is_typed"
CAMERA: Final = "tests/deploy/test_guides_home.py::test_a_network_camera_is_looked_at_as_the_page_says"
DAEMON: Final = "tests/deploy/test_guides_home.py::test_what_a_running_daemon_tells"
DASHBOARD: Final = "tests/deploy/test_guides_home.py::test_the_dashboard_starts_and_programs_may_ask_it"
RESIDENTS: Final = "tests/deploy/test_guides_home.py::test_residents_are_enrolled_listed_and_forgotten"
DATABASE: Final = "tests/deploy/test_guides_store.py::test_the_database_is_saved_and_opens_again"
GRAFANA: Final = "tests/deploy/test_guides_store.py::test_grafana_gets_a_user_that_can_only_look"
BROKER_ROLE: Final = "tests/deploy/test_guides_broker.py::test_home_assistant_is_admitted_and_taken_out_again"
COMPLETION: Final = "tests/deploy/test_guides_terminal.py::test_bash_completes_commands"
TRAINING: Final = "tests/deploy/test_guides_training.py::test_a_model_is_trained_exported_and_measured_as_the_pages_say"
BOOTED: Final = "tests/deploy/test_guides_booted.py::test_an_installed_home_is_looked_after_as_the_pages_say"

RUN_BY: Final[dict[str, dict[str, str]]] = {
    "install.md": {"*": INSTALL},
    "broker.md": {"*": BROKER},
    "updates.md": {"* indented": UPDATES},
    "fleet.md": {"cp -r inventory.example": FLEET},
    "index.md": {
        "ffe-edge demo": ALONE,
        "ffe-edge --help": ALONE,
        "ffe-edge --install-completion": COMPLETION,
        "ffe-edge --show-completion": COMPLETION,
    },
    "cameras.md": {"ffe-edge doctor": CAMERA, "timeout 20": CAMERA, "ffe-edge config check": ALONE},
    "troubleshooting.md": {"sudo ffe-edge-node": BOOTED, "timeout 20": ALONE, "ffe-edge --version": ALONE},
    "operations.md": {
        "systemctl is-active": BOOTED,
        "sudo sed": BOOTED,
        "curl --fail": DAEMON,
        "sudo journalctl": BOOTED,
        "sudo ffe-edge config": BOOTED,
        "sudo install -d": BOOTED,
        "sudo ffe-edge dashboard": BOOTED,
        "sudo systemctl stop": BOOTED,
        "sudo ffe-edge provision": BOOTED,
        "sudo tee": BOOTED,
        "df": BOOTED,
        "timedatectl": BOOTED,
    },
    "consent.md": {"sudo ffe-edge-node resident": RESIDENTS},
    "people.md": {"ffe-edge resident add": RESIDENTS},
    "access.md": {"curl -c": DASHBOARD},
    "dashboard.md": {
        "pip install": DASHBOARD,
        "openssl rand": ALONE,
        "sudo -u postgres createuser": DATABASE,
        "sudo ffe-edge dashboard": BOOTED,
        "pg_dump": DATABASE,
    },
    "home-assistant.md": {
        "sudo ffe-edge provision client": BROKER_ROLE,
        "mosquitto_sub": DAEMON,
        "sudo ffe-edge provision revoke": BROKER_ROLE,
    },
    "grafana.md": {"sudo ": GRAFANA},
    "training.md": {"ffe-edge train": TRAINING},
    "models.md": {
        "ffe-edge models list": ALONE,
        "ffe-edge train prepare": TRAINING,
        "ffe-edge train pretrain ours.toml": TRAINING,
    },
}
"""By page and the beginning of the block; ``*``: the test takes all ``sh`` (or indented) blocks by itself."""
NOT_RUN: Final[dict[str, dict[str, str]]] = {
    "models.md": {"ffe-edge train pretrain train/recipes/model/r18": "needs hardware: a GPU, and days"},
}
"""Pages of which the words say it, and not a mark before the block."""


@dataclass(frozen=True)
class Block:
    """Lines that are shown as they are."""

    page: str
    line: int
    language: str
    text: str
    before: str

    @property
    def is_commands(self) -> bool:
        """Whether somebody is meant to type it."""
        if self.language in SHELLS:
            return True
        return self.language in ("", "indented", "text") and self._begins_with_a_program

    @property
    def _begins_with_a_program(self) -> bool:
        words = self.text.split()
        return bool(words) and words[0] in PROGRAMS

    @property
    def is_marked(self) -> bool:
        """Whether the line before says what it needs, or it is text and the page says so in words."""
        if MARK.match(self.before) or self._entry(NOT_RUN):
            return True
        words = re.sub(r"<!--.*?-->", "", (DOCS / self.page).read_text(encoding="utf-8"))
        return self.language == "text" and SAYS_SO.search(words) is not None

    @property
    def test(self) -> str:
        """The test that types it; empty: none."""
        return self._entry(RUN_BY)

    def _entry(self, table: dict[str, dict[str, str]]) -> str:
        page = table.get(self.page, {})
        fits = [begin for begin in page if self.fits(begin)]
        return page[max(fits, key=len)] if fits else ""

    def fits(self, begin: str) -> bool:
        """Whether an entry of the tables is about this block."""
        if begin.startswith("*"):
            return self.language == (begin[2:] or "sh")
        return self.language != "text" and self.text.startswith(begin)


def pages() -> list[str]:
    """Names of all guides."""
    return sorted(path.name for path in DOCS.glob("*.md"))


def blocks(page: str, text: str | None = None) -> list[Block]:
    """What stands in fences and what is indented, in order."""
    lines = ((DOCS / page).read_text(encoding="utf-8") if text is None else text).splitlines()
    found, number = list[Block](), 0
    while number < len(lines):
        line = lines[number]
        fence = re.match(r"^( *)(`{3,}|~{3,})\s*(\w*)", line)
        first = number
        if fence:
            number += 1
            while number < len(lines) and not lines[number].strip().startswith(fence[2]):
                number += 1
            inner, language = lines[first + 1 : number], fence[3]
        elif line.startswith("    ") and (first == 0 or not lines[first - 1].strip()):
            while number + 1 < len(lines) and lines[number + 1].startswith("    "):
                number += 1
            inner, language = lines[first : number + 1], "indented"
        else:
            number += 1
            continue
        body = "\n".join(each[4:] if language == "indented" else each for each in inner)
        found.append(Block(page, first + 1, language, body, lines[first - 1].strip() if first else ""))
        number += 1
    return found


def commands_of(test: str, page: str = "") -> list[Block]:
    """What a test has to type, page by page."""
    every = [block for name in pages() if page in ("", name) for block in blocks(name)]
    found = [block for block in every if block.is_commands and block.test == test and not MARK.match(block.before)]
    assert found, f"no guide has anything for {test}"
    return found
