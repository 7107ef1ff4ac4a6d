"""The report as one page: verdicts first, in plain words; nothing fetched, no scripts, no picture of anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from ffe_export.report_charts import share_bar
from ffe_export.report_parts import OUTCOMES, badge, facts, mark, percent, plain, signed, table
from ffe_export.report_sections import accuracy, agreement, latency
from ffe_export.report_style import STYLE

Report = Mapping[str, Any]

_HEADLINES: Final[Mapping[str, str]] = {
    "passed": "{precision} may serve on the {device}",
    "not proven": "{precision} may serve on the {device}, but it is not proven",
    "overridden": "{precision} serves on the {device} because that was asked for",
    "refused": "{precision} is refused on the {device}",
    "not run": "{precision} was not run on the {device}",
}
_UNTIMED: Final[Mapping[str, str]] = {
    "passed": "{precision} says the same; its speed was not measured here",
    "not proven": "{precision} seems to say the same; it is not proven, and its speed was not measured here",
}
"""Where nothing was timed, an outcome is about numbers alone."""
_GATES: Final[Mapping[str, str]] = {
    "run": "Runs",
    "golden": "Golden crops",
    "accuracy": "Accuracy",
    "agreement": "Agreement",
    "latency": "Latency",
}


def page(report: Report) -> str:
    """The whole HTML of a report that ``report_of`` made, or that was read from report.json."""
    sections = (_head, _headlines, _contenders, agreement, accuracy, latency, _files, _sensitivity, _data, _method)
    body = "\n".join(line for section in sections for line in section(report))
    title = escape(f"Export: {report['model']}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    machine = report["machine"]
    where = machine["board"] or machine["cpu"]
    yield '<p class="eyebrow">Export report</p>'
    yield f"<h1>{escape(report['model'])}</h1>"
    yield f'<p class="soft">{escape(report["made_at"][:10])} · {escape(where)}, {machine["cores"]} cores</p>'
    yield from (f"<p>{escape(note)}</p>" for note in report["notes"])


def _headlines(report: Report) -> Iterator[str]:
    for line in report["summary"]:
        names = {"precision": line["precision"].upper(), "device": line["device"].upper()}
        result = next(entry for entry in report["results"] if entry["name"] == line["name"])
        said = (
            line["reason"] or f"{line['name']}: it says the same as {report['reference']['name']}, and is faster here."
        )
        colour, word = OUTCOMES[line["outcome"]]
        yield f'<section class="headline {colour}"><h2>{mark(line["outcome"])} '
        headlines = _HEADLINES if line["is_timed"] else {**_HEADLINES, **_UNTIMED}
        yield f"{escape(headlines[line['outcome']].format(**names))}</h2>"
        yield f"<p><b>{word[0].upper()}{word[1:]}.</b> {escape(_sentence(said))}</p>{_chips(result)}</section>"
    if not report["summary"]:
        yield '<p class="soft">No smaller precision was exported: there is nothing to gate.</p>'


def _chips(result: Report) -> str:
    found = []
    found += [
        (f"{verdict['figures']['value']:.2f}×", "time of the fastest larger precision")
        for verdict in result["verdicts"]
        if verdict["gate"] == "latency" and "value" in verdict["figures"]
    ]
    if result["file"] and result["file"]["ratio"] is not None:
        found.append((f"{result['file']['ratio']:.2f}×", "size of its file"))
    if result["real"]:
        found.append((percent(result["real"]["top1"]["value"]), f"same answer, {result['real']['images']:,} crops"))
    if result["accuracy"]:
        points = signed(100 * result["accuracy"]["accuracy_lost"]["value"], 2, sign=False)
        found.append((points, f"points of accuracy lost, {result['accuracy']['images']:,} crops"))
    chips = "".join(f"<div><b>{escape(figure)}</b><small>{escape(of)}</small></div>" for figure, of in found)
    return f'<div class="chips">{chips}</div>' if chips else ""


def _contenders(report: Report) -> Iterator[str]:
    yield "<h2>Verdicts</h2>"
    yield f'<p class="soft">Everything is compared with {escape(report["reference"]["name"])}.</p><div class="grid">'
    for result in report["results"]:
        where = " · ".join(filter(None, (result["backend"], result["file"] and result["file"]["name"])))
        yield f'<article class="panel contender {escape(result["precision"])}">'
        yield f"<header><h3>{escape(result['name'])}</h3>{badge(result['outcome'])}</header>"
        yield f'<small>{escape(where)}</small><ul class="verdicts">'
        for verdict in result["verdicts"]:
            colour, word = OUTCOMES[verdict["outcome"]]
            yield f'<li><span class="{colour}">{mark(verdict["outcome"])}</span><div>'
            yield f"<b>{escape(_GATES.get(verdict['gate'], verdict['gate']))}: {word}</b>"
            yield f'<span class="text">{escape(_sentence(verdict["reason"]))}</span></div></li>'
        yield "</ul></article>"
    yield "</div>"


def _files(report: Report) -> Iterator[str]:
    files = {
        r["file"]["name"]: (r["precision"], r["file"]) for r in (report["reference"], *report["results"]) if r["file"]
    }
    if not files:
        return
    yield "<h2>Files</h2>"
    rows = []
    for precision, file in files.values():
        ratio = "–" if file["ratio"] is None else f"{file['ratio']:.2f}×"
        size = f"{file['size_bytes'] / 1e6:.2f} MB"
        rows.append([escape(file["name"]), precision.upper(), size, ratio, f"<code>{file['sha256']}</code>"])
    yield table(["", "precision", "size", "of the reference", "sha256"], rows)


def _sensitivity(report: Report) -> Iterator[str]:
    rows: Sequence[Report] = report["sensitivity"]
    if not rows:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    falling = next((name for name in columns if _falls([row.get(name) for row in rows])), None)
    yield "<h2>Which layers mind</h2>"
    yield '<p class="soft">What each costs when it alone is made smaller, the worst first.</p>'
    cells = [[escape(plain(row.get(name, "–"))) for name in columns] for row in rows]
    if falling is not None:
        most = rows[0][falling]
        cells = [[*cell, share_bar(row[falling] / most)] for cell, row in zip(cells, rows, strict=True)]
    yield table([*columns, *([f"by {falling}"] if falling is not None else [])], cells)


def _falls(values: Sequence[Any]) -> bool:
    """Whether rows are in the order of this column, the largest first: it is what they are sorted by."""
    if not all(type(value) in (int, float) and value >= 0 for value in values):
        return False
    return len(values) > 1 and values[0] > values[-1] and all(a >= b for a, b in pairwise(values))


def _data(report: Report) -> Iterator[str]:
    gates = {**report["gates"]["accuracy"], **report["gates"]["latency"]}
    yield '<h2>What it was measured with</h2><div class="grid">'
    yield _panel("Calibration", report["calibration"] or {}, "Nothing was calibrated.")
    yield _panel("Crops", report["crops"])
    yield _panel("Machine", {**report["machine"], **report["versions"]})
    yield _panel("Gates", gates)
    yield "</div>"


def _method(report: Report) -> Iterator[str]:
    yield "<h2>How to read it</h2>"
    yield (
        '<p class="soft">A crop’s difference is the largest over its classes. “Not proven” means that the estimate is '
        "within the limit and the end of its interval is not: more crops would settle it. Intervals hold for other "
        "people like these, not for other cameras, rooms or ages. Latency is that of this machine and says nothing of "
        "another.</p>"
    )
    if not report["machine"]["has_int8_dot_products"]:
        yield (
            '<p class="soft">This CPU has no instructions for INT8 dot products (VNNI): products saturate in 16 bits, '
            "so weights keep to 7 bits here, and a disagreement here is no proof against an engine elsewhere.</p>"
        )


def _panel(title: str, values: Mapping[str, Any], otherwise: str = "") -> str:
    told = {name.replace("_", " "): value for name, value in values.items()}
    body = facts(told.items()) if values else f'<p class="soft">{escape(otherwise)}</p>'
    return f'<section class="panel"><h3>{escape(title)}</h3>{body}</section>'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
