"""Labelled faces of every source in one form: aligned grey crops with a distribution over the labels."""

from __future__ import annotations

import csv
import io
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from ffe_edge.align import CROP_PX, align
from ffe_edge.emotions import LABELS
from ffe_edge.errors import DataError
from ffe_edge.types import FaceDetector, Faces, FloatArray, ImageArray

logger = logging.getLogger(__name__)

StringArray = npt.NDArray[np.str_]
Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]

FERPLUS_COLUMNS: Final = {
    "neutral": "neutral",
    "happiness": "joy",
    "surprise": "surprise",
    "sadness": "sadness",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
}
"""FER+'s names of the labels that the nine have too. Contempt, unknown and not-a-face have none."""
FERPLUS_OTHER: Final = ("contempt", "unknown", "NF")


@dataclass(frozen=True)
class Samples:
    """Labelled faces, as parallel arrays."""

    crops: ImageArray
    """(N, 112, 112) uint8 luminance, aligned."""
    targets: FloatArray
    """(N, K) float32 distribution over ``LABELS``: one-hot or the raters' votes."""
    subject: StringArray
    """(N,) who it is; the image's own name where the set does not say."""
    split: StringArray
    """(N,) ``train``, ``val`` or ``test``."""
    source: StringArray
    """(N,) name of the set."""
    age_60_plus: npt.NDArray[np.bool_]
    """(N,) known to be 60 or more."""

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: npt.NDArray[Any]) -> Samples:
        return Samples(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    @property
    def class_id(self) -> npt.NDArray[np.int64]:
        """(N,) the likeliest class."""
        return np.asarray(self.targets.argmax(axis=1), np.int64)


def concatenate(parts: Iterable[Samples]) -> Samples:
    """All samples after one another."""
    sets = list(parts)
    return Samples(
        **{field.name: np.concatenate([getattr(part, field.name) for part in sets]) for field in fields(Samples)}
    )


def check_subjects(samples: Samples) -> None:
    """Nobody may stand in two splits.

    Raises:
        DataError: names the first who does.
    """
    home: dict[str, str] = {}
    for source, subject, split in zip(samples.source, samples.subject, samples.split, strict=True):
        person = f"{source}/{subject}"
        if home.setdefault(person, str(split)) != split:
            raise DataError(
                f"subject {person} stands in the splits {home[person]} and {split}; a person belongs to one"
            )


def one_hot(labels: Iterable[str]) -> FloatArray:
    """(N, K) float32 from label names of the nine."""
    return np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(label) for label in labels]]


def luminance(images: ImageArray) -> ImageArray:
    """(N, H, W, 3) BGR -> (N, H, W)."""
    return np.stack([np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8) for image in images])


def read_image(path: Path) -> ImageArray:
    """(H, W, 3) uint8 BGR.

    Raises:
        DataError: the file is no image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: is missing or no image")
    return np.asarray(image, np.uint8)


def read_lfw(folder: Path, track: Progress) -> Samples:
    """LFW faces with one noisy label each, already aligned; splits keep people apart."""
    rows = list(_rows(folder / "labels.csv"))
    rows = [row for row in rows if row["proxy9"] in LABELS]
    crops = [luminance(read_image(folder / row["path"])[None])[0] for row in track(rows, "LFW", len(rows))]
    return Samples(
        np.stack(crops),
        one_hot(row["proxy9"] for row in rows),
        np.array([row["subject"] for row in rows]),
        np.array([row["split"] for row in rows]),
        np.full(len(rows), "lfw"),
        np.array([row["age60plus"] == "1" for row in rows]),
    )


def read_london(folder: Path, track: Progress) -> Samples:
    """Face Research Lab London Set: 102 adults, neutral and smiling. Kept for testing alone."""
    rows = list(_rows(folder / "labels.csv"))
    crops = [luminance(read_image(folder / row["path"])[None])[0] for row in track(rows, "London", len(rows))]
    return Samples(
        np.stack(crops),
        one_hot({"smiling": "joy"}.get(row["label"], row["label"]) for row in rows),
        np.array([row["subject"] for row in rows]),
        np.full(len(rows), "test"),
        np.full(len(rows), "london"),
        np.array([row["age"].isdigit() and int(row["age"]) >= 60 for row in rows]),
    )


def read_ferplus(path: Path, detector: FaceDetector, track: Progress) -> Samples:
    """FER+ with its ten votes as soft labels.

    Faces are found and aligned as on the device; where the detector finds none in the 48 x 48 picture, the picture
    itself is the crop. Kept are images whose majority is one of our labels. Training rows are split 95 : 5 into train
    and val by image, since FER names no people; PublicTest is test.
    Source: Barsoum et al., Training deep networks for facial expression recognition with crowd-sourced label
    distribution, ICMI 2016.
    """
    with _archive(path) as archive:
        rows = [row for row in csv.DictReader(io.TextIOWrapper(archive.open("votes.csv"))) if _majority_is_ours(row)]
        crops = [_ferplus_crop(archive.read(row["path"]), detector) for row in track(rows, "FER+", len(rows))]
    votes = np.zeros((len(rows), len(LABELS)), np.float32)
    for theirs, ours in FERPLUS_COLUMNS.items():
        votes[:, LABELS.index(ours)] = [float(row[theirs]) for row in rows]
    names = np.array([Path(row["path"]).stem for row in rows])
    held_out = np.array([row["usage"] != "Training" for row in rows])
    val = np.arange(len(rows)) % 20 == 19
    return Samples(
        np.stack(crops),
        votes / votes.sum(axis=1, keepdims=True),
        names,
        np.where(held_out, "test", np.where(val, "val", "train")),
        np.full(len(rows), "ferplus"),
        np.zeros(len(rows), bool),
    )


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _majority_is_ours(row: dict[str, str]) -> bool:
    ours = max(int(row[name]) for name in FERPLUS_COLUMNS)
    return ours > max(int(row[name]) for name in FERPLUS_OTHER)


def _ferplus_crop(data: bytes, detector: FaceDetector) -> ImageArray:
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise DataError("FER+: an image in the archive cannot be decoded")
    large = cv2.resize(grey, (192, 192), interpolation=cv2.INTER_CUBIC)
    padded = cv2.cvtColor(cv2.copyMakeBorder(large, 48, 48, 48, 48, cv2.BORDER_REPLICATE), cv2.COLOR_GRAY2BGR)
    faces = detector(np.asarray(padded, np.uint8))
    if not len(faces):
        return np.asarray(cv2.resize(grey, (CROP_PX, CROP_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
    return np.asarray(luminance(align(np.asarray(padded, np.uint8), _largest(faces)))[0], np.uint8)


def _largest(faces: Faces) -> Faces:
    best = int(np.argmax((faces.xyxy[:, 2:] - faces.xyxy[:, :2]).prod(axis=1)))
    landmarks = None if faces.landmarks is None else faces.landmarks[best : best + 1]
    return replace(
        faces, xyxy=faces.xyxy[best : best + 1], confidence=faces.confidence[best : best + 1], landmarks=landmarks
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); see train/README.md for the data it needs"
        ) from error


def save_samples(samples: Samples, path: Path) -> None:
    """Write a cache that ``load_samples`` reads back; a half-written one never gets the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **{field.name: getattr(samples, field.name) for field in fields(samples)})
    temporary.rename(path)


def load_samples(path: Path) -> Samples:
    """Read a cache of ``save_samples``."""
    with np.load(path, allow_pickle=False) as file:
        return Samples(**{field.name: file[field.name] for field in fields(Samples)})
