"""How far a build is, out of the phases within phases that TensorRT tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Phase:
    name: str
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """Adds the phases of a build up to one share of the whole.

    A phase within another one is a part of the step that the outer one is at. The share never falls.
    """

    def __init__(self, progress: Callable[[str, float], None]) -> None:
        self._progress = progress
        self._open: dict[str, _Phase] = {}
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of so many steps begins."""
        self._open[name] = _Phase(name, parent, max(steps, 1))
        self._tell(name)

    def step(self, name: str, step: int) -> None:
        """A step, counted from 0, is done."""
        if phase := self._open.get(name):
            phase.done = min(max(step + 1, phase.done), phase.steps)
            self._tell(name)

    def finish(self, name: str) -> None:
        """The phase is over, even if steps are left."""
        if phase := self._open.get(name):
            phase.done = phase.steps
            self._tell(name)
            del self._open[name]

    def monitor(self, trt: Any) -> Any:
        """An ``IProgressMonitor`` of the runtime that tells these phases."""

        def init(self: Any) -> None:
            trt.IProgressMonitor.__init__(self)

        def step_complete(_: Any, name: str, step: int) -> bool:
            self.step(name, step)
            return True

        methods = {
            "__init__": init,
            "phase_start": lambda _, name, parent, steps: self.start(name, parent, steps),
            "step_complete": step_complete,
            "phase_finish": lambda _, name: self.finish(name),
        }
        return type("Monitor", (trt.IProgressMonitor,), methods)()

    def _tell(self, name: str) -> None:
        self._share = max(self._share, self._share_of_root(name))
        self._progress(name, self._share)

    def _share_of_root(self, name: str) -> float:
        """The share of the outermost phase, if the named one is what it is busy with."""
        part, seen, at = 0.0, set[str](), self._open.get(name)
        while at is not None and at.name not in seen:
            seen.add(at.name)
            part = min((at.done + part) / at.steps, 1.0)
            at = self._open.get(at.parent) if at.parent else None
        return part
