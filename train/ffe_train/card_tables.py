"""Tables of the model card, in Markdown, from figures.json, robustness.json and an export's report.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ffe_edge.emotions import japanese
from ffe_train.card_words import terms_of
from ffe_train.measured_age import NEUTRAL

Json = Mapping[str, Any]

DASH: Final = "–"
PICTURES: Final = ("-pictures", "-people")
"""How sets of whole pictures are called in robustness.json."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table and the empty line behind it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def interval(figure: Json | None, digits: int = 3) -> str:
    """``0.912 (0.900-0.923)``; a dash where it is not known."""
    if figure is None or figure["value"] is None:
        return DASH
    value, low, high = (f"{round(figure[end], digits) + 0.0:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if "-" in low else f"{value} ({low}-{high})"


def measured(sets: Mapping[str, Json]) -> dict[str, Json]:
    """The sets that have figures."""
    return {name: figures for name, figures in sets.items() if not figures["too_few"]}


def results(sets: Mapping[str, Json]) -> Iterator[str]:
    """A row a set."""
    rows = [
        [terms_of(name).name, f"{one['images']:,}", _people(one), interval(one["accuracy"]), interval(one["macro_f1"]),
         str(len(one["macro"]["over"]))]
        for name, one in sets.items()
    ]  # fmt: skip
    yield from table(["set", "images", "people", "accuracy", "macro F1", "labels"], rows)


def gains(sets: Mapping[str, Json]) -> Iterator[str]:
    """A row a set: how far the model before is behind."""
    rows = [
        [terms_of(name).name, f"{one['against']['accuracy']['other']:.3f}",
         interval(one["against"]["accuracy"]["difference"]), f"{one['against']['macro_f1']['other']:.3f}",
         interval(one["against"]["macro_f1"]["difference"])]
        for name, one in sets.items() if one["against"]
    ]  # fmt: skip
    yield from table(["set", "accuracy before", "gained", "macro F1 before", "gained"], rows)


def classes(sets: Mapping[str, Json]) -> Iterator[str]:
    """A table a set: every label that it has an image of."""
    for name, one in sets.items():
        yield f"### {terms_of(name).name}\n"
        rows = [
            [row["label"], _japanese(row["label"]), f"{row['images']:.0f}"]
            + [interval(row[figure], 2) for figure in ("precision", "recall", "f1")]
            for row in one["classes"] if row["images"]
        ]  # fmt: skip
        yield from table(["label", "", "images", "precision", "recall", "F1"], rows)


def groups(sets: Mapping[str, Json]) -> Iterator[str]:
    """A row a set and group of people."""
    rows = []
    for name, one in sets.items():
        for group in one["groups"]:
            figures = [DASH] * 4
            if not group["too_few"]:
                figures = [interval(group[key]) for key in ("accuracy", "macro_f1", "ece")]
                figures.insert(2, interval(_recall(group, NEUTRAL)))
            rows.append([terms_of(name).name, group["name"], f"{group['images']:,}", _people(group), *figures])
    yield from table(["set", "who", "images", "people", "accuracy", "macro F1", "neutral recall", "ECE"], rows)


def gaps(sets: Mapping[str, Json]) -> Iterator[str]:
    """A row a set that has neutral faces of both ages."""
    rows = [
        [terms_of(name).name, interval(one["neutral_by_age"]["old"]), interval(one["neutral_by_age"]["young"]),
         interval(one["neutral_by_age"]["gap"])]
        for name, one in sets.items() if one["neutral_by_age"]
    ]  # fmt: skip
    yield from table(["set", "60+", "under 60", "under 60 minus 60+"], rows)


def calibration(sets: Mapping[str, Json]) -> Iterator[str]:
    """A row a set: ECE, and what is gained by abstaining."""
    rows = []
    for name, one in sets.items():
        default, ece = one["abstaining"]["default"], one["ece"]
        kept = [interval(default[key]) for key in ("coverage", "accuracy")]
        rows.append([terms_of(name).name, interval(ece), f"{ece['chance']:.3f}", interval(one["accuracy"]), *kept])
    head = ["set", "ECE", "of chance", "accuracy of all", "share answered", "accuracy of the answers"]
    yield from table(head, rows)


def robustness(conditions: Sequence[Json]) -> Iterator[str]:
    """A row a condition, a column a set: of aligned crops, and of pictures in which faces are found again."""
    for of_pictures in (False, True):
        part = [row for row in conditions if row["set"].endswith(PICTURES) is of_pictures]
        if part:
            yield from _conditions(part)


def _conditions(conditions: Sequence[Json]) -> Iterator[str]:
    sets = list(dict.fromkeys(row["set"] for row in conditions))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in conditions:
        figure = {"value": row["accuracy"], "low": row["low"], "high": row["high"]}
        found = row.get("found", 1.0)
        told = interval(figure, 2) + (f", {found:.0%} found" if found is not None and found < 0.995 else "")
        cells.setdefault((row["name"], row.get("strength", "")), {})[row["set"]] = told
    rows = [[" ".join(what).strip(), *(by_set.get(one, DASH) for one in sets)] for what, by_set in cells.items()]
    yield from table(["condition", *(terms_of(one).name for one in sets)], rows)


def clips(record: Json) -> Iterator[str]:
    """A row a clip, and one for all together."""
    head = ["clip", "seconds", "people", "flips a minute, raw", "filtered", "event F1"]
    rows = [[one["clip"], *_clip(one)] for one in record["clips"]]
    yield from table(head, [*rows, ["all", *_clip(record["total"])]])


def _clip(one: Json) -> list[str]:
    f1 = one.get("f1")
    return [
        f"{one['seconds']:.0f}",
        str(one["people"]),
        f"{one['flips_per_minute_raw']:.1f}",
        f"{one['flips_per_minute_filtered']:.1f}",
        DASH if f1 is None else f"{f1:.2f}",
    ]


def int8(report: Json) -> Iterator[str]:
    """A row a way to run the INT8 files: agreement with FP32, and accuracy where labelled faces were checked."""
    rows = []
    for one in report["results"]:
        if one["precision"] == "int8" and one["file"] and one["device"] == "cpu":
            accuracy, real = one["accuracy"], one["real"]
            rows.append([
                one["name"], f"{one['file']['size_bytes'] / 1e6:.1f}", interval(real["top1"] if real else None),
                interval(accuracy["candidate"]["accuracy"] if accuracy else None),
                interval(accuracy["accuracy_lost"] if accuracy else None), one["outcome"],
            ])  # fmt: skip
    yield from table(["run by", "MB", "says the same", "accuracy", "lost to FP32", "gates"], rows)


def _people(figures: Json) -> str:
    return "not known" if figures["subjects"] is None else f"{figures['subjects']:,}"


def _japanese(label: str) -> str:
    told = japanese(label)
    return "" if told == label else told


def _recall(group: Json, label: str) -> Json | None:
    return next((row["recall"] for row in group["classes"] if row["label"] == label and row["images"]), None)
