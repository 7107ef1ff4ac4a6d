"""Those who agreed to be known, while the daemon runs: followed, forgotten, taken over by other settings."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ffe_edge.acquaintance import Acquaintances
from ffe_edge.commands import Answer
from ffe_edge.config import Config
from ffe_edge.errors import DataError, StoreError
from ffe_edge.people import forget_stored
from ffe_edge.service_telling import Telling

logger = logging.getLogger(__name__)


class Enrolled:
    """The residents of now, for the loop and for commands."""

    def __init__(self, config: Config, acquaintance: Acquaintances | None, telling: Callable[[], Telling]) -> None:
        """Put together.

        Args:
            config: the settings.
            acquaintance: knows people for the loop; None where nobody is known.
            telling: what events go through.
        """
        self._config = config
        self._acquaintance = acquaintance
        self._telling = telling
        self._is_failing = False

    def use(self, config: Config, acquaintance: Acquaintances | None) -> None:
        """Other settings hold from the next frame on. For the loop's thread."""
        before, self._config = self._acquaintance, config
        if acquaintance is before:
            return
        if acquaintance is not None:
            acquaintance.take_over(before)
        elif before is not None:
            before.close()
        self._acquaintance = acquaintance
        self._try_to_tell()

    def tend(self) -> None:
        """Follow the store and keep baselines; to be called about once a second by the loop's thread."""
        if self._acquaintance is not None:
            self._acquaintance.tend(time.monotonic())
        self._try_to_tell()

    def close(self) -> None:
        """Keep the baselines."""
        if self._acquaintance is not None:
            self._acquaintance.close()

    def forget(self, resident: str) -> Answer:
        """Forget a resident: the enrolment, and every event that names them. For any thread.

        Raises:
            DataError: there is none of this id, neither enrolled nor in an event.
            StoreError: the residents or the outbox cannot be used.
        """
        unknown = None
        try:
            was_enrolled = self._forget_enrolment(resident)
        except DataError as error:
            was_enrolled, unknown = False, error
        count = self._telling().forget(resident)
        self._tell()
        if unknown and not count:
            raise unknown
        what = "the enrolment and the events" if was_enrolled else "events"
        return Answer(ok=True, reason=f"{what} that name the resident are removed", count=count)

    def _forget_enrolment(self, resident: str) -> bool:
        acquaintance = self._acquaintance
        if acquaintance is None or acquaintance.enrolled is None:
            return forget_stored(self._config, resident)
        acquaintance.forget(resident)
        if self._acquaintance is not None and self._acquaintance is not acquaintance:  # a reload came between
            self._acquaintance.follow()
        return True

    def _try_to_tell(self) -> None:
        """Tell, again and again until the outbox can do it; said once."""
        try:
            self._tell()
        except StoreError as error:
            if not self._is_failing:
                logger.warning("events that name the forgotten are not removed yet: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False

    def _tell(self) -> None:
        self._telling().name_only(None if self._acquaintance is None else self._acquaintance.enrolled)
