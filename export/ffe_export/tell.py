"""What ``verify`` found, for a terminal: a line for every way to run the model, and what the gates say."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from ffe_export.gates import Outcome
from ffe_export.verification import Result, Verification

STYLES: dict[Outcome, str] = {
    "passed": "green",
    "not proven": "yellow",
    "overridden": "yellow",
    "refused": "bold red",
    "not run": "dim",
}


def table(verification: Verification) -> Table:
    """Agreement, accuracy, size and speed of each, the reference first."""
    view = Table(box=None, pad_edge=False)
    columns = ("", "verdict", "size", "same class", "accuracy", "ECE", "ms (p95)", "time")
    for number, title in enumerate(columns):
        view.add_column(title, justify="left" if number < 2 else "right", overflow="fold")
    for result in (verification.reference, *verification.results):
        view.add_row(*_row(result, verification))
    reasons = [
        f"{result.name}: {verdict.gate} {verdict.outcome}: {verdict.reason}"
        for result in verification.results
        for verdict in result.verdicts
        if verdict.outcome not in {"passed", "not run"}
    ]
    if reasons:
        view.caption = Text("\n".join(reasons))
        view.caption_justify = "left"
    return view


def _row(result: Result, verification: Verification) -> tuple[str | Text, ...]:
    is_reference = result is verification.reference
    verdict = Text("reference") if is_reference else Text(result.outcome, STYLES[result.outcome])
    real, accuracy = result.real, result.accuracy
    timings = verification.timings_at(verification.gates.latency.batch)
    timed = result.name in timings.names
    timing = timings.timing(result.name) if timed else None
    first = next((r.accuracy for r in verification.results if r.accuracy), None)
    own = (first.reference if first else None) if is_reference else (accuracy.candidate if accuracy else None)
    p95 = "" if timing is None or timing.p95_ms is None else f" ({timing.p95_ms:.1f})"
    return (
        result.name,
        verdict,
        "" if result.file is None else f"{result.file.size_bytes / 1e6:.1f} MB",
        "" if real is None else f"{real.top1.value:.2%}",
        "" if own is None else f"{own.accuracy.value:.1%}",
        "" if own is None else f"{own.ece:.3f}",
        "" if timing is None else f"{timing.p50_ms:.1f}{p95}",
        "" if not timed else f"{timings.ratio(result.name, verification.reference.name).value:.2f}x",
    )
