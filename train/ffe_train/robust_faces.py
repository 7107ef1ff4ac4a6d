"""Faces whose picture can be spoiled on purpose: aligned crops, pictures with a margin, and rendered scenes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from ffe_edge.align import TEMPLATE
from ffe_edge.emotions import Emotion
from ffe_edge.errors import DataError
from ffe_edge.rendered.camera import camera_noise
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import View, render_face, sample_view
from ffe_edge.rendered.units import acted_units
from ffe_edge.types import Faces, FloatArray, ImageArray
from ffe_train.predictions import IntArray, numbered
from ffe_train.prepared import PreparedSet
from ffe_train.sources import london

logger = logging.getLogger(__name__)

Kind = Literal["crops", "pictures", "scenes"]
Detect = Callable[[ImageArray], Faces]

CROP_BOX: Final = (15.5, 11.5, 94.0, 114.5)
"""Where YuNet's box lies in an aligned crop of 112 px: medians of 100 faces each of London, LFW and rendered people,
which differ by 3 px."""
SHOWN: Final = ("london", "rendered")
"""Sets whose faces a picture may show: their terms allow it, or nobody is shown."""
AGES: Final = (60.0, 95.0)
SCENE_PX: Final = 224
TEST: Final = "test"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A picture and the face in it: one, or none where it was not found."""

    image: ImageArray
    """(H, W, 3) uint8 BGR."""
    faces: Faces


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A rendered person before the camera, who can be asked to turn or to put on glasses."""

    person: Person
    units: FloatArray
    view: View
    seed: int
    """Of the camera's noise."""

    def photographed(self) -> Shot:
        """The picture, with the renderer's own landmarks."""
        face = render_face(self.person, self.units, self.view, size_px=SCENE_PX)
        image = camera_noise(face.image, np.random.default_rng(self.seed))
        return Shot(image, Faces(face.xyxy[None], np.ones(1, np.float32), face.landmarks[None]))


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """N faces as they are before anything is done to them."""

    name: str
    kinds: tuple[Kind, ...]
    """What can be done to them."""
    truth: IntArray
    """(N,) class ids of the model's labels."""
    person: IntArray
    """(N,) number of the person."""
    shots: Sequence[Shot]
    """(N,)"""
    scenes: Sequence[Scene] = field(default=())
    """(N,) what the shots were taken of, where they are rendered here."""
    is_shown: bool = False
    """Whether a picture of results may show these faces."""

    def __len__(self) -> int:
        return len(self.shots)


def crop_shot(crop: ImageArray) -> Shot:
    """An aligned crop (112, 112, 3) as a picture with one face, whose landmarks are the template's."""
    return Shot(crop, Faces(np.array([CROP_BOX], np.float32), np.ones(1, np.float32), TEMPLATE[None].copy()))


def crops_of(prepared: PreparedSet, labels: Sequence[str], most: int, seed: int) -> FaceSet:
    """Some faces of the split ``test`` that show one of the labels, the same ones for every model.

    Args:
        prepared: the set; FER+'s contempt, for example, is left out where the model has no such label.
        labels: (K,) of the model.
        most: how many faces; the rest is left out by lot.
        seed: of the lot.

    Raises:
        DataError: no such face is there.
    """
    is_known = np.isin([row.label for row in prepared.rows], labels) & (prepared.split == TEST)
    places = np.flatnonzero(is_known)
    if not len(places):
        raise DataError(f"{prepared.folder}: has no face in the split test with a label of the model; prepare it again")
    if len(places) > most:
        places = np.sort(np.random.default_rng([seed, 1]).choice(places, most, replace=False))
    chosen = prepared.select(places)
    truth = np.array([labels.index(row.label) for row in chosen.rows], np.int64)
    shots = [crop_shot(crop) for crop in chosen.crops(np.arange(len(chosen)))]
    person = numbered(chosen.source, chosen.subject)
    return FaceSet(prepared.name, ("crops",), truth, person, shots, is_shown=prepared.name in SHOWN)


def london_pictures(folder: Path, tested: PreparedSet, labels: Sequence[str], detect: Detect) -> FaceSet:
    """London's pictures with a margin, of the people whom the prepared set tests.

    Args:
        folder: with ``labels.csv`` and ``loose400/``.
        tested: the prepared set whose split ``test`` says who was not learned from.
        labels: (K,) of the model.
        detect: finds the faces; a picture without one is left out.

    Raises:
        DataError: the table or a picture cannot be read, or none of the people is there.
    """
    subjects = set(tested.subject[tested.split == TEST].tolist())
    items = [item for item in london.items(folder, loose=True) if item.row.subject in subjects]
    found = [(item.row, Shot(image, largest(detect(image)))) for item in items for image in [item.read()]]
    kept = [(row, shot) for row, shot in found if len(shot.faces) and row.label in labels]
    if not kept:
        raise DataError(f"{folder}: shows nobody whom {tested.folder} tests; give the folder that was prepared")
    if len(kept) < len(items):
        logger.warning("%s: no face was found in %d of %d pictures", folder, len(items) - len(kept), len(items))
    truth = np.array([labels.index(row.label) for row, _ in kept], np.int64)
    person = numbered(np.array([row.subject for row, _ in kept], np.str_))
    return FaceSet("london-pictures", ("pictures",), truth, person, [shot for _, shot in kept], is_shown=True)


def rendered_scenes(
    labels: Sequence[str], people: int, seed: int, detect: Detect | None, step: Callable[[int], None]
) -> FaceSet:
    """Rendered people of 60 to 95 years whom no training has drawn, frontal and without glasses, in every expression.

    Args:
        labels: (K,) of the model.
        people: how many.
        seed: of everything.
        detect: finds the faces, or None for the renderer's own landmarks.
        step: told 1 after every person.

    Raises:
        DataError: the model has no label that can be rendered, or no face was found.
    """
    scenes, truth, person, shots = [], [], [], []
    for number in range(people):
        for scene, label in _acted(labels, seed, number):
            shot = detected(scene.photographed(), detect)
            if len(shot.faces):
                scenes.append(scene)
                shots.append(shot)
                truth.append(labels.index(label))
                person.append(number)
        step(1)
    if not shots:
        raise DataError(
            f"rendered people show none of the labels {', '.join(labels)}, or none of their faces was found"
        )
    ids = np.array(truth, np.int64), np.array(person, np.int64)
    return FaceSet("rendered-people", ("pictures", "scenes"), *ids, shots, scenes, is_shown=True)


def detected(shot: Shot, detect: Detect | None) -> Shot:
    """The picture with the largest face that the detector finds in it; as it is where there is no detector."""
    return shot if detect is None else Shot(shot.image, largest(detect(shot.image)))


def largest(faces: Faces) -> Faces:
    """The largest one, or none."""
    if not len(faces):
        return faces
    sides = faces.xyxy[:, 2:] - faces.xyxy[:, :2]
    return faces.taken(np.array([int(sides.prod(axis=1).argmax())]))


def _acted(labels: Sequence[str], seed: int, number: int) -> Iterator[tuple[Scene, str]]:
    """One person in every expression that the model knows, each in other light; the head is straight."""
    rng = np.random.default_rng([seed, 7, number])
    person = replace(sample_person(rng, age_years=AGES), glasses=0)
    for emotion in Emotion:
        units = acted_units(emotion, rng)
        view = replace(sample_view(rng), yaw_degrees=0.0, pitch_degrees=0.0, roll_degrees=0.0)
        if emotion.value in labels:
            yield Scene(person, units, view, int(rng.integers(2**31))), emotion.value
