"""The residents that a running node knows: their store, one recognition a camera, and what becomes of changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from ffe_edge.baseline import Resting
from ffe_edge.config import Config
from ffe_edge.privacy import PRIVACY_FILE, PrivacySwitch, sources
from ffe_edge.residents import Resident, RestingRecord
from ffe_edge.residents_enrol import forgotten
from ffe_edge.residents_file import STORE_FILE, ResidentStore
from ffe_edge.residents_key import create_key, key_path, read_key
from ffe_edge.residents_match import Gallery, Recognition, embedding_space, identity_threshold
from ffe_edge.spec import ModelSpec

logger = logging.getLogger(__name__)


def store_path(config: Config) -> Path:
    """Where the residents lie."""
    return config.residents.store or config.outbox.state_dir / STORE_FILE


def open_store(config: Config, *, create: bool = False) -> ResidentStore:
    """The store; with ``create`` a key is made where there is neither key nor store yet.

    Raises:
        StoreError: the key is missing or cannot be used, or `cryptography` is not installed.
    """
    path, key = store_path(config), key_path(config.residents, config.outbox.state_dir)
    return ResidentStore(path, create_key(key) if create and not path.exists() else read_key(key))


def forget_stored(config: Config, resident_id: str) -> bool:
    """Delete a resident where nobody is being recognised; whether there was one to delete.

    Raises:
        DataError: there is none of this id.
        StoreError: key or store cannot be used.
    """
    if not store_path(config).exists():
        return False
    open_store(config).change(lambda residents: forgotten(residents, resident_id))
    return True


def open_switch(config: Config) -> PrivacySwitch:
    """The privacy switch as the settings want it, with what commands asked for before."""
    state = config.outbox.state_dir / PRIVACY_FILE
    return PrivacySwitch(state, sources(config.privacy), check_seconds=config.privacy.check_seconds)


class People:
    """Those enrolled, for all cameras of a node."""

    def __init__(self, config: Config, spec: ModelSpec, sha256: str) -> None:
        """Open what is there.

        Raises:
            ModelError: the model cannot tell people apart.
            StoreError: key or store cannot be used.
        """
        self._settings = config.residents
        self._threshold = identity_threshold(spec)
        self._space = embedding_space(spec, sha256)
        self._store = open_store(config, create=True)
        self._stamp = self._store.stamp()
        residents = self._store.load()
        self.ids = frozenset(resident.id for resident in residents)
        """Of everybody enrolled."""
        self._gallery = self._gallery_of(residents)
        self._min_quality = config.events.min_quality
        self._recognitions: dict[str, Recognition] = {}

    @property
    def enrolled(self) -> int:
        """How many can be recognised."""
        return len(self._gallery)

    def recognition(self, camera_id: str) -> Recognition:
        """Who is who before one camera."""
        if camera_id not in self._recognitions:
            self._recognitions[camera_id] = Recognition(self._gallery, self._settings, min_quality=self._min_quality)
        return self._recognitions[camera_id]

    def leave(self, camera_id: str) -> None:
        """The camera is gone."""
        self._recognitions.pop(camera_id, None)

    def refresh(self) -> bool:
        """Take over what the command line has changed; True when it has. Cheap: one look at the file's time.

        Raises:
            StoreError: the store cannot be read any more; those known before stay known.
        """
        stamp = self._store.stamp()
        if stamp == self._stamp:
            return False
        self._use(self._store.load())
        self._stamp = stamp
        return True

    def forget(self, resident_id: str) -> None:
        """Delete a resident and stop recognising at once.

        Raises:
            DataError: there is none of this id.
            StoreError: the store cannot be written.
        """
        left = self._store.change(lambda residents: forgotten(residents, resident_id))
        self._use(left)
        self._stamp = self._store.stamp()

    def resting(self) -> dict[str, Resting]:
        """How residents read at rest, as far as it was kept."""
        kept = {resident.id: resident.resting for resident in self._store.load() if resident.model == self._space}
        return {
            resident: Resting(record.log_probs, record.negative_share, record.quiet_seconds)
            for resident, record in kept.items()
            if record is not None
        }

    def keep_resting(self, resting: Mapping[str, Resting]) -> None:
        """Keep how residents read at rest, encrypted with the rest of what is kept of them.

        Raises:
            StoreError: the store cannot be written.
        """
        self._store.change(lambda residents: tuple(self._with_resting(resident, resting) for resident in residents))
        self._stamp = self._store.stamp()

    def _with_resting(self, resident: Resident, resting: Mapping[str, Resting]) -> Resident:
        seen = resting.get(resident.id)
        if seen is None or resident.model != self._space:
            return resident
        record = RestingRecord(
            log_probs=seen.log_probs, negative_share=seen.negative_share, quiet_seconds=seen.quiet_seconds
        )
        return resident.model_copy(update={"resting": record})

    def _use(self, residents: tuple[Resident, ...]) -> None:
        self.ids = frozenset(resident.id for resident in residents)
        self._gallery = self._gallery_of(residents)
        for recognition in self._recognitions.values():
            recognition.use(self._gallery)

    def _gallery_of(self, residents: tuple[Resident, ...]) -> Gallery:
        gallery = Gallery(residents, space=self._space, threshold=self._threshold, margin=self._settings.margin)
        if gallery.outdated:
            logger.warning(
                "%d residents were enrolled with another model and are not recognised; enrol them again",
                gallery.outdated,
            )
        return gallery
