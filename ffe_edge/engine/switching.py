"""The runner that the pipeline holds while the one behind it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ffe_edge.engine.model import Model
from ffe_edge.errors import ModelError
from ffe_edge.types import FloatArray, ImageArray, Reading

Result = TypeVar("Result")


class SwitchingRunner:
    """Serves with one model and takes another between two batches; a model that fails gives way to the standby."""

    def __init__(self, standby: Model) -> None:
        self.on_failure: Callable[[str], None] = lambda _reason: None
        """Called with the reason, in the serving thread, when the standby had to step in."""
        self._standby = standby
        self.swap(standby)

    @property
    def model(self) -> Model:
        """What serves now."""
        return self._model

    def swap(self, model: Model) -> None:
        """From the next batch on this one serves. For any thread: one assignment is atomic."""
        self._model = model
        self.backend, self.precision = model.run.backend, model.run.precision

    def replace(self, model: Model) -> None:
        """From the next batch on this one serves, and nothing else stands by."""
        self._standby = model
        self.swap(model)

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Probabilities (B, K) of the crops."""
        return self._serve(lambda model: model.run(crops))

    def read(self, crops: ImageArray) -> Reading:
        """Probabilities and embeddings of the crops."""
        return self._serve(lambda model: model.run.read(crops))

    def _serve(self, answer: Callable[[Model], Result]) -> Result:
        model = self._model
        try:
            return answer(model)
        except ModelError as error:
            if model is self._standby:
                raise
            self.swap(self._standby)
            self.on_failure(str(error))
            return answer(self._standby)
