"""One release, from its address to the end of its probation: each step is written down before it is taken."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ffe_edge.engine.build_process import Stopped
from ffe_edge.errors import FfeError, ModelError, PinError
from ffe_edge.fetch_file import Way
from ffe_edge.updates.book import BY_COMMAND, Book
from ffe_edge.updates.deciding import Rules
from ffe_edge.updates.ledger import Slot
from ffe_edge.updates.manifest import Opened
from ffe_edge.updates.proving import bring_down, move, prove
from ffe_edge.updates.stage import Stage, Superseded, TakenBack
from ffe_edge.updates.trial import Checked, Rates, collapsed

logger = logging.getLogger(__name__)

RATE_SECONDS: Final = 10.0
"""The span of a comparison: longer than hiccups, shorter than a probation."""
MAX_WAIT_SECONDS: Final = 600.0
"""Between two tries to fetch."""
TICK_SECONDS: Final = 0.5


class Attempt:
    """Follows one wish."""

    def __init__(
        self,
        wish: Opened,
        book: Book,
        rules: Rules,
        stage: Stage,
        rates: Rates,
        rest: Callable[[float, Opened | None], None],
        rate_seconds: float = RATE_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            wish: what is followed.
            book: what is written.
            rules: of the settings.
            stage: where models serve.
            rates: how many frames a second the loop takes; filled by ``rest``.
            rest: waits so many seconds; raises when the daemon stops, when somebody wants the model before, and, given
                a wish, when another one is wanted.
            rate_seconds: over which frames a second are compared.
        """
        self._wish, self._release = wish, wish.release
        self._book = book
        self._rules = rules
        self._settings = rules.config.model_updates
        self._stage = stage
        self._rates = rates
        self._rest = rest
        self._window_seconds = min(rate_seconds, self._settings.probation_seconds / 2)

    def run(self) -> bool:
        """To the end, good or bad; False where somebody took it back meanwhile, which is written down.

        Raises:
            Stopped: the daemon stops; the next run goes on.
        """
        state, release = self._book.state, self._release
        trials = state.trials if state.target is not None and state.release == release else 0
        try:
            self._begin(trials)
            self._try_out(self._brought())
        except Superseded:
            self._stage.back()
            self._book.try_to_write(phase="idle", reason="it is not wanted any more", target=None, trials=0)
        except Stopped:
            self._stage.back()
            self._book.try_to_write(trials=trials)  # a stop that was asked for is no crash
            raise
        except TakenBack:
            self._stage.back()
            self._book.fail(release, BY_COMMAND, "rolled-back")
            return False
        except FfeError as error:
            self._stage.back()
            self._book.fail(release, str(error))
        return True

    def _begin(self, trials: int) -> None:
        release = self._release
        logger.info("model update %s %d begins", release.name, release.counter)
        self._book.write(
            phase="downloading", reason=None, release=release, target=self._wish.payload.decode(), trials=trials,
            counter=release.counter, counter_sha256=release.sha256,
        )  # fmt: skip
        self._book.ledger.sweep()

    def _brought(self) -> Path:
        """The folder in which all its files lie, fetched for as long as it takes."""
        ledger, manifest = self._book.ledger, self._wish.manifest
        home = ledger.home_of(self._release)
        folder = home if home.exists() else ledger.staging(manifest)
        allow_http = self._rules.allows_http(manifest.url)
        way = Way(self._settings.ca_file, lambda _more: self._rest(0.0, self._wish), allow_http=allow_http)
        for tries in itertools.count():
            if (trouble := self._trouble_with(folder, way)) is None:
                break
            wait = min(MAX_WAIT_SECONDS, 2.0 ** min(tries, 16)) * random.uniform(0.5, 1.0)
            self._book.note("downloading", trouble, self._release)
            self._rest(wait, self._wish)
        return folder

    def _trouble_with(self, folder: Path, way: Way) -> str | None:
        """Why not all files are there yet; None when they are.

        Raises:
            PinError: they will never be.
        """
        try:
            bring_down(self._wish.manifest, folder, self._rules.keys, way)
        except PinError:
            raise
        except ModelError as error:
            return str(error)
        return None

    def _try_out(self, folder: Path) -> None:
        book, manifest = self._book, self._wish.manifest
        book.write(phase="verifying", reason=None, trials=book.state.trials + 1)
        prove(folder, manifest, self._stage.served, self._rules.keys, self._rules.config.model.threads)
        self._rest(0.0, self._wish)
        slot = Slot(**dict(self._release), file=manifest.file)
        if folder != book.ledger.home_of(slot):
            move(folder, book.ledger.home_of(slot))
        book.write(phase="building", reason=None)
        before = self._steady_rates()
        self._stage.rehearse(book.ledger.path_of(slot), lambda: self._rest(TICK_SECONDS, self._wish))
        book.write(phase="probation", reason=None)
        self._watch(self._stage.switch(), before)
        book.write(phase="active", reason=None, target=None, trials=0, current=slot, previous=book.state.current)
        self._stage.keep()
        book.ledger.sweep()
        logger.info("model update %s %d serves", self._release.name, self._release.counter)

    def _steady_rates(self) -> Mapping[str, float]:
        """Frames a second before anything is changed; none where no camera gives pictures."""
        until = time.monotonic() + 1.5 * self._window_seconds
        while not (rates := self._rates.over(self._window_seconds)) and time.monotonic() < until:
            self._rest(TICK_SECONDS, self._wish)
        return rates

    def _watch(self, model: Checked, before: Mapping[str, float]) -> None:
        """Until the probation is over.

        Raises:
            ModelError: it failed, or the loop does not keep up.
        """
        self._rates.clear()
        settings, over = self._settings, time.monotonic() + self._settings.probation_seconds
        while time.monotonic() < over or model.looks < settings.probation_looks:
            if time.monotonic() >= over:
                self._book.note("probation", "waits for more faces in view", self._release)
            self._rest(TICK_SECONDS, None)
            slow = collapsed(before, self._rates.over(self._window_seconds), settings.min_fps_share)
            if reason := self._stage.trouble or slow:
                raise ModelError(reason)
