"""A resident's shift in sentences, made of figures. Nothing is said that is not known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ffe_edge.dashboard.settings import Language
from ffe_edge.dashboard.web.strip import in_order
from ffe_edge.dashboard.web.usual import Baseline, Line, compare
from ffe_edge.dashboard.words import emotion_word, percent, span, text
from ffe_edge.emotions import UNCERTAIN

MOST: Final = 3
"""So many emotions are named."""
WORTH_TELLING: Final = 0.05
"""A smaller share is left to the chart."""


def sentences(language: Language, ms: Mapping[str, int], gap_ms: int, baseline: Baseline) -> list[str]:
    """What is to be said.

    Args:
        language: in which.
        ms: time in each emotion in the shift.
        gap_ms: time of which nothing is known.
        baseline: the resident's usual days.
    """
    said = [text(language, "handover.seen", span=span(language, sum(ms.values())))] if ms else []
    said += [_most(language, ms)] if ms else [text(language, "handover.not_seen")]
    lines = [line for line in compare(ms, baseline) if line.emotion != UNCERTAIN]
    said += [_against(language, line) for line in lines if line.verdict in ("above", "below")]
    return said + ([text(language, "handover.gaps", span=span(language, gap_ms))] if gap_ms else [])


def _most(language: Language, ms: Mapping[str, int]) -> str:
    seen_ms = sum(ms.values())
    chosen = sorted(in_order(ms), key=lambda emotion: -ms[emotion])[:MOST]
    told = [
        text(
            language,
            "handover.one",
            emotion=emotion_word(language, emotion),
            span=span(language, ms[emotion]),
            share=percent(ms[emotion] / seen_ms),
        )
        for emotion in chosen
        if ms[emotion] >= WORTH_TELLING * seen_ms
    ]
    return text(language, "handover.most", list=("、" if language == "ja" else ", ").join(told))


def _against(language: Language, line: Line) -> str:
    return text(
        language,
        f"handover.{line.verdict}",
        emotion=emotion_word(language, line.emotion),
        share=percent(line.share),
        usual=percent(line.usual or 0.0),
    )
