"""What teachers have said about faces, in one file: a small network is taught by it where they themselves are not.

Large networks need a GPU, and their weights are too large to hand on with a recipe; what they said is neither.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ffe_edge.errors import DataError
from ffe_edge.types import FloatArray
from ffe_train.files import write_atomically
from ffe_train.people import People
from ffe_train.prepared import PreparedSet

VERSION: Final = 1
LARGEST_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Voices:
    """The mean of some teachers' probabilities, face by face."""

    labels: tuple[str, ...]
    teachers: Mapping[str, str]
    """SHA-256 of their weights by their names."""
    temperature: float
    """By which their logits were divided."""
    place: Mapping[str, int]
    """Row of ``probs`` by ``source/path`` of a face."""
    probs: FloatArray
    """(N, K) float32, rows sum to 1."""
    licence: str
    sets: tuple[str, ...]
    """Prepared sets that the teachers have learned."""
    people: People
    """Whom they have learned."""
    sha256: str
    """Of the file."""

    def of(self, faces: PreparedSet) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.bool_]]]:
        """What was said about faces (N, K), zeros where nothing was, and where something was (N,)."""
        places = np.array([self.place.get(name, -1) for name in names_of(faces)], np.int64)
        told = places >= 0
        return np.where(told[:, None], self.probs[places], 0).astype(np.float32), told


def names_of(faces: PreparedSet) -> list[str]:
    """``source/path`` of every face, which other preparations of the same pictures share."""
    return [f"{row.source}/{row.path}" for row in faces.rows]


def write_voices(
    path: Path,
    faces: PreparedSet,
    probs: FloatArray,
    *,
    labels: Sequence[str],
    teachers: Mapping[str, str],
    temperature: float,
    licence: str,
    sets: Sequence[str],
    people: People,
) -> None:
    """Write what was said about N faces, probs (N, K), with half precision.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    about = {
        "version": VERSION,
        "labels": list(labels),
        "teachers": dict(teachers),
        "temperature": temperature,
        "licence": licence,
        "sets": list(sets),
        "all_people": people.is_complete,
    }
    file = io.BytesIO()
    np.savez_compressed(
        file,
        about=_as_bytes(json.dumps(about)),
        faces=_as_bytes("\n".join(names_of(faces))),
        probs=probs.astype(np.float16),
        people=np.array(sorted(int(line, 16) for line in people.lines), np.uint64),
    )
    write_atomically(path, file.getvalue())


def read_voices(path: Path) -> Voices:
    """Read what ``write_voices`` wrote.

    Raises:
        DataError: it cannot be read, is damaged, or of another version.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path}: is larger than {LARGEST_BYTES // 2**20} MiB; it is no file of voices")
        data = path.read_bytes()
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            return _voices(stored, hashlib.sha256(data).hexdigest())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); `ffe-edge train voices` writes it") from error
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is damaged ({error}); write it again with `ffe-edge train voices`") from error


def _voices(stored: Mapping[str, np.ndarray[Any, Any]], sha256: str) -> Voices:
    about: dict[str, Any] = json.loads(stored["about"].tobytes())
    names = stored["faces"].tobytes().decode().split("\n")
    probs = np.asarray(stored["probs"], np.float32)
    if about["version"] != VERSION or probs.shape != (len(names), len(about["labels"])):
        raise ValueError(f"version {about['version']}, {len(names)} faces, probabilities {probs.shape}")
    if not np.isfinite(probs).all() or (probs < 0).any():
        raise ValueError("a probability is none")
    return Voices(
        tuple(about["labels"]),
        about["teachers"],
        float(about["temperature"]),
        {name: place for place, name in enumerate(names)},
        probs / probs.sum(axis=1, keepdims=True),
        about["licence"],
        tuple(about["sets"]),
        People(frozenset(f"{line:016x}" for line in stored["people"].tolist()), about["all_people"]),
        sha256,
    )


def _as_bytes(text: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(text.encode(), np.uint8)
