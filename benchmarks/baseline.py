"""What the baseline does to faces at rest and to real anger and sadness: `python benchmarks/baseline.py`.

Rendered people of 65 to 95 years that no model of ours has seen, and LFW faces of 60 and more (`../shared`; those not
trained on). Each person's rest is learned by the daemon's own code from other pictures of the same person, shown as
looks one second apart: of rest only, of rest and acted emotions mixed 7 to 3, and of LFW all there are, whatever they
show. Figures before and after with 95 % intervals by bootstrap over people.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.align import align
from ffe_edge.baseline import Baseline
from ffe_edge.config_people import BaselineSettings
from ffe_edge.emotions import Emotion, affect
from ffe_edge.engine.model import Model, load_model
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import render_face, sample_view
from ffe_edge.rendered.units import acted_units
from ffe_edge.types import Faces, FloatArray, ImageArray

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "lfw_expressions"
RESAMPLES = 2000
AT_REST, ACTED, REST_TESTED, ACTED_TESTED = 28, 2, 12, 4
MIN_OTHERS = 5
REPEATS = 150
"""Looks that a person is shown: two and a half minutes of quiet."""
TOLD = ("neutral", "anger", "sadness", "joy")


@dataclass(frozen=True)
class Looks:
    """Pictures already read by the model."""

    probs: FloatArray
    label: npt.NDArray[np.str_]
    person: npt.NDArray[np.int_]
    tested: npt.NDArray[np.bool_]


def main() -> None:
    """Print one JSON object, or write it where asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument("--json", type=Path, help="write the figures here, for `ffe-edge train card`")
    chosen = parser.parse_args()
    model = load_model(chosen.model, backend="onnxruntime")
    rendered = rendered_looks(model, chosen.people, chosen.seed)
    rest = (rendered.label == "neutral") & ~rendered.tested
    figures: dict[str, object] = {"model": {"name": model.spec.name, "sha256": model.sha256}, "seed": chosen.seed}
    figures["rendered people of 65 to 95, rest only"] = measured(model, rendered, lambda at: rest & of(rendered, at))
    figures["rendered people of 65 to 95, rest and acted 7 to 3"] = measured(
        model, rendered, lambda at: ~rendered.tested & of(rendered, at)
    )
    if DATA.is_dir():
        real = lfw_looks(model)
        figures["LFW, 60 and more, all other pictures"] = measured(
            model, real, lambda at: of(real, at) & others(real, at)
        )
        neutral = real.label == "neutral"
        figures["LFW, 60 and more, other neutral ones"] = measured(
            model, real, lambda at: of(real, at) & others(real, at) & neutral
        )
    text = json.dumps(figures, indent=1)
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


def of(looks: Looks, at: int) -> npt.NDArray[np.bool_]:
    """Those of the same person."""
    return np.asarray(looks.person == looks.person[at])


def others(looks: Looks, at: int) -> npt.NDArray[np.bool_]:
    """All but this one."""
    return np.arange(len(looks.label)) != at


def rendered_looks(model: Model, people: int, seed: int) -> Looks:
    """Each person at rest and acting each emotion."""
    rng = np.random.default_rng(seed)
    probs, label, person, tested = [], [], [], []
    for number in range(people):
        who = sample_person(rng)
        plan = [(emotion, index) for emotion in Emotion for index in range(counted(emotion)[0])]
        crops = [crop(who, emotion, rng) for emotion, _ in plan]
        probs.append(model.run(np.stack(crops)))
        label += [emotion.value for emotion, _ in plan]
        tested += [index < counted(emotion)[1] for emotion, index in plan]
        person += [number] * len(plan)
    return Looks(np.concatenate(probs), np.array(label), np.array(person), np.array(tested))


def counted(emotion: Emotion) -> tuple[int, int]:
    """Pictures of an emotion, and how many of them are tested."""
    tested, shown = (REST_TESTED, AT_REST) if emotion is Emotion.NEUTRAL else (ACTED_TESTED, ACTED)
    return tested + shown, tested


def crop(who: Person, emotion: Emotion, rng: np.random.Generator) -> ImageArray:
    """One aligned picture."""
    face = render_face(who, acted_units(emotion, rng), sample_view(rng))
    faces = Faces(face.xyxy[None], np.ones(1, np.float32), face.landmarks[None])
    return align(face.image, faces)[0]


def lfw_looks(model: Model) -> Looks:
    """Faces of 60 and more that were not trained on; people by number."""
    rows = [
        row
        for row in csv.DictReader((DATA / "labels.csv").open(encoding="utf-8"))
        if row["age60plus"] == "1" and row["split"] != "train"
    ]
    crops = np.stack([cv2.imread(str(DATA / row["path"])) for row in rows])
    probs = np.concatenate([model.run(np.asarray(crops[start : start + 16])) for start in range(0, len(crops), 16)])
    person = np.unique([row["subject"] for row in rows], return_inverse=True)[1]
    return Looks(probs, np.array([row["label"] for row in rows]), person, np.ones(len(rows), bool))


def measured(model: Model, looks: Looks, rest_of: Callable[[int], npt.NDArray[np.bool_]]) -> dict[str, object]:
    """Recall before and after, over pictures of people with enough others."""
    after, used, is_corrected = looks.probs.copy(), [], set()
    known: dict[bytes, Baseline] = {}
    for at in np.flatnonzero(looks.tested):
        rest = looks.probs[rest_of(int(at))]
        if len(rest) < MIN_OTHERS:
            continue
        baseline = known.get(rest.tobytes()) or learned(model, rest, seed=int(looks.person[at]))
        known[rest.tobytes()] = baseline
        after[at] = baseline.correct(looks.probs[at])
        used.append(int(at))
        if baseline.correction().any():
            is_corrected.add(int(looks.person[at]))
    return told(model, looks, after, np.array(used), len(is_corrected))


def learned(model: Model, rest: FloatArray, seed: int) -> Baseline:
    """A baseline that has looked at these, one a second in a random order, each long enough to be quiet."""
    baseline = Baseline(model.spec.labels, BaselineSettings(enabled=True))
    rng, seconds = np.random.default_rng(seed), 0.0
    while seconds < REPEATS * 6:
        row = rest[rng.integers(len(rest))]
        for _ in range(6):
            seconds += 1.0
            baseline.look(row, seconds)
    return baseline


def told(
    model: Model, looks: Looks, after: FloatArray, used: npt.NDArray[np.int_], corrected: int
) -> dict[str, object]:
    """The figures."""
    labels = list(model.spec.labels)
    negative = np.array([affect(label)[0] < 0 for label in labels])
    label, person = looks.label[used], looks.person[used]
    first, second = looks.probs[used].argmax(axis=1), after[used].argmax(axis=1)
    figures: dict[str, object] = {"people": len(set(person.tolist())), "corrected people": corrected}
    for name in TOLD:
        at = label == name
        hit = [(found[at] == labels.index(name)).astype(float) for found in (first, second)]
        figures[f"recall of {name}"] = compared(hit[0], hit[1], person[at])
    at = label == "neutral"
    figures["rest told as negative"] = compared(
        negative[first[at]].astype(float), negative[second[at]].astype(float), person[at]
    )
    shares = [
        [negative[found[at & (person == who)]].mean() for who in set(person[at].tolist())] for found in (first, second)
    ]
    for level in (0.25, 0.5):
        counts = [int((np.array(share) >= level).sum()) for share in shares]
        figures[f"people whose rest is told as negative in {level:.0%} or more"] = counts
    return figures


def compared(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], person: npt.NDArray[np.int_]) -> object:
    """Means before and after and their difference, with intervals over people."""
    if not len(before):
        return {"n": 0}
    names, place = np.unique(person, return_inverse=True)
    sums = [np.bincount(place, values, len(names)) for values in (np.ones(len(before)), before, after)]
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    count, one, two = (drawn @ values for values in sums)
    rows = {"before": one / count, "after": two / count, "difference": (two - one) / count}
    exact = {"before": before.mean(), "after": after.mean(), "difference": (after - before).mean()}
    interval = {key: [round(float(q), 3) for q in np.nanpercentile(row, [2.5, 97.5])] for key, row in rows.items()}
    told = {key: [round(float(exact[key]), 3), *interval[key]] for key in exact}
    return {"n": len(before), "people": len(names), **told}


if __name__ == "__main__":
    main()
