"""What is done to faces before they are read: the table of conditions."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ffe_train import robust_cover as cover
from ffe_train import robust_photo as photo
from ffe_train.robust_faces import Detect, FaceSet, Kind, Scene, Shot, detected, largest

Change = Callable[[Shot, np.random.Generator], Shot]
Restage = Callable[[Scene, int], Scene]

CLEAN: Final = "clean"
TURNS: Final = (-30, -15, 15, 30)
"""Degrees; the head's own turn to the image's right and clockwise are positive."""
RIMS: Final = 3
"""Kinds of glasses of the renderer."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that happens to a face, in one strength."""

    name: str
    strength: str
    on: tuple[Kind, ...]
    """Faces to which it can be done."""
    change: Change | None = None
    """None: the picture stays as it is."""
    restage: Restage | None = None
    """Where the person has to be rendered again: scene and its number -> scene."""


@dataclass(frozen=True, slots=True)
class Detectors:
    """What finds faces again in a picture that was changed."""

    landmarks: Detect | None
    """YuNet; without it nothing is rolled, and rendered faces keep the renderer's landmarks."""
    boxes: Detect | None
    """The Haar cascade, which gives no landmarks."""


def conditions(detectors: Detectors) -> list[Condition]:
    """All of them, the untouched picture first, as far as the detectors allow."""
    every = [Condition(CLEAN, "", ("crops", "pictures"))]
    return [*every, *_photographed(), *_covered(), *_turned(detectors), *_found(detectors)]


def shots_of(faces: FaceSet, condition: Condition, detectors: Detectors, seed: int) -> Iterator[Shot]:
    """The set's faces under a condition; the same seed gives the same pictures."""
    return (shot_of(faces, number, condition, detectors, seed) for number in range(len(faces)))


def shot_of(faces: FaceSet, number: int, condition: Condition, detectors: Detectors, seed: int) -> Shot:
    """One of them; chance does not depend on the others."""
    if condition.restage is not None:
        return detected(condition.restage(faces.scenes[number], number).photographed(), detectors.landmarks)
    if condition.change is None:
        return faces.shots[number]
    stream = zlib.crc32(f"{condition.name} {condition.strength}".encode())
    return condition.change(faces.shots[number], np.random.default_rng([seed, stream, number]))


def asked_of(faces: FaceSet, detectors: Detectors) -> list[Condition]:
    """The conditions that can be asked of a set, the untouched picture first."""
    return [condition for condition in conditions(detectors) if set(condition.on) & set(faces.kinds)]


def _photographed() -> Iterator[Condition]:
    for sigma in (1.5, 3.0, 5.0):
        yield _crop("gaussian blur", f"sigma {sigma:g} px", _steady(photo.gaussian_blur, sigma))
    for length in (7, 13, 21):
        yield _crop("motion blur", f"{length} px", _random(photo.motion_blur, length))
    for parts in (2, 4, 8):
        yield _crop("low light", f"1/{parts}", _random(photo.low_light, 1 / parts))
    for quality in (50, 30, 10):
        yield _crop("jpeg", f"quality {quality}", _steady(photo.jpeg, quality))
    for face_px in (48, 32, 24):
        yield _crop("small face", f"{face_px} px", _steady(photo.small_face, face_px))


def _covered() -> Iterator[Condition]:
    yield _crop("mask", "", lambda shot, _: cover.mask(shot))
    yield _crop("glasses", "drawn", lambda shot, _: cover.glasses(shot))
    yield _crop("sunglasses", "", lambda shot, _: cover.sunglasses(shot))
    yield _crop("hand", "", cover.hand)
    yield Condition("glasses", "rendered", ("scenes",), restage=_with_glasses)


def _turned(detectors: Detectors) -> Iterator[Condition]:
    for degrees in TURNS:
        yield Condition("yaw", f"{degrees:+d}°", ("scenes",), restage=_yawed(degrees))
    find = detectors.landmarks
    if find is not None:
        for degrees in TURNS:
            yield Condition("roll", f"{degrees:+d}°", ("pictures",), _steady(photo.rolled, degrees, find))


def _found(detectors: Detectors) -> Iterator[Condition]:
    for share in (0.025, 0.05, 0.10):
        name = f"{share:.1%}".replace(".0%", "%")
        yield Condition("landmark noise", name, ("pictures",), _random(photo.missed_landmarks, share))
    boxes = detectors.boxes
    if boxes is not None:
        yield Condition("haar box", "", ("pictures",), lambda shot, _: Shot(shot.image, largest(boxes(shot.image))))


def _crop(name: str, strength: str, change: Change) -> Condition:
    return Condition(name, strength, ("crops",), change)


def _steady(change: Callable[..., Shot], *strength: object) -> Change:
    return lambda shot, _: change(shot, *strength)


def _random(change: Callable[..., Shot], strength: float) -> Change:
    return lambda shot, rng: change(shot, strength, rng)


def _yawed(degrees: float) -> Restage:
    return lambda scene, _: replace(scene, view=replace(scene.view, yaw_degrees=float(degrees)))


def _with_glasses(scene: Scene, number: int) -> Scene:
    """The renderer's own, thin, dark or brown by turns of people's pictures."""
    return replace(scene, person=replace(scene.person, glasses=1 + number % RIMS))
