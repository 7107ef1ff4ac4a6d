"""What the daemon went through: rows of the fault table, counted by the tests and written into a Markdown file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, final

BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
HEADS = ("fault", "what was done", "what the daemon did", "produced", "delivered", "duplicates", "in gaps")


@dataclass(frozen=True, slots=True)
class Fault:
    """One row."""

    fault: str
    did: str
    saw: str
    """What the daemon did."""
    produced: int | None = None
    """Events formed: ids that ``--print`` told. None: the fault is not about events."""
    delivered: int | None = None
    """Different ids that the subscriber got."""
    duplicates: int | None = None
    """Deliveries beyond the first of an id."""
    gaps: int | None = None
    """Events named in gaps."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the events of one test; asserts nothing."""

    produced: int
    delivered: int
    duplicates: int
    gaps: int
    """As the gaps count them: sequences, those of earlier gaps and of summaries among them."""
    missing: frozenset[str]
    """Ids that were produced and not delivered."""
    holes: tuple[int, ...]
    """Sequences between the first and the last that neither came nor are named by a gap."""
    named: frozenset[int]
    """Sequences that did not come and are named by a gap."""


def tally(produced_ids: Iterable[str], payloads: Iterable[bytes]) -> Counts:
    """Count emotion events; gaps and summaries count for the sequence only.

    Args:
        produced_ids: ids of the events that were formed.
        payloads: everything of the outbox that a subscriber got, in any order, as often as it came.
    """
    produced = frozenset(produced_ids)
    all_told: list[dict[str, Any]] = [json.loads(payload) for payload in payloads]
    told = {event["id"]: event for event in all_told}
    came = Counter(event["id"] for event in all_told if event["type"].startswith("jp.ffe.emotion"))
    gaps = [event["data"] for event in told.values() if event["type"].startswith("jp.ffe.gap")]
    there = {event["sequence"] for event in told.values()}
    named = {number for gap in gaps for number in range(gap["first"] or 1, (gap["last"] or 0) + 1)}
    return Counts(
        produced=len(produced),
        delivered=len(came),
        duplicates=sum(came.values()) - len(came),
        gaps=sum(gap["count"] or 0 for gap in gaps),
        missing=produced - came.keys(),
        holes=tuple(sorted(set(range(min(there), max(there) + 1)) - there - named)) if there else (),
        named=frozenset(named - there),
    )


@final
class FaultTable:
    """Rows by the test that added them."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Fault]] = {}

    def add(self, test: str, fault: Fault) -> None:
        self.rows.setdefault(test, []).append(fault)

    def write(self, path: Path, order: Sequence[str], *, complete: bool) -> None:
        """Put the rows between the two marker comments of a file, those of one test file together; others stay.

        Args:
            path: the Markdown file.
            order: the fault tests that were found.
            complete: whether those are all of their files, so that rows of other tests in these are out of date.
        """
        before, rest = path.read_text().split(BEGIN)
        old, after = rest.split(END)
        lines = _by_test(old)
        files = {_file(test) for test in order} if complete else set()
        lines = {test: rows for test, rows in lines.items() if test in order or _file(test) not in files}
        lines.update({test: [_line(test, fault) for fault in faults] for test, faults in self.rows.items()})
        place = {test: number for number, test in enumerate((*order, *lines))}
        tests = sorted(lines, key=lambda test: (_file(test), place[test]))
        rows = [row for test in tests for row in lines[test]]
        table = "\n".join((BEGIN, _cells((*HEADS, "test")), "|" + " --- |" * (len(HEADS) + 1), *rows, END))
        path.write_text(f"{before}{table}{after}")


def _file(test: str) -> str:
    return test.split(":", maxsplit=1)[0]


def _by_test(table: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for line in table.strip().splitlines()[2:]:
        lines.setdefault(line.rsplit("|", 2)[1].strip(" `"), []).append(line)
    return lines


def _line(test: str, fault: Fault) -> str:
    cells = ("" if value is None else str(value).replace("|", "\\|") for value in astuple(fault))
    return _cells((*cells, f"`{test}`"))


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()) for cell in cells) + " |"
