"""From looks at a person who agreed to a resident. No picture is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from pydantic import ValidationError

from ffe_edge.align import align
from ffe_edge.errors import DataError, ModelError
from ffe_edge.quality import quality
from ffe_edge.residents import MAX_LOOKS, Agreement, Resident, new_resident_id
from ffe_edge.residents_match import template
from ffe_edge.types import Faces, FloatArray, ImageArray, Runner

MIN_LOOKS: Final = 3
WANTED_LOOKS: Final = 12
MIN_QUALITY: Final = 0.5


def agreed(name: str, consent: str) -> Agreement:
    """The agreement, checked before anybody is looked at.

    Raises:
        DataError: the name or the consent is missing, too short, or no plain text.
    """
    try:
        return Agreement(name=name.strip(), consent=consent.strip())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        what = str(first["loc"][0])
        raise DataError(f"{what}: {first['msg']}; give a name, and say who gave the consent, when and how") from error


class Looks:
    """Collects embeddings of the one face in each picture."""

    def __init__(self, detect: Callable[[ImageArray], Faces], run: Runner, size_px: int) -> None:
        self._detect = detect
        self._run = run
        self._size_px = size_px
        self._found: list[FloatArray] = []
        self._refused: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._found)

    def take(self, images: Iterable[ImageArray], *, wanted: int = WANTED_LOOKS) -> None:
        """Look at pictures until there are enough good ones.

        Raises:
            ModelError: the model gives no embedding.
        """
        for image in images:
            faces = self._detect(image)
            if reason := _why_not(faces):
                self._refused[reason] += 1
                continue
            embedding = self._run.read(align(image, faces, self._size_px)).embedding
            if embedding is None:
                raise ModelError("the model gives no embedding; export it again")
            self._found.append(embedding[0])
            if len(self._found) >= min(wanted, MAX_LOOKS):
                return

    def embeddings(self, *, threshold: float) -> FloatArray:
        """(M, D) of one person.

        Raises:
            DataError: too few good pictures, or of more than one person.
        """
        if len(self._found) < MIN_LOOKS:
            refused = ", ".join(f"{count} {reason}" for reason, count in self._refused.most_common()) or "no pictures"
            raise DataError(
                f"{len(self._found)} good pictures of the face, {MIN_LOOKS} are needed ({refused}); take more, from"
                " the front and alone"
            )
        found = np.stack(self._found)
        if (found @ template(found.tolist())).min() < threshold:
            raise DataError("the pictures do not all show one person; take out those of others")
        return found


def _why_not(faces: Faces) -> str | None:
    if len(faces) != 1:
        return "with several faces" if len(faces) else "without a face"
    return None if quality(faces)[0] >= MIN_QUALITY else "small, unsure or turned away"


def enrolled(
    residents: Sequence[Resident],
    *,
    agreement: Agreement,
    model: str,
    embeddings: FloatArray,
    threshold: float,
    now: datetime,
) -> tuple[Resident, ...]:
    """The residents and one more, the last.

    Raises:
        DataError: the name is taken, or the face is already enrolled.
    """
    if any(resident.name == agreement.name for resident in residents):
        raise DataError("a resident of this name is already enrolled; forget that one first, or add a word to the name")
    ours = template(embeddings.tolist())
    for other in residents:
        if other.model == model and float(template(other.embeddings) @ ours) >= threshold:
            raise DataError(f"this face is already enrolled as {other.id}; forget that one first")
    new = Resident(
        id=new_resident_id(),
        name=agreement.name,
        consent=agreement.consent,
        enrolled_at=now,
        model=model,
        embeddings=tuple(tuple(map(float, look)) for look in embeddings),
    )
    return (*residents, new)


def forgotten(residents: Sequence[Resident], who: str) -> tuple[Resident, ...]:
    """The residents without the one of this id or name.

    Raises:
        DataError: there is none.
    """
    left = tuple(resident for resident in residents if who not in (resident.id, resident.name))
    if len(left) == len(residents):
        raise DataError("there is no such resident; see `ffe-edge resident list`")
    return left
