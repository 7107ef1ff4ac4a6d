"""Pictures of a report as PNG, drawn from its JSON; colours that colour-blind readers can tell apart.

Source of the colours: Okabe and Ito, Color Universal Design, 2008.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREY: Final = "#8A8F98"
INK: Final = "#22262B"
FAINT: Final = "#E3E6EA"

_FONTS: Final = (
    "Noto Sans CJK JP", "Noto Sans JP", "Source Han Sans JP", "IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic",
    "Meiryo", "MS Gothic", "TakaoGothic", "VL Gothic",
)  # fmt: skip
_DPI: Final = 150

Draw = Callable[[Any], None]
"""Draws on the axes, or the figure, that it is given."""


def figures_of(result: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG by name of every picture that a report's figures give: confusion, classes, reliability, risk_coverage."""
    names = names_of(result["labels"], result["japanese"])
    human = (
        {row["figure"]: row for row in result["raters"]["table"] if row["who"] == "human"} if result["raters"] else None
    )
    return {
        "confusion": confusion_figure(result["confusion"], names),
        "classes": classes_figure(result["classes"], names, human and human["f1"]),
        "reliability": reliability_figure(result["calibration"]["bins"], result["calibration"]["ece"]),
        "risk_coverage": risk_coverage_figure(result["selective"], result["always"]["accuracy"]),
    }


def japanese_font() -> str | None:
    """Name of an installed font that has Japanese letters, None where there is none."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _FONTS if name in installed), None)


def names_of(labels: Sequence[str], japanese: Sequence[str]) -> list[str]:
    """Labels in English and Japanese, in English alone where no font can show the other."""
    if japanese_font() is None:
        return list(labels)
    return [label if label == name else f"{label} {name}" for label, name in zip(labels, japanese, strict=True)]


def confusion_figure(matrix: Sequence[Sequence[float]], names: Sequence[str]) -> bytes:
    """Confusion matrix: shares of each true class in colour and per cent, images below."""
    counts = np.asarray(matrix, np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)

    scale = max(0.6, float(shares.max()))

    def draw(axes: Any) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=scale)
        for row, column in np.ndindex(counts.shape):
            if counts[row, column] > 0:
                share = shares[row, column]
                colour = "white" if share > 0.7 * scale else INK
                _cell(axes, column, row, f"{share:.0%}", _images(float(counts[row, column])), colour=colour)
        _matrix_axes(axes, names, names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("truth (intended expression)")
        axes.set_title("Share of each true class, images below", loc="left")

    side = 2.6 + 0.62 * len(names)
    return _png(draw, side + 0.6, side)


def classes_figure(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], human: Mapping[str, Any] | None = None
) -> bytes:
    """F1 of each class with its interval, and the raters' where there are any."""

    def draw(axes: Any) -> None:
        place = np.arange(len(rows))
        shift = 0.14 if human else 0.0
        _whiskers(axes, [row["f1"] for row in rows], place - shift)
        if human:
            values = [human[row["label"]] for row in rows]
            axes.plot(values, place + shift, "D", color=ORANGE, markersize=6, label="human raters, one answer")
        axes.set_yticks(place, [f"{name}  (n={row['images']:.0f})" for name, row in zip(names, rows, strict=True)])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.set_xlabel("F1")
        axes.grid(axis="x", color=FAINT)
        axes.set_title("F1 by class, 95 % interval over people", loc="left", pad=30)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2)

    return _png(draw, 7.6, 1.5 + 0.42 * len(rows))


def reliability_figure(bins: Sequence[Mapping[str, Any]], error: float) -> bytes:
    """Accuracy against confidence; the size of a dot is the number of its images."""

    def draw(axes: Any) -> None:
        confidence = np.array([b["confidence"] for b in bins])
        value, low, high = (np.array([b[name] for b in bins]) for name in ("accuracy", "accuracy_low", "accuracy_high"))
        images = np.array([b["images"] for b in bins], np.float64)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfectly calibrated")
        axes.errorbar(confidence, value, [value - low, high - value], fmt="none", ecolor=BLUE, alpha=0.6, capsize=3)
        axes.scatter(
            confidence,
            value,
            30 + 220 * images / images.max(),
            BLUE,
            label="images by confidence",
            zorder=3,
            clip_on=False,
        )
        axes.plot(confidence, value, color=BLUE, linewidth=1)
        unit_axes(axes, "confidence of the answer", "share that is right")
        axes.set_title(f"Calibration: expected error {error:.3f}", loc="left")
        axes.legend(loc="upper left", markerscale=0.6)

    return _png(draw, 5.4, 5.2)


def risk_coverage_figure(selective: Mapping[str, Any], baseline: float) -> bytes:
    """Accuracy among the answers that are given against how many are given."""

    def draw(axes: Any) -> None:
        axes.plot(selective["coverage"], selective["accuracy"], color=BLUE, linewidth=2, label="model")
        axes.axhline(selective["accuracy"][-1], color=GREY, linestyle="--", label="withholding at random")
        axes.axhline(baseline, color=ORANGE, linestyle=":", label="the most frequent class always")
        unit_axes(axes, "share of images answered, the surest first", "accuracy of the answers")
        axes.set_title(f"Keeping silent when unsure: AURC {selective['aurc']:.3f}", loc="left")
        axes.legend(loc="best")

    return _png(draw, 5.4, 5.2)


def grid_figure(
    rows: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], Mapping[str, Any]]
) -> bytes:
    """Heat map of a grid of trainings.

    Args:
        rows: pretrainings.
        columns: architectures.
        cells: by (row, column): ``value``, ``best``, ``tied`` and, where known, ``low`` and ``high``; absent: a dash.
    """
    values = np.array(
        [[cells[r, c]["value"] if (r, c) in cells else np.nan for c in columns] for r in rows], np.float64
    )
    low, high = float(np.nanmin(values)), float(np.nanmax(values))

    def draw(axes: Any) -> None:
        axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=low, vmax=high + (high - low), aspect="auto")
        for row, column in np.ndindex(values.shape):
            _grid_cell(axes, column, row, cells.get((rows[row], columns[column])))
        _matrix_axes(axes, columns, rows)
        axes.set_title("Accuracy;  ★ best,  ≈ cannot be told from the best", loc="left", pad=12)

    return _png(draw, 2.4 + 1.75 * len(columns), 1.3 + 0.72 * len(rows))


def _grid_cell(axes: Any, x: int, y: int, cell: Mapping[str, Any] | None) -> None:
    if cell is None:
        axes.text(x, y, "—", ha="center", va="center", color=GREY, style="italic")
        return
    sign = "  ★" if cell["best"] else "  ≈" if cell["tied"] else ""
    below = f"{cell['low']:.3f}–{cell['high']:.3f}" if cell.get("low") is not None else ""
    _cell(axes, x, y, f"{cell['value']:.3f}{sign}", below, weight="bold" if cell["best"] else "normal")


def _cell(axes: Any, x: int, y: int, text: str, below: str, *, colour: str = INK, weight: str = "normal") -> None:
    axes.text(x, y - (0.12 if below else 0), text, ha="center", va="center", color=colour, fontsize=10, weight=weight)
    if below:
        axes.text(x, y + 0.24, below, ha="center", va="center", color=colour, fontsize=7.5, alpha=0.85)


def _images(count: float) -> str:
    return f"{count:.0f}" if count >= 1 else f"{count:.1f}"


def _whiskers(axes: Any, intervals: Sequence[Mapping[str, float | None]], place: Any) -> None:
    value, low, high = (
        np.array([np.nan if i[end] is None else i[end] for i in intervals], np.float64)
        for end in ("value", "low", "high")
    )
    reach = [np.maximum(value - low, 0), np.maximum(high - value, 0)]
    axes.errorbar(value, place, xerr=reach, fmt="o", color=BLUE, capsize=3, markersize=7, label="model")


def _matrix_axes(axes: Any, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xticks(
        range(len(columns)),
        columns,
        rotation=35 if len(columns) > 4 else 0,
        ha="right" if len(columns) > 4 else "center",
    )
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)


def unit_axes(axes: Any, x: str, y: str) -> None:
    """Both from 0 to 1, with names and a grid."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=FAINT)


def _png(draw: Draw, width: float, height: float) -> bytes:
    return png(lambda figure: draw(figure.add_subplot()), width, height)


def png(draw: Draw, width: float, height: float, dpi: int = _DPI) -> bytes:
    """Draw on a figure of its own, so many inches wide and high, which pyplot does not know; no setting is left."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    font = japanese_font()
    style: Any = {
        "font.family": ["DejaVu Sans", *([font] if font else [])], "font.size": 10, "axes.titlesize": 12,
        "axes.titleweight": "bold", "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GREY,
        "xtick.color": INK, "ytick.color": INK, "axes.axisbelow": True, "legend.frameon": False,
        "axes.spines.top": False, "axes.spines.right": False,
    }  # fmt: skip
    file = io.BytesIO()
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
