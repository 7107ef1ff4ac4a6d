"""Values that pass between the steps, and the seams where a step can be exchanged.

Shape letters, used in every docstring: B batch, N faces, K classes, D embedding size, H height, W width, C channels.
Images are ``uint8``, BGR, row-major, origin at the top left; boxes are ``xyxy`` in pixels; times are seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

Change = Literal["start", "change", "end"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a camera, with its time."""

    image: ImageArray
    """(H, W, 3) uint8 BGR."""
    index: int
    """Number of the frame since the source was opened, from 0."""
    seconds: float
    """Monotonic clock of a live source, position of a file: for durations."""
    captured_at: datetime
    """UTC, for the wire."""
    truth: str | None = None
    """The emotion a rendered person was told to show; None for every real camera."""

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"a frame's image must be (H, W, 3) uint8, not {self.image.shape} {self.image.dtype}")


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces of one frame, as parallel arrays. N = 0 is normal: nobody is there."""

    xyxy: FloatArray
    """(N, 4) float32, pixels."""
    confidence: FloatArray
    """(N,) float32 in [0, 1], of the detector."""
    landmarks: FloatArray | None
    """(N, 5, 2) float32, pixels, or None when the detector gives none. Order of the ArcFace template:
    image-left eye, image-right eye, nose tip, image-left and image-right corner of the mouth."""

    def __post_init__(self) -> None:
        count = len(self.confidence)
        if self.xyxy.shape != (count, 4) or self.confidence.shape != (count,):
            raise ValueError(f"boxes {self.xyxy.shape} do not fit confidences {self.confidence.shape}")
        if self.landmarks is not None and self.landmarks.shape != (count, 5, 2):
            raise ValueError(f"landmarks {self.landmarks.shape} do not fit {count} faces")

    def __len__(self) -> int:
        return len(self.confidence)

    def taken(self, which: npt.NDArray[Any]) -> Faces:
        """Some of the faces, by (N,) bool or by index."""
        landmarks = None if self.landmarks is None else self.landmarks[which]
        return Faces(self.xyxy[which], self.confidence[which], landmarks)

    @classmethod
    def none(cls) -> Faces:
        """An empty room."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model reads in a batch of crops."""

    probs: FloatArray
    """(B, K) float32, calibrated, each row sums to 1."""
    embedding: FloatArray | None
    """(B, D) float32 of L2 norm 1, or None where the model file gives none."""


@dataclass(frozen=True, slots=True)
class FaceReadings:
    """What was read in the N faces of one picture."""

    probs: FloatArray
    """(N, K) float32, calibrated, each row sums to 1."""
    quality: FloatArray
    """(N,) float32 in [0, 1]: how far each face can be trusted, by size, confidence, yaw and sharpness."""
    embeddings: FloatArray | None = None
    """(N, D) float32 of L2 norm 1, where they were asked for. They never leave the process."""

    def __len__(self) -> int:
        return len(self.probs)


@dataclass(frozen=True, slots=True)
class Track:
    """One person over time, as far as this camera can tell."""

    track_id: int
    """Unique within one run of one camera."""
    xyxy: FloatArray
    """(4,) float32, pixels."""
    probs: FloatArray
    """(K,) float32, smoothed over time, sums to 1."""
    quality: float
    """How far the face can be trusted, in [0, 1]: size, detector confidence, turned away."""
    frames: int
    """Frames in which the face was found and read by the model."""
    resident: str | None = None
    """Who it is, where somebody who consented was recognised."""


@dataclass(frozen=True, slots=True)
class EmotionEvent:
    """A change that a carer could care about: what happened, not yet how it is told."""

    change: Change
    """``start`` a person's first settled emotion, ``change`` another one, ``end`` the person has left."""
    track_id: int
    emotion: str
    """A label of the model, or ``uncertain``."""
    previous: str | None
    """The emotion before, None at the start."""
    held_seconds: float
    """How long ``previous`` lasted; 0 at the start."""
    confidence: float
    """Probability of ``emotion``; of the likeliest class when uncertain."""
    probs: tuple[float, ...]
    """(K,) smoothed probabilities in the order of the model's labels."""
    xyxy: tuple[float, float, float, float]
    quality: float
    seconds: float
    """Clock of the frame that settled it."""
    captured_at: datetime
    """UTC time of the frame that settled it."""
    resident: str | None = None
    """Who it is, where somebody who consented was recognised."""


class FrameSource(Protocol):
    """A camera or a file. Iterating ends when a file ends or after ``close``."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Release the device; a blocked iteration ends soon after. May be called from another thread."""
        ...


class FaceDetector(Protocol):
    """image (H, W, 3) uint8 BGR -> Faces."""

    name: str

    def __call__(self, image: ImageArray) -> Faces:
        """Find the faces; none is no error."""
        ...


class Runner(Protocol):
    """Crops (B, H, W, 3) uint8 BGR -> probs (B, K) float32."""

    backend: str
    """``onnxruntime``, ``openvino``, ``tensorrt`` or ``tensorrt-rtx``."""
    precision: str
    """``fp32``, ``fp16`` or ``int8``."""

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities of the crops."""
        ...

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities and embeddings of the crops."""
        ...


class Classifier(Protocol):
    """image and its faces -> probs (N, K) float32."""

    def __call__(self, image: ImageArray, faces: Faces) -> FloatArray:
        """Probabilities of each face."""
        ...


class Tracker(Protocol):
    """Who is who. Faces are found and read at different times; ids are those of the people."""

    @property
    def missed(self) -> frozenset[int]:
        """Numbers of those who were last looked for in vain."""
        ...

    def associate(self, faces: Faces, seconds: float, sought: Collection[int] | None = None) -> tuple[int, ...]:
        """The N faces' numbers; ``sought``: whom was looked for, None in a search of the whole picture."""
        ...

    def due(self, seconds: float, period_seconds: float, settled_seconds: float | None = None) -> frozenset[int]:
        """Numbers of those whose face was not read for so long; another time for those who have not changed."""
        ...

    def expected(self, track_ids: Collection[int], seconds: float) -> FloatArray:
        """(M, 4) where these people's faces should be now."""
        ...

    def read(
        self,
        track_ids: Sequence[int],
        faces: Faces,
        probs: FloatArray,
        values: FloatArray,
        seconds: float,
        residents: Sequence[str | None] | None = None,
    ) -> None:
        """Take in (N, K) probabilities and (N,) qualities of N associated faces."""
        ...

    def present(self, seconds: float) -> tuple[Track, ...]:
        """Everybody counted as present whose face was read."""
        ...

    def clear(self) -> None:
        """Everybody is gone."""
        ...
