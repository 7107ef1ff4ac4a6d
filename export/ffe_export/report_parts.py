"""What a report's page is put together of: words, figures, marks, tables. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("good", "passed"),
    "not proven": ("warn", "passed, not proven"),
    "overridden": ("warn", "refused, taken on demand"),
    "refused": ("bad", "refused"),
    "not run": ("none", "not run here"),
}
"""Outcome -> (colour, word)."""

_SHAPES: Final[Mapping[str, str]] = {
    "passed": '<circle cx="10" cy="10" r="9" fill="currentColor"/><path d="M5.6 10.4l3 3 6-6.6" class="cut"/>',
    "not proven": '<path d="M10 1l9.4 17H.6z" fill="currentColor"/><path d="M10 7v5.2M10 14.2v1.6" class="cut"/>',
    "overridden": '<path d="M10 1l9.4 17H.6z" fill="currentColor"/><path d="M10 7v5.2M10 14.2v1.6" class="cut"/>',
    "refused": '<path d="M6 1h8l5 5v8l-5 5H6l-5-5V6z" fill="currentColor"/>'
    '<path d="M6.5 6.5l7 7M13.5 6.5l-7 7" class="cut"/>',
    "not run": '<g fill="none" stroke="currentColor" stroke-width="2"><circle cx="10" cy="10" r="8"/>'
    '<path d="M6 10h8"/></g>',
}
_CUT: Final = 'fill="none" stroke="var(--panel)" stroke-width="2"'


def mark(outcome: str) -> str:
    """A small picture of an outcome whose shape tells as much as its colour."""
    shape = _SHAPES[outcome].replace('class="cut"', _CUT)
    return f'<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">{shape}</svg>'


def badge(outcome: str) -> str:
    """Mark and word."""
    colour, word = OUTCOMES[outcome]
    return f'<span class="badge {colour}">{mark(outcome)} {word}</span>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are HTML already, its heads text."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(entries: Iterable[tuple[str, object]]) -> str:
    """Names with what they stand for; entries without one are left out."""
    told = [(name, value) for name, value in entries if value not in (None, "", [], {})]
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(plain(value))}</dd>" for name, value in told) + "</dl>"


def plain(value: object) -> str:
    """Any value of the report in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    if isinstance(value, float):
        return small(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def small(value: float | None) -> str:
    """Three digits of a number that may be tiny; a dash where there is none."""
    if value is None:
        return "–"
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return f"{value:.3g}".replace("-", "−")


def percent(value: float, digits: int = 1) -> str:
    """A share; 100 % only where nothing is missing."""
    shown = f"{value:.{digits}%}"
    return f"> {1 - 10.0 ** -(digits + 2):.{digits}%}" if value < 1 and shown == f"{1:.{digits}%}" else shown


def interval(value: Mapping[str, Any], scale: float = 1.0, digits: int = 3, *, sign: bool = False) -> str:
    """A figure with its interval, as HTML."""
    if value["low"] is None or value["high"] is None:
        return "–"
    shown = [signed(scale * value[end], digits, sign=sign) for end in ("value", "low", "high")]
    return f"{shown[0]} <small>{shown[1]} to {shown[2]}</small>"


def signed(value: float, digits: int, *, sign: bool = True) -> str:
    """A number with a true minus, never a minus nought."""
    rounded = round(value, digits) + 0.0
    return (f"{rounded:+.{digits}f}" if sign else f"{rounded:.{digits}f}").replace("-", "−")
