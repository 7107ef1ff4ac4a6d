"""Where models serve, as those see it who update them: the seam to the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from ffe_edge.updates.proving import Served
from ffe_edge.updates.trial import Checked


class Stage(Protocol):
    """For one thread."""

    @property
    def served(self) -> Served:
        """What a new model must have in common with the one that serves."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the one that stood by serves again; None while it need not."""
        ...

    def frames(self) -> Mapping[str, int]:
        """Frames taken so far, by camera, of those that give pictures and may be looked at."""
        ...

    def rehearse(self, path: Path | None, rest: Callable[[], None]) -> None:
        """Load a model, have its engine built, and let it read faces beside the one that serves.

        Args:
            path: of the model; None: that of the settings.
            rest: called while there is nothing to do but to wait; what it raises ends the rehearsal.

        Raises:
            FfeError: it cannot serve here.
        """
        ...

    def switch(self) -> Checked:
        """From the next batch on the rehearsed model serves, the one before stands by.

        Raises:
            ModelError: the loop does not answer.
        """
        ...

    def keep(self) -> None:
        """The one that stood by is not needed any more."""
        ...

    def back(self) -> None:
        """As it was before ``rehearse``, whatever has happened since."""
        ...


class Superseded(Exception):  # noqa: N818 - no error
    """Another release is wanted by now, or none."""


class TakenBack(Exception):  # noqa: N818 - no error
    """Somebody asks for the model before."""
