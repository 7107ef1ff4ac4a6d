"""The model card: what a model is, what it was made of and how good it is, on one page, from a run's own files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ffe_train import card_tables as tables
from ffe_train.card_baseline import baseline_lines
from ffe_train.card_failures import poor_classes
from ffe_train.card_tables import Json, interval
from ffe_train.card_words import INTENDED, LONDON_CREDIT, terms_of, to_know

ORDER: Final = ("ferplus-paper", "ferplus", "lfw", "london", "rendered")
"""Of sets on the page; others follow."""
SENSES: Final = {">=": "at least {:g}", "<=": "at most {:g}", ">": "above {:g}", "within": "within ±{:g}"}


@dataclass(frozen=True)
class CardFacts:
    """All that a card is written from."""

    stage: Json
    """``stage.json`` of the training."""
    figures: Json
    """``figures.json`` of ``ffe-edge train measure``."""
    robustness: Json | None = None
    """``robustness.json`` of ``ffe-edge train robustness``."""
    clips: Json | None = None
    """``clips.json`` of ``benchmarks/events.py --json``."""
    baseline: Json | None = None
    """``baseline.json`` of ``benchmarks/baseline.py --json``."""
    export: Json | None = None
    """``report.json`` of ``ffe-edge export``."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """File names beside the card of ``calibration``, ``robustness`` and ``failures``, as far as they are there."""


def model_card(facts: CardFacts) -> str:
    """Markdown of the card."""
    sets = tables.measured(_ordered(facts.figures["sets"]))
    detailed = {name: one for name, one in sets.items() if name != "ferplus" or "ferplus-paper" not in sets}
    parts = (
        _head(facts.figures["model"], facts.figures),
        _reach(facts.figures["reach"]),
        [INTENDED],
        _trained_on(facts.stage),
        _results(sets, facts.figures),
        ["## By age and sex\n", *tables.groups(detailed), *_by_age(detailed)],
        _calibration(detailed, facts),
        baseline_lines(facts.baseline),
        _robustness(facts),
        _clips(facts.clips),
        _int8(facts.export),
        ["## By class\n", "95 % intervals as above; labels that a set has no image of are left out.\n"],
        tables.classes(detailed),
        to_know(facts.stage.get("sets") or list(facts.stage.get("images", {}))),
        _failures(detailed, facts),
    )
    return "\n".join(line for part in parts for line in part).rstrip("\n") + "\n"


def verdict_line(verdict: Json) -> str:
    """What was wanted, in words: ``LFW: accuracy, at least 0.85``."""
    wanted = SENSES[verdict["sense"]].format(verdict["target"])
    return f"{terms_of(verdict['set']).name}: {verdict['figure']}, {wanted}"


def _head(model: Json, figures: Json) -> Iterator[str]:
    yield f"# {model['name']}\n"
    yield (
        f"Takes aligned face crops (B, {model['size_px']}, {model['size_px']}, 3) uint8 BGR, gives calibrated"
        f" probabilities of {len(model['labels'])} expressions: {', '.join(model['labels'])}."
    )
    weights = f"{model['parameters'] / 1e6:.2f} million weights, " if model["parameters"] else ""
    macs = f"{model['multiply_adds'] / 1e6:.1f} million multiply-adds a face (MMAC), " if model["multiply_adds"] else ""
    yield (
        f"{model['bytes'] / 1e6:.1f} MB, {model['precision']}, {weights}{macs}temperature {model['temperature']:.3f},"
        " inside the graph.\n"
    )
    yield (
        "This page is written by `ffe-edge train card`. Its figures are those of the very file, run by"
        f" {figures['backend']} on the held-out parts of the sets (SHA-256 `{model['sha256'][:16]}…`).\n"
    )


def _reach(verdicts: Sequence[Json]) -> Iterator[str]:
    yield "## In short\n"
    known = [one for one in verdicts if one["reached"] is not None]
    missed = [one for one in known if not one["reached"]]
    if missed:
        yield f"**It misses {len(missed)} of {len(known)} marks that were set for it:**\n"
        yield from (f"- {verdict_line(one)}: it is {interval(one)}." for one in missed)
        yield ""
    elif known:
        yield f"It reaches all {len(known)} marks that were set for it and measured.\n"
    rows = [[verdict_line(one), interval(one), _outcome(one)] for one in verdicts]
    yield from tables.table(["wanted", "measured (95 %)", ""], rows)


def _outcome(verdict: Json) -> str:
    if verdict["reached"] is None:
        return "not measured"
    if not verdict["reached"]:
        return "**missed**"
    return "reached" if verdict["sure"] else "reached, not all of the interval"


def _trained_on(stage: Json) -> Iterator[str]:
    yield "## Trained on\n"
    images = stage.get("images", {})
    learned = dict.fromkeys(stage.get("sets", ()), "in a stage before")
    learned |= {name: f"{count:,}" for name, count in images.items()}
    rows = [[terms_of(n).name, count, terms_of(n).what, terms_of(n).terms] for n, count in learned.items()]
    yield from tables.table(["set", "faces learned", "what it shows", "terms"], rows)
    people = f"{stage['people']:,} people (a picture of FER+ counts as one). " if stage.get("people") else ""
    start = stage.get("start", {}).get("name")
    yield f"{people}{f'It starts from the stage `{start}`. ' if start else ''}Commit `{stage.get('commit', '')}`."
    yield from _recipe(stage.get("recipe", {}))


def _recipe(recipe: Json) -> Iterator[str]:
    yield f"Recipe `{recipe.get('name', '')}`, with every default written out:\n"
    yield "<details><summary>recipe</summary>\n"
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in recipe.items())
    yield f"```json\n{{\n{lines}\n}}\n```\n"
    yield "</details>\n"


def _results(sets: Mapping[str, Json], figures: Json) -> Iterator[str]:
    yield "## Held-out results\n"
    yield (
        "95 % intervals by bootstrap over people (FER+: over images). Macro F1 is over the labels that the set has;"
        " excitement and relaxation may be answered everywhere.\n"
    )
    yield from tables.results(sets)
    for name, one in sets.items():
        twins = one["learned_twins"]
        if twins["images"]:
            learned = f"{twins['images']} of {one['images']:,} pictures of {terms_of(name).name} were learned, too"
            yield f"{learned}, pixel for pixel. Without them accuracy is {interval(twins['accuracy'])}.\n"
    if figures["against"]:
        yield f"Against the model before (SHA-256 `{figures['against']['sha256'][:16]}…`), on the same faces:\n"
        yield from tables.gains(sets)


def _by_age(sets: Mapping[str, Json]) -> Iterator[str]:
    yield "**Resting faces of the old**: how often neutral is read as neutral. Above 0, the old are misread more.\n"
    yield from tables.gaps(sets)


def _calibration(sets: Mapping[str, Json], facts: CardFacts) -> Iterator[str]:
    yield "## Calibration and abstaining\n"
    threshold = next((one["abstaining"]["default"]["threshold"] for one in sets.values()), 0.0)
    yield (
        'ECE: how far probabilities are from the share that is right; "of chance" is what a perfect model would have on'
        f" as few images. Where no probability reaches {threshold:g} (the daemon's `min_probability`) the answer is"
        " `uncertain`.\n"
    )
    yield from tables.calibration(sets)
    if "calibration" in facts.pictures:
        yield f"![Accuracy by probability, and by the share of faces answered]({facts.pictures['calibration']})\n"


def _robustness(facts: CardFacts) -> Iterator[str]:
    if facts.robustness is None:
        return
    yield "## Robustness\n"
    yield 'Accuracy (95 %) on faces made hard to see; "found": the share of faces that the detector still finds.\n'
    yield from tables.robustness(facts.robustness["conditions"])
    if "robustness" in facts.pictures:
        yield f"![Accuracy under each condition]({facts.pictures['robustness']})\n"


def _clips(clips: Json | None) -> Iterator[str]:
    if clips is None:
        return
    yield "## On video\n"
    yield (
        "The daemon's own chain on clips. A flip is a change of the likeliest expression of somebody who is watched:"
        " raw, look by look, and as the filter lets it through. Event F1 counts changes told against changes acted,"
        " where the truth is known. Most clips last a few seconds, in which one flip weighs much; a clip made of London"
        " photographs shows people of both halves, those learned from too.\n"
    )
    yield from tables.clips(clips)


def _int8(report: Json | None) -> Iterator[str]:
    if report is None or not any(one["precision"] == "int8" for one in report["results"]):
        return
    labelled = report["crops"]["labelled"]
    yield "## INT8\n"
    if labelled:
        about = f"{labelled['images']:,} labelled faces of {labelled['folder']} ({labelled['people']:,} people)"
        yield f"Checked at the export on {about}:\n"
    yield from tables.int8(report)


def _failures(sets: Mapping[str, Json], facts: CardFacts) -> Iterator[str]:
    yield "## Known failures\n"
    poor = list(poor_classes(sets))
    yield from poor or ["No label with five faces or more is found in fewer than six of ten."]
    yield ""
    if "failures" in facts.pictures:
        yield (
            "The mistakes that it was surest of, of faces that may be shown. Under each: what it shows, then what the"
            " model said and how sure it was.\n"
        )
        yield f"![Faces that were read wrongly]({facts.pictures['failures']})\n"
        yield f"Photographs: {LONDON_CREDIT}. Drawn faces: this project.\n"


def _ordered(sets: Mapping[str, Any]) -> dict[str, Any]:
    order = [name for name in ORDER if name in sets] + [name for name in sets if name not in ORDER]
    return {name: sets[name] for name in order}
