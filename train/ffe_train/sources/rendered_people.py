"""Rendered people: the only source at hand whose faces show all nine expressions.

Two domains keep a gap between what is learned from and what is asked: ``studio`` has soft light from the front, quiet
heads and a clean camera; ``home`` has any light, turned heads, a small noisy picture, JPEG and landmarks as a detector
would miss them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Annotated, Final, Literal

import cv2
import numpy as np
from pydantic import Field, model_validator

from ffe_edge.align import similarity, warp
from ffe_edge.emotions import Emotion
from ffe_edge.rendered.camera import camera_noise
from ffe_edge.rendered.people import Person, sample_person
from ffe_edge.rendered.render import RenderedFace, View, render_face, sample_view
from ffe_edge.rendered.units import acted_units
from ffe_edge.types import FloatArray, ImageArray
from ffe_train.cropping import ALIGNED, Item
from ffe_train.manifest import Row, Split
from ffe_train.prepared import Pair
from ffe_train.recipes import Section

Age = Annotated[float, Field(ge=18, le=100)]
EMOTIONS: Final = tuple(Emotion)
DOMAINS: Final = ("studio", "home")
PURPOSES: Final = ("expressions", "identities")
LANDMARK_MISS: Final = 0.025
"""Standard deviation of a detector's landmarks at home, in shares of the distance of the eyes."""


class RenderedPeople(Section):
    """Who is rendered, and how."""

    purpose: Literal["expressions", "identities"] = "expressions"
    people: int = Field(default=111, ge=5, le=100_000)
    images: int = Field(default=18, ge=1, le=1000)
    """Pictures of each; with nine and more, everybody shows every expression."""
    ages: tuple[Age, Age] = (65.0, 95.0)
    """Years, from and to."""
    domain: Literal["studio", "home"] = "home"
    seed: int = Field(default=1, ge=0)
    size_px: int = Field(default=160, ge=96, le=512)
    """Side of the picture from which a crop is taken; at 160 a face has about the crop's size."""
    source: str = ""
    """Name of the set; made from purpose, domain and seed where empty."""

    @model_validator(mode="after")
    def _check(self) -> RenderedPeople:
        if self.ages[0] > self.ages[1]:
            raise ValueError("ages: must be the youngest and the oldest, in that order")
        return self

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.source or f"rendered-{self.purpose}-{self.domain}-{self.seed}"


def items(settings: RenderedPeople) -> Iterator[Item]:
    """Aligned faces; the same settings give the same pictures.

    Expressions: three people of five are ``train``, one ``val``, one ``test``. Identities: four of five are ``train``,
    one ``val``, and no picture has a label.
    """
    for number in range(settings.people):
        person = _person(settings, number)
        for picture in range(settings.images):
            emotion = EMOTIONS[(number + picture) % len(EMOTIONS)]
            row = Row(
                path=f"{settings.name}/{number:05d}/{picture:03d}",
                subject=f"{number:05d}",
                label=emotion.value if settings.purpose == "expressions" else "",
                split=_split(settings, number),
                source=settings.name,
                landmarks=ALIGNED,
                age=round(person.age_years, 1),
                sex="f" if person.feminine else "m",
                camera=settings.domain,
            )
            yield Item(row, partial(_crop, settings, number, picture, emotion))


def pairs(settings: RenderedPeople, count: int = 1000) -> tuple[Pair, ...]:
    """Pairs of the people of ``val``: ``count`` of one person and as many of two, drawn at random."""
    rng = np.random.default_rng([settings.seed, 99])
    people: dict[str, list[str]] = {}
    for item in items(settings):
        if item.row.split == "val":
            people.setdefault(item.row.subject, []).append(item.row.path)
    names = sorted(people)
    if len(names) < 2 or settings.images < 2:
        return ()
    return tuple(_pair(people, names, index % 2 == 0, rng) for index in range(2 * count))


def _pair(people: dict[str, list[str]], names: Sequence[str], same: bool, rng: np.random.Generator) -> Pair:
    if same:
        a, b = rng.choice(people[str(rng.choice(names))], 2, replace=False)
    else:
        one, other = rng.choice(names, 2, replace=False)
        a, b = rng.choice(people[str(one)]), rng.choice(people[str(other)])
    return Pair(str(a), str(b), same)


def _split(settings: RenderedPeople, number: int) -> Split:
    if settings.purpose == "identities":
        return "val" if number % 5 == 0 else "train"
    splits: tuple[Split, ...] = ("test", "val", "train", "train", "train")
    return splits[number % 5]


def _stream(settings: RenderedPeople, *more: int) -> np.random.Generator:
    key = [settings.seed, DOMAINS.index(settings.domain), PURPOSES.index(settings.purpose)]
    return np.random.default_rng([*key, *more])


@lru_cache(maxsize=8)
def _person(settings: RenderedPeople, number: int) -> Person:
    return sample_person(_stream(settings, number), age_years=settings.ages)


def _crop(settings: RenderedPeople, number: int, picture: int, emotion: Emotion) -> ImageArray:
    rng = _stream(settings, number, picture)
    person, units = _person(settings, number), acted_units(emotion, rng)
    view = sample_view(rng, spread=1.3) if settings.domain == "home" else _studio(sample_view(rng, spread=0.5), rng)
    face = render_face(person, units, view, size_px=settings.size_px)
    image, landmarks = _at_home(face, rng) if settings.domain == "home" else (face.image, face.landmarks)
    return warp(image, similarity(landmarks[None])[0])


def _studio(view: View, rng: np.random.Generator) -> View:
    """Two soft lamps beside the camera."""
    return replace(
        view,
        light_azimuth_degrees=float(rng.uniform(-25, 25)),
        light_elevation_degrees=float(rng.uniform(20, 40)),
        light_strength=float(rng.uniform(0.5, 0.65)),
        ambient=float(rng.uniform(0.55, 0.65)),
        warmth=float(rng.normal(0.0, 0.1)),
        exposure=float(rng.uniform(0.95, 1.05)),
        gaze_mm=(0.0, 0.0),
    )


def _at_home(face: RenderedFace, rng: np.random.Generator) -> tuple[ImageArray, FloatArray]:
    """What a cheap camera across the room and a detector make of a face: image and landmarks (5, 2)."""
    share = float(rng.uniform(0.55, 1.0))
    small = np.asarray(cv2.resize(face.image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)
    noisy = camera_noise(small, rng, blur_px=float(rng.uniform(0.3, 0.9)), noise=float(rng.uniform(2.0, 8.0)))
    _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 91))])
    image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    scale = np.array([small.shape[1] / face.image.shape[1], small.shape[0] / face.image.shape[0]], np.float32)
    points = (face.landmarks + 0.5) * scale - 0.5
    eyes = float(np.hypot(*(points[1] - points[0])))
    return image, np.asarray(points + rng.normal(0, LANDMARK_MISS * eyes, points.shape), np.float32)
