"""Rendered people as labelled faces: the only source that shows all nine expressions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ffe_edge.align import similarity, warp
from ffe_edge.emotions import Emotion
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import render_face, sample_view
from ffe_edge.rendered.units import acted_units
from ffe_edge.types import ImageArray
from ffe_train.data import Progress, Samples, luminance, one_hot
from ffe_train.recipe import Rendered

TEST_SHARE = 5
"""Every fifth person is held out for testing, the one after for validation."""


def render_people(settings: Rendered, track: Progress) -> Samples:
    """Faces of rendered people, aligned by the renderer's own landmarks; people do not cross splits."""
    crops, labels, subjects, splits, old = [], [], [], [], []
    people = list(_people(settings))
    for number, person in track(people, "rendered people", len(people)):
        rng = np.random.default_rng([settings.seed, number])
        for picture in range(settings.images):
            emotion = list(Emotion)[picture % len(Emotion)]
            crops.append(_crop(person, emotion, rng))
            labels.append(emotion.value)
            subjects.append(f"person-{number:04d}")
            splits.append({0: "test", 1: "val"}.get(number % TEST_SHARE, "train"))
            old.append(number < settings.old)
    return Samples(
        luminance(np.stack(crops)),
        one_hot(labels),
        np.array(subjects),
        np.array(splits),
        np.full(len(crops), "rendered"),
        np.array(old),
    )


def _people(settings: Rendered) -> Iterator[tuple[int, Person]]:
    for number in range(settings.old + settings.young):
        years = (60.0, 95.0) if number < settings.old else (20.0, 60.0)
        yield number, sample_person(np.random.default_rng([settings.seed, 0, number]), age_years=years)


def _crop(person: Person, emotion: Emotion, rng: np.random.Generator) -> ImageArray:
    face = render_face(person, acted_units(emotion, rng), sample_view(rng))
    return warp(face.image, similarity(face.landmarks[None])[0])
