"""The report as one HTML file: pictures inside it, nothing fetched, fit for paper."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from ffe_train.report_style import STYLE

_FIGURES: Final = ("precision", "recall", "f1")
_HEADS: Final = ("precision", "recall", "F1")


def page(result: Mapping[str, Any], figures: Mapping[str, bytes]) -> str:
    """The whole HTML of ``evaluate``'s result and its pictures."""
    body = "\n".join(
        [
            *_head(result),
            *_classes(result, figures),
            *_confusion(figures),
            *(_raters(result) if result["raters"] else ()),
            *_calibration(result, figures),
            *_conformal(result),
            *_groups(result),
            *_method(result),
        ]
    )
    title = escape(f"Report: {result['task']}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _head(result: Mapping[str, Any]) -> Iterator[str]:
    about, always = result["set"], result["always"]
    times = f", {about['repeats']} repeats of {about['folds']} folds" if about["repeats"] > 1 else ""
    yield f"<h1>How well expressions are told: {escape(result['task'])}</h1>"
    sources = escape(", ".join(source for source in about["sources"] if source))
    yield f'<p class="soft">{about["images"]:,} images of {about["subjects"]:,} people{times}. {sources}</p>'
    yield '<div class="cards">'
    yield _card("accuracy", result["accuracy"])
    yield _card("balanced accuracy", result["balanced_accuracy"])
    yield _card(f"macro F1 over {len(result['macro']['over'])} labels", result["macro_f1"])
    if result["raters"]:
        yield _card("one human rater", result["raters"]["human_accuracy"], "human")
    name = escape(_name(result, always["label"]))
    yield f'<div class="card plain">always {name}<b>{always["accuracy"]:.1%}</b><small>the least to beat</small></div>'
    yield "</div>"


def _classes(result: Mapping[str, Any], figures: Mapping[str, bytes]) -> Iterator[str]:
    yield "<h2>By class</h2>"
    yield _picture(figures, "classes", "F1 of each class with its interval")
    rows = [
        [_name(result, row["label"]), f"{row['images']:.0f}", f"{row['predicted']:.0f}", *map(_interval, _three(row))]
        for row in result["classes"]
    ]
    macro = result["macro"]
    rows.append([f"macro over {len(macro['over'])} labels", "", "", *(f"{macro[figure]:.3f}" for figure in _FIGURES)])
    yield _table(["", "images", "predicted", *_HEADS], rows, total=True)
    yield f'<p class="soft">Macro averages are over: {escape(", ".join(macro["over"]))}.</p>'
    for key, text in (
        ("never_predicted", "Never predicted, precision counted as 0"),
        ("without_images", "Without an image, left out of macro averages"),
    ):
        if result[key]:
            yield f"<p>{text}: {escape(', '.join(result[key]))}.</p>"


def _confusion(figures: Mapping[str, bytes]) -> Iterator[str]:
    yield "<h2>What is taken for what</h2>"
    yield _picture(figures, "confusion", "Confusion matrix")


def _raters(result: Mapping[str, Any]) -> Iterator[str]:
    raters = result["raters"]
    yield "<h2>Beside human raters</h2>"
    count = len(result["labels"])
    yield (
        f"<p>{raters['answers']:.0f} answers about {raters['images']:,} images of {raters['subjects']:,} people, "
        f"{raters['other']:.0f} of them “other” (その他). Other counts as wrong and is no class: macro averages "
        f"are over the same {count} labels for both. Over {count + 1}, with other as a label that no image has, the "
        "raters' are lower for that reason alone. Human figures are those of one answer, not of the majority.</p>"
    )
    heads = ["", *(f"{who} {figure}" for who in ("model", "human") for figure in _HEADS)]
    rows = [[_name(result, label), *(f"{row[label]:.3f}" for row in raters["table"])] for label in result["labels"]]
    for key, over in (("macro_with_other", count + 1), ("macro", count)):
        cells = ("" if row[key] is None else f"{row[key]:.3f}" for row in raters["table"])
        rows.append([f"macro over {over}{' (with other)' if over > count else ' labels'}", *cells])
    yield _table(heads, rows, total=True)
    yield _table(["", "95 % over people", "p"], list(_rater_rows(raters)))
    gaps = raters["gaps"]
    yield (
        f"<p>The model alone is right in {gaps['only_model']} images, the sole most frequent answer alone in "
        f"{gaps['only_majority']}; McNemar's exact p {_p(gaps['mcnemar_p'])}, images taken for independent.</p>"
    )


def _rater_rows(raters: Mapping[str, Any]) -> Iterator[list[str]]:
    crowd, gaps = raters["crowd"], raters["gaps"]
    yield ["model, accuracy", _interval(raters["model_accuracy"]), ""]
    yield ["one rater, accuracy", _interval(raters["human_accuracy"]), ""]
    yield ["one rater, answers “other” left out", f"{raters['human_accuracy_without_other']:.3f}", ""]
    yield ["most frequent answer, accuracy", _interval(crowd["majority_accuracy"]), ""]
    yield ["most frequent answer of the others, accuracy", _interval(crowd["leave_one_out_accuracy"]), ""]
    yield ["rater agrees with most of the others", _interval(crowd["leave_one_out_agreement"]), ""]
    yield ["Krippendorff's alpha, with “other”", _interval(crowd["alpha"]), ""]
    yield ["Krippendorff's alpha, without", _interval(crowd["alpha_without_other"]), ""]
    for key, text in (
        ("accuracy", "one rater, accuracy"),
        ("macro_f1", "one rater, macro F1"),
        ("majority", "majority"),
    ):
        yield [f"model − {text}", _interval(gaps[key]["interval"], sign=True), _p(gaps[key]["p"])]


def _calibration(result: Mapping[str, Any], figures: Mapping[str, bytes]) -> Iterator[str]:
    found, selective = result["calibration"], result["selective"]
    yield "<h2>Can its probabilities be believed?</h2>"
    yield (
        f"<p>Expected calibration error {found['ece']:.3f} (bins of equal number: {found['adaptive_ece']:.3f}), Brier "
        f"{found['brier']:.3f}, negative log-likelihood {found['nll']:.3f}. Mean confidence "
        f"{found['mean_confidence']:.1%} at an accuracy of {result['accuracy']['value']:.1%}.</p>"
    )
    pictures = [_picture(figures, "reliability", "Accuracy against confidence")]
    pictures.append(_picture(figures, "risk_coverage", "Accuracy against the share of images answered"))
    yield f'<div class="pair">{"".join(pictures)}</div>'
    at = selective["accuracy_at"]
    yield _table(
        ["images answered", *(f"{entry['coverage']:.0%}" for entry in at)],
        [["accuracy", *(f"{entry['accuracy']:.3f}" for entry in at)]],
    )


def _conformal(result: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Sets of labels instead of one</h2>"
    yield (
        "<p>Conformal sets, calibrated on other people (the other folds, or the other half where there is one fold): "
        "an image of a new person has the truth in its set about as often as promised or more often.</p>"
    )
    heads = [
        "",
        "promised",
        "over people",
        "over images",
        "worst person",
        "labels a set",
        "one label",
        "of these right",
    ]
    rows = []
    for found in result["conformal"]:
        shares = (found[name] for name in ("coverage", "coverage_of_images", "worst_person"))
        right = found["singleton_accuracy"]
        rows.append(
            [
                found["kind"].upper(),
                f"{1 - found['alpha']:.0%}",
                *(f"{share:.1%}" for share in shares),
                f"{found['mean_size']:.2f}",
                f"{found['singletons']:.1%}",
                "–" if right is None else f"{right:.1%}",
            ]
        )
    yield _table(heads, rows)


def _groups(result: Mapping[str, Any]) -> Iterator[str]:
    if not result["groups"]:
        return
    yield "<h2>Who is served how well</h2>"
    rows = []
    for group in result["groups"]:
        few = "too few people" if group["accuracy"] is None else ""
        figures = ["–", few] if few else [_interval(group["accuracy"]), _interval(group["macro_f1"])]
        over = "" if few else str(len(group["over"]))
        rows.append([group["name"], f"{group['images']:,}", f"{group['subjects']:,}", *figures, over])
    yield _table(["", "images", "people", "accuracy", "macro F1", "over labels"], rows)


def _method(result: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>How to read it</h2>"
    yield (
        f"<p class='soft'>Intervals are 95 %, from {result['resamples']:,} draws of whole people with all their "
        "images. They hold for other people like these, not for other cameras, rooms or ages; one without width says "
        "that no draw differed, not that the figure is certain. Nobody stands in two test folds of one repeat. Where "
        "folds were repeated, figures are means over the repeats. Truth is the label of the data set: in acted sets "
        "the expression that was intended, not what was felt. Groups of fewer than five people get no figure.</p>"
    )


def _card(title: str, value: Mapping[str, Any], kind: str = "") -> str:
    number, low, high = (f"{value[end]:.1%}" for end in ("value", "low", "high"))
    return f'<div class="card {kind}">{escape(title)}<b>{number}</b><small>{low} to {high}</small></div>'


def _picture(figures: Mapping[str, bytes], name: str, title: str) -> str:
    if name not in figures:
        return ""
    data = base64.b64encode(figures[name]).decode()
    return f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{data}" style="max-width:100%"></figure>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, total: bool = False) -> str:
    lines = ["".join(f"<th>{escape(head)}</th>" for head in heads)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    last = len(lines) - 1
    marked = [f'<tr class="sum">{x}</tr>' if total and k == last else f"<tr>{x}</tr>" for k, x in enumerate(lines)]
    return f'<div class="scroll"><table>{"".join(marked)}</table></div>'


def _interval(value: Mapping[str, float | None], *, sign: bool = False) -> str:
    if value["value"] is None:
        return "–"
    shown = [f"{value[end]:+.3f}" if sign else f"{value[end]:.3f}" for end in ("value", "low", "high")]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def _three(row: Mapping[str, Any]) -> list[Mapping[str, float | None]]:
    return [row[figure] for figure in _FIGURES]


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}"


def _name(result: Mapping[str, Any], label: str) -> str:
    japanese = result["japanese"][result["labels"].index(label)]
    return label if japanese == label else f"{label} {japanese}"
