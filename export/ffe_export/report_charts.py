"""A report's pictures as SVG inside the page: they follow its colours by day and by night, and fetch nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from ffe_export.report_parts import signed

WIDTH: Final = 340
_ROW: Final = 42
_LEFT, _RIGHT, _TOP, _PLOT = 34, 8, 18, 130
_POWERS: Final[Mapping[int, str]] = {-6: "10⁻⁶", -5: "", -4: "10⁻⁴", -3: "", -2: "0.01", -1: "0.1", 0: "1"}

_LEAST_REACH: Final = 0.1
"""Of an axis on which nothing is lost and nothing may be."""

Row = Mapping[str, Any]


def bars(rows: Sequence[Row], precision_of: Mapping[str, str]) -> str:
    """Median latencies as bars, the 95th percentile as a tick to their right."""
    longest = max(max(row["p50_ms"], row["p95_ms"] or 0) for row in rows)
    parts = []
    for number, row in enumerate(rows):
        y, p50 = number * _ROW, _scaled(row["p50_ms"], 0, longest, 0, WIDTH)
        parts.append(f'<g class="{escape(precision_of[row["name"]])}">')
        parts.append(
            _text(0, y + 14, row["name"], "name") + _text(WIDTH, y + 14, f"{row['p50_ms']:.2f} ms", "value end")
        )
        parts.append(f'<rect class="track" x="0" y="{y + 20}" width="{WIDTH}" height="10" rx="2"/>')
        parts.append(f'<rect class="fill" x="0" y="{y + 20}" width="{max(p50, 2):.1f}" height="10" rx="2"/>')
        if row["p95_ms"]:
            p95 = _scaled(row["p95_ms"], 0, longest, 0, WIDTH)
            parts.append(_path(f"M{p50:.1f} {y + 25}H{p95:.1f}", "stroke thin"))
            parts.append(_path(f"M{min(p95, WIDTH - 1):.1f} {y + 19}v12", "stroke"))
        parts.append("</g>")
    told = "; ".join(f"{row['name']} {row['p50_ms']:.2f} ms" for row in rows)
    return _svg(len(rows) * _ROW, f"Median latency: {told}", parts)


def histogram(counts: Sequence[int], edges: Sequence[float], p99: float, title: str) -> str:
    """How many crops differ by how much, the difference on a logarithmic axis."""
    highest, images = max(counts), sum(counts)
    base = _TOP + _PLOT
    parts = [_path(f"M{_LEFT} {_TOP}H{WIDTH - _RIGHT}M{_LEFT} {_TOP + _PLOT / 2}H{WIDTH - _RIGHT}", "rule")]
    parts += [_text(_LEFT - 5, base - _PLOT * part + 4, f"{part * highest / images:.0%}", "end") for part in (0.5, 1)]
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        left, right, tall = _log_x(low), _log_x(high), _PLOT * count / highest
        if count:
            box = f'x="{left + 0.5:.1f}" y="{base - tall:.1f}" width="{right - left - 1:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect class="fill" {box}/>')
    parts.append(_path(f"M{_LEFT} {base}H{WIDTH - _RIGHT}", "axis"))
    for power, name in _POWERS.items():
        x = _log_x(10.0**power)
        parts.append(_path(f"M{x:.1f} {base}v4", "axis") + _text(x, base + 16, name, "middle"))
    at = _log_x(p99)
    parts.append(_path(f"M{at:.1f} {_TOP - 4}V{base}", "guide"))
    parts.append(_text(at, _TOP - 7, "99 % of crops", "end" if at > WIDTH / 2 else ""))
    parts.append(_text((WIDTH + _LEFT) / 2, base + 33, "largest difference of a probability", "middle"))
    return _svg(base + 38, title, parts)


def forest(rows: Sequence[tuple[str, str, Mapping[str, float]]], limit: float, unit: str) -> str:
    """Losses with their intervals on one axis, the gate's limit beside them.

    Args:
        rows: (name, precision, interval) each.
        limit: of the gate.
        unit: of all figures.
    """
    ends = [abs(value[end]) for _, _, value in rows for end in ("low", "high")]
    reach = 1.15 * max([limit, *ends, _LEAST_REACH])
    base = _TOP + len(rows) * _ROW
    x = {place: _scaled(place, -reach, reach, 0, WIDTH) for place in (0.0, limit)}
    parts = [_path(f"M{x[0.0]:.1f} {_TOP}V{base}", "axis"), _path(f"M{x[limit]:.1f} {_TOP}V{base}", "limit")]
    parts.append(_text(x[limit], _TOP - 6, f"limit {limit:g}", "limit-text middle"))
    for number, (name, precision, value) in enumerate(rows):
        y = _TOP + number * _ROW
        low, middle, high = (_scaled(value[end], -reach, reach, 0, WIDTH) for end in ("low", "value", "high"))
        parts.append(f'<g class="{escape(precision)}">{_text(0, y + 14, name, "name")}')
        parts.append(_text(WIDTH, y + 14, signed(value["value"], 2, sign=False), "value end"))
        parts.append(_path(f"M{low:.1f} {y + 27}H{high:.1f}M{low:.1f} {y + 23}v8M{high:.1f} {y + 23}v8", "stroke"))
        parts.append(f'<circle class="fill" cx="{middle:.1f}" cy="{y + 27}" r="4.5"/></g>')
    parts.append(_path(f"M0 {base}H{WIDTH}", "axis"))
    step = _step(reach)
    digits = max(0, -math.floor(math.log10(step)))
    for place in (-step, 0.0, step):
        parts += [
            _text(_scaled(place, -reach, reach, 0, WIDTH), base + 16, signed(place, digits, sign=False), "middle")
        ]
    parts.append(_text(WIDTH / 2, base + 33, f"{unit} lost →", "middle"))
    return _svg(base + 38, f"{unit} lost by each", parts)


def reliability(series: Iterable[tuple[str, str, Sequence[Row]]], title: str) -> str:
    """Accuracy against confidence, with Wilson's intervals: on the diagonal a probability can be taken at its word.

    Args:
        series: (name, precision, bins) each; the first is drawn hollow.
        title: for those who cannot see it.
    """
    side, base = WIDTH - _LEFT - _RIGHT, _TOP + WIDTH - _LEFT - _RIGHT
    parts = [
        _path(
            "".join(f"M{_LEFT} {base - side * k / 4}h{side}M{_LEFT + side * k / 4} {base}v-{side}" for k in range(5)),
            "rule",
        )
    ]
    parts.append(_path(f"M{_LEFT} {base}l{side} -{side}", "guide"))
    for k in (0, 0.5, 1):
        parts.append(_text(_LEFT + side * k, base + 16, f"{k:.0%}", "middle" if k < 1 else "end"))
        parts.append(_text(_LEFT - 5, base - side * k + 4, f"{k:.0%}", "end"))
    for number, (name, precision, bins) in enumerate(series):
        parts.append(f'<g class="{escape(precision)}">')
        parts += [_dot(b, side, base, "fill" if number else "hollow", 3 * number) for b in bins]
        parts.append(_dot_at(_LEFT + 12, _TOP + 12 + 18 * number, "fill" if number else "hollow"))
        parts.append(_text(_LEFT + 22, _TOP + 16 + 18 * number, name, "name") + "</g>")
    parts.append(_text(_LEFT + side / 2, base + 33, "how sure it is → how often it is right ↑", "middle"))
    return _svg(base + 38, title, parts)


def share_bar(share: float) -> str:
    """A bar inside a table's cell."""
    width = 90 * min(max(share, 0.0), 1.0)
    track = '<rect class="track" width="90" height="10" rx="2"/>'
    bar = f'<rect class="fill" width="{width:.1f}" height="10" rx="2"/>'
    return f'<svg class="int8" width="90" height="10" aria-hidden="true">{track}{bar}</svg>'


def _dot(found: Row, side: float, base: float, kind: str, shift: float) -> str:
    x = _LEFT + side * found["confidence"] + shift
    low, middle, high = (base - side * found["accuracy"][end] for end in ("low", "value", "high"))
    return _path(f"M{x:.1f} {low:.1f}V{high:.1f}", "stroke thin") + _dot_at(x, middle, kind)


def _dot_at(x: float, y: float, kind: str) -> str:
    if kind == "hollow":
        return f'<circle class="hollow" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    return _path(f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z", "fill")


def _log_x(difference: float) -> float:
    """Place of a difference: 0 and all below 1e-6 lie in one bin at the left."""
    power = math.log10(difference) if difference > 0 else -6.25
    return _scaled(max(power, -6.25), -6.25, 0, _LEFT, WIDTH - _RIGHT)


def _scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (end - start) * (value - low) / (high - low)


def _step(reach: float) -> float:
    """The largest of 0.1, 0.2, 0.5, 1, 2, 5 ... that is on the axis."""
    power = 10.0 ** math.floor(math.log10(reach))
    return next(power * k for k in (5, 2, 1) if power * k <= reach)


def _path(data: str, kind: str) -> str:
    return f'<path class="{kind}" d="{data}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>' if text else ""


def _svg(height: float, title: str, parts: Iterable[str]) -> str:
    body = "".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{body}</svg>'
