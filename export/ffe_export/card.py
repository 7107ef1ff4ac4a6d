"""The model card, written from a run's own figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ffe_edge.emotions import japanese
from ffe_edge.spec import ModelSpec

INTENDED = """\
## What it is for

Telling *changes* of a person's facial expression to carers who know the person, as one hint among others: on one's own
device, with the consent of the people in view, abstaining when unsure.

## What it must not be used for

- Diagnosis, triage, or any decision about a person without a person.
- Watching staff: inferring emotions at the workplace is banned in the EU but for medical or safety reasons
  (Regulation (EU) 2024/1689, Art. 5(1)(f)). A care home is a workplace.
- Claims about what somebody *feels*: it names what a face shows.
- People who did not consent, people identification, children.

## What to know

- **Excitement and relaxation are learned from rendered people alone**: no set of real faces with these labels was at
  hand. On real faces the model says them rarely, and how often it is right is not known.
- **No elderly Japanese people are in the data.** The figures for "60+" are press photographs of public people (LFW),
  mostly neutral or smiling, one noisy label each.
- FER+ names no people, so its intervals are over images and a person may be in its training and its test part; LFW,
  London and the rendered people keep persons apart, and their intervals are over persons.
- Rendered people are a test bed: a figure on them says that the pipeline works, not how it does on real faces.
- LFW's splits and FER+'s PublicTest were not trained on; London was not used for any choice.
"""


def model_card(spec: ModelSpec, evaluation: dict[str, Any], *, size_bytes: int) -> str:
    """Markdown of the card."""
    return "\n".join([*_head(spec, evaluation, size_bytes), *_table(evaluation), *_classes(evaluation), INTENDED])


def _head(spec: ModelSpec, evaluation: dict[str, Any], size_bytes: int) -> Iterator[str]:
    images = ", ".join(f"{source} {count:,}" for source, count in evaluation["images"].items())
    yield f"# {spec.name}\n"
    yield (
        f"Takes aligned face crops (B, {spec.size_px}, {spec.size_px}, 3) uint8 {spec.colour}, gives calibrated"
        f" probabilities of {len(spec.labels)} expressions: {', '.join(spec.labels)}."
    )
    yield f"{size_bytes / 1e6:.1f} MB, {spec.precision}; temperature {spec.temperature:.3f}, inside the graph.\n"
    yield "This page is written by `make model` from the run's own figures.\n"
    yield "## Trained on\n"
    yield from (f"- {line}" for line in spec.data)
    yield f"\nTraining images: {images}."
    yield f"Recipe: stage `{evaluation['stage']}` of `train/recipes/`, commit `{spec.commit}`."
    yield f"\n    {spec.recipe}\n"


def _table(evaluation: dict[str, Any]) -> Iterator[str]:
    yield "## Held-out results\n"
    yield "95 % intervals by bootstrap over subjects (FER+: over images)."
    yield "Macro F1 is over the labels that the set has.\n"
    yield "| set | images | subjects | accuracy | macro F1 | over | ECE |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, result in evaluation["test"].items():
        subjects = "not known" if name == "ferplus" else result["subjects"]
        yield (
            f"| {name} | {result['images']} | {subjects} | {_interval(result['accuracy'])}"
            f" | {_interval(result['macro_f1'])} | {len(result['macro_over'])} labels | {result['ece']:.3f} |"
        )
    yield ""


def _classes(evaluation: dict[str, Any]) -> Iterator[str]:
    for name, result in evaluation["test"].items():
        yield f"### {name}\n"
        yield "| label | | images | precision | recall (95 %) | F1 |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for label, row in result["classes"].items():
            low, high = row["recall_95"]
            yield (
                f"| {label} | {japanese(label)} | {row['images']} | {row['precision']:.2f}"
                f" | {row['recall']:.2f} ({low:.2f}-{high:.2f}) | {row['f1']:.2f} |"
            )
        yield ""


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"
