"""ONNX Runtime serves at once; whether OpenVINO is faster is measured beside, once for each model and machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ffe_edge.background import Background
from ffe_edge.engine.build_process import Stopped, run_build
from ffe_edge.engine.chosen import remembered
from ffe_edge.engine.model import ModelSource, circumstances_of, load_source
from ffe_edge.engine.switching import SwitchingRunner
from ffe_edge.errors import ModelError
from ffe_edge.memory import give_back

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 15.0
"""The first pictures, events and the broker come first."""
DEADLINE_SECONDS: Final = 600.0


class Measuring(Background):
    """Has the CPU runtimes measured by a process of its own, and changes to OpenVINO where that is faster."""

    def __init__(
        self,
        serving: SwitchingRunner,
        source: ModelSource,
        threads: int,
        state_dir: Path,
        command: Sequence[str],
        on_change: Callable[[], None],
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        """Prepare; nothing happens before ``start``.

        Args:
            serving: serves with ONNX Runtime, and gets OpenVINO where that is faster.
            source: the model.
            threads: of the runtime.
            state_dir: where the choice is kept.
            command: measures and keeps the choice.
            on_change: called from another thread when OpenVINO serves.
            quiet_seconds: nothing is measured before.
        """
        super().__init__("measuring")
        self._serving = serving
        self._source: ModelSource | None = source
        self._threads = threads
        self._state_dir = state_dir
        self._command = command
        self._on_change = on_change
        self._quiet_seconds = quiet_seconds

    def _run(self) -> None:
        source, self._source = self._source, None
        if source is None or self._stopping.wait(self._quiet_seconds):
            return
        try:
            run_build(self._command, {}, None, self._stopping, DEADLINE_SECONDS, "comparison of CPU runtimes")
            self._take(source)
        except Stopped:
            logger.debug("the comparison of CPU runtimes was ended")
        except ModelError as error:
            logger.warning("onnxruntime serves on, it is not known whether openvino is faster: %s", error)

    def _take(self, source: ModelSource) -> None:
        """Serve as it was chosen.

        Raises:
            ModelError: nothing was chosen, or OpenVINO cannot serve.
        """
        choice = remembered(circumstances_of(source, self._threads), self._state_dir)
        if choice is None:
            raise ModelError(f"{self._state_dir}: the comparison was not kept there; see `ffe-edge doctor`")
        if choice.backend == "onnxruntime" or self._stopping.is_set():
            logger.info("onnxruntime serves on (%s)", choice.why)
            return
        self._serving.replace(load_source(source, self._threads, choice=choice))
        give_back()  # ONNX Runtime's session is gone
        logger.info("openvino serves from now on (%s)", choice.why)
        self._on_change()
