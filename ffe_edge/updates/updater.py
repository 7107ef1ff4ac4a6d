"""Follows the desired model, in one thread.

What the phases mean is in docs/updates.md. Whatever ends the process, at whatever moment: the model that ``current``
names serves at the next start, and a release that was on its way is gone on with, a few times.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from ffe_edge.background import Background
from ffe_edge.commands import Answer
from ffe_edge.engine.build_process import Stopped
from ffe_edge.errors import FfeError, ModelError
from ffe_edge.updates.attempt import RATE_SECONDS, TICK_SECONDS, Attempt
from ffe_edge.updates.book import Book, taken_back
from ffe_edge.updates.deciding import Rules, Verdict, decide
from ffe_edge.updates.inbox import Inbox
from ffe_edge.updates.ledger import ROLLBACK_FILE, TAKEN_FILE, Ledger, Slot
from ffe_edge.updates.manifest import ModelState, Opened
from ffe_edge.updates.stage import Stage, Superseded, TakenBack
from ffe_edge.updates.trial import Rates

logger = logging.getLogger(__name__)

MAX_TRIALS: Final = 3
"""A release with which the daemon came to no end so often, killed or crashed, is abandoned."""


class Updater(Background):
    """Brings the desired model to the stage, and the one before back."""

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules,
        inbox: Inbox,
        stage: Stage,
        tell: Callable[[ModelState], None],
        rate_seconds: float = RATE_SECONDS,
    ) -> None:
        """Prepare; nothing happens before ``start``.

        Args:
            ledger: held for us.
            rules: of the settings.
            inbox: what is wished.
            stage: where models serve.
            tell: told each change.
            rate_seconds: over which frames a second are compared.
        """
        super().__init__("model-updates")
        self._rate_seconds = rate_seconds
        self._book = Book(ledger, tell)
        self._rules = rules
        self._inbox = inbox
        self._stage = stage
        self._rates = Rates()
        self._sampled_seconds = 0.0
        self._rollback_file = ledger.folder / ROLLBACK_FILE
        self._taken_file = ledger.folder / TAKEN_FILE
        self._going_back = threading.Event()

    def cancel(self) -> None:
        """End soon. For any thread."""
        super().cancel()
        self._inbox.wake()

    def roll_back(self) -> Answer:
        """Go back to the model before, soon. For any thread."""
        state = self._book.state
        if state.current is None and state.target is None:
            return Answer(ok=False, reason="no updated model serves or is on its way")
        try:
            self._rollback_file.touch(mode=0o600)  # a daemon that is killed now goes back at its next start
        except OSError:
            self._going_back.set()
        self._inbox.wake()
        return Answer(ok=True, reason="the model before comes back; model/state says when")

    def _run(self) -> None:
        self._book.tell()
        self._book.ledger.sweep()
        self._resume_request()
        with suppress(Stopped):
            self._and_back(self._resume)
            while True:
                self._and_back(self._turn)

    def _and_back(self, work: Callable[[], None]) -> None:
        try:
            work()
        except TakenBack:
            self._take_request()
            self._go_back()
            self._remove(self._taken_file)

    def _resume(self) -> None:
        """Go on where the last run was ended."""
        state = self._book.state
        if state.target is None or state.release is None:
            return
        try:
            wish = self._rules.opened(state.target.encode())
        except ModelError as error:
            self._book.fail(state.release, str(error))
            return
        if state.trials >= MAX_TRIALS:
            reason = f"the daemon ended {state.trials} times while it was tried out: it is abandoned"
            self._book.fail(state.release, reason)
            return
        self._follow(wish)

    def _turn(self) -> None:
        self._rest(TICK_SECONDS)
        verdict = self._verdict()
        if verdict.kind == "wait":
            self._book.note("idle", verdict.reason, verdict.release)
        elif verdict.kind == "refuse":
            self._book.note("refused", verdict.reason, verdict.release)
        elif verdict.kind == "same":
            self._serves_already(verdict)
        elif verdict.kind == "begin" and verdict.wish:
            self._follow(verdict.wish)

    def _verdict(self) -> Verdict:
        return decide(self._inbox.wishes, self._book.state, self._rules)

    def _serves_already(self, verdict: Verdict) -> None:
        """The same model may be signed anew: it is known by its newest counter then, for going back, too."""
        state, release = self._book.state, verdict.release
        if release is None or state.current is None or (state.phase, state.release) == ("active", release):
            return
        counted = {"counter": release.counter, "counter_sha256": release.sha256}
        self._book.try_to_write(
            phase="active", reason=None, release=release,
            current=state.current.model_copy(update={"counter": release.counter}),
            **(counted if release.counter > state.counter else {}),
        )  # fmt: skip

    def _follow(self, wish: Opened) -> None:
        attempt = Attempt(wish, self._book, self._rules, self._stage, self._rates, self._rest, self._rate_seconds)
        if not attempt.run():  # which has done what was asked for
            self._going_back.clear()
            self._remove(self._rollback_file)

    def _rest(self, seconds: float, wish: Opened | None = None) -> None:
        """Wait, and look round.

        Raises:
            Stopped: the daemon stops.
            TakenBack: somebody asks for the model before.
            Superseded: another release than this one is wanted, or it was withdrawn.
        """
        if seconds:
            self._inbox.rest(seconds)
        if self._stopping.is_set():
            raise Stopped
        if self._going_back.is_set() or self._rollback_file.exists():
            raise TakenBack
        now = time.monotonic()
        if now - self._sampled_seconds < TICK_SECONDS / 2:
            return
        self._sampled_seconds = now
        self._rates.add(now, self._stage.frames())
        if wish is not None and self._is_superseded(wish):
            raise Superseded

    def _is_superseded(self, wish: Opened) -> bool:
        if self._inbox.is_withdrawn:
            return True
        wanted = self._verdict().release
        return wanted is not None and wanted != wish.release

    def _go_back(self) -> None:
        """To the model before; to that of the settings where there is none, or it cannot be used."""
        state = self._book.state
        if state.current is None:
            return
        for slot in dict.fromkeys((state.previous, None)):
            if self._serves_again(slot):
                self._book.try_to_write(**taken_back(state, slot))
                self._book.ledger.sweep()
                return
        self._book.note(state.phase, "no other model can be loaded: this one goes on", state.release)

    def _serves_again(self, slot: Slot | None) -> bool:
        try:
            self._stage.rehearse(self._book.ledger.path_of(slot), self._rest_no_more)
            self._stage.switch()
            self._stage.keep()
        except FfeError as error:
            self._stage.back()
            logger.warning("%s cannot come back: %s", slot.name if slot else "the model of the settings", error)
            return False
        return True

    def _rest_no_more(self) -> None:
        self._inbox.rest(TICK_SECONDS)
        if self._stopping.is_set():
            raise Stopped

    def _take_request(self) -> None:
        """From now on another one would be a new one. Until it is done, it is written down what is gone back from."""
        current = self._book.state.current
        self._going_back.clear()
        with suppress(OSError):
            self._taken_file.write_text(current.sha256 if current else "", encoding="ascii")
        self._remove(self._rollback_file)  # on a full disk, too: or it would be asked for twice

    def _resume_request(self) -> None:
        """A daemon that was ended while it went back goes on with that, unless it was done."""
        current = self._book.state.current
        with suppress(OSError):
            if current is not None and self._taken_file.read_text(encoding="ascii") == current.sha256:
                self._going_back.set()
                return
        self._remove(self._taken_file)

    @staticmethod
    def _remove(path: Path) -> None:
        with suppress(OSError):
            path.unlink(missing_ok=True)
