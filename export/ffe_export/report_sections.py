"""The parts of a report's page that show figures: agreement, accuracy, latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ffe_export.report_charts import bars, forest, histogram, reliability
from ffe_export.report_parts import interval, percent, small, table

Report = Mapping[str, Any]


def agreement(report: Report) -> Iterator[str]:
    """How far each is from the reference, crop by crop."""
    key = "real" if any(result["real"] for result in report["results"]) else "golden"
    compared = [result for result in report["results"] if result[key]]
    if not compared:
        return
    of = "crops to check with" if key == "real" else "golden crops (rendered people and noise)"
    yield "<h2>Does it say the same?</h2>"
    count = compared[0][key]["images"]
    yield f'<p class="soft">{count:,} {of}: how far a crop’s probabilities are from the reference’s.</p>'
    yield '<div class="grid">'
    for result in compared:
        found = result[key]
        p99 = found["quantiles"][-1][1]
        text = f"99 % of crops differ by at most {small(p99)}, the worst by {small(found['largest'])}"
        picture = histogram(found["histogram"], report["difference_edges"], p99, f"{result['name']}: {text}")
        yield f'<figure class="panel {escape(result["precision"])}"><h3>{escape(result["name"])}</h3>'
        yield f"<small>{escape(text)}</small>{picture}</figure>"
    yield "</div>"
    heads = ["", "crops", "same answer", "largest", "mean", "median", "90 %", "99 %", "cosine", "KL, nats"]
    yield table(heads, [_agreement_row(result["name"], result[key]) for result in compared])


def _agreement_row(name: str, found: Report) -> list[str]:
    shares = found["top1"]
    same = f"{percent(shares['value'], 2)} <small>{percent(shares['low'])} to {percent(shares['high'])}</small>"
    quantiles = [small(value) for _, value in found["quantiles"]]
    numbers = [small(found[key]) for key in ("largest", "mean")]
    ends = [small(found[key]) for key in ("cosine_largest", "kl_mean")]
    return [escape(name), f"{found['images']:,}", same, *numbers, *quantiles, *ends]


def accuracy(report: Report) -> Iterator[str]:
    """What each loses on labelled crops, and whether its probabilities can be believed."""
    compared = [result for result in report["results"] if result["accuracy"]]
    yield "<h2>What does it cost in accuracy?</h2>"
    if not compared:
        yield "<p>Not measured: no labelled crops were given. The gate asked for the same answer instead.</p>"
        return
    first, labelled = compared[0]["accuracy"], report["crops"]["labelled"]
    drawn = "crops" if first["people"] is None else f"{first['people']:,} people with all their crops"
    split = f", split {labelled['split']}" if labelled["split"] else ""
    yield (
        f'<p class="soft">{first["images"]:,} labelled crops of {escape(labelled["folder"])}{escape(split)}; '
        f"95 % intervals by drawing {drawn}, the same for both files.</p>"
    )
    yield '<div class="grid"><figure class="panel"><h3>Points of accuracy lost</h3>'
    rows = [(r["name"], r["precision"], _points(r["accuracy"]["accuracy_lost"])) for r in compared]
    yield f"{forest(rows, report['gates']['accuracy']['points'], 'points')}</figure>"
    reference = report["reference"]
    for result in compared:
        if result["precision"] == reference["precision"]:
            continue
        before, after = result["accuracy"]["reference"], result["accuracy"]["candidate"]
        told = f"calibration error {before['ece']:.3f} before, {after['ece']:.3f} after"
        pair = [(reference["name"], reference["precision"], before), (result["name"], result["precision"], after)]
        picture = reliability([(n, p, score["reliability"]) for n, p, score in pair], f"{result['name']}: {told}")
        yield f'<figure class="panel"><h3>Can {escape(result["name"])} be believed?</h3>'
        yield f"<small>{told}</small>{picture}</figure>"
    yield "</div>"
    yield table(
        ["", "accuracy", "points lost", "macro F1", "F1 lost", "ECE", "right alone: before / after", "McNemar p"],
        [_score_row(reference["name"], first["reference"]), *(_loss_row(result) for result in compared)],
    )


def _score_row(name: str, score: Report) -> list[str]:
    figures = [interval(score["accuracy"], 100, 1), "–", interval(score["macro_f1"]), "–", f"{score['ece']:.3f}"]
    return [escape(name), *figures, "–", "–"]


def _loss_row(result: Report) -> list[str]:
    found = result["accuracy"]
    row = _score_row(result["name"], found["candidate"])
    row[2] = interval(found["accuracy_lost"], 100, 2, sign=True)
    row[4] = interval(found["macro_f1_lost"], sign=True)
    p = found["mcnemar_p"]
    row[6:] = [f"{found['only_reference']} / {found['only_candidate']}", "&lt; .001" if p < 0.001 else f"{p:.3f}"]
    return row


def latency(report: Report) -> Iterator[str]:
    """How long each takes at each batch."""
    yield "<h2>How fast is it here?</h2>"
    yield (
        '<p class="soft">Bars are medians, ticks the 95th percentile. All run in turn, round by round, so that a busy '
        "machine slows all of them; ratios are of one round each, with their 95 % interval.</p>"
    )
    precision_of = {entry["name"]: entry["precision"] for entry in (report["reference"], *report["results"])}
    yield '<div class="grid">'
    for entry in report["latency"]:
        crops = "1 crop" if entry["batch"] == 1 else f"{entry['batch']} crops"
        yield f'<figure class="panel"><h3>{crops} at a time</h3>{bars(entry["rows"], precision_of)}</figure>'
    yield "</div>"
    heads = ["", "crops", "median ms", "95 %", "99 %", "crops a second", "times the reference", "rounds"]
    rows = [_time_row(r, is_reference=r["name"] == e["to"]) for e in report["latency"] for r in e["rows"]]
    yield table(heads, rows)


def _time_row(row: Report, *, is_reference: bool) -> list[str]:
    late = ["–" if row[key] is None else f"{row[key]:.2f}" for key in ("p95_ms", "p99_ms")]
    ratio = "1" if is_reference else interval(row["ratio"], digits=2)
    figures = [f"{row['p50_ms']:.2f}", *late, f"{row['images_per_second']:,.0f}", ratio]
    return [escape(row["name"]), f"{row['batch']}", *figures, f"{row['calls']}"]


def _points(value: Mapping[str, float]) -> dict[str, float]:
    return {end: 100 * value[end] for end in ("value", "low", "high")}
