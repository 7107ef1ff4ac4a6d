"""What commands from the broker do to the daemon. They run in the network thread and must not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ffe_edge.commands import Answer, Command, Forget, Pause, Privacy, Reload, Replay, Resume, Rollback
from ffe_edge.service_house import House
from ffe_edge.service_people import Enrolled
from ffe_edge.service_telling import Telling


class Obeying:
    """Does what a command asks for."""

    def __init__(
        self,
        house: House,
        enrolled: Enrolled,
        telling: Callable[[], Telling],
        reload: Callable[[], bool] | None,
        roll_back: Callable[[], Answer],
    ) -> None:
        """Put together.

        Args:
            house: the privacy switch.
            enrolled: the residents.
            telling: the outbox and the broker.
            reload: reads the settings again; None where there is no file.
            roll_back: asks for the model before the last update.
        """
        self._house = house
        self._enrolled = enrolled
        self._telling = telling
        self._reload = reload
        self._roll_back = roll_back

    def __call__(self, command: Command) -> Answer:
        """Do it, or raise an ``FfeError`` whose words are the reason that is answered."""
        if isinstance(command, (Pause, Resume)):
            self._house.set(on=isinstance(command, Pause), camera_id=command.camera, why="pause")
            return Answer(ok=True, reason="paused" if isinstance(command, Pause) else "the pause is over")
        if isinstance(command, Privacy):
            self._house.set(on=command.state == "on", camera_id=command.camera, why="command")
            return Answer(ok=True, reason=f"privacy {command.state}")
        if isinstance(command, Replay):
            return self._telling().replay(command.since_sequence)
        if isinstance(command, Forget):
            return self._enrolled.forget(command.resident)
        if isinstance(command, Rollback):
            return self._roll_back()
        return self._reloaded(command)

    def _reloaded(self, _command: Reload) -> Answer:
        if self._reload is None:
            return Answer(ok=False, reason="this daemon was not started in a way that it can read settings again")
        threading.Thread(target=self._reload, name="reload", daemon=True).start()
        return Answer(ok=True, reason="the settings are being read again; the log says what came of it")
