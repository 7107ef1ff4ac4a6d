"""What the pipeline is told of people in view: probabilities against each one's rest, and who agreed to be known."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ffe_edge.baseline import Baselines
from ffe_edge.config import Config
from ffe_edge.errors import StoreError
from ffe_edge.people import People
from ffe_edge.spec import ModelSpec
from ffe_edge.types import FaceReadings, FloatArray

logger = logging.getLogger(__name__)

LEFT_SECONDS: Final = 30.0
"""Not met for so long, somebody has left."""
REFRESH_SECONDS: Final = 2.0
"""How often the command line's changes to the residents are looked for."""
KEEP_SECONDS: Final = 600.0
"""How often residents' baselines are written."""


class Acquaintances:
    """Of all cameras. May be asked from the loop and told to forget from another thread."""

    def __init__(self, config: Config, labels: Sequence[str], people: People | None = None) -> None:
        """Put together; ``people`` is None where nobody is to be recognised."""
        self._people = people
        self._min_quality = config.events.min_quality
        self._baselines = Baselines(labels, config.baseline) if config.baseline.enabled else None
        self._met: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()
        self._due = {self._refresh: 0.0, self._keep: KEEP_SECONDS}
        self._is_failing = False
        self._remember()

    @property
    def enrolled(self) -> frozenset[str] | None:
        """Ids of those who may be named; None where nobody is recognised."""
        return None if self._people is None else self._people.ids

    @classmethod
    def from_config(cls, config: Config, spec: ModelSpec, sha256: str) -> Acquaintances | None:
        """What the settings ask for; None: nobody is to be known.

        Raises:
            ModelError: residents are to be recognised by a model that cannot.
            StoreError: the residents cannot be read.
        """
        if not (config.residents.recognise or config.baseline.enabled):
            return None
        people = People(config, spec, sha256) if config.residents.recognise else None
        return cls(config, spec.labels, people)

    def meet(
        self, camera_id: str, track_ids: Sequence[int], readings: FaceReadings, seconds: float
    ) -> tuple[FloatArray, Sequence[str | None]]:
        """Take in what was read in N faces of one picture.

        Args:
            camera_id: whose picture.
            track_ids: of the N faces.
            readings: of the N faces, with embeddings where residents are recognised.
            seconds: clock of the frame.

        Returns:
            (N, K) probabilities against each person's rest, and the residents' ids, None for the unknown.
        """
        with self._lock:
            self._let_go(camera_id, seconds)
            self._met.update({(camera_id, track_id): seconds for track_id in track_ids})
            residents = self._recognised(camera_id, track_ids, readings)
            return self._against_rest(camera_id, track_ids, residents, readings, seconds), residents

    def forget(self, resident: str) -> None:
        """Forget a resident: the enrolment, the baseline, the name of whoever is in view.

        Raises:
            DataError: there is none of this id.
            StoreError: the store cannot be written.
        """
        with self._lock:
            if self._people is not None:
                self._people.forget(resident)
            if self._baselines is not None:
                self._baselines.forget(resident)

    def leave(self, camera_id: str) -> None:
        """A camera is gone, and whoever was in its view."""
        with self._lock:
            self._let_go(camera_id, float("inf"))
            if self._people is not None:
                self._people.leave(camera_id)

    def follow(self) -> None:
        """Take over what has changed in the store, at once."""
        with self._lock:
            self._try(self._refresh)

    def take_over(self, before: Acquaintances | None) -> None:
        """Serve instead of another, which is closed: go on with what it has kept, and without whom it has forgotten."""
        if before is not None:
            before.close()
        with self._lock:
            self._try(self._refresh)
            self._try(self._remember)

    def tend(self, seconds: float) -> None:
        """Follow the store and keep the baselines, each when it is due; to be called about once a second.

        A store that fails is told once; those known stay known.
        """
        with self._lock:
            if self._people is None:
                return
            for task in [task for task, due in self._due.items() if seconds >= due]:
                self._try(task)
            self._due = {
                task: due if seconds < due else seconds + (REFRESH_SECONDS if task == self._refresh else KEEP_SECONDS)
                for task, due in self._due.items()
            }

    def close(self) -> None:
        """Keep the baselines."""
        with self._lock:
            self._try(self._keep)

    def _recognised(self, camera_id: str, track_ids: Sequence[int], readings: FaceReadings) -> list[str | None]:
        if self._people is None or readings.embeddings is None:
            return [None] * len(track_ids)
        recognition = self._people.recognition(camera_id)
        recognition.look(track_ids, readings.embeddings, readings.quality.tolist())
        named = recognition.named()
        return [named.get(track_id) for track_id in track_ids]

    def _against_rest(
        self,
        camera_id: str,
        track_ids: Sequence[int],
        residents: Sequence[str | None],
        readings: FaceReadings,
        seconds: float,
    ) -> FloatArray:
        if self._baselines is None:
            return readings.probs
        told = np.array(readings.probs, np.float32)
        for row, (track_id, resident) in enumerate(zip(track_ids, residents, strict=True)):
            if readings.quality[row] >= self._min_quality:
                told[row] = self._baselines.look((camera_id, track_id), resident, readings.probs[row], seconds)
        return told

    def _let_go(self, camera_id: str, seconds: float) -> None:
        """Forget who left this camera, or whose camera began its clock anew."""
        left = [
            track
            for track, met in self._met.items()
            if track[0] == camera_id and not 0 <= seconds - met <= LEFT_SECONDS
        ]
        for track in left:
            del self._met[track]
            if self._people is not None:
                self._people.recognition(camera_id).leave(track[1])
            if self._baselines is not None:
                self._baselines.leave(track)

    def _remember(self) -> None:
        if self._people is not None and self._baselines is not None:
            self._baselines.remember(self._people.resting())

    def _refresh(self) -> None:
        if self._people is not None and self._people.refresh() and self._baselines is not None:
            for resident in set(self._baselines.resting()) - self._people.ids:
                self._baselines.forget(resident)

    def _keep(self) -> None:
        if self._people is not None and self._baselines is not None and (resting := self._baselines.resting()):
            self._people.keep_resting(resting)

    def _try(self, task: Callable[[], None]) -> None:
        try:
            task()
        except StoreError as error:
            if not self._is_failing:
                logger.warning("%s", error)
            self._is_failing = True
        else:
            self._is_failing = False
