"""Figures of a step of the fleet's ramp as a row, and in words what ended it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

BUSY_SHARE: Final = 0.85
"""Of a core: a program that works in one thread and takes more is at its end."""
LATE_SECONDS: Final = 1.0
"""A generator that is so far behind its own clock did not make the load that was asked for."""
LOAD: Final = ("generator", "pages")
"""What asks, and is not asked."""
HEAD: Final = (
    "nodes", "joined s", "events/s", "stored/s", "messages/s", "p50 ms", "p95 ms", "broker CPU", "MiB", "files",
    "dashboard CPU", "MiB", "database CPU", "lost", "duplicates",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step. Losses are counted from the beginning of the trial."""

    nodes: int
    events_per_minute: float
    seconds: float
    events_sent_a_second: float
    events_stored_a_second: float
    messages_a_second: float
    """Of QoS 1, acknowledged by the broker."""
    delay_p50_seconds: float
    """From the event to its row, as another reader of the database sees it."""
    delay_p95_seconds: float
    cpu: dict[str, float]
    """Shares of a core, by program."""
    memory_mib: dict[str, float]
    files: dict[str, int]
    batches_a_second: float
    generator_late_seconds: float
    join_seconds: float
    """From the first connection of the nodes that are new in this step until the births of all are stored."""
    pages: dict[str, int]
    """What all open pages got in this step, and how many are open."""
    is_stored: bool
    events_sent: int
    events_stored: int
    events_missing: int
    events_strange: int
    summaries_sent: int
    summaries_missing: int
    repeated: int
    """Messages that were known: delivered twice, or states that were no news."""
    refused: int

    def figures(self) -> dict[str, Any]:
        """For JSON, rounded."""
        return {name: _rounded(value) for name, value in asdict(self).items()}

    @property
    def lost(self) -> int:
        """Events and minutes that were told and are not in the store."""
        return self.events_missing + self.summaries_missing

    @property
    def duplicates(self) -> int:
        """Rows of events beyond the ids that were told."""
        return self.events_stored - (self.events_sent - self.events_missing)


def ended_by(step: Step, limit_seconds: float) -> str | None:
    """What ended here, None where nothing did."""
    if step.refused:
        return f"at {step.nodes} nodes: {step.refused} messages were refused (the dashboard's log says why)"
    if step.lost and step.is_stored:
        return f"at {step.nodes} nodes: {step.lost} messages were lost"
    is_slow = math.isnan(step.delay_p95_seconds) or step.delay_p95_seconds > limit_seconds
    if not is_slow and step.is_stored and step.generator_late_seconds < LATE_SECONDS:
        return None
    at = f"at {step.nodes} nodes with {step.events_sent_a_second:.0f} events/s"
    busiest = max((name for name in step.cpu), key=lambda name: step.cpu[name])
    if step.generator_late_seconds >= LATE_SECONDS and busiest == "generator":
        return f"{at}: the generator of the load ended first, {step.generator_late_seconds:.1f} s behind"
    others = {name: share for name, share in step.cpu.items() if name not in LOAD}
    busiest = max(others, key=lambda name: others[name])
    how = "is at the end of a core" if others[busiest] > BUSY_SHARE else "took most, with no core of its own left"
    return f"{at}: the {busiest} {how} ({others[busiest]:.0%} of a core; p95 {step.delay_p95_seconds:.1f} s)"


def table(steps: Sequence[Step], *, with_head: bool = True) -> str:
    """Rows of Markdown."""
    rows = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"] if with_head else []
    return "\n".join([*rows, *(_row(step) for step in steps)])


def _row(step: Step) -> str:
    cells = (
        f"{step.nodes:,}", f"{step.join_seconds:.1f}",
        f"{step.events_sent_a_second:.0f}", f"{step.events_stored_a_second:.0f}",
        f"{step.messages_a_second:.0f}", _ms(step.delay_p50_seconds), _ms(step.delay_p95_seconds),
        f"{step.cpu['broker']:.0%}", f"{step.memory_mib['broker']:.0f}", str(step.files["broker"]),
        f"{step.cpu['dashboard']:.0%}", f"{step.memory_mib['dashboard']:.0f}",
        f"{step.cpu['database']:.0%}" if "database" in step.cpu else "",
        str(step.lost) if step.is_stored else f"({step.lost} wait)", str(step.duplicates),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.0f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, 3) if isinstance(value, float) and not math.isnan(value) else value
