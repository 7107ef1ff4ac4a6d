"""A contact sheet: many persons, every expression."""

from __future__ import annotations

import numpy as np

from ffe_edge.emotions import Emotion
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import View, render_face
from ffe_edge.rendered.units import expression_units, variants
from ffe_edge.types import ImageArray


def contact_sheet(seed: int, persons: int, *, size_px: int = 224) -> ImageArray:
    """(persons * size, 12 * size, 3) uint8 BGR: a row a person, a column an expression with its variants."""
    rng = np.random.default_rng(seed)
    return np.concatenate([_row(sample_person(rng), View(background=seed + row), size_px) for row in range(persons)])


def _row(person: Person, view: View, size_px: int) -> ImageArray:
    poses = [expression_units(emotion, variant) for emotion in Emotion for variant in range(variants(emotion))]
    faces = [render_face(person, units, view, size_px=size_px).image for units in poses]
    return np.concatenate(faces, axis=1)
